/*
 * A span's attributes as readers see them: dotted keys become objects and arrays.
 *
 *	{"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Tide?"}
 *	{"gen_ai": {"prompt": [{"role": "user", "content": "Tide?"}]}}
 */
#ifndef ASHLAR_SPAN_ATTRIBUTES_H
#define ASHLAR_SPAN_ATTRIBUTES_H

#include <stdbool.h>

struct json_object;

/*
 * The nested form of an object with dotted keys; owned (json_object_put), and parts of it may be the flat
 * one's.
 *
 * A part that 0 follows begins an array, any other an object.  Keys are taken in the order of their bytes,
 * and what does not fit what is there is left out: a digit alone in an object, anything below a plain value,
 * an index beyond 999.  A plain text gen_ai.prompt becomes [{"content": …, "role": "user"}].
 */
struct json_object *span_attributes_expand(struct json_object *flat);

/* What a span is by its nested attributes: "request", "agent", "tool" or "other"; NULL: it has none. */
const char *span_attributes_type(struct json_object *nested);

/* Do the flat attributes say that it called a model? */
bool span_attributes_have_metrics(struct json_object *flat);

#endif
