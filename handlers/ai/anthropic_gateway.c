/*
 * The gateway in Anthropic's form: Messages in and out, whatever provider serves.
 */
#include <json-c/json.h>
#include <math.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "handlers/ai/gateway.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

enum { MAX_MESSAGES = 2000 };

static enum err message_create(struct req *rq);

/* clang-format off */
static const char *const reasons[] = { "end_turn", "max_tokens", "tool_use", "refusal", NULL };

static const struct field message_in[] = {
	{ "model",          F_TEXT,   F_REQUIRED, .min = 1, .max = 200, .example = "claude-sonnet" },
	{ "max_tokens",     F_INT,    F_REQUIRED, .min = 1, .max = 1000000, .example = "200" },
	{ "messages",       F_LIST,   F_REQUIRED | F_TREE, .item = F_OBJECT, .min = 1, .max = MAX_MESSAGES, .about = "as Anthropic has them: texts, images, uses of tools and their results", .example = "[{\"role\":\"user\",\"content\":\"What is a harbour?\"}]" },
	{ "system",         F_JSON,   F_NULL | F_RARE },
	{ "temperature",    F_NUMBER, F_NULL, .max = 1, .example = "0.7" },
	{ "top_p",          F_NUMBER, F_NULL | F_RARE, .max = 1 },
	{ "stop_sequences", F_LIST,   F_NULL | F_RARE, .item = F_TEXT },
	{ "stream",         F_BOOL,   F_NULL | F_RARE },
	{ "tools",          F_LIST,   F_NULL | F_RARE, .item = F_OBJECT, .max = 128 },
	{ "tool_choice",    F_OBJECT, F_NULL | F_RARE },
	FIELD_END
};

static const struct field block_out[] = {
	{ "type",  F_TEXT,   0, .example = "text" },
	{ "text",  F_TEXT,   F_OPTIONAL, .example = "A place where ships are safe." },
	{ "id",    F_TEXT,   F_OPTIONAL },
	{ "name",  F_TEXT,   F_OPTIONAL },
	{ "input", F_OBJECT, F_OPTIONAL },
	FIELD_END
};

static const struct field usage_out[] = {
	{ "input_tokens",                F_INT, 0, .example = "12" },
	{ "cache_read_input_tokens",     F_INT, 0, .example = "0" },
	{ "cache_creation_input_tokens", F_INT, 0, .example = "0" },
	{ "output_tokens",               F_INT, 0, .example = "30" },
	FIELD_END
};

static const struct field message_out[] = {
	{ "id",            F_TEXT,   0, .example = "msg_01a2294c-ffa6-7926-b09e-fcb5fdcee801" },
	{ "type",          F_TEXT,   0, .example = "message" },
	{ "role",          F_TEXT,   0, .example = "assistant" },
	{ "model",         F_TEXT,   0, .about = "that served", .example = "claude-sonnet-4-5" },
	{ "content",       F_LIST,   0, .fields = block_out },
	{ "stop_reason",   F_ENUM,   0, .values = reasons },
	{ "stop_sequence", F_TEXT,   F_NULL },
	{ "usage",         F_OBJECT, 0, .fields = usage_out },
	FIELD_END
};

static const struct shape said_shape = { "ModelMessage", message_out };

const struct route anthropic_gateway_routes[] = {
	{ POST, "/api/v1/anthropic/v1/messages", "platform.ai.create_anthropic_message", &by_gateway, "Have a model answer, in Anthropic's form",
	  .about = "For any client of Anthropic's: its base URL is …/api/v1/anthropic.", .body = message_in, .out = &said_shape,
	  .headers = gateway_headers, .errors = gateway_refusals, .max_body = GATEWAY_MAX_BODY, .flags = SLOW | STREAMS | OPEN_QUERY, .status = 200,
	  .needs = { "a key of a model's provider", ERR_UNAVAILABLE }, .run = message_create },
	ROUTE_END
};
/* clang-format on */

/*
 * What is asked
 */

