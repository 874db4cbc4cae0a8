/*
 * What is known of API keys from the requests that they came with.
 *
 * When was one last used?  Noted behind the answer, so that no request waits for
 * it, and at most once in ten minutes for each key.  And is it one?  Only the door
 * knows, but limits are counted before: the host remembers which keys were let
 * in, so that made-up ones are not counted.
 */
#ifndef ASHLAR_KEY_USE_H
#define ASHLAR_KEY_USE_H

#include <stdbool.h>
#include <stdint.h>

struct req;

enum { KEY_USE_EVERY_S = 600 };

/* The answer is sent: note the key that let the request in, if there was one, or that it is none. */
void key_use_note(const struct req *rq);

/*
 * Is it time to note this key again, as far as this process knows?  If so, it
 * is taken for noted.  key is a hash of it; of two with the same place in the
 * table one is noted more often than need be, which the database then ignores.
 */
bool key_use_due(uint64_t key, int64_t now_ns);

/*
 * Has a request with this key (its hash, as in struct principal) been let in on
 * this host, and none been refused since?  Of two with the same place in the
 * table one is forgotten.
 */
bool key_use_was_good(const char *hash);

/*
 * Whose limits count a key of an organization (its hash)?  The organization's, as the host remembers once it
 * has let the key in: so another key is not another budget.  0: not known here yet, and the address is
 * counted.
 */
uint64_t key_use_organization(const char *hash);

#endif
