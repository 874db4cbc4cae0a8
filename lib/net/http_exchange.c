#include "lib/net/http_exchange.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/host/config.h"
#include "lib/host/span.h"
#include "lib/net/http_guard.h"

enum {
	MAX_BYTES = 1024 * 1024,    /* of a body, unless the call says otherwise */
	MAX_HEAD_BYTES = 64 * 1024, /* of an answer's headers */
};

int64_t http_exchange_now_ms(void)
{
	return clock_ns() / 1000000;
}

void http_exchange_hop_release(struct exchange *x)
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
enum err http_exchange_fail(struct exchange *x, enum err e, const char *what)
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

enum err http_exchange_hop_name(struct exchange *x, const char **name)
{
	size_t n = strlen(x->host);
	char *user = NULL;

	if (!host_is_plain(x->host) || n > 253)
		return http_exchange_fail(x, ERR_VALIDATION, "the host is not a plain name or address");
	if (!curl_url_get(x->url, CURLUPART_USER, &user, 0)) {
		curl_free(user);
		return http_exchange_fail(x, ERR_VALIDATION, "the URL must not hold a user name");
	}
	if (!http_guard_port(strtol(x->port, NULL, 10)))
		return http_exchange_fail(x, ERR_VALIDATION, "the port must be 80, 443, or 1024 and up");
	*name = x->host[0] == '[' ? arena_dup_n(x->arena, x->host + 1, n - 2) : arena_dup(x->arena, x->host);
	return ERR_OK;
}

enum err http_exchange_hop_pin(struct exchange *x, int rc, struct addrinfo *found)
{
	bool refused = false;
	char text[ADDRESS_TEXT];
	struct addrinfo *ai;
	struct buf pin;

	if (rc)
		return http_exchange_fail(x, ERR_EXTERNAL, gai_strerror(rc));
	/* With a plus the addresses are forgotten after a minute: a multi handle would keep them for ever. */
	buf_init(&pin, x->arena, 256);
	buf_fmt(&pin, "+%s:%s:", x->host, x->port);
	for (ai = found; ai; ai = ai->ai_next) {
		if (!http_guard_allows(ai->ai_addr))
			refused = true;
		http_guard_address_text(ai->ai_addr, text);
		buf_fmt(&pin, "%s%s", ai == found ? "" : ",", text);
	}
	freeaddrinfo(found);
	if (refused)
		return http_exchange_fail(x, ERR_VALIDATION, "the host has a private address");
	if (x->host[0] != '[')
		x->pin = curl_slist_append(NULL, buf_str(&pin));
	return ERR_OK;
}

/* Resolve the hop's host once, refuse it if any address is private, and pin what was found. */
static enum err guard(struct exchange *x)
{
	struct addrinfo *found = NULL;
	const char *name = NULL;
	enum err rc = http_exchange_hop_name(x, &name);
	int unknown;

	if (rc)
		return rc;
	unknown = http_guard_resolve(name, x->port, x->deadline_ms, &found);
	return http_exchange_hop_pin(x, unknown, found);
}

enum err http_exchange_hop_parse(struct exchange *x, const char *url)
{
	CURLUcode bad;
	bool relative = x->url;

	if (!x->url)
		x->url = curl_url();
	/* Servers put spaces and raw UTF-8 into Location; in what we were given they are mistakes. */
	bad = curl_url_set(x->url, CURLUPART_URL, url, relative ? CURLU_URLENCODE : 0);
	if (bad || curl_url_get(x->url, CURLUPART_SCHEME, &x->scheme, 0) ||
	    curl_url_get(x->url, CURLUPART_HOST, &x->host, 0) ||
	    curl_url_get(x->url, CURLUPART_PORT, &x->port, CURLU_DEFAULT_PORT))
		return http_exchange_fail(x, ERR_VALIDATION, "not a URL with a host");
	if (strcmp(x->scheme, "http") && strcmp(x->scheme, "https"))
		return http_exchange_fail(x, ERR_VALIDATION, "not an http or https URL");
	return ERR_OK;
}

enum err http_exchange_hop_open(struct exchange *x, const char *url)
{
	char *was_scheme = x->scheme, *was_host = x->host, *was_port = x->port;
	enum err rc;

	x->scheme = x->host = x->port = NULL;
	curl_slist_free_all(x->pin);
	x->pin = NULL;
	rc = http_exchange_hop_parse(x, url);
	if (!rc && was_scheme && !strcmp(was_scheme, "https") && strcmp(x->scheme, "https"))
		rc = http_exchange_fail(x, ERR_EXTERNAL, "redirected from https to http");
	if (!rc && x->call->flags & HTTP_USER_URL)
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
	if (!http_guard_allows(&address->addr)) {
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
	size_t room = x->max_bytes - x->body.n - x->taken;
	long status = 0;

	if (size * n > room) {
		x->is_cut = x->call->flags & HTTP_CUT;
		x->too_large = !x->is_cut;
		if (x->is_cut)
			buf_add(&x->body, p, room);
		return 0;
	}
	if (x->call->take)
		curl_easy_getinfo(x->handle, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 == 2) {
		x->taken += size * n;
		x->stopped = !x->call->take(x->call->to, p, size * n);
		return x->stopped ? 0 : size * n;
	}
	buf_add(&x->body, p, size * n);
	return size * n;
}

/*
 * Where the call belongs, for who is called.  What is in the tracestate others have put there for
 * others: where a user chose whom to call, it is not told.
 */
static struct curl_slist *trace_headers(const struct exchange *x, struct curl_slist *list)
{
	char text[13 + TRACE_CONTEXT_TEXT] = "traceparent: ";
	struct trace_context here;

