/*
 * The gateway in the form of OpenAI's Responses: items in and out, events with numbers.
 *
 * A response is kept for 30 days, but where store is false: what was asked in it and what
 * was answered.  previous_response_id has the next one begin with that, and with what came
 * before it, as much as the model can read.  Whoever it is not of does not find it.
 */
#include <json-c/json.h>
#include <math.h>

#include "build/sql/ai/responses.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/stream.h"
#include "handlers/ai/gateway.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"

enum { MAX_TEXT = 2 << 20, MAX_KEPT = 4 << 20 };

static enum err response_create(struct req *rq), response_delete(struct req *rq);

/* clang-format off */
static const char *const states[] = { "completed", "incomplete", "in_progress", "failed", NULL };

static const struct field response_in[] = {
	{ "model",                F_TEXT,   F_REQUIRED, .min = 1, .max = 200, .example = "gpt-4o" },
	{ "input",                F_JSON,   F_REQUIRED | F_TREE, .about = "a text, or a list of items: messages, function calls and their outputs", .example = "\"What is a harbour?\"" },
	{ "instructions",         F_TEXT,   F_NULL | F_RARE, .max = MAX_TEXT },
	{ "max_output_tokens",    F_INT,    F_NULL, .min = 1, .max = 1000000, .example = "200" },
	{ "temperature",          F_NUMBER, F_NULL | F_RARE, .max = 2 },
	{ "top_p",                F_NUMBER, F_NULL | F_RARE, .max = 1 },
	{ "tools",                F_LIST,   F_NULL | F_RARE, .item = F_OBJECT, .max = 128, .about = "functions" },
	{ "tool_choice",          F_JSON,   F_NULL | F_RARE },
	{ "text",                 F_OBJECT, F_NULL | F_RARE },
	{ "stream",               F_BOOL,   F_NULL | F_RARE },
	{ "store",                F_BOOL,   F_NULL | F_RARE, .def = "true", .about = "keep it for 30 days, so that it can be the previous one" },
	{ "previous_response_id", F_TEXT,   F_NULL | F_RARE, .max = 100, .about = "what was said in that one, and before it, comes first" },
	FIELD_END
};

static const struct field cached_out[]   = { { "cached_tokens", F_INT, 0, .example = "0" }, FIELD_END };
static const struct field thoughts_out[] = { { "reasoning_tokens", F_INT, 0, .example = "0" }, FIELD_END };

static const struct field usage_out[] = {
	{ "input_tokens",          F_INT,    0, .example = "12" },
	{ "input_tokens_details",  F_OBJECT, 0, .fields = cached_out },
	{ "output_tokens",         F_INT,    0, .example = "30" },
	{ "output_tokens_details", F_OBJECT, 0, .fields = thoughts_out },
	{ "total_tokens",          F_INT,    0, .example = "42" },
	FIELD_END
};

static const struct field response_out[] = {
	{ "id",                   F_TEXT,   0, .example = "resp_01a2294c-ffa6-7926-b09e-fcb5fdcee801" },
	{ "object",               F_TEXT,   0, .example = "response" },
	{ "created_at",           F_INT,    0, .example = "1764453600" },
	{ "status",               F_ENUM,   0, .values = states },
	{ "error",                F_OBJECT, F_NULL },
	{ "incomplete_details",   F_OBJECT, F_NULL },
	{ "instructions",         F_TEXT,   F_NULL },
	{ "metadata",             F_OBJECT, 0 },
	{ "model",                F_TEXT,   0, .about = "that served", .example = "gpt-4o" },
	{ "output",               F_LIST,   0, .item = F_OBJECT, .about = "messages, and calls of functions" },
	{ "parallel_tool_calls",  F_BOOL,   0, .example = "true" },
	{ "previous_response_id", F_TEXT,   F_NULL },
	{ "store",                F_BOOL,   0, .example = "true" },
	{ "tool_choice",          F_JSON,   0, .example = "\"auto\"" },
	{ "tools",                F_LIST,   0, .item = F_OBJECT },
	{ "usage",                F_OBJECT, F_NULL, .fields = usage_out },
	FIELD_END
};

static const struct field response_path[] = { { "response_id", F_TEXT, 0, .min = 1, .max = 100, .example = "resp_01a2294c-ffa6-7926-b09e-fcb5fdcee802" }, FIELD_END };

