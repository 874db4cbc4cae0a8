/*
 * Automatic top-ups: the job "topup" pays one, "topups.sweep" goes on with those that have come to no end.
 */
#ifndef WORKER_TOPUPS_H
#define WORKER_TOPUPS_H

#include "worker/job.h"

extern const struct job_kind topup_job, topups_sweep_job;

#endif
