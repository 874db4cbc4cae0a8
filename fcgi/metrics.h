/*
 * Metrics in the Prometheus text format (version 0.0.4), summed over all
 * children of all pools of the host.
 */
#ifndef ASHLAR_METRICS_H
#define ASHLAR_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/buf.h"

/* The route number of requests that no route answered. */
enum {
	METRICS_NO_ROUTE = -1,
	METRICS_ROUTES = 2048, /* counted apart; the last place is for those behind */
	METRICS_REALTIME = 16, /* realtime processes of the host */
};

/* What a realtime process tells once a second. */
struct metrics_realtime {
	_Atomic int32_t pid; /* 0: free */
	_Atomic uint64_t connections, streams, subscriptions;
	_Atomic uint64_t opened, received, delivered, dropped, slow;
};

/* A place that is free, this process's now: pid is to be 0 again when it ends.  NULL: there is none. */
struct metrics_realtime *metrics_realtime_take(void);

/* A number that stands for the routes and their order, for shm_map(). */
uint64_t metrics_version(void);

/* Count a finished request. */
void metrics_count(int route_index, int status, int64_t duration_ns);

/* How many of those of the last METRICS_REFUSALS_S seconds were refused as too many. */
enum { METRICS_REFUSALS_S = 60 };
uint64_t metrics_refusals(void);

/* Count n jobs that have ended: 0 completed, 1 to be tried again, 2 failed, 3 lost. */
void metrics_count_jobs(int outcome, uint64_t n, int64_t run_ns);

/* Count a job that was claimed, and how long it had waited. */
void metrics_count_wait(double wait_ms);

/* Count an attempt to deliver a webhook: 0 delivered, 1 to be tried again, 2 failed, 3 gone (410). */
void metrics_count_delivery(int outcome, int64_t ms);

/* Write all metrics. */
void metrics_write(struct buf *b);

#endif
