/*
 * Which spans a project keeps: rules, of which the first that is about a span decides.
 *
 * A rule is about the spans whose name begins so and that have such an attribute.  It
 * keeps those with an error, those that took longer, and of the others a part that goes
 * by the trace's id: so of one trace all such spans are kept or none, whichever host of
 * whichever request they came in by.
 */
#ifndef HANDLERS_TRACES_SAMPLER_H
#define HANDLERS_TRACES_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "handlers/traces/otlp_span.h"
#include "lib/base/arena.h"

enum { SAMPLER_RULES = 16, SAMPLER_TEXT = 128 /* bytes of a name, a key or a value */ };

struct sampler {
	int n;
	struct sampler_rule {
		char name_prefix[SAMPLER_TEXT + 1], attribute[SAMPLER_TEXT + 1], value[SAMPLER_TEXT + 1];
		bool has_value, keeps_errors;
		int64_t slower_than_ms; /* below 0: no matter how long */
		double ratio;
	} rules[SAMPLER_RULES];
};

/* Read rules, as the column of trace_sampling has them; NULL or what is none: all is kept. */
void sampler_read(struct arena *a, const char *json, struct sampler *out);

/* Is the span kept?  sampler is a struct sampler: this is otlp_batch's keeps. */
bool sampler_keeps(void *sampler, const struct otlp_span *span);

#endif
