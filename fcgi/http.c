#include "fcgi/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/buf.h"
#include "fcgi/clock.h"
#include "fcgi/config.h"

enum {
	MAX_REDIRECTS = 3,
	MAX_RETRIES = 2,
	MAX_BYTES = 1024 * 1024,    /* of a body, unless the call says otherwise */
	MAX_HEAD_BYTES = 64 * 1024, /* of an answer's headers */
	RETRY_MS = 100,             /* the first pause; doubled for the second */
	MAX_RETRY_AFTER_MS = 5000,  /* a provider that wants more gets its answer passed on */
	BREAKER_OPEN_MS = 5000,     /* the first time; doubled with each failed probe */
	BREAKER_MAX_OPEN_MS = 60000,
	BREAKER_SANE_MS = 11 * 60000, /* no lease is longer: what claims to be is a relic of another boot */
};

static int64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

static void sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left))
		;
}

/*
 * Circuit breakers
 */

static struct http_breaker own_breakers[HTTP_BREAKERS];
static struct http_breaker *breakers = own_breakers;

void http_use_breakers(struct http_breaker *array)
{
	breakers = array ? array : own_breakers;
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
		struct http_breaker *b = &breakers[(hash + (unsigned)i) % HTTP_BREAKERS];
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
 * The guard for URLs that users choose
 */

/* clang-format off */
/* Where a user's URL must not lead, by prefix. */
static const struct {
	uint8_t prefix[8];
	int bits;
} not_public_4[] = {
	{ { 0 }, 8 },			/* this network */
	{ { 10 }, 8 },			/* private */
	{ { 100, 64 }, 10 },		/* carrier-grade NAT; also Alibaba's metadata, 100.100.100.200 */
	{ { 127 }, 8 },			/* loopback */
	{ { 168, 63, 129, 16 }, 32 },	/* Azure's host, a public address only by its number */
	{ { 169, 254 }, 16 },		/* link-local; most clouds' metadata, 169.254.169.254 */
	{ { 172, 16 }, 12 },		/* private */
	{ { 192, 0, 0 }, 24 },		/* protocol assignments; Oracle's metadata, 192.0.0.192 */
	{ { 192, 0, 2 }, 24 },		/* documentation */
	{ { 192, 88, 99 }, 24 },	/* 6to4 relays */
	{ { 192, 168 }, 16 },		/* private */
	{ { 198, 18 }, 15 },		/* benchmarks */
	{ { 198, 51, 100 }, 24 },	/* documentation */
	{ { 203, 0, 113 }, 24 },	/* documentation */
	{ { 224 }, 4 },			/* multicast */
	{ { 240 }, 4 },			/* reserved, broadcast */
}, not_public_6[] = { /* inside 2000::/3, outside of which nothing is public unicast */
	{ { 0x20, 0x01, 0x00 }, 23 },	/* protocol assignments: Teredo, benchmarks, ORCHID */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },	/* documentation */
	{ { 0x20, 0x02 }, 16 },		/* 6to4: any IPv4 address inside, and nobody uses it */
	{ { 0x3f, 0xff, 0x00 }, 20 },	/* documentation */
};
/* clang-format on */

/* IPv6 prefixes that stand for an IPv4 address in the last four bytes. */
static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:0:0/96 */
static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };    /* 64:ff9b::/96 */

static bool has_prefix(const uint8_t *p, const uint8_t *prefix, int bits)
{
	int whole = bits / 8, rest = bits % 8;

	return !memcmp(p, prefix, (size_t)whole) && (!rest || !((p[whole] ^ prefix[whole]) >> (8 - rest)));
}

static bool is_public_4(const uint8_t *p)
{
	size_t i;

	for (i = 0; i < sizeof(not_public_4) / sizeof(*not_public_4); i++)
		if (has_prefix(p, not_public_4[i].prefix, not_public_4[i].bits))
			return false;
	return true;
}

