#include "providers/anthropic.h"

#include <json-c/json.h>
#include <math.h>

#include "lib/base/json.h"
#include "lib/base/jx.h"

enum { MAX_TEXT = 64 << 20 };

/*
 * What is asked
 */

static void write_image(struct buf *b, const struct ai_part *part)
{
	jx_key_open(b, "source", '{');
	jx_key_str(b, "type", part->media_type ? "base64" : "url");
	jx_key_str(b, "media_type", part->media_type);
	jx_key_str(b, part->media_type ? "data" : "url", part->text);
	buf_char(b, '}');
}

static void write_part(struct buf *b, const struct ai_part *part)
{
	static const char *const types[] = { "text", "image", "tool_use", "tool_result" };

	buf_char(b, '{');
	jx_key_str(b, "type", types[part->kind]);
	switch (part->kind) {
	case AI_TEXT: jx_key_str(b, "text", part->text); break;
	case AI_IMAGE: write_image(b, part); break;
	case AI_CALL:
		jx_key_str(b, "id", part->id);
		jx_key_str(b, "name", part->name);
		jx_key(b, "input"), ai_wire_object(b, part->text);
		break;
	case AI_RESULT:
		jx_key_str(b, "tool_use_id", part->id);
		jx_key_str(b, "content", part->text);
		if (part->is_error)
			jx_key(b, "is_error"), jx_bool(b, true);
		break;
	}
	buf_char(b, '}');
}

/* Texts must not be empty there. */
static bool says_something(const struct ai_part *part)
{
	return part->kind != AI_TEXT || *part->text;
}

/* What tools said comes first in a message; messages of one role that follow each other are one. */
static void write_messages(struct buf *b, const struct ai_ask *ask)
{
	bool is_open = false;
	enum ai_role last = AI_SYSTEM;

	jx_key_open(b, "messages", '[');
	for (size_t i = 0; i < ask->nmessages; i++) {
		const struct ai_message *m = &ask->messages[i];

		if (m->role == AI_SYSTEM)
			continue;
		if (!is_open || m->role != last) {
			if (is_open)
				buf_text(b, "]}");
			jx_next(b);
			buf_char(b, '{');
			jx_key_str(b, "role", m->role == AI_USER ? "user" : "assistant");
			jx_key_open(b, "content", '[');
		}
		is_open = true;
		last = m->role;
		for (size_t k = 0; k < m->nparts; k++)
			if (says_something(&m->parts[k]))
				jx_next(b), write_part(b, &m->parts[k]);
	}
	if (is_open)
		buf_text(b, "]}");
	buf_char(b, ']');
}

static void write_system(struct buf *b, const struct ai_ask *ask)
{
	struct buf text;

	buf_init(&text, b->arena, 256);
	for (size_t i = 0; i < ask->nmessages; i++)
		for (size_t k = 0; ask->messages[i].role == AI_SYSTEM && k < ask->messages[i].nparts; k++) {
			if (text.n)
				buf_text(&text, "\n\n");
			buf_text(&text, ask->messages[i].parts[k].text);
		}
	if (text.n)
		jx_key_str(b, "system", buf_str(&text));
}

static void write_tools(struct buf *b, const struct ai_ask *ask)
{
	static const char *const choices[] = { "auto", "none", "any", "tool" };

	jx_key_open(b, "tools", '[');
	for (size_t i = 0; i < ask->ntools; i++) {
		jx_next(b);
		buf_char(b, '{');
		jx_key_str(b, "name", ask->tools[i].name);
		jx_key_str(b, "description", ask->tools[i].about);
		jx_key(b, "input_schema"), ai_wire_object(b, ask->tools[i].schema);
		buf_char(b, '}');
	}
	buf_char(b, ']');
	if (ask->choice == AI_AUTO)
		return;
	jx_key_open(b, "tool_choice", '{');
	jx_key_str(b, "type", choices[ask->choice]);
	if (ask->choice == AI_NAMED)
		jx_key_str(b, "name", ask->chosen);
	buf_char(b, '}');
}