static const char *type_of(struct json_object *object)
{
	const char *type = json_text(json_at(object, "type", NULL), 50);

	return type ? type : "";
}

/* A text, or blocks of it. */
static const char *text_of(struct req *rq, struct json_object *value)
{
	size_t n = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
	struct buf b;

	if (json_object_is_type(value, json_type_string))
		return json_object_get_string(value);
	buf_init(&b, &rq->tx.arena, 256);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_text(json_at(json_object_array_get_idx(value, i), "text", NULL),
					     GATEWAY_MAX_BODY);

		if (text && b.n)
			buf_char(&b, '\n');
		buf_text(&b, text ? text : "");
	}
	return buf_str(&b);
}

static const char *read_image(struct gateway_messages *m, struct json_object *source)
{
	bool is_url = !strcmp(type_of(source), "url");
	struct ai_part *part = gateway_part(
		m, AI_IMAGE, json_text(json_at(source, is_url ? "url" : "data", NULL), GATEWAY_MAX_BODY));

	if (!part || !*part->text)
		return "an image has a source with data or a url";
	part->media_type = is_url ? NULL : json_text(json_at(source, "media_type", NULL), 100);
	return is_url || part->media_type ? NULL : "an image's data has a media_type";
}

static const char *read_use(struct gateway_messages *m, struct json_object *block)
{
	struct json_object *input = json_at(block, "input", NULL);
	struct ai_part *part = gateway_part(
		m, AI_CALL, input ? json_object_to_json_string_ext(input, JSON_C_TO_STRING_PLAIN) : "{}");

	if (!part)
		return "there is too much of it";
	part->id = json_text(json_at(block, "id", NULL), 200);
	part->name = json_text(json_at(block, "name", NULL), 200);
	return part->id && part->name ? NULL : "a tool_use has an id and a name";
}

static const char *read_result(struct req *rq, struct gateway_messages *m, struct json_object *block)
{
	struct ai_part *part = gateway_part(m, AI_RESULT, text_of(rq, json_at(block, "content", NULL)));

	if (!part)
		return "there is too much of it";
	part->id = json_text(json_at(block, "tool_use_id", NULL), 200);
	part->is_error = json_object_get_boolean(json_at(block, "is_error", NULL));
	return part->id ? NULL : "a tool_result has a tool_use_id";
}

/* NULL, or what is wrong with a block. */
static const char *read_block(struct req *rq, struct gateway_messages *m, struct json_object *block)
{
	const char *type = type_of(block);

	if (!strcmp(type, "text"))
		return gateway_part(m, AI_TEXT, json_text(json_at(block, "text", NULL), GATEWAY_MAX_BODY))
			       ? NULL
			       : "there is too much of it";
	if (!strcmp(type, "image"))
		return read_image(m, json_at(block, "source", NULL));
	if (!strcmp(type, "tool_use"))
		return read_use(m, block);
	if (!strcmp(type, "tool_result"))
		return read_result(rq, m, block);
	/* What a model thought is its own. */
	return !strcmp(type, "thinking") || !strcmp(type, "redacted_thinking")
		       ? NULL
		       : "a block is text, image, tool_use or tool_result";
}

static const char *read_message(struct req *rq, struct gateway_messages *m, struct json_object *one)
{
	const char *role = json_text(json_at(one, "role", NULL), 20), *problem = NULL;
	struct json_object *content = json_at(one, "content", NULL);
	size_t n = json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0;

	if (!role || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0))
		return "a role is user or assistant";
	if (!gateway_message(m, *role == 'u' ? AI_USER : AI_ASSISTANT))
		return "there are too many of them";
	if (json_object_is_type(content, json_type_string))
		return gateway_part(m, AI_TEXT, json_object_get_string(content)) ? NULL
										 : "there is too much of it";
	if (!n)
		return "content is a string or a list of blocks";
	for (size_t i = 0; !problem && i < n; i++)
		problem = read_block(rq, m, json_object_array_get_idx(content, i));
	return problem;
}

