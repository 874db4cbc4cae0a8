#include "providers/mcp.h"

#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "fcgi/version.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/sse.h"
#include "lib/base/utf8.h"
#include "lib/net/http.h"
#include "providers/mcp_sse.h"

#define REVISION "2025-06-18"

enum { MS = 1000000, CLOSE_MS = 1000, MAX_PAGES = 8, MAX_HEADERS = 16 };

/* An answer that is being read: one JSON object, or an event stream that it is an event of. */
struct answer {
	struct mcp *m;
	long long id; /* of the request; 0: nothing is waited for */
	struct sse sse;
	struct buf body; /* of one that is no stream; of a stream the event that was too long */
	bool has_begun, is_stream, was_cut;
	struct json_object *said; /* the response */
};

static bool fail(struct mcp *m, const char *reason)
{
	m->reason = reason;
	return false;
}

/* Is it the response to what was asked?  Servers may send notices and requests of their own before. */
static void read_message(struct answer *answer, const char *p, size_t n)
{
	struct json_object *message, *id;
	const char *problem;

	if (json_read_any(answer->m->arena, p, n, &message, &problem) ||
	    !json_object_is_type(message, json_type_object))
		return;
	id = json_object_object_get(message, "id");
	if (json_object_is_type(id, json_type_int) && json_object_get_int64(id) == answer->id &&
	    !json_object_object_get_ex(message, "method", NULL))
		answer->said = message;
}

static bool take_event(void *to, const char *event, const char *data, size_t n)
{
	struct answer *answer = to;

	if (!strcmp(event, "message"))
		read_message(answer, data, n);
	return !answer->said;
}

static bool take_piece(void *to, const char *p, size_t n)
{
	struct answer *answer = to;

	if (!answer->has_begun) {
		size_t blank = 0;

		while (blank < n && strchr(" \t\r\n", p[blank]))
			blank++;
		if (blank == n)
			return true;
		answer->has_begun = true;
		answer->is_stream = p[blank] != '{' && p[blank] != '[';
	}
	if (answer->is_stream) {
		if (sse_feed(&answer->sse, p, n, take_event, answer))
			return true;
		if (!answer->said) {
			struct buf *b = answer->sse.data.n ? &answer->sse.data : &answer->sse.line;

			buf_add(&answer->body, b->p, b->n < MCP_MAX_ANSWER ? b->n : MCP_MAX_ANSWER);
			answer->was_cut = true;
		}
		return false;
	}
	if (answer->body.n + n > MCP_MAX_ANSWER) {
		n = MCP_MAX_ANSWER - answer->body.n;
		answer->was_cut = true;
	}
	buf_add(&answer->body, p, n);
	return !answer->was_cut;
}

/* The configured headers, and those of the protocol. */
static const char *const *headers_of(struct mcp *m, const char **all)
{
	int n = 0;

	all[n++] = "Content-Type: application/json";
	all[n++] = "Accept: application/json, text/event-stream";
	if (m->version)
		all[n++] = arena_fmt(m->arena, "MCP-Protocol-Version: %s", m->version);
	if (m->session)
		all[n++] = arena_fmt(m->arena, "Mcp-Session-Id: %s", m->session);
	for (int i = 0; m->server->headers && m->server->headers[i] && n < MAX_HEADERS - 1; i++)
		all[n++] = m->server->headers[i];
	all[n] = NULL;
	return all;
}

static long left_ms(const struct mcp *m, long most)
{
	long left = (long)((m->deadline_ns - clock_ns()) / MS);

	return left < 1 ? 1 : left < most ? left : most;
}

/* What a session may be called: visible ASCII. */
static bool is_session(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	for (size_t i = 0; i < n; i++)
		if (text[i] < '!' || text[i] > '~')
			return false;
	return n > 0 && n <= 1024;
}

static bool is_wanted(void *to)
{
	const struct mcp_server *server = ((struct answer *)to)->m->server;

	return !server->is_wanted || server->is_wanted(server->to);
}

static bool take_message(void *to, const char *p, size_t n)
{
	struct answer *answer = to;

	read_message(answer, p, n);
	return !answer->said;
}

static bool ask_by_sse(struct mcp *m, const struct buf *message, struct answer *answer)
{
	const struct mcp_sse_call call = { .p = message->p,
					   .n = message->n,
					   .take = answer->id ? take_message : NULL,
					   .to = answer,
					   .timeout_ms = left_ms(m, MCP_CALL_MS) };
	const char *cut;
	size_t n;

	if (mcp_sse_ask(m->sse, &call, &m->reason, &cut, &n))
		return true;
	if (!cut || !answer->id)
		return false;
	buf_init(&answer->body, m->arena, n + 1);
	buf_add(&answer->body, cut, n);
	answer->was_cut = true;
	return true;
}

