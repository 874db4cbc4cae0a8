/*
 * Tasks of members; see worker/job.h.
 */
#ifndef WORKER_TASKS_H
#define WORKER_TASKS_H

#include "worker/job.h"

/* Tell assignees of tasks that are due within a day, or have been: tasks_due(). */
extern const struct job_kind tasks_due_job;

#endif