static const struct field deleted_out[] = {
	{ "id",      F_TEXT, 0, .example = "resp_01a2294c-ffa6-7926-b09e-fcb5fdcee801" },
	{ "object",  F_TEXT, 0, .example = "response" },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct shape deleted_shape  = { "ModelResponseDeleted", deleted_out };
static const struct shape response_shape = { "ModelResponse", response_out };

const struct route responses_routes[] = {
	{ POST, "/api/v1/openai/responses", "platform.ai.create_openai_response", &by_gateway, "Have a model respond, in OpenAI's form",
	  .body = response_in, .out = &response_shape, .headers = gateway_headers, .errors = gateway_refusals, .max_body = GATEWAY_MAX_BODY,
	  .flags = SLOW | STREAMS, .status = 200, .needs = { "a key of a model's provider", ERR_UNAVAILABLE }, .run = response_create },
	{ DELETE, "/api/v1/openai/responses/{response_id}", "platform.ai.delete_openai_response", &by_gateway, "Forget a response",
	  .params = response_path, .out = &deleted_shape, .status = 200, .needs = { "a response of one's own", ERR_NOT_FOUND },
	  .run = response_delete },
	ROUTE_END
};
/* clang-format on */

/*
 * What is asked
 */

static const char too_much[] = "there is too much of it";

static const char *type_of(struct json_object *object)
{
	const char *type = json_text(json_at(object, "type", NULL), 50);

	return type ? type : "";
}

static const char *read_part(struct req *rq, struct gateway_messages *m, struct json_object *part)
{
	const char *type = type_of(part);

	if (!strcmp(type, "input_text") || !strcmp(type, "output_text"))
		return gateway_part(m, AI_TEXT, json_text(json_at(part, "text", NULL), GATEWAY_MAX_BODY))
			       ? NULL
			       : too_much;
	if (!strcmp(type, "input_image"))
		return gateway_image(rq, gateway_part(m, AI_IMAGE, NULL),
				     json_text(json_at(part, "image_url", NULL), GATEWAY_MAX_BODY))
			       ? NULL
			       : "an input_image has an http or data URL as its image_url";
	return !strcmp(type, "refusal") ? NULL : "content is input_text, output_text or input_image";
}

static const char *read_message(struct req *rq, struct gateway_messages *m, struct json_object *item)
{
	const char *role = json_text(json_at(item, "role", NULL), 20), *problem = NULL;
	struct json_object *content = json_at(item, "content", NULL);
	bool is_assistant = role && !strcmp(role, "assistant");

	if (!role || (!is_assistant && strcmp(role, "user") != 0 && strcmp(role, "system") != 0 &&
		      strcmp(role, "developer") != 0))
		return "a role is user, assistant, system or developer";
	if (!gateway_message(m, is_assistant ? AI_ASSISTANT : *role == 'u' ? AI_USER : AI_SYSTEM))
		return too_much;
	if (json_object_is_type(content, json_type_string))
		return gateway_part(m, AI_TEXT, json_object_get_string(content)) ? NULL : too_much;
	if (!json_object_is_type(content, json_type_array))
		return "content is a string or a list of parts";
	for (size_t i = 0; !problem && i < json_object_array_length(content); i++)
		problem = read_part(rq, m, json_object_array_get_idx(content, i));
	return problem;
}

/* Calls that follow each other are of one message, and so are their outputs. */
static bool follows(const struct gateway_messages *m, enum ai_role role, enum ai_part_kind kind)
{
	const struct ai_message *last = m->nmessages ? &m->messages[m->nmessages - 1] : NULL;

	return last && last->role == role &&
	       (kind == AI_CALL || (last->nparts && last->parts[last->nparts - 1].kind == kind));
}

static const char *read_call(struct gateway_messages *m, struct json_object *item, bool is_output)
{
	enum ai_part_kind kind = is_output ? AI_RESULT : AI_CALL;
	enum ai_role role = is_output ? AI_USER : AI_ASSISTANT;
	struct json_object *output = json_at(item, "output", NULL);
	const char *text = json_text(json_at(item, "arguments", NULL), GATEWAY_MAX_BODY);
	struct ai_part *part;

	if (is_output)
		text = json_object_is_type(output, json_type_string) ? json_object_get_string(output)
		       : output ? json_object_to_json_string_ext(output, JSON_C_TO_STRING_PLAIN)
				: NULL;
	if (!follows(m, role, kind) && !gateway_message(m, role))
		return too_much;
	part = gateway_part(m, kind, text);
	if (!part)
		return too_much;
	part->id = json_text(json_at(item, "call_id", NULL), 200);
	part->name = json_text(json_at(item, "name", NULL), 200);
	return part->id && (is_output || part->name)
		       ? NULL
		       : "a function call has a call_id and a name, and its output a call_id";
}

static const char *read_item(struct req *rq, struct gateway_messages *m, struct json_object *item)
{
	const char *type = type_of(item);

	if (!*type || !strcmp(type, "message"))
		return read_message(rq, m, item);
	if (!strcmp(type, "function_call") || !strcmp(type, "function_call_output"))
		return read_call(m, item, type[strlen("function_call")] != '\0');
	/* What a model thought is its own. */
	return !strcmp(type, "reasoning") ? NULL
					  : "an item is a message, function_call or function_call_output";
}

/* Of a secret key that asks for nobody, what it owns is found by its hash. */
static void set_key(struct req *rq)
{
	req_set(rq, "api_key", rq->who.is_secret ? rq->who.api_key : NULL);
}

/* What was said before; *out NULL: nothing, and *bytes how long it is. */
static enum err read_history(struct req *rq, struct json_object **out, size_t *bytes)
{
	const char *text, *problem;
	PGresult *res;
	enum err rc;

	*out = NULL;
	*bytes = 0;
	if (!req_text(rq, "previous_response_id"))
		return ERR_OK;
	set_key(rq);
	rc = tx_call(&rq->tx, &q_response_items, false, &res);
	if (rc)
		return rc;
	text = column_text(res, 0, "items");
	*bytes = strlen(text);
	if (json_read_any(&rq->tx.arena, text, *bytes, out, &problem))
		return req_fail_inside(rq, ERR_INTERNAL, "what was kept cannot be read: %s", problem);
	return ERR_OK;
}

static enum err read_input(struct req *rq, struct ai_ask *ask, struct reply *r)
{
	struct json_object *input = json_at(rq->asked.json, "input", NULL), *history;
	const char *instructions = req_text(rq, "instructions"), *problem = NULL;
	size_t n = json_object_is_type(input, json_type_array) ? json_object_array_length(input) : 0,
	       nhistory, bytes;
	struct gateway_messages m;
	enum err rc = read_history(rq, &history, &bytes);

	if (rc)
		return rc;
	nhistory = history ? json_object_array_length(history) : 0;
	gateway_messages_init(rq, &m, n + nhistory, rq->asked.body_len + bytes);
	if (instructions && *instructions) {
		gateway_message(&m, AI_SYSTEM);
		gateway_part(&m, AI_TEXT, instructions);
	}
	r->history_from = m.nmessages;
	for (size_t i = 0; !problem && i < nhistory; i++)
		problem = read_item(rq, &m, json_object_array_get_idx(history, i));
	if (problem)
		return req_fail_field(rq, ERR_VALIDATION, "previous_response_id", "previous_response_id: %s",
				      problem);
	r->nhistory = m.nmessages - r->history_from;
	if (json_object_is_type(input, json_type_string)) {
		gateway_message(&m, AI_USER);
		gateway_part(&m, AI_TEXT, json_object_get_string(input));
	} else if (!n) {
		return gateway_bad(rq, "input", "a text, or a list of items");
	}
	for (size_t i = 0; i < n; i++) {
		problem = read_item(rq, &m, json_object_array_get_idx(input, i));
		if (problem)
			return req_fail_field(rq, ERR_VALIDATION, "input", "input[%zu]: %s", i, problem);
	}
	ask->messages = m.messages;
	ask->nmessages = m.nmessages;
	return ERR_OK;
}

static enum err read_tools(struct req *rq, struct ai_ask *ask)
{
	struct json_object *list = json_at(rq->asked.json, "tools", NULL),
			   *value = json_at(rq->asked.json, "tool_choice", NULL);
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	const char *word = json_text(value, 20);

	for (size_t i = 0; i < n; i++)
		if (strcmp(type_of(json_object_array_get_idx(list, i)), "function") != 0)
			return gateway_bad(rq, "tools", "there are only functions here");
	ask->chosen = json_text(json_at(value, "name", NULL), 128);
	ask->choice = ask->chosen                 ? AI_NAMED
		      : !word                     ? AI_AUTO
		      : !strcmp(word, "none")     ? AI_NONE
		      : !strcmp(word, "required") ? AI_ANY
						  : AI_AUTO;
	return gateway_tools(rq, list, NULL, "parameters", ask);
}

static enum err read_format(struct req *rq, struct ai_ask *ask)
{
	struct json_object *format = json_at(rq->asked.json, "text", "format"),
			   *schema = json_at(format, "schema", NULL);
	const char *type = type_of(format);

	if (!strcmp(type, "json_schema") && json_object_is_type(schema, json_type_object))
		ask->schema = json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PLAIN);
	else if (!strcmp(type, "json_object"))
		ask->is_json = true;
	else if (format && strcmp(type, "text") != 0)
		return gateway_bad(rq, "text",
				   "its format is text, json_object, or json_schema with a schema");
	return ERR_OK;
}

