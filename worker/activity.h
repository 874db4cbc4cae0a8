/*
 * "activity.months": months of activity to come are made, and what is older than ACTIVITY_MONTHS goes.
 */
#ifndef WORKER_ACTIVITY_H
#define WORKER_ACTIVITY_H

#include "worker/job.h"

extern const struct job_kind activity_months_job;

#endif
