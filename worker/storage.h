/* Jobs of kind "storage.remove": the content of an object that is gone. */
#ifndef WORKER_STORAGE_H
#define WORKER_STORAGE_H

#include "worker/job.h"

extern const struct job_kind storage_remove_job;

#endif
