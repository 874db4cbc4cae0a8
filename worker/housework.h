/*
 * Kinds of jobs that are about jobs; see worker/job.h.
 */
#ifndef WORKER_HOUSEWORK_H
#define WORKER_HOUSEWORK_H

#include "worker/job.h"

/* Nothing, for benchmarks and to see whether a worker works: one by one, many at once, with a statement. */
extern const struct job_kind job_noop, job_noop_batch, job_noop_sql;

/* Delete jobs that ended long ago: jobs_purge(). */
extern const struct job_kind job_retention;

/* Switch memberships off whose time is over: memberships_end(). */
extern const struct job_kind job_memberships_end;

#endif
