/*
 * Sign-ups that a client follows are finished by the job "signup", and those that whoever began them did not
 * finish are undone by it.
 */
#ifndef WORKER_SIGNUP_H
#define WORKER_SIGNUP_H

#include "worker/job.h"

extern const struct job_kind signup_job, signup_sweep_job;

#endif
