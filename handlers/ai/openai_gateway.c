/*
 * The gateway in OpenAI's form, and completions on the platform surface, which is the
 * same: Chat Completions in and out, whatever provider serves.
 */
#include <json-c/json.h>
#include <math.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "handlers/ai/ai_accounts.h"
#include "handlers/ai/gateway.h"
#include "handlers/ai/model_choice.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

enum { MAX_MESSAGES = 2000, MAX_TEXT = 2 << 20 };

static enum err completion_create(struct req *rq), model_list(struct req *rq);

/* clang-format off */
static const char *const finishes[] = { "stop", "length", "tool_calls", "content_filter", NULL };
static const char *const roles[] = { "system", "user", "assistant", NULL };

static const struct field completion_in[] = {
	{ "model",    F_TEXT, F_REQUIRED, .min = 1, .max = 200, .example = "gpt-4o" },
	{ "messages", F_LIST, F_REQUIRED | F_TREE, .item = F_OBJECT, .min = 1, .max = MAX_MESSAGES, .about = "as OpenAI has them: texts, images, calls of tools and what those said", .example = "[{\"role\":\"user\",\"content\":\"What is a harbour?\"}]" },
	{ "max_tokens",            F_INT,    F_NULL, .min = 1, .max = 1000000, .example = "200" },
	{ "max_completion_tokens", F_INT,    F_NULL | F_RARE, .min = 1, .max = 1000000 },
	{ "temperature",           F_NUMBER, F_NULL, .max = 2, .example = "0.7" },
	{ "top_p",                 F_NUMBER, F_NULL | F_RARE, .max = 1 },
	{ "n",                     F_INT,    F_NULL | F_RARE, .min = 1, .max = 1 },
	{ "stop",                  F_JSON,   F_NULL | F_RARE },
	{ "stream",                F_BOOL,   F_NULL | F_RARE },
	{ "stream_options",        F_OBJECT, F_NULL | F_RARE },
	{ "tools",                 F_LIST,   F_NULL | F_RARE, .item = F_OBJECT, .max = 128 },
	{ "tool_choice",           F_JSON,   F_NULL | F_RARE },
	{ "response_format",       F_OBJECT, F_NULL | F_RARE },
	FIELD_END
};

static const struct field message_in[] = {
	{ "role",    F_ENUM, F_REQUIRED, .values = roles },
	{ "content", F_TEXT, F_REQUIRED, .max = MAX_TEXT, .example = "What is a harbour?" },
	FIELD_END
};

static const struct field platform_in[] = {
	{ "model",       F_TEXT,   F_REQUIRED, .min = 1, .max = 200, .example = "gpt-4o" },
	{ "messages",    F_LIST,   F_REQUIRED, .min = 1, .max = MAX_MESSAGES, .fields = message_in, .example = "[{\"role\":\"user\",\"content\":\"What is a harbour?\"}]" },
	{ "max_tokens",  F_INT,    F_NULL, .min = 1, .max = 1000000, .example = "200" },
	{ "temperature", F_NUMBER, F_NULL, .max = 2, .example = "0.7" },
	{ "stream",      F_BOOL,   F_NULL | F_RARE },
	FIELD_END
};

static const struct field call_function[] = {
	{ "name",      F_TEXT, 0 },
	{ "arguments", F_TEXT, 0, .about = "JSON" },
	FIELD_END
};

static const struct field call_out[] = {
	{ "id",       F_TEXT,   0 },
	{ "type",     F_TEXT,   0, .example = "function" },
	{ "function", F_OBJECT, 0, .fields = call_function },
	FIELD_END
};

static const struct field message_out[] = {
	{ "role",       F_TEXT, 0, .example = "assistant" },
	{ "content",    F_TEXT, F_NULL, .example = "A place where ships are safe." },
	{ "tool_calls", F_LIST, F_OPTIONAL, .fields = call_out },
	FIELD_END
};

static const struct field choice_out[] = {
	{ "index",         F_INT,    0, .example = "0" },
	{ "message",       F_OBJECT, 0, .fields = message_out },
	{ "finish_reason", F_ENUM,   0, .values = finishes },
	FIELD_END
};

static const struct field usage_out[] = {
	{ "prompt_tokens",     F_INT, 0, .example = "12" },
	{ "completion_tokens", F_INT, 0, .example = "30" },
	{ "total_tokens",      F_INT, 0, .example = "42" },
	FIELD_END
};

static const struct field completion_out[] = {
	{ "id",      F_TEXT,   0, .example = "chatcmpl-01a2294c-ffa6-7926-b09e-fcb5fdcee801" },
	{ "object",  F_TEXT,   0, .example = "chat.completion" },
	{ "created", F_INT,    0, .example = "1764453600" },
	{ "model",   F_TEXT,   0, .about = "that served", .example = "gpt-4o" },
	{ "choices", F_LIST,   0, .fields = choice_out },
	{ "usage",   F_OBJECT, 0, .fields = usage_out },
	FIELD_END
};

