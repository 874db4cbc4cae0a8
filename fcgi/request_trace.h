/*
 * A request's place in a trace: its ids, which its log lines have in any case, and, with
 * OTEL_ENABLED, its span, by OpenTelemetry's conventions for HTTP servers.
 *
 * What a span tells of a request is its row and numbers, and never what a client wrote: no query, no
 * header, and of the path what is an id.
 */
#ifndef ASHLAR_REQUEST_TRACE_H
#define ASHLAR_REQUEST_TRACE_H

#include "lib/host/span.h"

struct req;

/* A request's, while another one is served inside of it. */
struct request_trace_kept {
	struct span own;
	struct span_place place;
	char state[TRACE_CONTEXT_STATE];
};
void request_trace_aside(struct request_trace_kept *kept);
void request_trace_back(const struct request_trace_kept *kept);

/* As soon as the headers are there: go on with the trace that they name, or begin one. */
void request_trace_begin(struct req *rq);

/* As soon as its row is known: there are some that are never traced (UNTRACED). */
void request_trace_routed(struct req *rq);

/* The answer is sent. */
void request_trace_end(struct req *rq);

#endif
