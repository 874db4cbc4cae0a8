#include "realtime/authorizer.h"

#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/serve.h"
#include "lib/base/clock.h"
#include "lib/base/qs.h"
#include "lib/db/db.h"
#include "lib/host/config.h"

enum { ARENA_BYTES = 64 * 1024, MAX_PARAMS = 2 * HEAD_MAX_FIELDS };

static struct req rq;

/* The request */

/* "bearer, <token>" in Sec-WebSocket-Protocol: the way for pages, which can set no other header. */
static const char *offered_token(const char *protocols)
{
	char *first, *second, *end;

	if (!protocols)
		return NULL;
	first = arena_dup(&rq.tx.arena, protocols);
	second = strchr(first, ',');
	if (!second)
		return NULL;
	*second++ = '\0';
	first[strcspn(first, " \t")] = '\0';
	second += strspn(second, " \t");
	end = second + strcspn(second, " \t,");
	if (strcasecmp(first, "bearer") != 0 || end == second)
		return NULL;
	*end = '\0';
	return second;
}

static const char *asked_for(const char *name)
{
	const char *uri = req_param(&rq, "REQUEST_URI"), *question = uri ? strchr(uri, '?') : NULL, *problem;
	struct qs_pair *pairs;
	int n = question ? qs_parse(&rq.tx.arena, question + 1, &pairs, &problem) : 0;

	for (int i = 0; i < n; i++)
		if (!strcmp(pairs[i].name, name) && *pairs[i].value)
			return pairs[i].value;
	return NULL;
}

/*
 * Wherever the credentials and the workspace are, behind this they are in the
 * headers where all of fcgi/ looks for them; a ticket has a place of its own.
 */
static void find_credentials(char **params, size_t *n)
{
	const char *workspace = req_header(&rq, "X-Workspace-Id") ? NULL : asked_for("workspace_id");
	const char *token = NULL, *ticket;

	if (!req_header(&rq, "Authorization")) {
		ticket = asked_for("ticket");
		token = ticket ? NULL : offered_token(req_header(&rq, "Sec-WebSocket-Protocol"));
		if (!ticket && !token)
			token = asked_for("token");
		if (ticket)
			params[(*n)++] = arena_fmt(&rq.tx.arena, "REALTIME_TICKET=%s", ticket);
		else if (token)
			params[(*n)++] = arena_fmt(&rq.tx.arena, "HTTP_AUTHORIZATION=Bearer %s", token);
	}
	if (workspace)
		params[(*n)++] = arena_fmt(&rq.tx.arena, "HTTP_X_WORKSPACE_ID=%s", workspace);
	params[*n] = NULL;
}

static void read_params(char *p, size_t size)
{
	char **params = arena_alloc(&rq.tx.arena, (MAX_PARAMS + 8) * sizeof(*params));
	size_t n = 0;

	for (char *end = p + size; p < end && n < MAX_PARAMS; p += strlen(p) + 1)
		params[n++] = p;
	params[n] = NULL;
	rq.asked.params = params;
	find_credentials(params, &n);
}

/* The answer */

/* Pages: those that CORS_ORIGINS names, those of the tenant's public keys, our own. */
static bool is_from_good_page(bool is_tenants)
{
	const char *origin = req_header(&rq, "Origin");

	return !origin || is_tenants || answer_origin(&rq) || !strcasecmp(origin, cfg.public_url);
}

static void put(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
}

static void copy_text(char *to, size_t size, const struct json_object *row, const char *name)
{
	struct json_object *v = NULL;

	if (json_object_object_get_ex(row, name, &v) && v)
		put(to, size, json_object_get_string(v));
}

static bool copy_number(int64_t *to, const struct json_object *row, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(row, name, &v) || !v)
		return false;
	*to = json_object_get_int64(v);
	return true;
}

static bool copy_bool(const struct json_object *row, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(row, name, &v) && json_object_get_boolean(v);
}