static enum err read_messages(struct req *rq, struct ai_ask *ask)
{
	struct json_object *list = json_at(rq->asked.json, "messages", NULL),
			   *system = json_at(rq->asked.json, "system", NULL);
	struct gateway_messages m;

	gateway_messages_init(rq, &m, json_object_array_length(list), rq->asked.body_len);
	if (system) {
		gateway_message(&m, AI_SYSTEM);
		gateway_part(&m, AI_TEXT, text_of(rq, system));
	}
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *problem = read_message(rq, &m, json_object_array_get_idx(list, i));

		if (problem)
			return req_fail_field(rq, ERR_VALIDATION, "messages", "messages[%zu]: %s", i,
					      problem);
	}
	ask->messages = m.messages;
	ask->nmessages = m.nmessages;
	return ERR_OK;
}

static enum err read_choice(struct req *rq, struct ai_ask *ask)
{
	struct json_object *value = json_at(rq->asked.json, "tool_choice", NULL);
	const char *type = type_of(value);

	ask->choice = !strcmp(type, "none")   ? AI_NONE
		      : !strcmp(type, "any")  ? AI_ANY
		      : !strcmp(type, "tool") ? AI_NAMED
					      : AI_AUTO;
	ask->chosen = json_text(json_at(value, "name", NULL), 128);
	if ((value && ask->choice == AI_AUTO && strcmp(type, "auto") != 0) ||
	    (ask->choice == AI_NAMED && !ask->chosen))
		return gateway_bad(rq, "tool_choice", "auto, any, none, or a tool with its name");
	return ERR_OK;
}

/*
 * What is answered
 */

static void write_usage(struct buf *b, const struct ai_answer *a)
{
	long long cached = a->cached > a->input ? a->input : a->cached;

	jx_key_open(b, "usage", '{');
	jx_key_int(b, "input_tokens", a->input - cached);
	jx_key_int(b, "cache_read_input_tokens", cached);
	jx_key_int(b, "cache_creation_input_tokens", 0);
	jx_key_int(b, "output_tokens", a->output);
	buf_char(b, '}');
}

static void write_head(struct buf *b, const struct reply *r)
{
	buf_char(b, '{');
	jx_key_str(b, "id", arena_fmt(b->arena, "msg_%s", r->meter.operation));
	jx_key_str(b, "type", "message");
	jx_key_str(b, "role", "assistant");
	jx_key_str(b, "model", r->answer->model->id);
}

static void whole(struct buf *b, const struct reply *r)
{
	const struct ai_answer *a = r->answer;

	write_head(b, r);
	jx_key_open(b, "content", '[');
	if (a->text.n) {
		buf_text(b, "{\"type\":\"text\",\"text\":");
		jx_text(b, a->text.p, a->text.n);
		buf_char(b, '}');
	}
	for (size_t i = 0; i < a->ncalls; i++) {
		struct buf arguments = a->calls[i].arguments;

		jx_next(b);
		buf_text(b, "{\"type\":\"tool_use\"");
		jx_key_str(b, "id", a->calls[i].id);
		jx_key_str(b, "name", a->calls[i].name);
		jx_key(b, "input"), ai_wire_object(b, buf_str(&arguments));
		buf_char(b, '}');
	}
	buf_char(b, ']');
	jx_key_str(b, "stop_reason", reasons[a->finish]);
	jx_key(b, "stop_sequence"), jx_null(b);
	write_usage(b, a);
	buf_char(b, '}');
}

/* An event begins with its type; the rest is written behind, and sent. */
static void open_event(struct buf *b, struct reply *r, const char *type, size_t cap)
{
	buf_init(b, &r->rq->tx.arena, cap);
	buf_char(b, '{');
	jx_key_str(b, "type", type);
}

static bool send_event(struct buf *b, struct reply *r, const char *type)
{
	buf_char(b, '}');
	return stream_event(r->rq, type, b->p, b->n);
}