static const struct field model_out[] = {
	{ "id",       F_TEXT, 0, .example = "gpt-4o" },
	{ "object",   F_TEXT, 0, .example = "model" },
	{ "created",  F_INT,  0, .example = "0" },
	{ "owned_by", F_TEXT, 0, .about = "its provider", .example = "openai" },
	FIELD_END
};

static const struct field models_out[] = {
	{ "object", F_TEXT, 0, .example = "list" },
	{ "data",   F_LIST, 0, .fields = model_out },
	FIELD_END
};

static const struct shape completion_shape = { "Completion", completion_out };
static const struct shape models_shape     = { "ModelList", models_out };

#define ASKS .out = &completion_shape, .headers = gateway_headers, .errors = gateway_refusals, .max_body = GATEWAY_MAX_BODY, .flags = SLOW | STREAMS, \
	.status = 200, .needs = { "a key of a model's provider", ERR_UNAVAILABLE }, .run = completion_create

const struct route openai_gateway_routes[] = {
	{ POST, "/api/v1/ai/completions", "platform.ai.completions", &by_key_and_user, "Have a model answer messages",
	  .about = "With stream: events of chat.completion.chunk, then [DONE].", .body = platform_in, ASKS },
	{ POST, "/api/v1/openai/chat/completions", "platform.ai.create_openai_completion", &by_gateway, "Have a model answer, in OpenAI's form",
	  .about = "For any client of OpenAI's: its base URL is …/api/v1/openai.", .body = completion_in, ASKS },
	{ GET,  "/api/v1/openai/models", "platform.ai.list_openai_models", &by_gateway, "List the models, in OpenAI's form",
	  .out = &models_shape, .run = model_list },
	ROUTE_END
};
/* clang-format on */

/*
 * What is asked
 */

/* NULL, or what is wrong with a message's content. */
static const char *read_content(struct req *rq, struct gateway_messages *m, struct json_object *content)
{
	size_t n = json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0;

	if (json_object_is_type(content, json_type_string))
		return gateway_part(m, AI_TEXT, json_object_get_string(content)) ? NULL
										 : "there is too much of it";
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(content, i);
		const char *type = json_text(json_at(one, "type", NULL), 50);
		struct ai_part *part;

		if (type && !strcmp(type, "text")) {
			if (!gateway_part(m, AI_TEXT,
					  json_text(json_at(one, "text", NULL), GATEWAY_MAX_BODY)))
				return "there is too much of it";
		} else if (type && !strcmp(type, "image_url")) {
			part = gateway_part(m, AI_IMAGE, NULL);
			if (!gateway_image(rq, part,
					   json_text(json_at(one, "image_url", "url"), GATEWAY_MAX_BODY)))
				return "an image_url has an http or data URL";
		} else if (!type || strcmp(type, "refusal") != 0) {
			return "a part is text or image_url";
		}
	}
	return content && !n ? "content is a string or a list of parts" : NULL;
}

static const char *read_calls(struct gateway_messages *m, struct json_object *calls)
{
	size_t n = json_object_is_type(calls, json_type_array) ? json_object_array_length(calls) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(calls, i);
		struct ai_part *part = gateway_part(
			m, AI_CALL, json_text(json_at(one, "function", "arguments"), GATEWAY_MAX_BODY));

		if (!part)
			return "there is too much of it";
		part->id = json_text(json_at(one, "id", NULL), 200);
		part->name = json_text(json_at(one, "function", "name"), 200);
		if (!part->id || !part->name)
			return "a tool call has an id and a function with a name";
		part->text = *part->text ? part->text : "{}";
	}
	return NULL;
}

/* What a tool said is a part of what the user says: of one message where several follow each other. */
static const char *read_result(struct gateway_messages *m, struct json_object *one)
{
	struct json_object *content = json_at(one, "content", NULL);
	struct ai_message *last = m->nmessages ? &m->messages[m->nmessages - 1] : NULL;
	struct ai_part *part;
	const char *text;

	if (!last || last->role != AI_USER || !last->nparts ||
	    last->parts[last->nparts - 1].kind != AI_RESULT)
		if (!gateway_message(m, AI_USER))
			return "there are too many of them";
	text = json_object_is_type(content, json_type_string) ? json_object_get_string(content)
	       : json_object_is_type(content, json_type_array)
		       ? json_text(json_at(json_object_array_get_idx(content, 0), "text", NULL),
				   GATEWAY_MAX_BODY)
		       : NULL;
	part = gateway_part(m, AI_RESULT, text);
	if (!part)
		return "there is too much of it";
	part->id = json_text(json_at(one, "tool_call_id", NULL), 200);
	return part->id ? NULL : "a message of a tool has a tool_call_id";
}