/* A client that reconnects by itself tells in a header where it was; the query is how it began. */
static void read_last_event(struct pass *out)
{
	const char *text = req_header(&rq, "Last-Event-ID");
	size_t digits = text ? strspn(text, "0123456789") : 0;

	if (!digits || digits > 18 || text[digits])
		return;
	out->event_id = strtoll(text, NULL, 10);
	out->has_event_id = out->is_resumed = true;
}

/* What the route's query told of the caller. */
static bool read_pass(struct pass *out, bool *is_tenants)
{
	struct json_object *row = json_tokener_parse(buf_str(&rq.answer.out));
	char credential[16] = "key"; /* where it is no token: what the query has named */
	int64_t lasts_s = 0;

	if (!row)
		return false;
	copy_text(out->tenant_id, sizeof(out->tenant_id), row, "tenant_id");
	copy_text(out->user_id, sizeof(out->user_id), row, "id");
	copy_text(out->subject, sizeof(out->subject), row, "public_id");
	copy_text(out->channel, sizeof(out->channel), row, "channel");
	copy_text(out->also, sizeof(out->also), row, "also");
	copy_text(out->state_event, sizeof(out->state_event), row, "state_event");
	copy_text(out->state, sizeof(out->state), row, "state");
	out->is_plain = copy_bool(row, "is_plain");
	out->is_job = copy_number(&lasts_s, row, "lasts_s");
	out->is_over = copy_bool(row, "is_last");
	copy_text(credential, sizeof(credential), row, "credential");
	out->has_event_id = copy_number(&out->event_id, row, "event_id");
	*is_tenants = copy_bool(row, "is_from_page");
	out->is_stream = *out->channel;
	read_last_event(out);
	json_object_put(row);
	out->expires_at = out->is_job ? clock_unix_us() / 1000000 + lasts_s : rq.who.expires_s;
	if (rq.who.session) {
		put(out->session_id, sizeof(out->session_id), rq.who.session);
	} else if (!rq.who.issuer) {
		put(out->issuer, sizeof(out->issuer), credential);
	} else {
		put(out->issuer, sizeof(out->issuer), rq.who.issuer);
		put(out->foreign, sizeof(out->foreign), rq.who.subject);
	}
	return *out->tenant_id && *out->user_id && *out->subject;
}

/* The head as FastCGI has it begins with "Status: 401"; HTTP has a status line. */
static void write_response(struct buf *b)
{
	struct buf head;
	char *rest;

	buf_init(&head, &rq.tx.arena, 2048);
	answer_head(&rq, &head);
	rest = strchr(buf_str(&head), '\n') + 1;
	buf_fmt(b, "HTTP/1.1 %d \r\nConnection: close\r\n%s", rq.answer.status, rest);
	if (rq.asked.method != HEAD)
		buf_add(b, rq.answer.out.p, rq.answer.out.n);
}

/* The fields that a response which goes on for ever, or changes the protocol, may have. */
static void write_fields(struct buf *b, bool is_stream)
{
	struct buf head;
	char *line, *end;

	rq.answer.out.n = 0;
	buf_init(&head, &rq.tx.arena, 2048);
	answer_head(&rq, &head);
	for (line = buf_str(&head); (end = strstr(line, "\r\n")) && end != line; line = end + 2)
		if (strncmp(line, "Status:", 7) && strncmp(line, "Content-Length:", 15) &&
		    (is_stream || strncmp(line, "Content-Type:", 13)))
			buf_add(b, line, (size_t)(end + 2 - line));
}

static enum err refuse(enum pass_refusal refusal)
{
	static const char *const messages[] = {
		[PASS_FULL] = "this server has as many connections as it can",
		[PASS_ADDRESS_FULL] = "there are too many connections from this address",
		[PASS_USER_FULL] = "this user has too many connections",
	};

	rq.tx.fail = (struct failure){ 0 };
	req_too_many(&rq, 10);
	rq.limits.name = "connections";
	rq.tx.fail.err = refusal == PASS_FULL ? ERR_UNAVAILABLE : ERR_RATE_LIMIT;
	rq.tx.fail.message = messages[refusal];
	return rq.tx.fail.err;
}

