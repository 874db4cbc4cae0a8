/*
 * Many calls at once in one process: http.h's calls, under the same guard, for
 * a loop that waits for none of them in particular (worker/deliver.c).
 *
 * There are no retries, redirects and breakers here: a caller that sends so many
 * things keeps its own schedule.
 */
#ifndef ASHLAR_HTTP_MULTI_H
#define ASHLAR_HTTP_MULTI_H

#include <stdbool.h>

#include "lib/net/http.h"

struct http_multi;

/* For at most max calls at a time; NULL: out of memory.  One a process: its look-ups outlive it. */
struct http_multi *http_multi_new(int max);

/* Ends what is under way without a word. */
void http_multi_free(struct http_multi *m);

/*
 * Begin a call.  call, out and the arena are the caller's until http_multi_next
 * has returned user.  http_multi_room says whether there is room for one more,
 * which is asserted.
 */
int http_multi_room(const struct http_multi *m);
void http_multi_add(struct http_multi *m, struct arena *a, const struct http_call *call,
		    struct http_answer *out, void *user);

/*
 * Go on with all of them, and wait up to timeout_ms until something comes of
 * one, or one of the n descriptors in fds can be read (a negative one is
 * skipped).  A signal ends the wait.
 */
void http_multi_wait(struct http_multi *m, const int *fds, int n, int timeout_ms);

/* One that has ended: its user, and in *rc what http_do would have returned.  NULL: none has. */
void *http_multi_next(struct http_multi *m, enum err *rc);

/* End the one of this user, if it is under way, without a word: it is not returned any more. */
void http_multi_drop(struct http_multi *m, const void *user);

/* How many are under way. */
int http_multi_count(const struct http_multi *m);

#endif
