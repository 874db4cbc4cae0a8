/*
 * Tokens of projects that traces are sent to: what a program that sends them carries, for thirty days.
 *
 * Such a token is a JWT of ours (tok.h) for an audience of its own, so that no user's is one and it is no
 * user's.  It names the key that it was made with by the beginning of that key's hash, and has neither the
 * key nor the hash: what is read in a log or a browser makes no other token.  Whether project and key are
 * there still is the door's to say.
 */
#ifndef ASHLAR_PROJECT_TOKEN_H
#define ASHLAR_PROJECT_TOKEN_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/failure.h"

/* "aud" of one */
#define PROJECT_TOKEN_AUDIENCE "project"

enum { PROJECT_TOKEN_TTL_S = 30 * 24 * 3600, PROJECT_TOKEN_KEY_ID_CHARS = 16 };

struct project_token {
	const char *tenant_id;  /* uuid */
	const char *project_id; /* uuid */
	const char *plan;       /* the organization's when it was made: "free", "pro", "enterprise" */
	const char *key_id;     /* the first 16 hexadecimal digits of the key's SHA-256 */
	int64_t iat, exp;       /* seconds since 1970 */
};

/* Make one.  The arena's; NULL without JWT_SECRET. */
char *project_token_sign(struct arena *a, const struct project_token *t);

/* Verify one: ERR_OK, and out has what it says, the arena's; ERR_AUTHENTICATION, said in *why as by
 * tok_verify. */
enum err project_token_verify(struct arena *a, const char *text, struct project_token *out,
			      struct failure *why);

#endif