static bool is_public_6(const uint8_t *p)
{
	size_t i;

	if (!memcmp(p, mapped, sizeof(mapped)) || !memcmp(p, nat64, sizeof(nat64)))
		return is_public_4(p + 12);
	if (p[0] >> 5 != 1)
		return false;
	for (i = 0; i < sizeof(not_public_6) / sizeof(*not_public_6); i++)
		if (has_prefix(p, not_public_6[i].prefix, not_public_6[i].bits))
			return false;
	return true;
}

bool http_address_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return is_public_4((const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr);
	if (address->sa_family == AF_INET6)
		return is_public_6((const uint8_t *)&((const struct sockaddr_in6 *)address)->sin6_addr);
	return false;
}

enum { ADDRESS_TEXT = INET6_ADDRSTRLEN + 2 };

/* "10.0.0.1" or "[fc00::1]", and the port. */
static int address_text(const struct sockaddr *address, char out[ADDRESS_TEXT])
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;

		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		snprintf(out, ADDRESS_TEXT, "%s", text);
		return ntohs(v4->sin_port);
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		snprintf(out, ADDRESS_TEXT, "[%s]", text);
		return ntohs(v6->sin6_port);
	}
	snprintf(out, ADDRESS_TEXT, "?");
	return 0;
}

/* Public, or one that HTTP_ALLOW_PRIVATE names together with its port. */
static bool is_allowed(const struct sockaddr *address)
{
	char host[ADDRESS_TEXT], pair[ADDRESS_TEXT + 8];
	const char *const *allowed;
	int port;

	if (http_address_is_public(address))
		return true;
	port = address_text(address, host);
	snprintf(pair, sizeof(pair), "%s:%d", host, port);
	for (allowed = cfg.http_allow_private; allowed && *allowed; allowed++)
		if (!strcasecmp(*allowed, pair))
			return true;
	return false;
}

/* A look-up in a thread of its own, which alone can be given up on; the last of the two frees it. */
struct lookup {
	char host[256], port[8];
	struct addrinfo *found;
	int rc;
	atomic_int users;
};

static void lookup_drop(struct lookup *l)
{
	if (atomic_fetch_sub(&l->users, 1) > 1)
		return;
	if (l->found)
		freeaddrinfo(l->found);
	free(l);
}

static void *lookup_run(void *p)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct lookup *l = p;

	l->rc = getaddrinfo(l->host, l->port, &hints, &l->found);
	lookup_drop(l);
	return NULL;
}

/* getaddrinfo within a time.  0 and *out, or its error. */
static int resolve(const char *host, const char *port, int64_t deadline_ms, struct addrinfo **out)
{
	const struct addrinfo number = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					 .ai_socktype = SOCK_STREAM };
	const struct timespec until = { deadline_ms / 1000, deadline_ms % 1000 * 1000000 };
	sigset_t all, before;
	struct lookup *l;
	pthread_t thread;
	int rc;

	/* Needs no network, so no thread: 127.1, 0x7f000001 and ::1 are all numbers to getaddrinfo. */
	rc = getaddrinfo(host, port, &number, out);
	if (rc != EAI_NONAME)
		return rc;
	l = calloc(1, sizeof(*l));
	if (!l)
		return EAI_MEMORY;
	snprintf(l->host, sizeof(l->host), "%s", host);
	snprintf(l->port, sizeof(l->port), "%s", port);
	l->users = 2;
	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, lookup_run, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		free(l);
		return EAI_MEMORY;
	}
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until)) {
		pthread_detach(thread);
		rc = EAI_AGAIN;
	} else {
		rc = l->rc;
		*out = l->found;
		l->found = NULL;
	}
	lookup_drop(l);
	return rc;
}

/*
 * One call
 */

struct exchange {
	struct arena *arena;
	const struct http_call *call;
	struct http_answer *out;
	const char *method;
	int64_t deadline_ms;
	size_t max_bytes;
	bool other_origin; /* a redirect led away from where the caller's headers may go */

	/* the hop in hand */
	CURLU *url;
	char *scheme, *host, *port; /* curl's own */
	struct curl_slist *pin;     /* the checked addresses, for CURLOPT_RESOLVE */

	/* the attempt in hand */
	struct buf head, body;
	bool too_large, refused;
	bool unsent; /* the connection never came about */
	const char *why;
};

