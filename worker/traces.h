/*
 * Traces that are over.
 *
 * Once an hour "traces.expire" makes the days ahead, drops those days of spans and of log records whose class
 * is kept no longer (TRACES_FREE_DAYS, TRACES_PRO_DAYS, TRACES_ENTERPRISE_DAYS), removes what is known of
 * their traces, and logs and objects that were stored beside them before that, and of projects that are
 * deleted everything; "traces.forget" does that of one, {"project_id": …}, when it is deleted.
 *
 * With ClickHouse "traces.sum" makes, once a minute, the sums of hours into which nothing comes any more, or
 * something came late; "traces.expire" those that it has left.
 */
#ifndef WORKER_TRACES_H
#define WORKER_TRACES_H

#include "worker/job.h"

extern const struct job_kind traces_expire_job, traces_forget_job, traces_sum_job;

/* Is traces.sum to be on schedule? */
bool traces_are_summed(void);

#endif