static void write(struct buf *b, const struct ai_ask *ask, const struct ai_model *m)
{
	long long most = ask->max_tokens ? ask->max_tokens : ANTHROPIC_MAX_TOKENS;

	buf_char(b, '{');
	jx_key_str(b, "model", m->name);
	jx_key_int(b, "max_tokens", most > m->max_output ? m->max_output : most);
	write_system(b, ask);
	write_messages(b, ask);
	/* 0 to 1 there, where others have 0 to 2; of the two only one may be said. */
	if (!isnan(ask->temperature))
		jx_key(b, "temperature"), jx_double(b, ask->temperature > 1 ? 1 : ask->temperature);
	else if (!isnan(ask->top_p))
		jx_key(b, "top_p"), jx_double(b, ask->top_p);
	if (ask->stop && *ask->stop) {
		jx_key_open(b, "stop_sequences", '[');
		for (const char *const *s = ask->stop; *s; s++)
			jx_next(b), jx_str(b, *s);
		buf_char(b, ']');
	}
	if (ask->ntools)
		write_tools(b, ask);
	if (ask->take)
		jx_key(b, "stream"), jx_bool(b, true);
	buf_char(b, '}');
}

/*
 * What comes back
 */

/* What it says is the whole so far; of what a later event leaves out the earlier one's stands. */
static void read_usage(struct ai_reading *r, struct json_object *usage)
{
	long long made = ai_wire_int(usage, "cache_creation_input_tokens", NULL),
		  cached = ai_wire_int(usage, "cache_read_input_tokens", NULL);

	if (!json_object_is_type(usage, json_type_object))
		return;
	if (json_at(usage, "input_tokens", NULL)) {
		r->out->cached = cached;
		r->out->input = ai_wire_int(usage, "input_tokens", NULL) + made + cached;
	}
	if (json_at(usage, "output_tokens", NULL))
		r->out->output = ai_wire_int(usage, "output_tokens", NULL);
}

static void read_finish(struct ai_reading *r, struct json_object *said)
{
	const char *why = json_text(json_at(said, "stop_reason", NULL), 50);

	if (!why)
		return;
	r->has_finished = true;
	r->out->finish = !strcmp(why, "max_tokens") || !strcmp(why, "model_context_window_exceeded")
				 ? AI_LENGTH
			 : !strcmp(why, "tool_use") ? AI_CALLS
			 : !strcmp(why, "refusal")  ? AI_FILTER
						    : AI_STOP;
}

static const char *type_of(struct json_object *object)
{
	const char *type = json_text(json_at(object, "type", NULL), 100);

	return type ? type : "";
}

/* A content block that begins; which call it is, or none. */
static bool read_block(struct ai_reading *r, struct json_object *block, size_t place)
{
	const char *type = type_of(block), *text = json_text(json_at(block, "text", NULL), MAX_TEXT);
	struct json_object *input = json_at(block, "input", NULL);
	size_t call = r->out->ncalls;

	if (place < AI_MAX_CALLS)
		r->blocks[place] = SIZE_MAX;
	if (!strcmp(type, "text"))
		return !text || ai_wire_text(r, text, strlen(text));
	if (strcmp(type, "tool_use") != 0)
		return true;
	if (place < AI_MAX_CALLS)
		r->blocks[place] = call;
	if (!ai_wire_call(r, json_text(json_at(block, "id", NULL), 200),
			  json_text(json_at(block, "name", NULL), 200)))
		return false;
	/* In a stream it is empty, and follows in pieces. */
	if (!json_object_is_type(input, json_type_object) ||
	    (r->ask->take && !json_object_object_length(input)))
		return true;
	text = json_object_to_json_string_ext(input, JSON_C_TO_STRING_PLAIN);
	return ai_wire_arguments(r, call, text, strlen(text));
}

