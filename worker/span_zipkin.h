/*
 * Spans in version 2 of Zipkin's JSON: an array of them.  What Zipkin has no word for is a tag, as
 * OpenTelemetry maps it; links it cannot tell of.
 */
#ifndef WORKER_SPAN_ZIPKIN_H
#define WORKER_SPAN_ZIPKIN_H

#include "lib/base/buf.h"
#include "lib/host/span.h"
#include "worker/otel.h"

void span_zipkin_json(struct buf *b, const struct otel_pair *resource, const struct span *spans, size_t n);

#endif
