/*
 * Signatures of Standard Webhooks (github.com/standard-webhooks), which are
 * Svix's too: HMAC-SHA256 over "<id>.<timestamp>.<body>" under a secret that is
 * written "whsec_" and base64.
 *
 * What we send is signed here, and what we receive from senders that sign like this
 * (Clerk, through Svix) is verified here.
 */
#ifndef PROVIDERS_STANDARD_WEBHOOKS_H
#define PROVIDERS_STANDARD_WEBHOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"

enum {
	STANDARD_WEBHOOKS_TOLERANCE_S = 300, /* how far a timestamp may be off, either way */
	STANDARD_WEBHOOKS_MIN_KEY = 16,      /* bytes behind a secret; the specification wants 24 to 64 */
	STANDARD_WEBHOOKS_MAX_KEY = 128,
};

/* A new secret, "whsec_" and 32 random bytes; the arena's. */
char *standard_webhooks_secret(struct arena *a);

/* Is this, n bytes, a secret that can sign?  "whsec_" may be left out. */
bool standard_webhooks_is_secret(const char *secret, size_t n);

/*
 * Sign a body.
 *
 * secret     "whsec_…"
 * id         of the message: the same whenever it is sent again
 * timestamp  of this attempt, seconds since 1970
 *
 * "v1,<base64>", the arena's; for two valid secrets the header carries both
 * signatures with a space between them.  NULL when the secret is none.
 */
char *standard_webhooks_sign(struct arena *a, const char *secret, const char *id, int64_t timestamp,
			     const void *body, size_t n);

/*
 * Is one of the signatures in a header good, under one of the secrets?
 *
 * secrets     separated by commas or spaces, for one that replaces another
 * id, timestamp, signature
 *             the headers as they came; any may be NULL
 * now         seconds since 1970: the timestamp is at most
 *             STANDARD_WEBHOOKS_TOLERANCE_S away from it
 *
 * Takes the same time whatever is wrong with a signature of the right form.
 * What is not "v1," is ignored, as the specification wants it.
 */
bool standard_webhooks_verify(const char *secrets, const char *id, const char *timestamp,
			      const char *signature, const void *body, size_t n, int64_t now);

#endif
