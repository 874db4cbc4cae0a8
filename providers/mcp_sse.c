#include "providers/mcp_sse.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/sse.h"
#include "lib/net/http_multi.h"

enum {
	MS = 1000000,
	WANTED_MS = 250,
	MAX_HEADERS = 16,
	MAX_CALLS = 64,         /* streams and messages of a process at once: an agent has 20 servers */
	MAX_STREAM = 16 << 20,  /* bytes of a whole session */
	MAX_ACCEPTED = 4 << 10, /* bytes of what a message is accepted with, of which nothing is read */
	OPEN_MS = 10000,
};

/* A call that is under way among others'. */
struct pending {
	struct http_call call;
	struct http_answer out;
	enum err rc;
	bool is_done;
};

struct mcp_sse {
	struct arena *arena;
	const char *url, *endpoint;
	const char *const *headers;
	int64_t deadline_ns;
	bool (*is_wanted)(void *to);
	void *to;
	struct pending stream, post;
	bool is_open, is_elsewhere, was_cut;
	struct sse sse;
	const struct mcp_sse_call *asked; /* whose answer is waited for */
	bool has_answer;
};

/* The process's own: look-ups outlive whoever began them. */
static struct http_multi *calls(void)
{
	static struct http_multi *multi;
	static pid_t owner;

	if (owner != getpid()) {
		multi = http_multi_new(MAX_CALLS);
		owner = getpid();
	}
	return multi;
}

static bool take_event(void *to, const char *event, const char *data, size_t n)
{
	struct mcp_sse *s = to;

	if (!strcmp(event, "endpoint") && !s->endpoint) {
		s->endpoint = http_same_origin(s->arena, s->url, data);
		s->is_elsewhere = !s->endpoint;
	} else if (!strcmp(event, "message") && s->asked && !s->has_answer) {
		s->has_answer = !s->asked->take(s->asked->to, data, n);
	}
	return !s->is_elsewhere;
}

static bool take_piece(void *to, const char *p, size_t n)
{
	struct mcp_sse *s = to;

	if (sse_feed(&s->sse, p, n, take_event, s))
		return true;
	s->was_cut = !s->is_elsewhere;
	return false;
}

static const char *const *headers_of(struct mcp_sse *s, const char *first, const char *second)
{
	const char **all = arena_alloc(s->arena, MAX_HEADERS * sizeof(*all));
	int n = 0;

	all[n++] = first;
	if (second)
		all[n++] = second;
	for (int i = 0; s->headers && s->headers[i] && n < MAX_HEADERS - 1; i++)
		all[n++] = s->headers[i];
	return all;
}

static void begin(struct mcp_sse *s, struct pending *p)
{
	p->is_done = false;
	http_multi_add(calls(), s->arena, &p->call, &p->out, p);
}

/* Go on with everybody's, for a moment. */
static void turn(int64_t until_ns)
{
	int64_t left_ms = (until_ns - clock_ns()) / MS;
	struct pending *p;
	enum err rc;

	http_multi_wait(calls(), NULL, 0, left_ms < 0 ? 0 : left_ms > WANTED_MS ? WANTED_MS : (int)left_ms);
	while ((p = http_multi_next(calls(), &rc))) {
		p->rc = rc;
		p->is_done = true;
	}
}

/* Why one that is done is no use; NULL: it went well. */
static const char *problem_of(struct mcp_sse *s, const struct pending *p, bool is_stream)
{
	if (p->out.status && p->out.status / 100 != 2)
		return arena_fmt(s->arena, "the server answered with status %d", p->out.status);
	if (is_stream && s->is_elsewhere)
		return "the server's endpoint is not its own";
	if (is_stream && s->was_cut)
		return "the server's answer is too long";
	if (is_stream && (!p->rc || p->rc == ERR_CLIENT_CLOSED))
		return "the server's stream has ended";
	return p->rc ? p->out.reason ? p->out.reason : "there was no answer" : NULL;
}

