/*
 * What a front end's server vouches for that has signed somebody in with Clerk.
 */
#ifndef HANDLERS_IDENTITY_CLERK_H
#define HANDLERS_IDENTITY_CLERK_H

#include <stdbool.h>

struct req;

/* Does the request have the secret (X-Clerk-Secret, CLERK_CHECK_SECRET)?  False where none is configured. */
bool clerk_vouches(const struct req *rq);

/* What identities of Clerk's users are kept under. */
const char *clerk_issuer(void);

#endif
