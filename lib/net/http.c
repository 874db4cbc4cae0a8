#include "lib/net/http.h"

#include <curl/curl.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "lib/host/span.h"
#include "lib/net/http_exchange.h"
#include "lib/net/http_trace.h"

enum {
	MAX_REDIRECTS = 3,
	MAX_RETRIES = 2,
	RETRY_MS = 100,            /* the first pause; doubled for the second */
	MAX_RETRY_AFTER_MS = 5000, /* a provider that wants more gets its answer passed on */
	WANTED_MS = 250,           /* how often is_wanted is asked at least */
	BREAKER_OPEN_MS = 5000,    /* the first time; doubled with each failed probe */
	BREAKER_MAX_OPEN_MS = 60000,
	BREAKER_SANE_MS = 11 * 60000, /* no lease is longer: what claims to be is a relic of another boot */
};

static void sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left))
		;
}

/*
 * Circuit breakers
 */

SHM_REGION(http_breakers, struct http_breaker, HTTP_BREAKERS)

/* Those of the host; of this process alone where it shares nothing. */
static struct http_breaker *breakers(void)
{
	static struct http_breaker own[HTTP_BREAKERS];

	return http_breakers() ? http_breakers() : own;
}

struct http_breaker *http_breaker_find(const char *provider)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
	const char *p;
	int i;

	if (!provider)
		return NULL;
	for (p = provider; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 0x100000001b3;
	hash |= !hash;
	for (i = 0; i < HTTP_BREAKERS; i++) {
		struct http_breaker *b = &breakers()[(hash + (unsigned)i) % HTTP_BREAKERS];
		uint64_t owner = atomic_load_explicit(&b->provider, memory_order_relaxed);

		if (owner == hash || (!owner && atomic_compare_exchange_strong(&b->provider, &owner, hash)) ||
		    owner == hash) /* another process claimed it just now, for the same provider */
			return b;
	}
	return NULL;
}

static uint64_t breaker_pack(int64_t until_ms, unsigned failures)
{
	return (uint64_t)until_ms << 16 | failures;
}

bool http_breaker_enter(struct http_breaker *b, int64_t now, int64_t lease_ms, bool *probe)
{
	uint64_t seen = atomic_load(&b->state);

	*probe = false;
	for (;;) {
		unsigned failures = seen & 0xffff;
		int64_t until = (int64_t)(seen >> 16);

		if (failures < HTTP_BREAKER_FAILURES)
			return true;
		if (now < until && until <= now + BREAKER_SANE_MS)
			return false;
		if (atomic_compare_exchange_weak(&b->state, &seen, breaker_pack(now + lease_ms, failures))) {
			*probe = true;
			return true;
		}
	}
}

void http_breaker_leave(struct http_breaker *b, int64_t now, bool probe, bool worked)
{
	uint64_t seen = atomic_load(&b->state), next;

	do {
		unsigned failures = seen & 0xffff, doublings;
		int64_t open_ms = 0;

		if (worked) {
			next = 0;
		} else if (failures >= HTTP_BREAKER_FAILURES && !probe) {
			return; /* begun before it opened: says nothing new */
		} else {
			failures += failures < 0xffff;
			if (failures >= HTTP_BREAKER_FAILURES) {
				doublings = failures - HTTP_BREAKER_FAILURES;
				open_ms = doublings < 4 ? BREAKER_OPEN_MS << doublings : BREAKER_MAX_OPEN_MS;
			}
			next = breaker_pack(open_ms ? now + open_ms : 0, failures);
		}
		if (next == seen)
			return;
	} while (!atomic_compare_exchange_weak(&b->state, &seen, next));
}

/*
 * One call
 */

/*
 * The process's handle, kept for its connections.  One made before a fork is
 * left alone: closing it would end TLS sessions that the parent still uses.
 */
static CURL *shared_handle(void)
{
	static CURL *handle;
	static pid_t owner;

	if (owner != getpid()) {
		handle = curl_easy_init();
		owner = getpid();
	} else if (handle) {
		curl_easy_reset(handle);
	}
	return handle;
}

/* The process's multi handle, where the connections of calls that are looked after are kept. */
static CURLM *shared_multi(void)
{
	static CURLM *multi;
	static pid_t owner;

	if (owner != getpid()) {
		multi = curl_multi_init();
		owner = getpid();
	}
	return multi;
}