	if (!span_context(&here))
		return list;
	trace_context_write(&here, text + 13);
	list = curl_slist_append(list, text);
	if (*span_state() && !(x->call->flags & HTTP_USER_URL))
		list = curl_slist_append(list, arena_fmt(x->arena, "tracestate: %s", span_state()));
	return list;
}

static struct curl_slist *request_headers(const struct exchange *x)
{
	struct curl_slist *list =
		trace_headers(x, curl_slist_append(NULL, "Expect:")); /* no waiting for a 100 */
	const char *const *h;

	for (h = x->other_origin ? NULL : x->call->headers; h && *h; h++)
		list = curl_slist_append(list, *h);
	return list;
}

static size_t give_file(char *p, size_t size, size_t n, void *user)
{
	struct exchange *x = user;
	ssize_t k = pread(x->call->body_fd, p, size * n, x->given);

	if (k < 0)
		return CURL_READFUNC_ABORT;
	x->given += k;
	return (size_t)k;
}

/* A connection that was kept and turned out to be closed: libcurl begins again. */
static int seek_file(void *user, curl_off_t offset, int origin)
{
	struct exchange *x = user;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	x->given = offset;
	return CURL_SEEKFUNC_OK;
}

void http_exchange_prepare(struct exchange *x, CURL *h)
{
	bool is_users = x->call->flags & HTTP_USER_URL;
	long left = (long)(x->deadline_ms - http_exchange_now_ms());
	long connect_ms =
		x->call->connect_timeout_ms ? x->call->connect_timeout_ms : cfg.http_connect_timeout_ms;

	if (left <= 0)
		left = 1;
	x->headers = request_headers(x);
	buf_init(&x->head, x->arena, 1024);
	buf_init(&x->body, x->arena, x->max_bytes < 4096 ? x->max_bytes + 1 : 4096);
	x->too_large = x->refused = x->is_cut = x->stopped = false;
	x->handle = h;
	x->taken = 0;
	x->out->attempts++;
	curl_easy_setopt(h, CURLOPT_CURLU, x->url);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, x->headers);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "ashlar");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, left);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, connect_ms < left ? connect_ms : left);
	if (x->call->ca_file && *x->call->ca_file)
		curl_easy_setopt(h, CURLOPT_CAINFO, x->call->ca_file);
	/* What HEAD tells the length of does not come. */
	if (!(x->call->flags & HTTP_CUT) && strcmp(x->method, "HEAD") != 0)
		curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)x->max_bytes);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_head);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
	if (x->call->flags & HTTP_FILE) {
		x->given = 0;
		curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->call->body_len);
		curl_easy_setopt(h, CURLOPT_READFUNCTION, give_file);
		curl_easy_setopt(h, CURLOPT_READDATA, x);
		curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, seek_file);
		curl_easy_setopt(h, CURLOPT_SEEKDATA, x);
	} else if (x->call->body || !strcmp(x->method, "POST")) {
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
}

CURLcode http_exchange_take(struct exchange *x, CURL *h, CURLcode rc)
{
	curl_off_t ready_us = 0;
	long status = 0;

	if (rc == CURLE_WRITE_ERROR && x->is_cut)
		rc = CURLE_OK;
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(h, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	x->unsent = rc && ready_us == 0;
	/* What was handed on had a status, however it ended. */
	x->out->status = rc && !x->taken ? 0 : (int)status;
	buf_char(&x->head, '\0');
	x->out->head = x->head.p;
	x->out->body = buf_str(&x->body);
	x->out->body_len = x->body.n;
	curl_slist_free_all(x->headers);
	x->headers = NULL;
	return rc;
}

enum err http_exchange_verdict(struct exchange *x, CURLcode rc)
{
	if (x->refused)
		return http_exchange_fail(x, ERR_VALIDATION, "the host has a private address");
	if (x->stopped)
		return http_exchange_fail(x, ERR_CLIENT_CLOSED, "nobody wants the answer any more");
	if (x->too_large || rc == CURLE_FILESIZE_EXCEEDED)
		return http_exchange_fail(x, ERR_EXTERNAL, "the answer is too large");
	if (rc)
		return http_exchange_fail(x, ERR_EXTERNAL, curl_easy_strerror(rc));
	if (x->out->status >= 500)
		return http_exchange_fail(x, ERR_EXTERNAL, arena_fmt(x->arena, "status %d", x->out->status));
	return ERR_OK;
}

void http_exchange_init(struct exchange *x, struct arena *a, const struct http_call *call,
			struct http_answer *out)
{
	long timeout_ms = call->timeout_ms ? call->timeout_ms : cfg.http_timeout_ms;

	*out = (struct http_answer){ 0 };
	*x = (struct exchange){
		.arena = a,
		.call = call,
		.out = out,
		.method = call->method ? call->method
			  : call->body ? "POST"
				       : "GET",
		.start_ms = http_exchange_now_ms(),
		.max_bytes = call->max_bytes ? call->max_bytes : MAX_BYTES,
	};
	x->deadline_ms = x->start_ms + timeout_ms;
}

/* A value that a user had a say in could otherwise add headers, or a request. */
static bool has_line_break(const char *const *headers)
{
	for (; headers && *headers; headers++)
		if (strpbrk(*headers, "\r\n"))
			return true;
	return false;
}

enum err http_exchange_check(struct exchange *x)
{
	if (!x->call->url || !*x->call->url)
		return http_exchange_fail(x, ERR_UNAVAILABLE, "not configured");
	if (has_line_break(x->call->headers))
		return http_exchange_fail(x, ERR_VALIDATION, "a header holds a line break");
	return ERR_OK;
}