/* Send a message, and read the response where one is waited for. */
static bool ask(struct mcp *m, struct buf *message, struct answer *answer, struct http_answer *out)
{
	const char *headers[MAX_HEADERS];
	struct http_call call = {
		.method = "POST",
		.url = m->server->url,
		.headers = headers_of(m, headers),
		.body = message->p,
		.body_len = message->n,
		.max_bytes = 2 * MCP_MAX_ANSWER, /* whoever reads it cuts it before */
		.timeout_ms = left_ms(m, MCP_CALL_MS),
		.flags = HTTP_USER_URL | HTTP_CUT,
		.take = take_piece,
		.is_wanted = is_wanted,
		.to = answer,
	};
	enum err rc;

	if (m->sse)
		return ask_by_sse(m, message, answer);
	sse_init(&answer->sse, m->arena, MCP_MAX_ANSWER);
	buf_init(&answer->body, m->arena, 4096);
	rc = http_do(m->arena, &call, out);
	if (rc && rc != ERR_CLIENT_CLOSED)
		return fail(m, out->reason ? out->reason : "there was no answer");
	if (out->status < 200 || out->status > 299)
		return fail(m, arena_fmt(m->arena, "the server answered with status %d", out->status));
	if (!answer->id)
		return true;
	if (!answer->said && !answer->is_stream && !answer->was_cut)
		read_message(answer, answer->body.p, answer->body.n);
	if (answer->said || answer->was_cut)
		return true;
	return fail(m, "the server's answer is no response of JSON-RPC");
}

static void begin_message(struct mcp *m, struct buf *b, struct answer *answer, const char *method)
{
	buf_init(b, m->arena, 1024);
	buf_text(b, "{\"jsonrpc\":\"2.0\"");
	*answer = (struct answer){ .m = m };
	if (strncmp(method, "notifications/", strlen("notifications/"))) {
		answer->id = ++m->calls;
		jx_key_int(b, "id", answer->id);
	}
	jx_key_str(b, "method", method);
	jx_key(b, "params");
}

/* The result of what was said; NULL: it is an error, and reason says so. */
static struct json_object *result_of(struct mcp *m, const struct answer *answer)
{
	struct json_object *result = answer->said ? json_object_object_get(answer->said, "result") : NULL;
	const char *message = json_text(json_at(answer->said, "error", "message"), 500);

	if (json_object_is_type(result, json_type_object))
		return result;
	fail(m, answer->was_cut ? "the server's answer is too long"
		: message       ? arena_fmt(m->arena, "the server refuses: %s", message)
				: "the server's answer has no result");
	return NULL;
}

bool mcp_open(struct mcp *m, struct arena *a, const struct mcp_server *server, int64_t deadline_ns)
{
	static const char *const spoken[] = { REVISION, "2025-03-26", "2024-11-05", NULL };
	struct http_answer out;
	struct answer answer;
	struct json_object *result;
	const char *version;
	struct buf b;

	*m = (struct mcp){ .arena = a, .server = server, .deadline_ns = deadline_ns };
	if (server->is_sse) {
		m->sse = mcp_sse_open(a, server->url, server->headers, MCP_MAX_ANSWER, deadline_ns,
				      server->is_wanted, server->to, &m->reason);
		if (!m->sse)
			return false;
	}
	begin_message(m, &b, &answer, "initialize");
	buf_text(&b, "{\"protocolVersion\":\"" REVISION "\",\"capabilities\":{},"
		     "\"clientInfo\":{\"name\":\"ashlar\",\"version\":\"" ASHLAR_VERSION "\"}}}");
	if (!ask(m, &b, &answer, &out))
		return false;
	result = result_of(m, &answer);
	if (!result)
		return false;
	version = json_text(json_object_object_get(result, "protocolVersion"), 64);
	for (int i = 0; version && spoken[i] && !m->version; i++)
		if (!strcmp(version, spoken[i]))
			m->version = spoken[i];
	if (!m->version)
		return fail(m, "the server speaks another revision of the protocol");
	m->session = m->sse ? NULL : http_header(&out, "Mcp-Session-Id");
	if (!is_session(m->session))
		m->session = NULL;
	begin_message(m, &b, &answer, "notifications/initialized");
	buf_text(&b, "{}}");
	return ask(m, &b, &answer, &out);
}

int mcp_list(struct mcp *m, struct mcp_tool *out, int max)
{
	const char *cursor = NULL;
	struct http_answer http;
	struct answer answer;
	int n = 0;

	for (int page = 0; page < MAX_PAGES; page++) {
		struct json_object *result, *tools;
		struct buf b;

		begin_message(m, &b, &answer, "tools/list");
		buf_char(&b, '{');
		jx_key_str(&b, "cursor", cursor);
		buf_text(&b, "}}");
		if (!ask(m, &b, &answer, &http))
			return -1;
		result = result_of(m, &answer);
		if (!result)
			return -1;
		tools = json_object_object_get(result, "tools");
		for (size_t i = 0; json_object_is_type(tools, json_type_array) &&
				   i < json_object_array_length(tools) && n < max;
		     i++) {
			struct json_object *tool = json_object_array_get_idx(tools, i);
			struct json_object *schema = json_at(tool, "inputSchema", NULL);
			const char *name = json_text(json_at(tool, "name", NULL), 128), *text;

			text = json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PLAIN);
			if (name && json_object_is_type(schema, json_type_object) &&
			    strlen(text) <= MCP_MAX_SCHEMA)
				out[n++] = (struct mcp_tool){
					name, json_text(json_at(tool, "description", NULL), 4096), text
				};
		}
		cursor = json_text(json_object_object_get(result, "nextCursor"), 4096);
		if (!cursor || n == max)
			break;
	}
	return n;
}

