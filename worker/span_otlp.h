/*
 * Spans as OTLP has them (opentelemetry-proto, trace.proto): a whole request to export them, in
 * JSON and in protobuf, both written straight from the spans.
 */
#ifndef WORKER_SPAN_OTLP_H
#define WORKER_SPAN_OTLP_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/host/span.h"
#include "worker/otel.h"

void span_otlp_json(struct buf *b, const struct otel_pair *resource, const struct span *spans, size_t n);
void span_otlp_protobuf(struct buf *b, const struct otel_pair *resource, const struct span *spans, size_t n);

/* One span alone, as it is in span_otlp_json. */
void span_otlp_json_one(struct buf *b, const struct span *s);

/*
 * Of the answer to one, a body of n bytes: how many spans were refused (partial_success), and why, in *why; 0
 * where it says nothing, or what it is cannot be told.
 */
int64_t span_otlp_rejected(struct arena *a, const char *body, size_t n, const char **why);

/* A span's flags: those of W3C, and whether its parent is another program's. */
static inline uint32_t span_otlp_flags(const struct span *s)
{
	return 1 | 0x100 | (s->is_remote ? 0x200 : 0);
}

#endif
