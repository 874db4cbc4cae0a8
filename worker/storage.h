/*
 * Jobs about stored objects: "storage.remove", the content of one that is gone;
 * "storage.expire", uploads that were never confirmed; "storage.compare", what lies on this
 * machine with what there is.
 */
#ifndef WORKER_STORAGE_H
#define WORKER_STORAGE_H

#include "worker/job.h"

extern const struct job_kind storage_remove_job, storage_expire_job, storage_compare_job;

#endif