/*
 * What is answered
 */

static void write_text_part(struct buf *b, const char *p, size_t n)
{
	buf_text(b, "{\"type\":\"output_text\",\"text\":");
	jx_text(b, p, n);
	buf_text(b, ",\"annotations\":[],\"logprobs\":[]}");
}

static const char *item_id(struct buf *b, const struct reply *r, size_t place, bool is_call)
{
	return arena_fmt(b->arena, "%s_%s_%zu", is_call ? "fc" : "msg", r->meter.operation, place);
}

/* A message with the text, or nothing yet. */
static void write_message(struct buf *b, const struct reply *r, size_t place, const char *p, size_t n,
			  bool is_done)
{
	buf_char(b, '{');
	jx_key_str(b, "id", item_id(b, r, place, false));
	jx_key_str(b, "type", "message");
	jx_key_str(b, "status", is_done ? "completed" : "in_progress");
	jx_key_str(b, "role", "assistant");
	jx_key_open(b, "content", '[');
	if (is_done)
		write_text_part(b, p, n);
	buf_text(b, "]}");
}

static void write_call(struct buf *b, const struct reply *r, size_t place, const struct ai_call *call,
		       bool is_done)
{
	buf_char(b, '{');
	jx_key_str(b, "id", item_id(b, r, place, true));
	jx_key_str(b, "type", "function_call");
	jx_key_str(b, "status", is_done ? "completed" : "in_progress");
	jx_key_str(b, "call_id", call->id);
	jx_key_str(b, "name", call->name);
	jx_key(b, "arguments"), jx_text(b, call->arguments.p, is_done ? call->arguments.n : 0);
	buf_char(b, '}');
}

