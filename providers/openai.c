#include "providers/openai.h"

#include <json-c/json.h>
#include <math.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"

enum { MAX_TEXT = 64 << 20 };

/*
 * What is asked
 */

static bool has_only_text(const struct ai_message *m)
{
	for (size_t i = 0; i < m->nparts; i++)
		if (m->parts[i].kind == AI_IMAGE)
			return false;
	return true;
}

static void write_image(struct buf *b, const struct ai_part *part)
{
	buf_text(b, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
	if (part->media_type)
		jx_str(b, arena_fmt(b->arena, "data:%s;base64,%s", part->media_type, part->text));
	else
		jx_str(b, part->text);
	buf_text(b, "}}");
}

/* Texts stand one below the other, where they have to be one. */
static void write_text(struct buf *b, const struct ai_message *m)
{
	struct buf text;

	buf_init(&text, b->arena, 256);
	for (size_t i = 0; i < m->nparts; i++) {
		if (m->parts[i].kind != AI_TEXT)
			continue;
		if (text.n)
			buf_char(&text, '\n');
		buf_text(&text, m->parts[i].text);
	}
	jx_text(b, text.p, text.n);
}

static void write_content(struct buf *b, const struct ai_message *m)
{
	if (has_only_text(m)) {
		write_text(b, m);
		return;
	}
	buf_char(b, '[');
	for (size_t i = 0; i < m->nparts; i++) {
		if (m->parts[i].kind == AI_IMAGE) {
			jx_next(b), write_image(b, &m->parts[i]);
		} else if (m->parts[i].kind == AI_TEXT) {
			jx_next(b);
			buf_text(b, "{\"type\":\"text\"");
			jx_key_str(b, "text", m->parts[i].text);
			buf_char(b, '}');
		}
	}
	buf_char(b, ']');
}

static size_t count(const struct ai_message *m, enum ai_part_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nparts; i++)
		n += m->parts[i].kind == kind;
	return n;
}

static void write_calls(struct buf *b, const struct ai_message *m)
{
	jx_key_open(b, "tool_calls", '[');
	for (size_t i = 0; i < m->nparts; i++) {
		const struct ai_part *part = &m->parts[i];

		if (part->kind != AI_CALL)
			continue;
		jx_next(b);
		buf_char(b, '{');
		jx_key_str(b, "id", part->id);
		jx_key_str(b, "type", "function");
		jx_key_open(b, "function", '{');
		jx_key_str(b, "name", part->name);
		jx_key_str(b, "arguments", part->text ? part->text : "{}");
		buf_text(b, "}}");
	}
	buf_char(b, ']');
}

/* What tools said is a message each, in front of what the user says beside it. */
static void write_results(struct buf *b, const struct ai_message *m)
{
	for (size_t i = 0; i < m->nparts; i++) {
		if (m->parts[i].kind != AI_RESULT)
			continue;
		jx_next(b);
		buf_text(b, "{\"role\":\"tool\"");
		jx_key_str(b, "tool_call_id", m->parts[i].id);
		jx_key_str(b, "content", m->parts[i].text);
		buf_char(b, '}');
	}
}

static void write_message(struct buf *b, const struct ai_message *m)
{
	static const char *const roles[] = { "system", "user", "assistant" };
	size_t calls = count(m, AI_CALL), results = count(m, AI_RESULT);

	write_results(b, m);
	if (results && results == m->nparts)
		return;
	jx_next(b);
	buf_char(b, '{');
	jx_key_str(b, "role", roles[m->role]);
	jx_key(b, "content");
	if (calls && calls == m->nparts)
		jx_null(b);
	else
		write_content(b, m);
	if (calls)
		write_calls(b, m);
	buf_char(b, '}');
}

