#include "providers/ai_wire.h"

#include <json-c/json.h>
#include <strings.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"

enum { MAX_MESSAGE = 500 };

static bool hand_on(struct ai_reading *r, const struct ai_delta *d)
{
	if (!r->ask->take)
		return true;
	r->out->was_taken = true;
	return r->ask->take(r->ask->to, d) || ai_wire_fail(r, AI_GONE, NULL);
}

bool ai_wire_text(struct ai_reading *r, const char *p, size_t n)
{
	if (!n)
		return true;
	buf_add(&r->out->text, p, n);
	return hand_on(r, &(struct ai_delta){ .kind = AI_DELTA_TEXT, .p = p, .n = n });
}

bool ai_wire_call(struct ai_reading *r, const char *id, const char *name)
{
	struct ai_answer *out = r->out;
	struct ai_call *c;

	if (out->ncalls == AI_MAX_CALLS)
		return ai_wire_fail(r, AI_FAILED, "too many calls of tools");
	c = &out->calls[out->ncalls];
	c->id = arena_dup(r->arena, id ? id : arena_fmt(r->arena, "call_%zu", out->ncalls));
	c->name = arena_dup(r->arena, name ? name : "");
	buf_init(&c->arguments, r->arena, 64);
	out->ncalls++;
	if (r->is_forced)
		return true;
	return hand_on(
		r, &(struct ai_delta){
			   .kind = AI_DELTA_CALL, .call = out->ncalls - 1, .id = c->id, .name = c->name });
}

bool ai_wire_arguments(struct ai_reading *r, size_t call, const char *p, size_t n)
{
	if (r->is_forced)
		return call || ai_wire_text(r, p, n);
	if (call >= r->out->ncalls || !n)
		return true;
	buf_add(&r->out->calls[call].arguments, p, n);
	return hand_on(r, &(struct ai_delta){ .kind = AI_DELTA_ARGUMENTS, .call = call, .p = p, .n = n });
}

bool ai_wire_fail(struct ai_reading *r, enum ai_error e, const char *message)
{
	r->out->error = e;
	if (message)
		r->out->message = arena_dup_n(r->arena, message, strnlen(message, MAX_MESSAGE));
	return false;
}

enum ai_error ai_wire_words(const char *message, enum ai_error otherwise)
{
	static const char *const too_long[] = { "context length",  "context_length",  "prompt is too long",
						"maximum context", "too many tokens", "context window" };
	static const char *const filtered[] = { "content management policy", "content_filter",
						"safety system" };

	for (size_t i = 0; message && i < sizeof(too_long) / sizeof(*too_long); i++)
		if (strcasestr(message, too_long[i]))
			return AI_CONTEXT;
	for (size_t i = 0; message && i < sizeof(filtered) / sizeof(*filtered); i++)
		if (strcasestr(message, filtered[i]))
			return AI_FILTERED;
	return otherwise;
}

long long ai_wire_int(struct json_object *object, const char *name, const char *inner)
{
	struct json_object *value = json_at(object, name, inner);

	if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
		return 0;
	return json_object_get_int64(value) < 0 ? 0 : json_object_get_int64(value);
}

void ai_wire_object(struct buf *b, const char *text)
{
	const char *problem = NULL;
	struct json_object *value;

	if (text && !json_read_any(b->arena, text, strlen(text), &value, &problem) &&
	    json_object_is_type(value, json_type_object))
		jx_json(b, text, strlen(text));
	else
		buf_text(b, "{}");
}