static void write_output(struct buf *b, const struct reply *r)
{
	const struct ai_answer *a = r->answer;
	size_t place = 0;

	if (a->text.n || !a->ncalls)
		jx_next(b), write_message(b, r, place++, a->text.p, a->text.n, true);
	for (size_t i = 0; i < a->ncalls; i++)
		jx_next(b), write_call(b, r, place++, &a->calls[i], true);
}

static void write_usage(struct buf *b, const struct ai_answer *a)
{
	jx_key_open(b, "usage", '{');
	jx_key_int(b, "input_tokens", a->input);
	jx_key(b, "input_tokens_details");
	buf_fmt(b, "{\"cached_tokens\":%lld}", a->cached > a->input ? a->input : a->cached);
	jx_key_int(b, "output_tokens", a->output);
	jx_key(b, "output_tokens_details");
	buf_text(b, "{\"reasoning_tokens\":0}");
	jx_key_int(b, "total_tokens", a->input + a->output);
	buf_char(b, '}');
}

static void write_response(struct buf *b, const struct reply *r, const char *status)
{
	bool is_over = strcmp(status, "in_progress") != 0;
	const struct ai_answer *a = r->answer;

	buf_char(b, '{');
	jx_key_str(b, "id", arena_fmt(b->arena, "resp_%s", r->meter.operation));
	jx_key_str(b, "object", "response");
	jx_key_int(b, "created_at", r->created_s);
	jx_key_str(b, "status", status);
	jx_key(b, "error");
	if (a->error && is_over)
		buf_text(b, "{\"code\":\"server_error\",\"message\":"), jx_str(b, ai_error_text(a->error)),
			buf_char(b, '}');
	else
		jx_null(b);
	jx_key(b, "incomplete_details");
	if (!strcmp(status, "incomplete"))
		buf_text(b, a->finish == AI_FILTER ? "{\"reason\":\"content_filter\"}"
						   : "{\"reason\":\"max_output_tokens\"}");
	else
		jx_null(b);
	jx_key(b, "instructions"), jx_str(b, req_text(r->rq, "instructions"));
	jx_key(b, "metadata"), buf_text(b, "{}");
	jx_key_str(b, "model", a->model->id);
	jx_key_open(b, "output", '[');
	if (is_over && !a->error)
		write_output(b, r);
	buf_char(b, ']');
	jx_key(b, "parallel_tool_calls"), jx_bool(b, true);
	jx_key(b, "previous_response_id"), jx_str(b, req_text(r->rq, "previous_response_id"));
	jx_key(b, "store"), jx_bool(b, r->is_kept);
	jx_key_str(b, "tool_choice", "auto");
	jx_key(b, "tools"), buf_text(b, "[]");
	if (is_over)
		write_usage(b, a);
	else
		jx_key(b, "usage"), jx_null(b);
	buf_char(b, '}');
}