static int64_t until(const struct mcp_sse *s, long timeout_ms)
{
	int64_t at = clock_ns() + (int64_t)timeout_ms * MS;

	return at < s->deadline_ns ? at : s->deadline_ns;
}

/* Whether to go on waiting; if not, the reason. */
static bool waits(struct mcp_sse *s, int64_t until_ns, const char **reason)
{
	if (s->stream.is_done)
		*reason = problem_of(s, &s->stream, true);
	else if (s->is_elsewhere)
		*reason = "the server's endpoint is not its own";
	else if (clock_ns() >= until_ns)
		*reason = "the server has not answered in time";
	else if (s->is_wanted && !s->is_wanted(s->to))
		*reason = "nobody waits for the answer";
	else
		return true;
	return false;
}

static void close_later(void *s)
{
	mcp_sse_close(s);
}

struct mcp_sse *mcp_sse_open(struct arena *a, const char *url, const char *const *headers, size_t max_message,
			     int64_t deadline_ns, bool (*is_wanted)(void *to), void *to, const char **reason)
{
	struct mcp_sse *s = arena_alloc(a, sizeof(*s));
	int64_t until_ns;

	*s = (struct mcp_sse){ .arena = a,
			       .url = url,
			       .headers = headers,
			       .deadline_ns = deadline_ns,
			       .is_wanted = is_wanted,
			       .to = to };
	until_ns = until(s, OPEN_MS);
	*reason = "too much is asked at once";
	if (!calls() || http_multi_room(calls()) < 2)
		return NULL;
	sse_init(&s->sse, a, max_message);
	s->stream.call = (struct http_call){
		.method = "GET",
		.url = url,
		.headers = headers_of(s, "Accept: text/event-stream", NULL),
		.max_bytes = MAX_STREAM,
		.timeout_ms = (long)((deadline_ns - clock_ns()) / MS) + 1,
		.flags = HTTP_USER_URL,
		.take = take_piece,
		.to = s,
	};
	s->is_open = true;
	arena_defer(a, close_later, s);
	begin(s, &s->stream);
	while (!s->endpoint) {
		if (!waits(s, until_ns, reason)) {
			mcp_sse_close(s);
			return NULL;
		}
		turn(until_ns);
	}
	return s;
}

bool mcp_sse_ask(struct mcp_sse *s, const struct mcp_sse_call *call, const char **reason, const char **cut,
		 size_t *cut_n)
{
	int64_t until_ns = until(s, call->timeout_ms);
	bool ok = false;

	*cut = NULL;
	if (!s->is_open || http_multi_room(calls()) < 1) {
		*reason = "the server's stream has ended";
		return false;
	}
	s->asked = call->take ? call : NULL;
	s->has_answer = false;
	s->post.call = (struct http_call){
		.method = "POST",
		.url = s->endpoint,
		.headers = headers_of(s, "Content-Type: application/json", "Accept: application/json"),
		.body = call->p,
		.body_len = call->n,
		.max_bytes = MAX_ACCEPTED,
		.timeout_ms = call->timeout_ms,
		.flags = HTTP_USER_URL | HTTP_CUT,
	};
	begin(s, &s->post);
	for (;;) {
		*reason = s->post.is_done ? problem_of(s, &s->post, false) : NULL;
		ok = s->asked ? s->has_answer : s->post.is_done && !*reason;
		if (ok || *reason || !waits(s, until_ns, reason))
			break;
		turn(until_ns);
	}
	if (!s->post.is_done)
		http_multi_drop(calls(), &s->post);
	s->asked = NULL;
	if (!ok && s->was_cut) {
		const struct buf *b = s->sse.data.n ? &s->sse.data : &s->sse.line;

		*cut = b->p;
		*cut_n = b->n;
		mcp_sse_close(s);
	}
	return ok;
}

void mcp_sse_close(struct mcp_sse *s)
{
	if (s->is_open && !s->stream.is_done)
		http_multi_drop(calls(), &s->stream);
	s->is_open = false;
}
