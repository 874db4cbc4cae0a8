/*
 * Google as an OpenID Connect provider: the authorization code flow with PKCE
 * (OpenID Connect Core 3.1, RFC 7636).
 *
 * Each tenant is a client of its own, with its id and secret.  The flow's
 * "binding" is a text that only this flow has, such as the signed payload of its
 * state, with a random part in it.  PKCE's verifier and the ID token's nonce
 * are made of it by a MAC, each under a separate key:
 *
 *  - nothing has to be kept between the two requests, and no cookie, which a
 *    browser would not send back from the page of another site anyway;
 *  - who sees the state, or the URL that it is in, cannot make the verifier,
 *    so a stolen code is of no use;
 *  - a code that was given for another flow is refused by Google, whose
 *    challenge it does not fit, and an ID token of another flow by us.
 */
#ifndef PROVIDERS_GOOGLE_H
#define PROVIDERS_GOOGLE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

/* Who asks Google, and for which flow.  All borrowed. */
struct google_flow {
	const char *client_id;
	const char *client_secret; /* NULL will do for google_authorization_url */
	const char *callback;      /* the redirect URI that is registered at Google */
	const char *binding;
};

/* Whom Google vouches for. */
struct google_user {
	const char *subject;    /* "sub": the only name that stays theirs */
	const char *email;      /* or NULL */
	bool is_email_verified; /* by Google */
	const char *name;       /* or NULL */
	const char *picture;    /* an https URL, or NULL */
};

/* Where to send the browser; the arena's.  NULL without JWT_SECRET. */
char *google_authorization_url(struct arena *a, const struct google_flow *flow, const char *state);

/*
 * Exchange the code that the browser brought for an ID token, and verify that:
 * Google's signature, issuer, audience, times, and the flow's nonce.  Waits for
 * Google, so that no transaction may be open.
 *
 * out     filled on ERR_OK, its strings the arena's
 * reason  otherwise for the log: no secret in it
 *
 * ERR_OK; ERR_AUTHENTICATION: Google does not take the code, or what it says is
 * not for this flow; ERR_EXTERNAL: it failed; ERR_UNAVAILABLE: it was not asked
 * (the breaker is open).
 */
enum err google_sign_in(struct arena *a, const struct google_flow *flow, const char *code,
			struct google_user *out, const char **reason);

#endif
