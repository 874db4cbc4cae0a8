/*
 * Who is calling: credentials to principal.
 *
 * Only what the credentials themselves prove is decided here: a token's
 * signature, a key's form.  Whether the key is known and the session, the user
 * and the role still stand is decided by enter(), in the same round trip as
 * the query.
 */
#ifndef ASHLAR_AUTH_H
#define ASHLAR_AUTH_H

#include <stdbool.h>

#include "fcgi/err.h"

struct req;

/* The tenant of requests with neither an API key nor a token of ours; made by the first migration. */
#define DEFAULT_TENANT "00000000-0000-7000-8000-000000000001"

/*
 * Fill in rq->who from the credentials that the route asks for.  rq->who.key
 * is set even when they are refused, so that guessing is rate-limited.
 *
 * ERR_OK; ERR_API_KEY, ERR_AUTHENTICATION: missing or wrong; ERR_AUTHORIZATION:
 * a public key where only a secret one will do; ERR_BAD_REQUEST: X-Test-Mode;
 * ERR_UNAVAILABLE: tok_verify's.
 */
enum err auth_check(struct req *rq);

/* Make the user of a valid foreign token whose subject is new.  False when that failed (logged). */
bool auth_provision(struct req *rq);

#endif
