/*
 * What a span says of a language model's use, in the words of several conventions:
 * tokens, model, what it cost, and of which conversation it is.
 *
 * Money is integer ten-millionths of a dollar.  What the span says that it cost is
 * what it cost; else tokens have the prices of the registry (providers/ai_model.h), and
 * an unknown model costs nothing.  Each amount is rounded once, half up.
 */
#ifndef HANDLERS_TRACES_COUNTERS_H
#define HANDLERS_TRACES_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "handlers/traces/otlp_span.h"
#include "lib/base/arena.h"

enum {
	COUNTERS_MAX_MODEL = 255,
	COUNTERS_MAX_SESSION = 200,
	COUNTERS_MAX_TAGS = 20,
	COUNTERS_MAX_TAG = 100, /* bytes */
};

struct counters {
	int64_t prompt, completion, cache_read, reasoning, total; /* tokens */
	int64_t prompt_cost, completion_cost, total_cost;
	struct otlp_text model, session; /* the span's own bytes; empty: it names none */
	struct otlp_text tags;           /* a JSON array of texts, the arena's; empty: it has none */
	bool is_call;                    /* it says of tokens or costs: of a model's call */
	bool is_cut;                     /* there were more tags, or longer ones */
};

/* Read a span's attributes; those that are no numbers, or absurd ones, count as not there. */
void counters_read(struct arena *a, const struct otlp_span *span, struct counters *out);

#endif
