/* Any text: a traceparent, and a tracestate; and what is made of one is one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/trace_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char state[TRACE_CONTEXT_STATE], again[TRACE_CONTEXT_STATE], parent[TRACE_CONTEXT_TEXT];
	struct trace_context c, same;
	struct arena a;
	const char *text;

	arena_init(&a, 4096);
	text = arena_dup_n(&a, data, n);
	if (trace_context_read(text, &c)) {
		trace_context_write(&c, parent);
		if (!trace_context_read(parent, &same) || memcmp(&c, &same, sizeof(c)) != 0)
			abort();
	}
	if (trace_context_state(text, state) != (*state != '\0') || strpbrk(state, "\r\n"))
		abort();
	if (*state && (!trace_context_state(state, again) || strcmp(state, again) != 0))
		abort();
	arena_release(&a);
	return 0;
}
