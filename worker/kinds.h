/*
 * The lists of what a worker can do: all kinds of jobs, what runs by the clock,
 * and what queues bring along.
 */
#ifndef WORKER_KINDS_H
#define WORKER_KINDS_H

#include "worker/job.h"

/* All kinds, ending with a NULL. */
extern const struct job_kind *const job_kinds[];

/* NULL: unknown; such a job is put back for a worker of another release, which may know it (jobs_unknown). */
const struct job_kind *kinds_find(const char *name);

/*
 * What runs again and again, in the default tenant: every worker process makes
 * sure of it when it starts (job_schedule_set), and one of them all runs it.
 */
struct job_schedule {
	const char *queue, *kind;
	const char *cron;        /* five fields, UTC; or NULL */
	long every_ms;           /* or so often */
	bool (*is_wanted)(void); /* by these settings; NULL: it is */
};

extern const struct job_schedule job_schedules[]; /* ends with a NULL queue */

/* A process that a queue brings along, beside the children. */
struct worker_lane {
	const char *queue;
	void (*run)(void); /* does not return; ends on SIGTERM */
};

extern const struct worker_lane worker_lanes[]; /* ends with a NULL queue */

#endif
