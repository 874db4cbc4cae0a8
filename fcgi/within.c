#include "fcgi/within.h"

#include <string.h>
#include <strings.h>

#include "fcgi/req.h"
#include "fcgi/request_trace.h"
#include "fcgi/serve.h"
#include "fcgi/share.h"

enum { MORE = 12 }; /* variables beside those of the outer request */

/* What an outer request says about itself alone, or about its own answer. */
static const char *const its_own[] = {
	"REQUEST_METHOD=",     "REQUEST_URI=",        "QUERY_STRING=",         "CONTENT_TYPE=",
	"CONTENT_LENGTH=",     "HTTP_CONTENT_TYPE=",  "HTTP_CONTENT_LENGTH=",  "HTTP_ACCEPT=",
	"HTTP_X_REQUEST_ID=",  "HTTP_TRACEPARENT=",   "HTTP_IDEMPOTENCY_KEY=", "HTTP_IF_MATCH=",
	"HTTP_IF_NONE_MATCH=", "HTTP_RANGE=",         "HTTP_IF_RANGE=",        "HTTP_TRANSFER_ENCODING=",
	"HTTP_EXPECT=",        "HTTP_X_API_VERSION=", "HTTP_ACCEPT_VERSION=",  NULL,
};

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool is_its_own(const char *variable)
{
	for (const char *const *p = its_own; *p; p++)
		if (begins(variable, *p))
			return true;
	return false;
}

/* A secret key that came as the bearer, as clients send it that have one place for credentials; or NULL. */
static const char *key_in(const struct req *outer)
{
	static const char bearer[] = "Bearer ";
	const char *text = req_header(outer, "Authorization");

	return text && !req_header(outer, "X-API-Key") && !strncasecmp(text, bearer, sizeof(bearer) - 1) &&
			       begins(text + sizeof(bearer) - 1, "sk_")
		       ? text + sizeof(bearer) - 1
		       : NULL;
}

/* Each request has an id of its own, by which it is found again; it begins with that of the one it is for. */
static const char *id_of(struct req *outer)
{
	static unsigned number;

	return arena_fmt(&outer->tx.arena, "%.100s-%u", outer->tx.log.request_id, ++number % 1000000);
}

static char **variables(struct req *outer, const struct within_ask *ask, size_t body_len)
{
	struct arena *a = &outer->tx.arena;
	const char *key = key_in(outer);
	size_t n = 0;
	char **all, **p;

	while (outer->asked.params[n])
		n++;
	p = all = arena_alloc(a, (n + MORE) * sizeof(*all));
	for (size_t i = 0; i < n; i++) {
		char *one = outer->asked.params[i];

		if (!is_its_own(one) &&
		    !(ask->workspace &&
		      (begins(one, "HTTP_X_WORKSPACE_ID=") || begins(one, "HTTP_X_ORGANIZATION_ID="))) &&
		    !(key && begins(one, "HTTP_AUTHORIZATION=")))
			*p++ = one;
	}
	*p++ = arena_fmt(a, "REQUEST_METHOD=%s", ask->method);
	*p++ = arena_fmt(a, "REQUEST_URI=%s", ask->target);
	*p++ = arena_fmt(a, "HTTP_X_REQUEST_ID=%s", id_of(outer));
	*p++ = arena_fmt(a, "HTTP_TRACEPARENT=00-%s-%s-0%d", outer->tx.log.trace_id, outer->tx.log.span_id,
			 span_is_recorded);
	*p++ = arena_dup(a, "HTTP_ACCEPT=application/json");
	if (ask->body) {
		*p++ = arena_dup(a, "CONTENT_TYPE=application/json");
		*p++ = arena_fmt(a, "CONTENT_LENGTH=%zu", body_len);
	}
	if (ask->workspace)
		*p++ = arena_fmt(a, "HTTP_X_WORKSPACE_ID=%s", ask->workspace),
		*p++ = arena_fmt(a, "HTTP_X_ORGANIZATION_ID=%s", ask->workspace); /* rows read one of both */
	if (ask->idempotency_key)
		*p++ = arena_fmt(a, "HTTP_IDEMPOTENCY_KEY=%s", ask->idempotency_key);
	if (key)
		*p++ = arena_fmt(a, "HTTP_X_API_KEY=%s", key);
	*p = NULL;
	return all;
}

void within_serve(struct req *outer, const struct within_ask *ask, struct within_answer *out)
{
	struct arena *a = &outer->tx.arena;
	size_t n = ask->body ? strlen(ask->body) : 0;
	struct req *rq = arena_alloc(a, sizeof(*rq));
	struct request_trace_kept *trace = arena_alloc(a, sizeof(*trace));
	enum err rc;

	arena_init(&rq->tx.arena, 16384);
	rq->asked.params = variables(outer, ask, n);
	request_trace_aside(trace);
	rq->answer.is_awaited = outer->answer.is_awaited;
	rq->tx.peer_fd = outer->tx.peer_fd;
	rc = serve_begin(rq);
	rq->asked.body = ask->body;
	rq->asked.body_len = n;
	if (!rc && n > serve_max_body(rq))
		rc = req_fail(rq, ERR_PAYLOAD_TOO_LARGE, "the body may have at most %zu bytes",
			      serve_max_body(rq));
	serve_answer(rq, rc);
	share_give_back();
	*out = (struct within_answer){
		.status = rq->answer.status,
		.request_id = arena_dup(a, rq->tx.log.request_id),
		.body = arena_dup_n(a, rq->answer.out.p ? rq->answer.out.p : "", rq->answer.out.n),
		.n = rq->answer.out.n,
	};
	serve_end(rq);
	request_trace_back(trace);
	arena_release(&rq->tx.arena);
}
