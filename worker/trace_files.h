/*
 * The job "traces.forget_files": logs and objects of a project that was deleted.
 */
#ifndef WORKER_TRACE_FILES_H
#define WORKER_TRACE_FILES_H

#include "worker/job.h"

extern const struct job_kind trace_files_job;

#endif