static void hop_release(struct exchange *x)
{
	curl_free(x->scheme);
	curl_free(x->host);
	curl_free(x->port);
	curl_slist_free_all(x->pin);
	curl_url_cleanup(x->url);
	x->scheme = x->host = x->port = NULL;
	x->pin = NULL;
	x->url = NULL;
}

/*
 * "GET https://host:port/path: what".  No query string, and of a user's URL
 * not even the path, which in a webhook's address often is the secret.
 */
static enum err fail(struct exchange *x, enum err e, const char *what)
{
	bool is_users = x->call->flags & HTTP_USER_URL;
	char *path = NULL;

	x->why = what;
	if (x->url)
		curl_url_get(x->url, CURLUPART_PATH, &path, 0);
	if (x->host)
		x->out->reason = arena_fmt(x->arena, "%s %s://%s:%s%s: %s", x->method, x->scheme, x->host,
					   x->port, is_users || !path ? "" : path, what);
	else
		x->out->reason = arena_fmt(x->arena, "%s: %s", x->method, what);
	curl_free(path);
	return e;
}

/*
 * Curl takes hosts in many spellings (percent-encoded, as full-width letters)
 * and makes ASCII of them; what a user may give is ASCII to begin with, so
 * that the name that was checked is the name that is called.
 */
static bool host_is_plain(const char *host)
{
	return host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")] ==
	       '\0';
}

/* Resolve the hop's host once, refuse it if any address is private, and pin what was found. */
static enum err guard(struct exchange *x)
{
	size_t n = strlen(x->host);
	struct addrinfo *found = NULL, *ai;
	char text[ADDRESS_TEXT], *user = NULL, *name;
	struct buf pin;
	bool is_literal = x->host[0] == '[', refused = false;
	int rc;

	if (!host_is_plain(x->host) || n > 253)
		return fail(x, ERR_VALIDATION, "the host is not a plain name or address");
	if (!curl_url_get(x->url, CURLUPART_USER, &user, 0)) {
		curl_free(user);
		return fail(x, ERR_VALIDATION, "the URL must not hold a user name");
	}
	name = is_literal ? arena_dup_n(x->arena, x->host + 1, n - 2) : arena_dup(x->arena, x->host);
	rc = resolve(name, x->port, x->deadline_ms, &found);
	if (rc)
		return fail(x, ERR_EXTERNAL, gai_strerror(rc));
	buf_init(&pin, x->arena, 256);
	buf_fmt(&pin, "%s:%s:", x->host, x->port);
	for (ai = found; ai; ai = ai->ai_next) {
		if (!is_allowed(ai->ai_addr))
			refused = true;
		address_text(ai->ai_addr, text);
		buf_fmt(&pin, "%s%s", ai == found ? "" : ",", text);
	}
	freeaddrinfo(found);
	if (refused)
		return fail(x, ERR_VALIDATION, "the host has a private address");
	if (!is_literal)
		x->pin = curl_slist_append(NULL, buf_str(&pin));
	return ERR_OK;
}

/* Take a URL, relative to the hop before if there was one, apart and check it. */
static enum err hop_open(struct exchange *x, const char *url)
{
	char *was_scheme = x->scheme, *was_host = x->host, *was_port = x->port;
	enum err rc = ERR_OK;
	CURLUcode bad;