/* As curl_easy_perform, and asks meanwhile whether the answer is still wanted. */
static CURLcode perform(struct exchange *x, CURL *h, bool is_users)
{
	CURLM *multi;
	CURLcode rc = CURLE_ABORTED_BY_CALLBACK;
	int running = 1, left;
	CURLMsg *msg;

	if (!x->call->is_wanted)
		return curl_easy_perform(h);
	multi = is_users ? curl_multi_init() : shared_multi();
	if (!multi || curl_multi_add_handle(multi, h))
		return CURLE_FAILED_INIT;
	while (running && !curl_multi_perform(multi, &running) && running) {
		if (curl_multi_poll(multi, NULL, 0, WANTED_MS, NULL))
			break;
		if (!x->call->is_wanted(x->call->to)) {
			x->stopped = true;
			break;
		}
	}
	while ((msg = curl_multi_info_read(multi, &left)))
		if (msg->msg == CURLMSG_DONE && msg->easy_handle == h)
			rc = msg->data.result;
	curl_multi_remove_handle(multi, h);
	if (is_users)
		curl_multi_cleanup(multi);
	return rc;
}

/* Send the request once.  CURLE_OK: there is an answer. */
static CURLcode attempt(struct exchange *x)
{
	bool is_users = x->call->flags & HTTP_USER_URL;
	/* A user's host gets a separate handle: no connection, pinned address or session is left behind. */
	CURL *h = is_users ? curl_easy_init() : shared_handle();
	CURLcode rc;

	if (!h)
		return CURLE_FAILED_INIT;
	http_exchange_prepare(x, h);
	rc = http_exchange_take(x, h, perform(x, h, is_users));
	if (is_users)
		curl_easy_cleanup(h);
	else
		curl_easy_reset(h); /* it points to this call's memory */
	return rc;
}

static bool is_idempotent(const struct exchange *x)
{
	return x->call->flags & HTTP_RETRY || !strcmp(x->method, "GET") || !strcmp(x->method, "HEAD") ||
	       !strcmp(x->method, "PUT") || !strcmp(x->method, "DELETE");
}

/* How long to pause before the next attempt, or -1 when there should be none. */
static long retry_pause_ms(const struct exchange *x, CURLcode rc, int retries)
{
	long base = (long)RETRY_MS << retries, pause = base / 2 + (long)arc4random_uniform((uint32_t)base);
	const char *after;
	int status = x->out->status;

	if (!is_idempotent(x) || retries == MAX_RETRIES || x->refused || x->too_large || x->stopped ||
	    x->taken)
		return -1;
	if (x->call->is_passing) {
		if (!x->call->is_passing(x->out))
			return -1;
	} else if (rc) {
		if (!x->unsent || (rc != CURLE_COULDNT_CONNECT && rc != CURLE_COULDNT_RESOLVE_HOST &&
				   rc != CURLE_OPERATION_TIMEDOUT))
			return -1;
	} else if (status != 502 && status != 503 && status != 504) {
		return -1;
	}
	after = rc ? NULL : http_header(x->out, "Retry-After");
	if (after) {
		/* Seconds; or a date, which is relative to the provider's clock and so not worth trusting. */
		char *end;
		long s = strtol(after, &end, 10);

		if (end == after || s < 0 || s > MAX_RETRY_AFTER_MS / 1000)
			return -1;
		if (pause < s * 1000)
			pause += s * 1000;
	}
	return http_exchange_now_ms() + pause < x->deadline_ms ? pause : -1;
}

/* The hop in hand, with its retries. */
static enum err hop_run(struct exchange *x)
{
	int retries;

	for (retries = 0;; retries++) {
		CURLcode rc = attempt(x);
		long pause = retry_pause_ms(x, rc, retries);

		if (pause >= 0) {
			sleep_ms(pause);
			continue;
		}
		return http_exchange_verdict(x, rc);
	}
}

static bool is_redirect(const struct exchange *x)
{
	int s = x->out->status;

	return x->call->flags & HTTP_FOLLOW && (!strcmp(x->method, "GET") || !strcmp(x->method, "HEAD")) &&
	       (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) && http_header(x->out, "Location");
}

static enum err run(struct exchange *x)
{
	const char *url = x->call->url;
	int hops;

