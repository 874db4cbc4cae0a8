/*
 * The outbound HTTP client: every call to a server of others goes through here.
 *
 * A call has a time it may take altogether, a bound on the answer's size, a
 * circuit breaker shared by all processes of the host, and, when a user chose
 * the URL, a guard that keeps it away from private networks.  Proxies, .netrc,
 * cookies and protocols other than http and https are off.
 */
#ifndef ASHLAR_HTTP_H
#define ASHLAR_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/net/http_call.h"

/*
 * Make a call and wait for the answer.
 *
 * Idempotent calls (GET, HEAD, PUT, DELETE, HTTP_RETRY) are sent again, at most
 * twice and with jitter, when the connection fails or the answer is 502, 503 or
 * 504, or as the call's is_passing says; Retry-After is honoured up to 5 s, and
 * a call never outlasts timeout_ms.
 *
 * ERR_OK: answered, with a status under 500; a 4xx is the caller's to read.
 * ERR_EXTERNAL: it failed, answered 5xx (out->status and body say what), or
 * sent too much.  ERR_UNAVAILABLE: not configured, or not with a URL, or the
 * breaker is open.
 * ERR_CLIENT_CLOSED: the call's take or is_wanted ended it; out->status is 0 if no
 * piece had been taken.
 * ERR_VALIDATION: with HTTP_USER_URL, a URL that nothing can be fetched from or
 * that leads to a private address; or a header with a line break in it.
 *
 * The process must ignore SIGPIPE.
 */
enum err http_do(struct arena *a, const struct http_call *call, struct http_answer *out);

/* A header of the answer by name, any case; NULL when it has none.  Of several, the first. */
const char *http_header(const struct http_answer *out, const char *name);

/*
 * Would http_do with HTTP_USER_URL call this URL today?  For the moment a user
 * stores one.  ERR_OK; ERR_VALIDATION, and *reason tells the user why.
 */
enum err http_check_url(struct arena *a, const char *url, const char **reason);

/*
 * Where a reference leads that a server at url has given, as the arena's; NULL: to another scheme, host or
 * port, or it is none.
 */
char *http_same_origin(struct arena *a, const char *url, const char *reference);

/*
 * Circuit breakers, one per provider, in memory shared by all processes.
 *
 * The state is one word: the failures in a row, and until when calls are
 * refused.  Below HTTP_BREAKER_FAILURES the breaker is closed.  Then it is open
 * until that time, and the first caller after it becomes the probe by moving
 * the time on by a lease: the others stay refused, and a probe that dies is
 * succeeded by another when its lease is up.
 */
enum { HTTP_BREAKERS = 64, HTTP_BREAKER_FAILURES = 5 };

struct http_breaker {
	_Atomic uint64_t provider; /* hash of the name; 0: free */
	_Atomic uint64_t state;    /* until, in monotonic milliseconds, << 16 | failures */
};

/* The breaker of a provider, or NULL: no name, or the array is full. */
struct http_breaker *http_breaker_find(const char *provider);

/* May a call begin?  *probe is for http_breaker_leave, and the lease is the longest the call can take. */
bool http_breaker_enter(struct http_breaker *b, int64_t now_ms, int64_t lease_ms, bool *probe);
void http_breaker_leave(struct http_breaker *b, int64_t now_ms, bool probe, bool worked);

#endif