static bool read(struct ai_reading *r, struct json_object *said)
{
	struct json_object *content = json_at(said, "content", NULL);

	if (!json_object_is_type(content, json_type_array))
		return ai_wire_fail(r, AI_FAILED, NULL);
	r->has_usage = json_object_is_type(json_at(said, "usage", NULL), json_type_object);
	read_usage(r, json_at(said, "usage", NULL));
	read_finish(r, said);
	r->has_finished = r->has_ended = true;
	for (size_t i = 0; i < json_object_array_length(content); i++)
		if (!read_block(r, json_object_array_get_idx(content, i), i))
			return false;
	return true;
}

static bool read_delta(struct ai_reading *r, struct json_object *said)
{
	struct json_object *delta = json_at(said, "delta", NULL);
	const char *type = type_of(delta);
	const char *text = json_text(json_at(delta, "text", NULL), MAX_TEXT),
		   *arguments = json_text(json_at(delta, "partial_json", NULL), MAX_TEXT);
	long long place = ai_wire_int(said, "index", NULL);

	if (!strcmp(type, "text_delta"))
		return !text || ai_wire_text(r, text, strlen(text));
	if (strcmp(type, "input_json_delta") != 0 || !arguments || place >= AI_MAX_CALLS ||
	    r->blocks[place] == SIZE_MAX)
		return true;
	return ai_wire_arguments(r, r->blocks[place], arguments, strlen(arguments));
}

static enum ai_error refusal(struct ai_reading *r, int status, struct json_object *said)
{
	static const struct {
		const char *type;
		enum ai_error error;
	} types[] = {
		{ "authentication_error", AI_AUTH },   { "permission_error", AI_AUTH },
		{ "billing_error", AI_AUTH },          { "rate_limit_error", AI_RATE_LIMIT },
		{ "overloaded_error", AI_OVERLOADED }, { "request_too_large", AI_CONTEXT },
	};
	struct json_object *error = json_at(said, "error", NULL);
	const char *type = type_of(error), *message = json_text(json_at(error, "message", NULL), 10000);

	ai_wire_fail(r, AI_FAILED, message);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(types[i].type, type))
			return types[i].error;
	if (!strcmp(type, "invalid_request_error")) /* that the account has no money is one, too */
		return message && strstr(message, "credit balance") ? AI_AUTH
								    : ai_wire_words(message, AI_BAD_REQUEST);
	return status == 401 || status == 403   ? AI_AUTH
	       : status == 429                  ? AI_RATE_LIMIT
	       : status == 529 || status == 503 ? AI_OVERLOADED
	       : status == 413                  ? AI_CONTEXT
	       : status == 400                  ? AI_BAD_REQUEST
						: AI_FAILED;
}

static bool event(struct ai_reading *r, struct json_object *said)
{
	const char *type = type_of(said);

	if (!strcmp(type, "message_start")) {
		read_usage(r, json_at(said, "message", "usage"));
	} else if (!strcmp(type, "content_block_start")) {
		long long place = ai_wire_int(said, "index", NULL);

		return read_block(r, json_at(said, "content_block", NULL), (size_t)place);
	} else if (!strcmp(type, "content_block_delta")) {
		return read_delta(r, said);
	} else if (!strcmp(type, "message_delta")) {
		r->has_usage = true; /* before, the output is not the whole */
		read_usage(r, json_at(said, "usage", NULL));
		read_finish(r, json_at(said, "delta", NULL));
	} else if (!strcmp(type, "message_stop")) {
		r->has_ended = true;
		return false;
	} else if (!strcmp(type, "error")) {
		return ai_wire_fail(r, refusal(r, 500, said), NULL);
	}
	/* "ping", and what there will be. */
	return true;
}

const struct ai_wire anthropic_wire = { "anthropic", write, read, event, refusal };
