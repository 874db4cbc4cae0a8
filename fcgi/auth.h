/*
 * Who is calling: credentials to principal.
 *
 * Only what the credentials themselves prove is decided here.  Whether the
 * session, the user and the role still stand is decided by enter(), in the
 * same round trip as the query.
 */
#ifndef ASHLAR_AUTH_H
#define ASHLAR_AUTH_H

#include <stdbool.h>

#include "fcgi/err.h"

struct req;

/* The tenant of requests without an API key; made by the first migration. */
#define DEFAULT_TENANT "00000000-0000-7000-8000-000000000001"

/*
 * Fill in rq->who from the credentials that the route asks for.  rq->who.key
 * is set even when they are refused, so that guessing is rate-limited.
 *
 * ERR_OK; ERR_AUTHENTICATION, with the response's WWW-Authenticate (RFC 6750 3).
 */
enum err auth_check(struct req *rq);

/* Make the user of a valid foreign token whose subject is new.  False when that failed (logged). */
bool auth_provision(struct req *rq);

#endif