static bool begin(struct reply *r)
{
	struct buf b;

	open_event(&b, r, "message_start", 512);
	jx_key(&b, "message");
	write_head(&b, r);
	buf_text(&b, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
	write_usage(&b, r->answer);
	buf_char(&b, '}');
	return send_event(&b, r, "message_start");
}

static bool close_block(struct reply *r)
{
	struct buf b;

	if (!r->has_block)
		return true;
	r->has_block = false;
	open_event(&b, r, "content_block_stop", 64);
	jx_key_int(&b, "index", (long long)r->blocks++);
	return send_event(&b, r, "content_block_stop");
}

/* A block of text, or one of a call. */
static bool open_block(struct reply *r, const struct ai_delta *call)
{
	struct buf b;

	if (!close_block(r))
		return false;
	r->has_block = true;
	r->is_call = call;
	open_event(&b, r, "content_block_start", 256);
	jx_key_int(&b, "index", (long long)r->blocks);
	jx_key(&b, "content_block");
	if (call) {
		buf_text(&b, "{\"type\":\"tool_use\"");
		jx_key_str(&b, "id", call->id);
		jx_key_str(&b, "name", call->name);
		buf_text(&b, ",\"input\":{}}");
	} else {
		buf_text(&b, "{\"type\":\"text\",\"text\":\"\"}");
	}
	return send_event(&b, r, "content_block_start");
}

static bool delta(struct reply *r, const struct ai_delta *d)
{
	struct buf b;

	if (d->kind == AI_DELTA_CALL)
		return open_block(r, d);
	if (d->kind == AI_DELTA_TEXT && (!r->has_block || r->is_call) && !open_block(r, NULL))
		return false;
	open_event(&b, r, "content_block_delta", d->n + 128);
	jx_key_int(&b, "index", (long long)r->blocks);
	jx_key(&b, "delta");
	buf_text(&b, d->kind == AI_DELTA_TEXT ? "{\"type\":\"text_delta\",\"text\":"
					      : "{\"type\":\"input_json_delta\",\"partial_json\":");
	jx_text(&b, d->p, d->n);
	buf_char(&b, '}');
	return send_event(&b, r, "content_block_delta");
}

static bool alive(struct reply *r)
{
	struct buf b;

	open_event(&b, r, "ping", 32);
	return send_event(&b, r, "ping");
}

static void fail(struct reply *r, const struct failure *f)
{
	struct buf b;

	open_event(&b, r, "error", 256);
	jx_key_open(&b, "error", '{');
	jx_key_str(&b, "type", r->answer->error == AI_OVERLOADED ? "overloaded_error" : "api_error");
	jx_key_str(&b, "message", f->message ? f->message : err_info(f->err)->message);
	buf_char(&b, '}');
	send_event(&b, r, "error");
}

static void end(struct reply *r)
{
	struct buf b;

	if (r->answer->error)
		return; /* an error is the end, there */
	close_block(r);
	open_event(&b, r, "message_delta", 256);
	jx_key_open(&b, "delta", '{');
	jx_key_str(&b, "stop_reason", reasons[r->answer->finish]);
	jx_key(&b, "stop_sequence"), jx_null(&b);
	buf_char(&b, '}');
	write_usage(&b, r->answer);
	send_event(&b, r, "message_delta");
	open_event(&b, r, "message_stop", 32);
	send_event(&b, r, "message_stop");
}

static const struct reply_form form = {
	.whole = whole, .begin = begin, .delta = delta, .alive = alive, .fail = fail, .end = end
};

static enum err message_create(struct req *rq)
{
	struct json_object *body = rq->asked.json;
	struct ai_ask ask = { .temperature = gateway_number(body, "temperature"),
			      .top_p = gateway_number(body, "top_p"),
			      .max_tokens = req_int(rq, "max_tokens"),
			      .stop = gateway_texts(rq, json_at(body, "stop_sequences", NULL)) };
	struct reply *r = reply_new(rq, &form);
	enum err rc = read_messages(rq, &ask);

	if (!rc)
		rc = gateway_tools(rq, json_at(body, "tools", NULL), NULL, "input_schema", &ask);
	if (!rc)
		rc = read_choice(rq, &ask);
	return rc ? rc : gateway_ask(rq, &ask, r);
}
