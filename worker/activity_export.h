/*
 * Jobs about exports of activity: "activity.export" makes one, "activity.exports" is by the clock, for files
 * that are over and for exports whose job has died.
 */
#ifndef WORKER_ACTIVITY_EXPORT_H
#define WORKER_ACTIVITY_EXPORT_H

#include "worker/job.h"

extern const struct job_kind activity_export_job, activity_exports_job;

#endif
