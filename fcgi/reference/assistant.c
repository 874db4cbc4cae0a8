#include "fcgi/reference/assistant.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "fcgi/reference/guide.h"
#include "fcgi/reference/tell.h"
#include "fcgi/version.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"

const char *const assistant_versions[] = { "2025-11-25", "2025-06-18", "2025-03-26", NULL };

static const char batching[] = "2025-03-26", guide_uri[] = "ashlar://guide/";

/* JSON-RPC's numbers, and the protocol's own. */
enum {
	INVALID_REQUEST = -32600,
	NO_METHOD = -32601,
	INVALID_PARAMS = -32602,
	NO_RESOURCE = -32002,
	REFUSED = -32001
};

enum { BATCH_MOST = 20, QUERY_MOST = 1000, TOOLS_PAGE = 40 };

/* A message that is being answered: the result is written into out, unless it fails. */
struct ask {
	struct assistant *mcp;
	struct json_object *params;
	struct buf *out;
	int code; /* of the error; 0: none */
	const char *problem;
};

const char *assistant_version(const char *text)
{
	for (const char *const *v = assistant_versions; *v; v++)
		if (!strcmp(*v, text))
			return *v;
	return NULL;
}

static void fail(struct ask *a, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void fail(struct ask *a, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	a->problem = arena_vfmt(a->mcp->arena, fmt, ap);
	va_end(ap);
	a->code = code;
}

static const char *text_at(struct json_object *o, const char *name)
{
	struct json_object *v = json_at(o, name, NULL);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

/* What it is */

static void initialize(struct ask *a)
{
	const char *wanted = text_at(a->params, "protocolVersion");
	const char *version = wanted ? assistant_version(wanted) : NULL;

	buf_text(a->out, "{\"protocolVersion\":");
	jx_str(a->out, version ? version : assistant_versions[0]);
	buf_text(a->out, ",\"capabilities\":{\"tools\":{},\"resources\":{},\"prompts\":{}},\"serverInfo\":{"
			 "\"name\":\"ashlar\","
			 "\"title\":\"Ashlar\",\"version\":\"" ASHLAR_VERSION "\"},\"instructions\":");
	jx_str(a->out,
	       "Ashlar is the backend of a SaaS product. Begin with get_api_overview; search_endpoints finds "
	       "operations and pages of the guide, get_endpoint_details tells all of one.");
	buf_char(a->out, '}');
}

static void ping(struct ask *a)
{
	buf_text(a->out, "{}");
}

/* The tools that describe */

struct tool {
	const char *name, *title, *about;
	const char *properties; /* of its input, as JSON; "category" has the categories added */
	const char *required;
	bool (*tell)(struct buf *b, struct json_object *args);
};

static bool overview(struct buf *b, struct json_object *args)
{
	(void)args;
	tell_of(b, "overview.md", NULL);
	return true;
}

static bool end_user(struct buf *b, struct json_object *args)
{
	return tell_end_user(b, text_at(args, "category"));
}

static bool headers(struct buf *b, struct json_object *args)
{
	(void)args;
	tell_of(b, "headers.md", NULL);
	return true;
}

static bool template(struct buf *b, struct json_object *args)
{
	(void)args;
	tell_template(b);
	return true;
}

static bool openapi(struct buf *b, struct json_object *args)
{
	(void)args;
	tell_openapi(b);
	return true;
}

static bool search(struct buf *b, struct json_object *args)
{
	return tell_search(b, text_at(args, "query"));
}

static bool endpoint(struct buf *b, struct json_object *args)
{
	return tell_endpoint(b, text_at(args, "path"), text_at(args, "method"));
}

static bool authentication(struct buf *b, struct json_object *args)
{
	(void)args;
	tell_of(b, "authentication.md", NULL);
	return true;
}

static bool patterns(struct buf *b, struct json_object *args)
{
	(void)args;
	tell_of(b, "patterns.md", NULL);
	return true;
}

/* clang-format off */
static const struct tool tools[] = {
	{ "get_api_overview", "What the API is", "What Ashlar is, its surfaces, and where to go on.", "", "", overview },
	{ "get_end_user_endpoints", "End users' endpoints", "The operations that a product's pages and servers call for its users; of one category, or all.",
	  "\"category\":", "", end_user },
	{ "get_request_headers", "Headers of requests", "Which headers a request carries, and what each is for.", "", "", headers },
	{ "get_sdk_template", "A client in one file", "A client of the end users' operations, in one file of JavaScript without dependencies.", "", "", template },
	{ "get_openapi_spec", "The OpenAPI documents", "Where the OpenAPI documents are, and one of the end users' operations by name.", "", "", openapi },
	{ "search_endpoints", "Search", "Find operations and pages of the guide by words: the ten that fit best.",
	  "\"query\":{\"type\":\"string\",\"description\":\"words, such as: reset password\"}", "\"query\"", search },
	{ "get_endpoint_details", "One endpoint", "All of an operation: who may call, what it takes and answers, an example, and what it is refused with.",
	  "\"path\":{\"type\":\"string\",\"description\":\"such as /api/v1/auth/login; /api may be left out\"},"
	  "\"method\":{\"type\":\"string\",\"enum\":[\"GET\",\"POST\",\"PUT\",\"PATCH\",\"DELETE\"],\"description\":\"all that the path has, when left out\"}",
	  "\"path\"", endpoint },
	{ "get_authentication_flow", "How users sign in", "The steps of signing up, in and out, with the operation of each.", "", "", authentication },
	{ "get_common_patterns", "Common patterns", "What all operations have in common: errors, retries, lists, changes.", "", "", patterns },
	{ NULL },
};
/* clang-format on */

static void write_tool(struct buf *b, const struct tool *t)
{
	buf_char(b, '{');
	jx_key_str(b, "name", t->name);
	jx_key_str(b, "title", t->title);
	jx_key_str(b, "description", t->about);
	buf_fmt(b, ",\"inputSchema\":{\"type\":\"object\",\"properties\":{%s", t->properties);
	if (!strcmp(t->properties, "\"category\":")) {
		buf_text(b, "{\"type\":\"string\",\"enum\":[");
		for (const char *const *c = tell_categories; *c; c++) {
			jx_next(b);
			jx_str(b, *c);
		}
		buf_text(b, "]}");
	}
	buf_fmt(b, "},\"required\":[%s]},\"annotations\":{", t->required);
	jx_key_str(b, "title", t->title);
	buf_text(b, ",\"readOnlyHint\":true,\"destructiveHint\":false,\"idempotentHint\":true,"
		    "\"openWorldHint\":false}}");
}

/* The first page has the tools that describe; behind them come the operations, if there are any to call. */
static void tools_list(struct ask *a)
{
	const char *cursor = text_at(a->params, "cursor");
	bool has_cursor = json_at(a->params, "cursor", NULL), can_call = assistant_rights(a->mcp);
	long from = cursor ? strtol(cursor, NULL, 10) : 0, behind = 0;

	if (a->mcp->refusal) {
		fail(a, REFUSED, "%s", a->mcp->refusal);
		return;
	}
	if (has_cursor &&
	    (!can_call || from < 1 || strcmp(arena_fmt(a->mcp->arena, "%ld", from), cursor) != 0)) {
		fail(a, INVALID_PARAMS, "there is no such page: leave the cursor out");
		return;
	}
	buf_text(a->out, "{\"tools\":[");
	for (const struct tool *t = tools; !has_cursor && t->name; t++) {
		jx_next(a->out);
		write_tool(a->out, t);
	}
	if (can_call)
		behind = assistant_list_calls(a->mcp, a->out, from, TOOLS_PAGE);
	buf_char(a->out, ']');
	if (behind)
		jx_key_str(a->out, "nextCursor", arena_fmt(a->mcp->arena, "%ld", behind));
	buf_char(a->out, '}');
}

/* What a call came to; a tool that fails says so in its result, which the model reads. */
static void write_result(struct buf *b, const char *text, size_t n, bool is_error)
{
	buf_text(b, "{\"content\":[{\"type\":\"text\",\"text\":");
	jx_text(b, text, n);
	buf_fmt(b, "}],\"isError\":%s}", is_error ? "true" : "false");
}

/* NULL, or which argument is not as the tool has it. */
static const char *argument_problem(struct arena *arena, const struct tool *t, struct json_object *args)
{
	if (args && !json_object_is_type(args, json_type_object))
		return "arguments must be an object";
	if (*t->required) {
		const char *name = arena_dup_n(arena, t->required + 1, strlen(t->required) - 2);
		const char *text = text_at(args, name);

		if (!text || !*text || strlen(text) > QUERY_MOST)
			return arena_fmt(arena, "%s must be a string of 1 to %d bytes", name, QUERY_MOST);
	}
	if (args) {
		json_object_object_foreach(args, key, value)
		{
			const char *known = arena_fmt(arena, "\"%s\":", key);

			if (!strstr(t->properties, known) || strchr(key, '"'))
				return arena_fmt(arena, "%s takes no argument %.64s%s", t->name, key,
						 *t->properties ? "" : ", nor any other");
			if (!json_object_is_type(value, json_type_string) && value)
				return arena_fmt(arena, "%.64s must be a string", key);
		}
	}
	return NULL;
}

static void tools_call(struct ask *a)
{
	const char *name = text_at(a->params, "name"), *problem;
	struct json_object *args = json_at(a->params, "arguments", NULL);
	const struct tool *t = tools;
	struct buf text;
	bool ok = false;

	while (name && t->name && strcmp(t->name, name) != 0)
		t++;
	if (name && !t->name && (!args || json_object_is_type(args, json_type_object))) {
		buf_init(&text, a->mcp->arena, 8192);
		if (assistant_call(a->mcp, name, args, &text, &ok)) {
			write_result(a->out, text.p, text.n, ok);
			return;
		}
		if (a->mcp->refusal) {
			fail(a, REFUSED, "%s", a->mcp->refusal);
			return;
		}
	}
	if (!name || !t->name) {
		struct buf known;

		buf_init(&known, a->mcp->arena, 512);
		for (t = tools; t->name; t++)
			buf_fmt(&known, "%s%s", t == tools ? "" : ", ", t->name);
		fail(a, INVALID_PARAMS, "there is no tool \"%.64s\"; there are %s", name ? name : "",
		     buf_str(&known));
		return;
	}
	problem = argument_problem(a->mcp->arena, t, args);
	if (problem) {
		write_result(a->out, problem, strlen(problem), true);
		return;
	}
	buf_init(&text, a->mcp->arena, 8192);
	ok = t->tell(&text, args);
	write_result(a->out, text.p, text.n, !ok);
}

/* The guide, as resources */

static void resources_list(struct ask *a)
{
	if (json_at(a->params, "cursor", NULL)) {
		fail(a, INVALID_PARAMS, "there is no such page: leave the cursor out");
		return;
	}
	buf_text(a->out, "{\"resources\":[");
	for (const struct guide_page *p = guide_pages; p->name; p++) {
		jx_next(a->out);
		buf_char(a->out, '{');
		jx_key_str(a->out, "uri", arena_fmt(a->mcp->arena, "%s%s", guide_uri, p->name));
		jx_key_str(a->out, "name", p->name);
		jx_key_str(a->out, "title", p->title);
		jx_key_str(a->out, "description", *p->about ? p->about : p->title);
		jx_key_str(a->out, "mimeType", "text/markdown");
		jx_key_int(a->out, "size", (long long)strlen(p->text));
		buf_char(a->out, '}');
	}
	buf_text(a->out, "]}");
}

static void resource_templates(struct ask *a)
{
	buf_text(a->out, "{\"resourceTemplates\":[]}");
}

static void resources_read(struct ask *a)
{
	const char *uri = text_at(a->params, "uri");
	size_t n = sizeof(guide_uri) - 1;
	const struct guide_page *p = guide_pages;
	struct buf known;

	while (p->name && !(uri && !strncmp(uri, guide_uri, n) && !strcmp(uri + n, p->name)))
		p++;
	if (p->name) {
		buf_text(a->out, "{\"contents\":[{");
		jx_key_str(a->out, "uri", uri);
		jx_key_str(a->out, "mimeType", "text/markdown");
		jx_key_str(a->out, "text", p->text);
		buf_text(a->out, "}]}");
		return;
	}
	buf_init(&known, a->mcp->arena, 512);
	for (p = guide_pages; p->name; p++)
		buf_fmt(&known, "%s%s", p == guide_pages ? "" : ", ", p->name);
	fail(a, uri ? NO_RESOURCE : INVALID_PARAMS,
	     "there is no resource \"%.128s\"; there are %s and one of: %s", uri ? uri : "", guide_uri,
	     buf_str(&known));
}

/* Prompts: files of templates/mcp, the first line of which is the title. */

static const char prompt_head[] = "prompt-", prompt_tail[] = ".md";

/* "sign-in" of "prompt-sign-in.md"; NULL: the file is none. */
static const char *prompt_name(struct arena *arena, const struct tell_file *f)
{
	size_t head = sizeof(prompt_head) - 1, tail = sizeof(prompt_tail) - 1;

	return strncmp(f->name, prompt_head, head)
		       ? NULL
		       : arena_dup_n(arena, f->name + head, strlen(f->name) - head - tail);
}

static const char *prompt_title(struct arena *arena, const struct tell_file *f)
{
	return arena_dup_n(arena, f->text, strcspn(f->text, "\n"));
}

static void prompts_list(struct ask *a)
{
	struct arena *arena = a->mcp->arena;

	if (json_at(a->params, "cursor", NULL)) {
		fail(a, INVALID_PARAMS, "there is no such page: leave the cursor out");
		return;
	}
	buf_text(a->out, "{\"prompts\":[");
	for (const struct tell_file *f = tell_files; f->name; f++) {
		const char *name = prompt_name(arena, f);

		if (!name)
			continue;
		jx_next(a->out);
		buf_char(a->out, '{');
		jx_key_str(a->out, "name", name);
		jx_key_str(a->out, "title", prompt_title(arena, f));
		jx_key_str(a->out, "description", prompt_title(arena, f));
		buf_text(a->out, ",\"arguments\":[{\"name\":\"what\",\"description\":\"what it is about, in "
				 "your words\","
				 "\"required\":false}]}");
	}
	buf_text(a->out, "]}");
}

static void prompts_get(struct ask *a)
{
	const char *wanted = text_at(a->params, "name");
	const char *what = text_at(json_at(a->params, "arguments", NULL), "what");
	struct arena *arena = a->mcp->arena;
	struct buf known, text;

	buf_init(&known, arena, 128);
	for (const struct tell_file *f = tell_files; f->name; f++) {
		const char *name = prompt_name(arena, f);

		if (!name)
			continue;
		buf_fmt(&known, "%s%s", known.n ? ", " : "", name);
		if (!wanted || strcmp(name, wanted) != 0)
			continue;
		buf_init(&text, arena, 2048);
		tell_of(&text, f->name, what);
		buf_char(a->out, '{');
		jx_key_str(a->out, "description", prompt_title(arena, f));
		buf_text(a->out,
			 ",\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":");
		jx_text(a->out, text.p, text.n);
		buf_text(a->out, "}}]}");
		return;
	}
	fail(a, INVALID_PARAMS, "there is no prompt \"%.64s\"; there are %s", wanted ? wanted : "",
	     buf_str(&known));
}

/* Messages */

static const struct {
	const char *name;
	void (*answer)(struct ask *a);
} methods[] = {
	{ "initialize", initialize },
	{ "ping", ping },
	{ "tools/list", tools_list },
	{ "tools/call", tools_call },
	{ "resources/list", resources_list },
	{ "resources/read", resources_read },
	{ "resources/templates/list", resource_templates },
	{ "prompts/list", prompts_list },
	{ "prompts/get", prompts_get },
};

static void dispatch(struct ask *a, const char *method)
{
	if (a->params && !json_object_is_type(a->params, json_type_object)) {
		fail(a, INVALID_PARAMS, "params must be an object");
		return;
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		if (strcmp(methods[i].name, method) != 0)
			continue;
		methods[i].answer(a);
		return;
	}
	fail(a, NO_METHOD, "there is no method \"%.64s\"", method);
}

static void write_id(struct buf *b, struct json_object *id)
{
	jx_key(b, "id");
	buf_text(b, id ? json_object_to_json_string_ext(id, JSON_C_TO_STRING_PLAIN) : "null");
}

static void write_error(struct buf *b, struct json_object *id, int code, const char *message)
{
	buf_text(b, "{\"jsonrpc\":\"2.0\"");
	write_id(b, id);
	jx_key_open(b, "error", '{');
	jx_key_int(b, "code", code);
	jx_key_str(b, "message", message);
	buf_text(b, "}}");
}

/* One message; false: there is nothing to answer, and nothing was written. */
static bool answer_one(struct assistant *mcp, struct json_object *message, struct buf *out)
{
	struct json_object *id = json_at(message, "id", NULL);
	const char *method = text_at(message, "method"), *rpc = text_at(message, "jsonrpc");
	bool has_id = json_object_is_type(message, json_type_object) &&
		      json_object_object_get_ex(message, "id", NULL);
	bool is_reply = !method && (json_at(message, "result", NULL) || json_at(message, "error", NULL));
	struct ask a = { .mcp = mcp, .params = json_at(message, "params", NULL) };
	struct buf result;

	if (is_reply || (method && !has_id)) /* a notification, or what was never asked */
		return false;
	if (!method || !rpc || strcmp(rpc, "2.0") != 0 ||
	    !(json_object_is_type(id, json_type_string) || json_object_is_type(id, json_type_int))) {
		write_error(out, NULL, INVALID_REQUEST,
			    "a message has \"jsonrpc\": \"2.0\", a method, and an id that is a string or an "
			    "integer");
		return true;
	}
	buf_init(&result, mcp->arena, 8192);
	a.out = &result;
	dispatch(&a, method);
	if (a.code) {
		write_error(out, id, a.code, a.problem);
		return true;
	}
	buf_text(out, "{\"jsonrpc\":\"2.0\"");
	write_id(out, id);
	jx_key(out, "result");
	buf_add(out, result.p, result.n);
	buf_char(out, '}');
	return true;
}

static enum err answer_batch(struct assistant *mcp, struct json_object *all, struct buf *out,
			     const char **problem)
{
	size_t n = json_object_array_length(all), from = out->n;
	bool any = false;

	if (mcp->version && strcmp(mcp->version, batching) != 0) {
		*problem = "since 2025-06-18 a message is sent by itself, and not in an array";
		return ERR_BAD_REQUEST;
	}
	if (!n || n > BATCH_MOST) {
		*problem = arena_fmt(mcp->arena, "an array of messages has 1 to %d of them", BATCH_MOST);
		return ERR_BAD_REQUEST;
	}
	buf_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		size_t before = out->n;

		if (any)
			buf_char(out, ',');
		if (answer_one(mcp, json_object_array_get_idx(all, i), out))
			any = true;
		else
			out->n = before;
	}
	buf_char(out, ']');
	if (!any)
		out->n = from;
	return any ? ERR_OK : ERR_NOT_FOUND;
}

enum err assistant_answer(struct assistant *mcp, const char *text, size_t n, struct buf *out,
			  const char **problem)
{
	struct json_object *message;
	enum err rc = json_read(mcp->arena, text, n, &message, problem);

	if (rc)
		return rc;
	if (json_object_is_type(message, json_type_array))
		return answer_batch(mcp, message, out, problem);
	if (!json_object_is_type(message, json_type_object)) {
		*problem = "a message is a JSON object";
		return ERR_BAD_REQUEST;
	}
	return answer_one(mcp, message, out) ? ERR_OK : ERR_NOT_FOUND;
}