	for (hops = 0;; hops++) {
		enum err rc = http_exchange_hop_open(x, url);

		/* Of a URL that is not the user's, no client can be told to correct it. */
		if (rc == ERR_VALIDATION && !(x->call->flags & HTTP_USER_URL))
			rc = hops ? ERR_EXTERNAL : ERR_UNAVAILABLE;
		if (!rc)
			rc = hop_run(x);
		if (rc || !is_redirect(x))
			return rc;
		if (hops == MAX_REDIRECTS)
			return http_exchange_fail(x, ERR_EXTERNAL, "too many redirects");
		url = http_header(x->out, "Location");
	}
}

/* The call under its breaker. */
static enum err guarded(struct arena *a, const struct http_call *call, struct http_answer *out)
{
	struct http_breaker *b = http_breaker_find(call->provider);
	bool probe = false;
	struct exchange x;
	enum err rc;

	http_exchange_init(&x, a, call, out);
	rc = http_exchange_check(&x);
	if (!rc && b && !http_breaker_enter(b, x.start_ms, x.deadline_ms - x.start_ms + 1000, &probe)) {
		rc = http_exchange_fail(&x, ERR_UNAVAILABLE,
					"failed too often lately, not called (circuit breaker)");
	} else if (!rc) {
		rc = run(&x);
		/* A URL that was refused says nothing about the provider; a probe's lease then just runs out.
		 */
		if (b && (rc == ERR_OK || rc == ERR_EXTERNAL))
			http_breaker_leave(b, http_exchange_now_ms(), probe, rc == ERR_OK);
		/* Whoever has seen as much as they wanted was served. */
		else if (b && rc == ERR_CLIENT_CLOSED && x.taken)
			http_breaker_leave(b, http_exchange_now_ms(), probe, true);
	}
	http_exchange_hop_release(&x);
	out->duration_ms = (long)(http_exchange_now_ms() - x.start_ms);
	return rc;
}

enum err http_do(struct arena *a, const struct http_call *call, struct http_answer *out)
{
	struct span span;
	bool is_traced = span_begin(&span, SPAN_CLIENT, http_trace_name(call));
	enum err rc = guarded(a, call, out);

	if (is_traced) {
		http_trace(&span, call, out, rc);
		span_end(&span);
	}
	return rc;
}

enum err http_check_url(struct arena *a, const char *url, const char **reason)
{
	const struct http_call call = {
		.method = "URL", .url = url, .flags = HTTP_USER_URL, .timeout_ms = cfg.http_connect_timeout_ms
	};
	struct http_answer out;
	struct exchange x;
	enum err rc;

	http_exchange_init(&x, a, &call, &out);
	rc = http_exchange_hop_open(&x, url);
	http_exchange_hop_release(&x);
	*reason = x.why;
	return rc ? ERR_VALIDATION : ERR_OK;
}

/* A part of both; a port that goes without saying is one. */
static bool have_same(CURLU *one, CURLU *other, CURLUPart part)
{
	char *a = NULL, *b = NULL;
	bool is_same = !curl_url_get(one, part, &a, CURLU_DEFAULT_PORT) &&
		       !curl_url_get(other, part, &b, CURLU_DEFAULT_PORT) && !strcasecmp(a, b);

	curl_free(a);
	curl_free(b);
	return is_same;
}

char *http_same_origin(struct arena *a, const char *url, const char *reference)
{
	CURLU *from = curl_url(), *to = curl_url();
	char *text = NULL, *out = NULL;

	if (from && to && !curl_url_set(from, CURLUPART_URL, url, 0) &&
	    !curl_url_set(to, CURLUPART_URL, url, 0) &&
	    !curl_url_set(to, CURLUPART_URL, reference, CURLU_URLENCODE) &&
	    have_same(from, to, CURLUPART_SCHEME) && have_same(from, to, CURLUPART_HOST) &&
	    have_same(from, to, CURLUPART_PORT) && !curl_url_get(to, CURLUPART_URL, &text, 0))
		out = arena_dup(a, text);
	curl_free(text);
	curl_url_cleanup(from);
	curl_url_cleanup(to);
	return out;
}

const char *http_header(const struct http_answer *out, const char *name)
{
	size_t n = strlen(name);
	const char *line;

	if (!out->head)
		return NULL;
	for (line = out->head; *line; line += strlen(line) + 1)
		if (!strncasecmp(line, name, n) && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " \t");
	return NULL;
}
