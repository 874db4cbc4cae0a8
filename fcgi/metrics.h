/*
 * Metrics in the Prometheus text format (version 0.0.4), summed over all
 * children of all pools of the host.
 */
#ifndef ASHLAR_METRICS_H
#define ASHLAR_METRICS_H

#include <stdint.h>

#include "fcgi/buf.h"

/* The route number of requests that no route answered. */
enum { METRICS_NO_ROUTE = -1 };

/* Count a finished request. */
void metrics_count(int route_index, int status, int64_t duration_ns);

/* Count n jobs that have ended: 0 completed, 1 to be tried again, 2 failed, 3 lost. */
void metrics_count_jobs(int outcome, uint64_t n, int64_t run_ns);

/* Count a job that was claimed, and how long it had waited. */
void metrics_count_wait(double wait_ms);

/* Count an attempt to deliver a webhook: 0 delivered, 1 to be tried again, 2 failed, 3 gone (410). */
void metrics_count_delivery(int outcome, int64_t ms);

/* Write all metrics. */
void metrics_write(struct buf *b);

#endif
