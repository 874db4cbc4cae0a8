/*
 * Bearer tokens: signed JWTs (RFC 7519) of our own and of issuers that we, or the
 * request's tenant, believe.
 *
 * An issuer is found by "iss" and brings its key, and the key its algorithm:
 * HS256, RS256, ES256 or EdDSA.  What the token says about algorithms decides nothing.
 * Whether user and session still exist is the door's to say.
 */
#ifndef ASHLAR_TOK_H
#define ASHLAR_TOK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/failure.h"
#include "lib/crypto/claims.h"

struct json_object;
struct jwks_set;
struct whose;

enum {
	TOK_MAX_BYTES = 8192,
	TOK_LEEWAY_S = 30, /* an issuer's clock may be off by less than this, either way */
};

/*
 * Build the list of issuers and their keys from cfg, before the first fork.  A
 * key that cannot be used (OIDC_PEM_FILE) is logged and ends the process.
 */
void tok_init(void);

/* Forget the issuers, wipe the secrets and the cache. */
void tok_release(void);

/*
 * Verify a token and read its claims.
 *
 * text  "header.payload.signature" (RFC 7515 7.1); borrowed
 * out   filled on ERR_OK; its strings are the arena's or the configuration's
 *
 * whose  the tenant that may believe an issuer of its own (issuer.h)
 *
 * ERR_OK; otherwise *why says it.  ERR_AUTHENTICATION: the message tells a client
 * only whether the token expired, the reason tells the log what was wrong;
 * ERR_UNAVAILABLE, for some seconds: the issuer's keys were never fetched, or
 * whether the tenant believes the issuer cannot be told now.
 *
 * A token that was verified before, in this process, is known by its SHA-256
 * until its exp or until its issuer's keys change.
 */
enum err tok_verify(struct arena *a, const struct whose *whose, const char *text, struct claims *out,
		    struct failure *why);

/*
 * Verify a token that is no caller's credential here, such as an ID token (OpenID
 * Connect Core 2), with its issuer's keys: form, signature, times, subject.
 *
 * set       the issuer's keys
 * audience  who it must be for; not empty
 * out       its subject, iat (0: none) and exp, nothing else
 * payload   all that it says, the arena's; "iss" is the caller's to check
 *
 * ERR_OK; ERR_AUTHENTICATION, said in *why as by tok_verify; ERR_NOT_FOUND:
 * the set has no such key, a newer one may.
 */
enum err tok_open(struct arena *a, const char *text, const struct jwks_set *set, const char *audience,
		  struct claims *out, struct json_object **payload, struct failure *why);

/*
 * The same with a key set that is fetched for us (jwks_add's number).
 *
 * ERR_UNAVAILABLE, for some seconds: it never was; ERR_AUTHENTICATION also when
 * it has no such key.
 */
enum err tok_open_by(struct arena *a, const char *text, int jwks, const char *audience, struct claims *out,
		     struct json_object **payload, struct failure *why);

/*
 * Make a token of our own from subject, session, tenant_id, role, email, actor,
 * impersonator (the last four may be NULL), team, impersonates, generation, iat, exp and auth_at (0: not
 * said); issuer and audience are the configured ones.  The arena's; NULL without JWT_SECRET.
 */
char *tok_sign(struct arena *a, const struct claims *c);

/*
 * A token of our own that is no user's: for another audience than theirs, and with "ctx" saying so, so that
 * tok_verify refuses it whatever JWT_AUDIENCE is.
 *
 * audience  who it is for, which is its ctx, too; not "user" and not "tenant"
 * claims    what else it says, a JSON object, without "iss", "aud", "ctx"; it has "sub", "iat" and "exp"
 *
 * The arena's; NULL without JWT_SECRET.
 */
char *tok_sign_for(struct arena *a, const char *audience, const char *claims);

/*
 * Verify what tok_sign_for made for this audience: out and payload as tok_open has them.
 *
 * ERR_OK; ERR_AUTHENTICATION, said in *why as by tok_verify.
 */
enum err tok_open_own(struct arena *a, const char *text, const char *audience, struct claims *out,
		      struct json_object **payload, struct failure *why);

/* Tell the time with fn, seconds since 1970, instead of the system's clock; NULL restores it. */
void tok_use_clock(int64_t (*fn)(void));

#endif