static const char *status_of(const struct ai_answer *a)
{
	return a->error                                           ? "failed"
	       : a->finish == AI_LENGTH || a->finish == AI_FILTER ? "incomplete"
								  : "completed";
}

static void whole(struct buf *b, const struct reply *r)
{
	write_response(b, r, status_of(r->answer));
}

/* An event begins with its type and number; the rest is written behind, and sent. */
static void open_event(struct buf *b, struct reply *r, const char *type)
{
	buf_init(b, &r->rq->tx.arena, 512);
	buf_char(b, '{');
	jx_key_str(b, "type", type);
	jx_key_int(b, "sequence_number", r->sequence++);
}

static bool send_event(struct buf *b, struct reply *r, const char *type)
{
	buf_char(b, '}');
	return stream_event(r->rq, type, b->p, b->n);
}

static bool send_response(struct reply *r, const char *type, const char *status)
{
	struct buf b;

	open_event(&b, r, type);
	jx_key(&b, "response"), write_response(&b, r, status);
	return send_event(&b, r, type);
}

/* An event about the item in hand. */
static void open_item_event(struct buf *b, struct reply *r, const char *type, bool has_content)
{
	open_event(b, r, type);
	jx_key_str(b, "item_id", item_id(b, r, r->blocks, r->is_call));
	jx_key_int(b, "output_index", (long long)r->blocks);
	if (has_content)
		jx_key_int(b, "content_index", 0);
}

static bool send_item(struct reply *r, const char *type, bool is_done)
{
	struct buf b;

	open_event(&b, r, type);
	jx_key_int(&b, "output_index", (long long)r->blocks);
	jx_key(&b, "item");
	if (r->is_call)
		write_call(&b, r, r->blocks, &r->answer->calls[r->call], is_done);
	else
		write_message(&b, r, r->blocks, r->answer->text.p + r->from, r->answer->text.n - r->from,
			      is_done);
	return send_event(&b, r, type);
}

static bool close_text(struct reply *r)
{
	const char *p = r->answer->text.p + r->from;
	size_t n = r->answer->text.n - r->from;
	struct buf b;

	open_item_event(&b, r, "response.output_text.done", true);
	jx_key(&b, "text"), jx_text(&b, p, n);
	jx_key(&b, "logprobs"), buf_text(&b, "[]");
	if (!send_event(&b, r, "response.output_text.done"))
		return false;
	open_item_event(&b, r, "response.content_part.done", true);
	jx_key(&b, "part"), write_text_part(&b, p, n);
	return send_event(&b, r, "response.content_part.done");
}

static bool close_call(struct reply *r)
{
	const struct ai_call *call = &r->answer->calls[r->call];
	struct buf b;

	open_item_event(&b, r, "response.function_call_arguments.done", false);
	jx_key_str(&b, "name", call->name);
	jx_key(&b, "arguments"), jx_text(&b, call->arguments.p, call->arguments.n);
	return send_event(&b, r, "response.function_call_arguments.done");
}

static bool close_item(struct reply *r)
{
	bool ok;

	if (!r->has_block)
		return true;
	r->has_block = false;
	ok = (r->is_call ? close_call(r) : close_text(r)) && send_item(r, "response.output_item.done", true);
	r->blocks++;
	return ok;
}

/* The pieces of an item follow; of a text, n bytes are there already. */
static bool open_item(struct reply *r, const struct ai_delta *d)
{
	struct buf b;

	if (!close_item(r))
		return false;
	r->has_block = true;
	r->is_call = d->kind == AI_DELTA_CALL;
	r->call = d->call;
	r->from = r->answer->text.n - (r->is_call ? 0 : d->n);
	if (!send_item(r, "response.output_item.added", false))
		return false;
	if (r->is_call)
		return true;
	open_item_event(&b, r, "response.content_part.added", true);
	jx_key(&b, "part"), write_text_part(&b, "", 0);
	return send_event(&b, r, "response.content_part.added");
}

static bool begin(struct reply *r)
{
	return send_response(r, "response.created", "in_progress") &&
	       send_response(r, "response.in_progress", "in_progress");
}