/* NULL, or what is wrong with it. */
static const char *read_message(struct req *rq, struct gateway_messages *m, struct json_object *one)
{
	const char *role = json_text(json_at(one, "role", NULL), 20), *problem;
	struct json_object *content = json_at(one, "content", NULL),
			   *calls = json_at(one, "tool_calls", NULL);
	bool is_assistant = role && !strcmp(role, "assistant");

	if (role && !strcmp(role, "tool"))
		return read_result(m, one);
	if (!role || (!is_assistant && strcmp(role, "user") != 0 && strcmp(role, "system") != 0 &&
		      strcmp(role, "developer") != 0))
		return "a role is system, developer, user, assistant or tool";
	if (!content && !(is_assistant && calls))
		return "a message has content";
	if (!gateway_message(m, is_assistant ? AI_ASSISTANT : *role == 'u' ? AI_USER : AI_SYSTEM))
		return "there are too many of them";
	problem = read_content(rq, m, content);
	return problem || !is_assistant ? problem : read_calls(m, calls);
}

static enum err read_messages(struct req *rq, struct ai_ask *ask)
{
	struct json_object *list = json_at(rq->asked.json, "messages", NULL);
	struct gateway_messages m;

	gateway_messages_init(rq, &m, json_object_array_length(list), rq->asked.body_len);
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
	const char *word = json_text(value, 20);

	ask->chosen = json_text(json_at(value, "function", "name"), 128);
	if (ask->chosen)
		ask->choice = AI_NAMED;
	else if (word && !strcmp(word, "none"))
		ask->choice = AI_NONE;
	else if (word && !strcmp(word, "required"))
		ask->choice = AI_ANY;
	else if (value && (!word || strcmp(word, "auto") != 0))
		return gateway_bad(rq, "tool_choice", "auto, none, required or a function");
	return ERR_OK;
}

static enum err read_format(struct req *rq, struct ai_ask *ask)
{
	struct json_object *format = json_at(rq->asked.json, "response_format", NULL);
	const char *type = json_text(json_at(format, "type", NULL), 30);
	struct json_object *schema = json_at(json_at(format, "json_schema", NULL), "schema", NULL);

	if (type && !strcmp(type, "json_schema") && json_object_is_type(schema, json_type_object))
		ask->schema = json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PLAIN);
	else if (type && !strcmp(type, "json_object"))
		ask->is_json = true;
	else if (format && (!type || strcmp(type, "text") != 0))
		return gateway_bad(rq, "response_format", "text, json_object or json_schema with a schema");
	return ERR_OK;
}

/*
 * What is answered
 */

static void write_usage(struct buf *b, const struct ai_answer *a)
{
	jx_key_open(b, "usage", '{');
	jx_key_int(b, "prompt_tokens", a->input);
	jx_key_int(b, "completion_tokens", a->output);
	jx_key_int(b, "total_tokens", a->input + a->output);
	buf_char(b, '}');
}

static void write_head(struct buf *b, const struct reply *r, const char *object)
{
	buf_char(b, '{');
	jx_key_str(b, "id", arena_fmt(b->arena, "chatcmpl-%s", r->meter.operation));
	jx_key_str(b, "object", object);
	jx_key_int(b, "created", r->created_s);
	jx_key_str(b, "model", r->answer->model->id);
}

static void whole(struct buf *b, const struct reply *r)
{
	const struct ai_answer *a = r->answer;

	write_head(b, r, "chat.completion");
	jx_key(b, "choices");
	buf_text(b, "[{\"index\":0,\"message\":{\"role\":\"assistant\"");
	jx_key(b, "content");
	if (a->text.n || !a->ncalls)
		jx_text(b, a->text.p, a->text.n);
	else
		jx_null(b);
	if (a->ncalls) {
		jx_key_open(b, "tool_calls", '[');
		for (size_t i = 0; i < a->ncalls; i++) {
			jx_next(b);
			buf_char(b, '{');
			jx_key_str(b, "id", a->calls[i].id);
			jx_key_str(b, "type", "function");
			jx_key_open(b, "function", '{');
			jx_key_str(b, "name", a->calls[i].name);
			jx_key(b, "arguments"), jx_text(b, a->calls[i].arguments.p, a->calls[i].arguments.n);
			buf_text(b, "}}");
		}
		buf_char(b, ']');
	}
	buf_char(b, '}');
	jx_key_str(b, "finish_reason", finishes[a->finish]);
	buf_text(b, "}]");
	write_usage(b, a);
	buf_char(b, '}');
}

