/*
 * Who is calling: credentials to principal.
 *
 * Only what the credentials themselves prove is decided here: a token's
 * signature, a key's form.  Whether the key is known and the session, the user
 * and the role still stand is for the caller's door to decide, in the same round
 * trip as the query; what the door asks for is put together here.
 */
#ifndef ASHLAR_AUTH_H
#define ASHLAR_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct req;

/* The tenant of requests with neither an API key nor a token of ours; made by the first migration. */
#define DEFAULT_TENANT "00000000-0000-7000-8000-000000000001"

/*
 * Fill in rq->who from the credentials that the route asks for.  rq->who.key
 * is set even when they are refused, so that guessing is rate-limited.
 *
 * ERR_OK; ERR_API_KEY, ERR_AUTHENTICATION: missing or wrong; ERR_UNAVAILABLE:
 * tok_verify's.
 */
enum err auth_check(struct req *rq);

/*
 * May good credentials be used for that, as far as they tell themselves, and where?
 *
 * ERR_OK; ERR_AUTHORIZATION: a public key where only a secret one will do;
 * ERR_SIGN_IN_AGE; ERR_BAD_REQUEST: X-Test-Mode, X-Workspace-Id,
 * X-Organization-Id.
 */
enum err auth_check_use(struct req *rq);

/*
 * Has the token's user signed in within RECENT_SIGN_IN_S?  Rows that always ask have the flag RECENT; this is
 * for what a row does seldom.
 *
 * ERR_OK, also for who acts as a user, or has no token; ERR_SIGN_IN_AGE.
 */
enum err auth_check_recent(struct req *rq);

/*
 * The door that the caller has, with what it asks for: rq->tx.door, rq->tx.door_values.
 * When the path's parameters have been read; where it cannot be said which
 * organization or workspace is meant, the door is one that asks for none.
 */
void auth_door(struct req *rq);

/* From here on nobody's, of the same tenant: for what is put down whatever became of the caller meanwhile. */
void auth_door_of_tenant(struct req *rq);

/* The handler has found out whose the request is: from here on it is that tenant's. */
void auth_act_for(struct req *rq, const char *tenant_id);

/* What the address that asks is counted by, in its tenant. */
uint64_t auth_budget_of_address(const struct req *rq);

/* Make the user of a valid foreign token whose subject is new.  False when that failed (logged). */
bool auth_provision(struct req *rq);

/* Have a user be on a surface where they never were, as the caller's .sign_up says.  False: the same. */
bool auth_sign_up(struct req *rq);

#endif