	x->scheme = x->host = x->port = NULL;
	curl_slist_free_all(x->pin);
	x->pin = NULL;
	if (!x->url)
		x->url = curl_url();
	/* Servers put spaces and raw UTF-8 into Location; in what we were given they are mistakes. */
	bad = curl_url_set(x->url, CURLUPART_URL, url, was_scheme ? CURLU_URLENCODE : 0);
	if (bad || curl_url_get(x->url, CURLUPART_SCHEME, &x->scheme, 0) ||
	    curl_url_get(x->url, CURLUPART_HOST, &x->host, 0) ||
	    curl_url_get(x->url, CURLUPART_PORT, &x->port, CURLU_DEFAULT_PORT))
		rc = fail(x, ERR_VALIDATION, "not a URL with a host");
	else if (strcmp(x->scheme, "http") && strcmp(x->scheme, "https"))
		rc = fail(x, ERR_VALIDATION, "not an http or https URL");
	else if (was_scheme && !strcmp(was_scheme, "https") && strcmp(x->scheme, "https"))
		rc = fail(x, ERR_EXTERNAL, "redirected from https to http");
	else if (x->call->flags & HTTP_USER_URL)
		rc = guard(x);
	if (!rc && was_scheme &&
	    (strcmp(was_scheme, x->scheme) || strcasecmp(was_host, x->host) || strcmp(was_port, x->port)))
		x->other_origin = true;
	curl_free(was_scheme);
	curl_free(was_host);
	curl_free(was_port);
	return rc;
}

/* The second lock behind guard(): the address that curl is about to connect to. */
static curl_socket_t open_guarded(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *x = user;

	(void)purpose;
	if (!is_allowed(&address->addr)) {
		x->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_head(char *p, size_t size, size_t n, void *user)
{
	struct exchange *x = user;
	size_t len = size * n;

	if (len >= 5 && !memcmp(p, "HTTP/", 5))
		x->head.n = 0; /* a 100 came before, say */
	if (x->head.n + len > MAX_HEAD_BYTES) {
		x->too_large = true;
		return 0;
	}
	while (len && (p[len - 1] == '\n' || p[len - 1] == '\r'))
		len--;
	if (len && !memchr(p, '\0', len)) {
		buf_add(&x->head, p, len);
		buf_char(&x->head, '\0');
	}
	return size * n;
}

static size_t take_body(char *p, size_t size, size_t n, void *user)
{
	struct exchange *x = user;

	if (size * n > x->max_bytes - x->body.n) {
		x->too_large = true;
		return 0;
	}
	buf_add(&x->body, p, size * n);
	return size * n;
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

static struct curl_slist *request_headers(const struct exchange *x)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no waiting for a 100 */
	const char *const *h;

	for (h = x->other_origin ? NULL : x->call->headers; h && *h; h++)
		list = curl_slist_append(list, *h);
	return list;
}

/* Send the request once.  CURLE_OK: there is an answer. */
static CURLcode attempt(struct exchange *x)
{
	bool is_users = x->call->flags & HTTP_USER_URL;
	/* A user's host gets a handle of its own: no connection, pinned address or session is left behind. */
	CURL *h = is_users ? curl_easy_init() : shared_handle();
	long left = (long)(x->deadline_ms - now_ms()), status = 0;
	long connect_ms =
		x->call->connect_timeout_ms ? x->call->connect_timeout_ms : cfg.http_connect_timeout_ms;
	struct curl_slist *headers;
	curl_off_t ready_us = 0;
	CURLcode rc;

	if (!h)
		return CURLE_FAILED_INIT;
	if (left <= 0)
		left = 1;
	headers = request_headers(x);
	buf_init(&x->head, x->arena, 1024);
	buf_init(&x->body, x->arena, 4096);
	x->too_large = x->refused = false;
	x->out->attempts++;
	curl_easy_setopt(h, CURLOPT_CURLU, x->url);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "ashlar");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, left);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, connect_ms < left ? connect_ms : left);
	curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)x->max_bytes);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_head);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
	if (x->call->body || !strcmp(x->method, "POST")) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->call->body_len);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, x->call->body ? x->call->body : "");
	}
	if (!strcmp(x->method, "HEAD"))
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, x->method);
	if (is_users) {
		curl_easy_setopt(h, CURLOPT_RESOLVE, x->pin);
		curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_guarded);
		curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, x);
	}
	rc = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(h, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	x->unsent = rc && ready_us == 0;
	x->out->status = rc ? 0 : (int)status;
	buf_char(&x->head, '\0');
	x->out->head = x->head.p;
	x->out->body = buf_str(&x->body);
	x->out->body_len = x->body.n;
	curl_slist_free_all(headers);
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

	if (!is_idempotent(x) || retries == MAX_RETRIES || x->refused)
		return -1;
	if (rc && (!x->unsent || (rc != CURLE_COULDNT_CONNECT && rc != CURLE_COULDNT_RESOLVE_HOST &&
				  rc != CURLE_OPERATION_TIMEDOUT)))
		return -1;
	if (!rc && status != 502 && status != 503 && status != 504)
		return -1;
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
	return now_ms() + pause < x->deadline_ms ? pause : -1;
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
		if (x->refused)
			return fail(x, ERR_VALIDATION, "the host has a private address");
		if (x->too_large || rc == CURLE_FILESIZE_EXCEEDED)
			return fail(x, ERR_EXTERNAL, "the answer is too large");
		if (rc)
			return fail(x, ERR_EXTERNAL, curl_easy_strerror(rc));
		if (x->out->status >= 500)
			return fail(x, ERR_EXTERNAL, arena_fmt(x->arena, "status %d", x->out->status));
		return ERR_OK;
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
		enum err rc = hop_open(x, url);

		/* Of a URL that is not the user's, nobody can be told to correct it. */
		if (rc == ERR_VALIDATION && !(x->call->flags & HTTP_USER_URL))
			rc = hops ? ERR_EXTERNAL : ERR_UNAVAILABLE;
		if (!rc)
			rc = hop_run(x);
		if (rc || !is_redirect(x))
			return rc;
		if (hops == MAX_REDIRECTS)
			return fail(x, ERR_EXTERNAL, "too many redirects");
		url = http_header(x->out, "Location");
	}
}

