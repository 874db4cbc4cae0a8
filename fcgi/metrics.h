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

/* Write all metrics. */
void metrics_write(struct buf *b);

#endif
