/*
 * Shares of the slow pool: how many of its children may wait for other people's
 * servers at once for one tenant, and for one caller of it.
 *
 * Without them eight requests to a receiver that does not answer are a pool in
 * which no other caller gets anywhere.  The runtime takes a share for every request
 * whose row is SLOW, as soon as the tenant is known and before anything is
 * waited for, and gives it back at the end.  A share is a place in shared memory
 * that holds the pid of who has it: that of a process that died is free again.
 */
#ifndef ASHLAR_SHARE_H
#define ASHLAR_SHARE_H

#include <stdint.h>

#include "lib/base/err.h"

enum { SHARE_KINDS = 2 }; /* who may have one: a tenant, a caller */

struct req;

/* From now on this process is one of so many children of the slow pool; without it no request is refused
 * anything. */
void share_use(int children);

/*
 * Take the request's share, once: of its tenant (rq->who.tenant_id), and of its
 * caller, who is a user, a key or, where no user has signed in, an address.
 *
 * ERR_OK, also where the row is not SLOW; ERR_RATE_LIMIT, recorded, with
 * Retry-After: SLOW_PER_TENANT or SLOW_PER_CALLER requests are waiting.
 */
enum err share_take(struct req *rq);

/* How many were refused on this host for the tenant's (0) or the caller's (1). */
uint64_t share_refusals(int kind);

/* The request goes on for longer than others: what it has is not taken for what a dead one left. */
void share_keep(void);

/* The request has ended. */
void share_give_back(void);

#endif
