/*
 * What we hand out and know again: mailed tokens, six-digit codes, API keys,
 * refresh tokens, signed state.
 *
 * Of a ticket, a code and an API key the database has a hash only.  A refresh
 * token, a state and a signed text are not stored at all: they carry a MAC of ours, each
 * under a separate key derived from JWT_SECRET.  All text is URL-safe.
 */
#ifndef ASHLAR_TICKET_H
#define ASHLAR_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/uuid.h"
#include "lib/crypto/secret.h"

/*
 * A new ticket: base64url of the tenant's id (16 bytes) and 32 random bytes,
 * 64 characters.  tenant is a uuid as text.  The arena's.
 */
char *ticket_new(struct arena *a, const char *tenant);

/*
 * Take a ticket apart.
 *
 * text    as a client sent it; borrowed
 * tenant  the tenant's uuid, lower case; the arena's
 * hash    SHA-256 of the text as a bytea ("\x…"), for "WHERE token_hash = :hash"; the arena's
 *
 * false: it is none of ours.  The tenant is what the ticket claims, and is proved only by
 * finding the hash among that tenant's rows; where an API key was sent, compare.
 */
bool ticket_parse(struct arena *a, const char *text, const char **tenant, const char **hash);

/* A code of six digits, each of the million as likely.  The arena's. */
char *ticket_code(struct arena *a);

/*
 * What is stored of a code, as a bytea: a MAC over scope and code, because a million codes are
 * hashed in no time.  scope ties it to what it is for, such as "verify_email <user id>", and
 * keeps equal codes from being equal rows.  NULL without JWT_SECRET.  The arena's.
 */
char *ticket_code_hash(struct arena *a, const char *scope, const char *code);

/* An API key: prefix ("pk_live_") and 32 random characters of A-Z, a-z, 0-9.  Stored is its
 * secret_sha256_hex. */
char *ticket_api_key(struct arena *a, const char *prefix);

/* An organization's key: "sk_live_" and 40 random characters of A-Z, a-z, 0-9, eight more than a tenant's
 * secret one has. */
char *ticket_organization_key(struct arena *a);

/* Does the text look like one? */
bool ticket_is_organization_key(const char *text);

/*
 * A workspace's key: "ash_live_" and 40 letters and digits, of which the last six are the CRC-32 of the 34
 * before them, as a number in the digits 0-9A-Za-z: whoever searches code for keys knows one without asking.
 */
char *ticket_workspace_key(struct arena *a);

/* Does the text look like one, with the right six at its end?  Of no use but to tell what is none. */
bool ticket_is_workspace_key(const char *text);

/* Does the text begin as a key that no page may have: a secret one, or a workspace's? */
bool ticket_begins_secret(const char *text);

/* A session's refresh token. */
struct refresh {
	const char *tenant;  /* uuid */
	const char *session; /* uuid */
	uint32_t generation; /* counts the rotations */
};

/*
 * The refresh token of a generation of a session: base64url of tenant, session, generation and
 * a MAC, 91 characters.  The same three always make the same token, so a lost answer can be
 * given again.  NULL without JWT_SECRET.  The arena's.
 */
char *ticket_refresh_make(struct arena *a, const char *tenant, const char *session, uint32_t generation);

/* Read a refresh token that we made; its strings are the arena's.  false: we did not make this. */
bool ticket_refresh_parse(struct arena *a, const char *text, struct refresh *out);

/*
 * A signed text with an expiry, for what leaves and comes back through a browser (OAuth's "state").
 *
 * purpose  what it is for; another purpose does not open it
 * json     the payload; readable for the holder of the state, so no secrets; borrowed
 * ttl_s    seconds it is valid from now
 *
 * base64url(expiry 8 | payload) "." base64url(MAC).  NULL without JWT_SECRET.  The arena's.
 */
char *ticket_state_sign(struct arena *a, const char *purpose, const char *json, int ttl_s);

/* The payload of a state that ticket_state_sign made for this purpose and that is still valid, the arena's;
 * else NULL. */
const char *ticket_state_verify(struct arena *a, const char *purpose, const char *state);

/*
 * A signed text that does not expire, such as of a link that ends a subscription: the same text always makes
 * the same.  base64url(text) "." base64url(MAC).  NULL without JWT_SECRET.  The arena's.
 */
char *ticket_text_sign(struct arena *a, const char *purpose, const char *text);

/* The text that ticket_text_sign signed for this purpose, the arena's; else NULL. */
const char *ticket_text_verify(struct arena *a, const char *purpose, const char *token);

#endif