static bool is_websocket(void)
{
	return rq.asked.route && rq.asked.route->status == 101;
}

static enum err refuse_plain(void)
{
	const char *version = req_header(&rq, "Sec-WebSocket-Version");
	const char *protocol = req_header(&rq, "X-Protocol"); /* nginx's word; none: there is no nginx */

	if (!req_param(&rq, "REALTIME_UPGRADE")) {
		/* HTTP/2 knows no Upgrade (RFC 9113 8.2.2): there, clients take it for a broken answer. */
		if (!protocol || !strncmp(protocol, "HTTP/1", 6))
			req_set_header(&rq, "Upgrade", "websocket");
		return req_fail(&rq, ERR_UPGRADE_REQUIRED, NULL);
	}
	if (!version || strcmp(version, "13") != 0) {
		req_set_header(&rq, "Sec-WebSocket-Version", "13");
		return req_fail(&rq, ERR_UPGRADE_REQUIRED, "the version of WebSocket is 13");
	}
	return ERR_OK;
}

/* Neither row has an answer that a HEAD could be about. */
static enum err refuse_method(void)
{
	if (rq.asked.method != HEAD)
		return ERR_OK;
	req_set_header(&rq, "Allow", "GET, OPTIONS");
	return req_fail(&rq, ERR_METHOD_NOT_ALLOWED, NULL);
}

static void answer_to(const struct authorizer_asked *asked, struct authorizer_answer *out, struct buf *text)
{
	enum err rc = serve_begin(&rq);

	if (asked->refusal)
		rc = refuse(asked->refusal);
	else if (!rc)
		rc = refuse_method();
	if (!rc && is_websocket() && rq.asked.method == GET)
		rc = refuse_plain();
	serve_answer(&rq, rc);
	if (!rq.tx.fail.err && rq.asked.method == GET && rq.asked.route && rq.asked.route->flags & REALTIME) {
		bool is_tenants = false;

		if (!read_pass(&out->pass, &is_tenants))
			req_fail_inside(&rq, ERR_INTERNAL, "the query told nothing of the caller");
		else if (!is_from_good_page(is_tenants))
			req_fail(&rq, ERR_ORIGIN, "this page may not connect: its origin is not allowed");
		rq.answer.any_origin =
			is_tenants; /* a page of a public key that did not come along may read the stream */
		if (rq.tx.fail.err)
			answer_error(&rq);
		else
			out->is_admitted = true;
	}
	if (out->is_admitted)
		write_fields(text, out->pass.is_stream);
	else
		write_response(text);
	serve_end(&rq);
}

/* The loop */

static void answer(int fd, char *message, size_t n)
{
	struct authorizer_asked asked;
	struct authorizer_answer head = { 0 };
	struct arena arena = rq.tx.arena;
	struct buf text, whole;

	memcpy(&asked, message, sizeof(asked));
	rq = (struct req){ .tx.arena = arena };
	read_params(message + sizeof(asked), n - sizeof(asked));
	head.number = asked.number;
	buf_init(&text, &rq.tx.arena, 4096);
	answer_to(&asked, &head, &text);
	if (text.n > AUTHORIZER_ANSWER_BYTES - sizeof(head))
		text.n = AUTHORIZER_ANSWER_BYTES - sizeof(head);
	buf_init(&whole, &rq.tx.arena, sizeof(head) + text.n);
	buf_add(&whole, &head, sizeof(head));
	buf_add(&whole, text.p, text.n);
	if (send(fd, whole.p, whole.n, MSG_NOSIGNAL) < 0)
		_exit(0); /* the server is gone */
	arena_reset(&rq.tx.arena);
}

_Noreturn void authorizer_run(int fd)
{
	static char message[AUTHORIZER_ASKED_BYTES + 1];

	arena_init(&rq.tx.arena, ARENA_BYTES);
	db_open();
	for (;;) {
		ssize_t n = recv(fd, message, AUTHORIZER_ASKED_BYTES, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof(struct authorizer_asked))
			break;
		message[n] = '\0';
		answer(fd, message, (size_t)n);
	}
	db_close();
	exit(0);
}