/* Text for a model, as much as there is room for. */
static void add_text(struct buf *out, size_t from, const char *p, size_t n, bool *was_cut)
{
	size_t room = MCP_MAX_TEXT - (out->n - from);

	if (n > room) {
		/* Not within a character. */
		for (n = room; n && ((unsigned char)p[n] & 0xc0) == 0x80;)
			n--;
		*was_cut = true;
	}
	buf_add(out, p, n);
}

/* What a result consists of: texts as they are, of other things what they are. */
static void add_content(struct mcp *m, struct buf *out, struct json_object *result, bool *was_cut)
{
	struct json_object *content = json_object_object_get(result, "content");
	size_t n = json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0,
	       from = out->n;

	for (size_t i = 0; i < n && !*was_cut; i++) {
		struct json_object *part = json_object_array_get_idx(content, i);
		struct json_object *text = json_at(part, "text", NULL);
		const char *kind = json_text(json_at(part, "type", NULL), 32);

		if (!text)
			text = json_at(part, "resource", "text");
		if (i)
			add_text(out, from, "\n", 1, was_cut);
		if (json_object_is_type(text, json_type_string)) {
			add_text(out, from, json_object_get_string(text),
				 (size_t)json_object_get_string_len(text), was_cut);
		} else {
			const char *note =
				arena_fmt(m->arena, "[%s, which cannot be shown]", kind ? kind : "something");

			add_text(out, from, note, strlen(note), was_cut);
		}
	}
	if (!n) {
		struct json_object *data = json_object_object_get(result, "structuredContent");
		const char *text = data ? json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN) : "";

		add_text(out, from, text, strlen(text), was_cut);
	}
}

/* Of an answer that is cut within its JSON: the beginning of its first text. */
static void add_beginning(struct mcp *m, struct buf *out, struct buf *body)
{
	static const char key[] = "\"text\"";
	const char *p = buf_str(body), *end = p + body->n, *problem;
	struct json_object *text;
	bool was_cut;
	struct buf b;

	/* The member, and not the value of "type". */
	while ((p = strstr(p, key))) {
		p += strlen(key);
		p += strspn(p, " \t\r\n");
		if (*p++ == ':') {
			p += strspn(p, " \t\r\n");
			break;
		}
	}
	if (!p || *p != '"')
		return;
	buf_init(&b, m->arena, MCP_MAX_TEXT);
	buf_char(&b, '"');
	for (p++; p < end && *p != '"' && b.n < MCP_MAX_TEXT;) {
		size_t n = *p != '\\' ? 1 : p + 1 < end && p[1] == 'u' ? 6 : 2;

		if (p + n > end)
			break;
		buf_add(&b, p, n), p += n;
	}
	buf_char(&b, '"');
	if (!json_read_any(m->arena, b.p, b.n, &text, &problem))
		add_text(out, out->n, json_object_get_string(text), (size_t)json_object_get_string_len(text),
			 &was_cut);
}

bool mcp_call(struct mcp *m, const char *tool, const char *arguments, struct buf *out)
{
	struct json_object *result;
	struct http_answer http;
	struct answer answer;
	bool was_cut = false;
	struct buf b;

	begin_message(m, &b, &answer, "tools/call");
	buf_char(&b, '{');
	jx_key_str(&b, "name", tool);
	jx_key(&b, "arguments"), buf_text(&b, arguments);
	buf_text(&b, "}}");
	if (!ask(m, &b, &answer, &http)) {
		buf_fmt(out, "[the tool gave no answer: %s]", m->reason);
		return false;
	}
	if (answer.was_cut) {
		add_beginning(m, out, &answer.body);
		buf_fmt(out,
			"\n[cut: the tool's answer has more than %d bytes, of which this is the beginning]",
			MCP_MAX_ANSWER);
		return true;
	}
	result = result_of(m, &answer);
	if (!result) {
		buf_fmt(out, "[the tool failed: %s]", m->reason);
		return false;
	}
	add_content(m, out, result, &was_cut);
	if (was_cut)
		buf_fmt(out, "\n[cut: of the tool's answer this is the first %d bytes]", MCP_MAX_TEXT);
	return !json_object_get_boolean(json_object_object_get(result, "isError"));
}

void mcp_close(struct mcp *m)
{
	const char *headers[MAX_HEADERS];
	struct http_answer out;

	if (m->sse)
		mcp_sse_close(m->sse);
	if (m->session)
		http_do(m->arena,
			&(struct http_call){ .method = "DELETE",
					     .url = m->server->url,
					     .headers = headers_of(m, headers),
					     .timeout_ms = CLOSE_MS,
					     .flags = HTTP_USER_URL },
			&out);
}
