/*
 * One call to a server of others, in pieces: what http.c does one after the
 * other and http_multi.c for many at once.  Everybody else calls http.h.
 */
#ifndef ASHLAR_HTTP_EXCHANGE_H
#define ASHLAR_HTTP_EXCHANGE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/net/http_call.h"

struct addrinfo;

struct exchange {
	struct arena *arena;
	const struct http_call *call;
	struct http_answer *out;
	const char *method;
	int64_t start_ms, deadline_ms;
	size_t max_bytes;
	bool other_origin; /* a redirect led away from where the caller's headers may go */

	/* the hop in hand */
	CURLU *url;
	char *scheme, *host, *port; /* curl's own */
	struct curl_slist *pin;     /* the checked addresses, for CURLOPT_RESOLVE */

	/* the attempt in hand */
	struct curl_slist *headers;
	struct buf head, body;
	bool too_large, refused;
	bool is_cut;  /* HTTP_CUT: there was more, and that is fine */
	bool unsent;  /* the connection never came about */
	bool stopped; /* take or is_wanted said so */
	CURL *handle;
	size_t taken; /* bytes of the body that were handed on */
	off_t given;  /* HTTP_FILE: bytes of the body that libcurl has */
	const char *why;
};

/* Monotonic, as the deadlines are. */
int64_t http_exchange_now_ms(void);

/* Begin: the call's times run from here. */
void http_exchange_init(struct exchange *x, struct arena *a, const struct http_call *call,
			struct http_answer *out);

/* Can such a call be made at all?  ERR_OK; ERR_UNAVAILABLE: no URL; ERR_VALIDATION: a line break in a header.
 */
enum err http_exchange_check(struct exchange *x);

/*
 * "GET https://host:port/path: what" into out->reason.  No query string, and of
 * a user's URL not even the path, which in a webhook's address often is the
 * secret.  Returns e.
 */
enum err http_exchange_fail(struct exchange *x, enum err e, const char *what);

/* Take a URL, relative to the hop before if there was one, apart and check it; with HTTP_USER_URL, wait for
 * its addresses. */
enum err http_exchange_hop_open(struct exchange *x, const char *url);
void http_exchange_hop_release(struct exchange *x);

/* http_exchange_hop_open without waiting: take the URL apart; which name to look up; and what the look-up
 * found, which is freed. */
enum err http_exchange_hop_parse(struct exchange *x, const char *url);
enum err http_exchange_hop_name(struct exchange *x, const char **name);
enum err http_exchange_hop_pin(struct exchange *x, int rc, struct addrinfo *found);

/*
 * Set a handle up for one attempt, take what came of it (CURLE_OK: there is an
 * answer, perhaps a cut one), and say what that means.
 */
void http_exchange_prepare(struct exchange *x, CURL *h);
CURLcode http_exchange_take(struct exchange *x, CURL *h, CURLcode rc);
enum err http_exchange_verdict(struct exchange *x, CURLcode rc);

#endif
