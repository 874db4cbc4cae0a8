/*
 * The span of one attempt to deliver a webhook, a part of the trace of the request that made the message, and
 * the traceparent that goes along.
 */
#ifndef WORKER_DELIVERY_TRACE_H
#define WORKER_DELIVERY_TRACE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct http_answer;
struct http_call;
struct span;
struct webhook;

/*
 * In front of webhook_call, which sends what this puts into w; maker is the traceparent that the message was
 * made with, or NULL.  The span is a's; NULL: nothing is recorded.
 */
struct span *delivery_trace_begin(struct arena *a, struct webhook *w, const char *maker);

/* What came of it.  s may be NULL. */
void delivery_trace_end(struct span *s, const struct webhook *w, const struct http_call *call,
			const struct http_answer *answer, enum err rc);

#endif