static bool delta(struct reply *r, const struct ai_delta *d)
{
	const char *type = d->kind == AI_DELTA_TEXT ? "response.output_text.delta"
						    : "response.function_call_arguments.delta";
	struct buf b;

	if (d->kind == AI_DELTA_CALL)
		return open_item(r, d);
	if (d->kind == AI_DELTA_TEXT && (!r->has_block || r->is_call) && !open_item(r, d))
		return false;
	open_item_event(&b, r, type, d->kind == AI_DELTA_TEXT);
	jx_key(&b, "delta"), jx_text(&b, d->p, d->n);
	if (d->kind == AI_DELTA_TEXT)
		jx_key(&b, "logprobs"), buf_text(&b, "[]");
	return send_event(&b, r, type);
}

static void fail(struct reply *r, const struct failure *f)
{
	(void)f; /* the response says it */
	send_response(r, "response.failed", "failed");
}

static void end(struct reply *r)
{
	const char *status = status_of(r->answer);

	if (r->answer->error)
		return;
	close_item(r);
	send_response(r, !strcmp(status, "incomplete") ? "response.incomplete" : "response.completed",
		      status);
}

/* One item of the question; a picture that came with it, instead of by its address, only where it may. */
static void write_kept_item(struct buf *b, struct json_object *item, bool has_pictures)
{
	struct json_object *content = json_at(item, "content", NULL);

	if (has_pictures || !json_object_is_type(content, json_type_array)) {
		buf_text(b, json_object_to_json_string_ext(item, JSON_C_TO_STRING_PLAIN));
		return;
	}
	buf_char(b, '{');
	jx_key_str(b, "role", json_text(json_at(item, "role", NULL), 20));
	jx_key_open(b, "content", '[');
	for (size_t i = 0; i < json_object_array_length(content); i++) {
		struct json_object *part = json_object_array_get_idx(content, i);
		const char *url = json_object_get_string(json_at(part, "image_url", NULL));

		jx_next(b);
		if (url && !strncmp(url, "data:", strlen("data:")))
			buf_text(b, "{\"type\":\"input_text\",\"text\":\"[a picture that was not kept]\"}");
		else
			buf_text(b, json_object_to_json_string_ext(part, JSON_C_TO_STRING_PLAIN));
	}
	buf_text(b, "]}");
}

/* What was asked, as items, and what was answered. */
static void write_kept(struct buf *b, const struct reply *r, bool has_pictures)
{
	struct json_object *input = json_at(r->rq->asked.json, "input", NULL);

	buf_init(b, &r->rq->tx.arena, 4096);
	buf_char(b, '[');
	if (json_object_is_type(input, json_type_string)) {
		buf_char(b, '{');
		jx_key_str(b, "role", "user");
		jx_key_str(b, "content", json_object_get_string(input));
		buf_char(b, '}');
	}
	for (size_t i = 0; json_object_is_type(input, json_type_array) && i < json_object_array_length(input);
	     i++) {
		jx_next(b);
		write_kept_item(b, json_object_array_get_idx(input, i), has_pictures);
	}
	write_output(b, r);
	buf_char(b, ']');
}

/* Of a long one without the pictures that came with it. */
static void keep(struct reply *r)
{
	struct buf b;

	if (!r->is_kept)
		return;
	write_kept(&b, r, r->rq->asked.body_len + r->answer->text.n < MAX_KEPT);
	req_set(r->rq, "items", buf_str(&b));
	meter_keep(r->rq, &q_response_keep);
}

static const struct reply_form form = {
	.whole = whole, .keep = keep, .begin = begin, .delta = delta, .fail = fail, .end = end
};

static enum err response_delete(struct req *rq)
{
	set_key(rq);
	return answer_rows(rq, &q_response_delete);
}

static enum err response_create(struct req *rq)
{
	struct json_object *body = rq->asked.json;
	struct ai_ask ask = { .temperature = gateway_number(body, "temperature"),
			      .top_p = gateway_number(body, "top_p"),
			      .max_tokens = json_object_get_int64(json_at(body, "max_output_tokens", NULL)) };
	struct reply *r = reply_new(rq, &form);
	const char *store = req_text(rq, "store");
	enum err rc = read_input(rq, &ask, r);

	r->is_kept = !store || strcmp(store, "false") != 0;
	if (!rc)
		rc = read_tools(rq, &ask);
	if (!rc)
		rc = read_format(rq, &ask);
	return rc ? rc : gateway_ask(rq, &ask, r);
}
