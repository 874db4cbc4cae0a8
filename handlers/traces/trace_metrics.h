/*
 * What traces come to, as the list of a project and a trace itself show it: TraceMetrics.
 */
#ifndef ASHLAR_TRACE_METRICS_H
#define ASHLAR_TRACE_METRICS_H

#include <libpq-fe.h>

#include "fcgi/field.h"
#include "lib/base/buf.h"

extern const struct field trace_metrics_out[];

/* The reader's times in nanoseconds since 1970 as RFC 3339 with microseconds. */
void trace_metrics_time(struct buf *b, int64_t ns);

/* Write the object from the columns of the same names in a row. */
void trace_metrics_write(struct buf *b, const PGresult *res, int row);

#endif
