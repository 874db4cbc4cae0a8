#include "worker/delivery_trace.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/host/span.h"
#include "lib/net/http_trace.h"
#include "providers/webhook.h"

struct span *delivery_trace_begin(struct arena *a, struct webhook *w, const char *maker)
{
	struct trace_context context;
	bool has_maker = trace_context_read(maker, &context), is_recorded;
	char text[TRACE_CONTEXT_TEXT];
	struct span *s;

	if (!span_is_on)
		return NULL;
	s = arena_alloc(a, sizeof(*s));
	is_recorded = span_of(s, SPAN_CLIENT, "POST", has_maker ? &context : NULL, clock_ns());
	if (is_recorded) {
		memcpy(context.trace, s->trace, sizeof(context.trace));
		memcpy(context.span, s->id, sizeof(context.span));
		context.is_sampled = true;
	}
	if (is_recorded || has_maker) {
		trace_context_write(&context, text);
		w->traceparent = arena_dup(a, text);
	}
	return is_recorded ? s : NULL;
}

void delivery_trace_end(struct span *s, const struct webhook *w, const struct http_call *call,
			const struct http_answer *answer, enum err rc)
{
	if (!s)
		return;
	span_text(s, SPAN_TENANT, w->tenant);
	span_text(s, SPAN_MESSAGING_ID, w->message_id);
	http_trace(s, call, answer, rc);
	span_put(s, clock_ns());
}