static void write_tools(struct buf *b, const struct ai_ask *ask)
{
	static const char *const choices[] = { "auto", "none", "required" };

	jx_key_open(b, "tools", '[');
	for (size_t i = 0; i < ask->ntools; i++) {
		jx_next(b);
		buf_text(b, "{\"type\":\"function\",\"function\":{");
		jx_key_str(b, "name", ask->tools[i].name);
		jx_key_str(b, "description", ask->tools[i].about);
		jx_key(b, "parameters"), ai_wire_object(b, ask->tools[i].schema);
		buf_text(b, "}}");
	}
	buf_char(b, ']');
	if (ask->choice == AI_NAMED) {
		jx_key(b, "tool_choice");
		buf_text(b, "{\"type\":\"function\",\"function\":{");
		jx_key_str(b, "name", ask->chosen);
		buf_text(b, "}}");
	} else if (ask->choice != AI_AUTO) {
		jx_key_str(b, "tool_choice", choices[ask->choice]);
	}
}

static void write_numbers(struct buf *b, const struct ai_ask *ask, const struct ai_model *m)
{
	bool thinks = m->can & AI_CAN_THINK;

	if (ask->max_tokens)
		jx_key_int(b, thinks ? "max_completion_tokens" : "max_tokens", ask->max_tokens);
	if (!isnan(ask->temperature) && !thinks)
		jx_key(b, "temperature"), jx_double(b, ask->temperature);
	if (!isnan(ask->top_p) && !thinks)
		jx_key(b, "top_p"), jx_double(b, ask->top_p);
	if (ask->stop && *ask->stop) {
		jx_key_open(b, "stop", '[');
		for (const char *const *s = ask->stop; *s; s++)
			jx_next(b), jx_str(b, *s);
		buf_char(b, ']');
	}
}

void openai_write_common(struct buf *b, const struct ai_ask *ask, const struct ai_model *m)
{
	jx_key_str(b, "model", m->name);
	jx_key_open(b, "messages", '[');
	for (size_t i = 0; i < ask->nmessages; i++)
		write_message(b, &ask->messages[i]);
	buf_char(b, ']');
	write_numbers(b, ask, m);
	if (ask->ntools)
		write_tools(b, ask);
	if (ask->schema) {
		jx_key(b, "response_format");
		buf_text(b, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"schema\":");
		ai_wire_object(b, ask->schema);
		buf_text(b, "}}");
	} else if (ask->is_json) {
		jx_key(b, "response_format");
		buf_text(b, "{\"type\":\"json_object\"}");
	}
	if (ask->take)
		jx_key(b, "stream"), jx_bool(b, true);
}

static void write(struct buf *b, const struct ai_ask *ask, const struct ai_model *m)
{
	buf_char(b, '{');
	openai_write_common(b, ask, m);
	if (ask->take) {
		jx_key(b, "stream_options");
		buf_text(b, "{\"include_usage\":true}");
	}
	buf_char(b, '}');
}

/*
 * What comes back
 */

static void read_usage(struct ai_reading *r, struct json_object *said)
{
	struct json_object *usage = json_at(said, "usage", NULL);

	if (!json_object_is_type(usage, json_type_object))
		return;
	/* Of a stream each says the whole. */
	r->has_usage = true;
	r->out->input = ai_wire_int(usage, "prompt_tokens", NULL);
	r->out->output = ai_wire_int(usage, "completion_tokens", NULL);
	r->out->cached = ai_wire_int(usage, "prompt_tokens_details", "cached_tokens");
}

static void read_finish(struct ai_reading *r, struct json_object *choice)
{
	const char *why = json_text(json_at(choice, "finish_reason", NULL), 50);

	if (!why)
		return;
	r->has_finished = true;
	r->out->finish = !strcmp(why, "length")                                        ? AI_LENGTH
			 : !strcmp(why, "tool_calls") || !strcmp(why, "function_call") ? AI_CALLS
			 : !strcmp(why, "content_filter")                              ? AI_FILTER
										       : AI_STOP;
}