/* A chunk with this delta, JSON; finish NULL: there is more. */
static bool send_chunk(struct reply *r, const char *delta, size_t n, const char *finish)
{
	struct buf b;

	buf_init(&b, &r->rq->tx.arena, n + 256);
	write_head(&b, r, "chat.completion.chunk");
	jx_key(&b, "choices");
	buf_text(&b, "[{\"index\":0,\"delta\":");
	buf_add(&b, delta, n);
	jx_key(&b, "finish_reason"), jx_str(&b, finish);
	buf_text(&b, "}]}");
	return stream_event(r->rq, NULL, b.p, b.n);
}

static bool begin(struct reply *r)
{
	static const char role[] = "{\"role\":\"assistant\",\"content\":\"\"}";

	return send_chunk(r, role, strlen(role), NULL);
}

static bool delta(struct reply *r, const struct ai_delta *d)
{
	struct buf b;

	buf_init(&b, &r->rq->tx.arena, d->n + 128);
	buf_char(&b, '{');
	if (d->kind == AI_DELTA_TEXT) {
		jx_key(&b, "content"), jx_text(&b, d->p, d->n);
	} else {
		jx_key(&b, "tool_calls");
		buf_text(&b, "[{");
		jx_key_int(&b, "index", (long long)d->call);
		if (d->kind == AI_DELTA_CALL) {
			jx_key_str(&b, "id", d->id);
			jx_key_str(&b, "type", "function");
		}
		jx_key_open(&b, "function", '{');
		if (d->kind == AI_DELTA_CALL)
			jx_key_str(&b, "name", d->name);
		jx_key(&b, "arguments"), jx_text(&b, d->p ? d->p : "", d->n);
		buf_text(&b, "}}]");
	}
	buf_char(&b, '}');
	return send_chunk(r, b.p, b.n, NULL);
}

static void fail(struct reply *r, const struct failure *f)
{
	struct buf b;

	buf_init(&b, &r->rq->tx.arena, 256);
	buf_text(&b, "{\"error\":{");
	jx_key_str(&b, "message", f->message ? f->message : err_info(f->err)->message);
	jx_key_str(&b, "type", "server_error");
	jx_key_str(&b, "code", err_info(f->err)->code);
	buf_text(&b, "}}");
	stream_event(r->rq, NULL, b.p, b.n);
}

static void end(struct reply *r)
{
	static const char done[] = "[DONE]";
	struct buf b;

	if (!r->answer->error) {
		send_chunk(r, "{}", 2, finishes[r->answer->finish]);
		if (r->shows_usage) {
			buf_init(&b, &r->rq->tx.arena, 256);
			write_head(&b, r, "chat.completion.chunk");
			jx_key(&b, "choices");
			buf_text(&b, "[]");
			write_usage(&b, r->answer);
			buf_char(&b, '}');
			stream_event(r->rq, NULL, b.p, b.n);
		}
	}
	stream_event(r->rq, NULL, done, strlen(done));
}

static const struct reply_form form = {
	.whole = whole, .begin = begin, .delta = delta, .fail = fail, .end = end
};

static enum err completion_create(struct req *rq)
{
	struct json_object *body = rq->asked.json;
	struct ai_ask ask = { .temperature = gateway_number(body, "temperature"),
			      .top_p = gateway_number(body, "top_p"),
			      .max_tokens =
				      json_object_get_int64(json_at(body, "max_completion_tokens", NULL)),
			      .stop = gateway_texts(rq, json_at(body, "stop", NULL)) };
	struct reply *r = reply_new(rq, &form);
	enum err rc = read_messages(rq, &ask);

	if (!ask.max_tokens)
		ask.max_tokens = json_object_get_int64(json_at(body, "max_tokens", NULL));
	if (!rc)
		rc = gateway_tools(rq, json_at(body, "tools", NULL), "function", "parameters", &ask);
	if (!rc)
		rc = read_choice(rq, &ask);
	if (!rc)
		rc = read_format(rq, &ask);
	if (rc)
		return rc;
	/* The platform's row has no such member: it always says it. */
	r->shows_usage = rq->asked.route->caller != &by_gateway ||
			 json_object_get_boolean(json_at(body, "stream_options", "include_usage"));
	return gateway_ask(rq, &ask, r);
}

static enum err model_list(struct req *rq)
{
	const struct ai_server *own;
	const struct ai_model *m;
	struct buf *b;
	enum err rc = ai_accounts_own(rq, &own);

	if (rc)
		return rc;
	b = answer_open(rq);

	buf_char(b, '{');
	jx_key_str(b, "object", "list");
	jx_key_open(b, "data", '[');
	for (size_t i = 0; (m = ai_model_at(i)); i++) {
		if (!model_choice_is_ready(m, own))
			continue;
		jx_next(b);
		buf_char(b, '{');
		jx_key_str(b, "id", m->id);
		jx_key_str(b, "object", "model");
		jx_key_int(b, "created", 0);
		jx_key_str(b, "owned_by", m->provider);
		buf_char(b, '}');
	}
	buf_text(b, "]}");
	return answer_close(rq);
}