static void (*hook)(const struct http_call *call, const struct http_answer *out, enum err rc);

void http_use_hook(void (*fn)(const struct http_call *call, const struct http_answer *out, enum err rc))
{
	hook = fn;
}

/* A value that a user had a say in could otherwise add headers, or a request. */
static bool has_line_break(const char *const *headers)
{
	for (; headers && *headers; headers++)
		if (strpbrk(*headers, "\r\n"))
			return true;
	return false;
}

enum err http_do(struct arena *a, const struct http_call *call, struct http_answer *out)
{
	long timeout_ms = call->timeout_ms ? call->timeout_ms : cfg.http_timeout_ms;
	int64_t start = now_ms();
	struct exchange x = {
		.arena = a,
		.call = call,
		.out = out,
		.method = call->method ? call->method
			  : call->body ? "POST"
				       : "GET",
		.deadline_ms = start + timeout_ms,
		.max_bytes = call->max_bytes ? call->max_bytes : MAX_BYTES,
	};
	struct http_breaker *b = http_breaker_find(call->provider);
	bool probe = false;
	enum err rc;

	*out = (struct http_answer){ 0 };
	if (!call->url || !*call->url) {
		rc = fail(&x, ERR_UNAVAILABLE, "not configured");
	} else if (has_line_break(call->headers)) {
		rc = fail(&x, ERR_VALIDATION, "a header holds a line break");
	} else if (b && !http_breaker_enter(b, start, timeout_ms + 1000, &probe)) {
		rc = fail(&x, ERR_UNAVAILABLE, "failed too often lately, not called (circuit breaker)");
	} else {
		rc = run(&x);
		/* A URL that was refused says nothing about the provider; a probe's lease then just runs out.
		 */
		if (b && (rc == ERR_OK || rc == ERR_EXTERNAL))
			http_breaker_leave(b, now_ms(), probe, rc == ERR_OK);
	}
	hop_release(&x);
	out->duration_ms = (long)(now_ms() - start);
	if (hook)
		hook(call, out, rc);
	return rc;
}

enum err http_check_url(struct arena *a, const char *url, const char **reason)
{
	const struct http_call call = { .url = url, .flags = HTTP_USER_URL };
	struct http_answer out = { 0 };
	struct exchange x = { .arena = a, .call = &call, .out = &out, .method = "URL" };
	enum err rc;

	x.deadline_ms = now_ms() + cfg.http_connect_timeout_ms;
	rc = hop_open(&x, url);
	hop_release(&x);
	*reason = x.why;
	return rc ? ERR_VALIDATION : ERR_OK;
}
