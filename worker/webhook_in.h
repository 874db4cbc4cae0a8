/*
 * The job that processes a received webhook.
 */
#ifndef WORKER_WEBHOOK_IN_H
#define WORKER_WEBHOOK_IN_H

#include "worker/job.h"

extern const struct job_kind webhook_in_job;

#endif