static bool read_text(struct ai_reading *r, struct json_object *message)
{
	static const char *const members[] = { "content", "refusal" };

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		const char *text = json_text(json_at(message, members[i], NULL), MAX_TEXT);

		if (text && !ai_wire_text(r, text, strlen(text)))
			return false;
	}
	return true;
}

/* A call, or in a stream a piece of one: what begins has an id, and its place says which it is. */
static bool read_call(struct ai_reading *r, struct json_object *call, size_t place)
{
	const char *arguments = json_text(json_at(call, "function", "arguments"), MAX_TEXT);
	struct json_object *index = json_at(call, "index", NULL);

	if (json_object_is_type(index, json_type_int))
		place = (size_t)json_object_get_int64(index);
	if (place == r->out->ncalls && !ai_wire_call(r, json_text(json_at(call, "id", NULL), 200),
						     json_text(json_at(call, "function", "name"), 200)))
		return false;
	return !arguments || ai_wire_arguments(r, place, arguments, strlen(arguments));
}

static bool read_calls(struct ai_reading *r, struct json_object *message)
{
	struct json_object *calls = json_at(message, "tool_calls", NULL);
	size_t n = json_object_is_type(calls, json_type_array) ? json_object_array_length(calls) : 0;

	for (size_t i = 0; i < n; i++)
		if (!read_call(r, json_object_array_get_idx(calls, i), i))
			return false;
	return true;
}

static struct json_object *first_choice(struct json_object *said)
{
	struct json_object *choices = json_at(said, "choices", NULL);

	return json_object_is_type(choices, json_type_array) ? json_object_array_get_idx(choices, 0) : NULL;
}

bool openai_read(struct ai_reading *r, struct json_object *said)
{
	struct json_object *choice = first_choice(said), *message = json_at(choice, "message", NULL);

	if (!json_object_is_type(message, json_type_object))
		return ai_wire_fail(r, AI_FAILED, NULL);
	read_usage(r, said);
	read_finish(r, choice);
	r->has_finished = r->has_ended = true;
	return read_text(r, message) && read_calls(r, message);
}

bool openai_event(struct ai_reading *r, struct json_object *said)
{
	struct json_object *choice = first_choice(said), *delta = json_at(choice, "delta", NULL);

	if (json_object_is_type(json_at(said, "error", NULL), json_type_object))
		return ai_wire_fail(r, openai_refusal(r, 500, said), NULL);
	read_usage(r, said);
	if (!choice)
		return true;
	if (!read_text(r, delta) || !read_calls(r, delta))
		return false;
	read_finish(r, choice);
	return true;
}

enum ai_error openai_refusal(struct ai_reading *r, int status, struct json_object *said)
{
	struct json_object *error = json_at(said, "error", NULL);
	const char *code = json_text(json_at(error, "code", NULL), 100),
		   *type = json_text(json_at(error, "type", NULL), 100);
	const char *message = json_text(json_at(error, "message", NULL), 10000);
	bool is_broke = (code && !strcmp(code, "insufficient_quota")) ||
			(type && !strcmp(type, "insufficient_quota"));

	ai_wire_fail(r, AI_FAILED, message);
	if (status == 401 || status == 403 || is_broke)
		return AI_AUTH;
	if (status == 429 || (code && !strcmp(code, "rate_limit_exceeded")))
		return AI_RATE_LIMIT;
	if (status == 503 || status == 529 ||
	    (type && (!strcmp(type, "overloaded_error") || !strcmp(type, "server_overloaded"))))
		return AI_OVERLOADED;
	if ((code && !strcmp(code, "context_length_exceeded")) || status == 413)
		return AI_CONTEXT;
	if (code && (!strcmp(code, "content_filter") || !strcmp(code, "content_policy_violation")))
		return AI_FILTERED;
	if (status == 400 || status == 422)
		return ai_wire_words(message, AI_BAD_REQUEST);
	return AI_FAILED;
}

const struct ai_wire openai_wire = { "openai", write, openai_read, openai_event, openai_refusal };
