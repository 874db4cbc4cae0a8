/*
 * What a token that was verified says.
 */
#ifndef ASHLAR_CLAIMS_H
#define ASHLAR_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

struct claims {
	const char *issuer;    /* "iss" */
	const char *subject;   /* "sub": 1 to 255 bytes, no control characters */
	const char *session;   /* "sid" as a lower-case uuid; NULL in foreign tokens */
	const char *tenant_id; /* "tid" as a lower-case uuid; NULL in foreign tokens */
	const char *email;     /* NULL when there is none, or none that fits an address' 254 bytes */
	const char *role;      /* foreign: what the issuer may give and gives, NULL: it has no say;
				  own: at most 31 bytes, NULL when there is none */
	const char *actor; /* "act"."sub" (RFC 8693 4.1): who impersonates the subject; own tokens only, or
			      NULL */
	const char *impersonator; /* "impersonated_by": the same one's uuid; only to be signed */
	const char *workspace; /* "wid" as a lower-case uuid: which one is active; NULL when there is none, as
				  in foreign tokens */
	int64_t iat, exp;      /* seconds since 1970; iat is 0 when there is none */
	int64_t auth_at;       /* "auth_time" (OpenID Connect Core 2): when the user signed in; iat in tokens
				  that do not say */
	int generation;        /* "gen": how often the session's tokens were rotated before; 0 when there is
				  none, as in other issuers' */
	bool own;              /* we signed it */
	bool impersonates;     /* "type" is "impersonation": to be exchanged for a session of its own */
	bool team;             /* "ctx" is "tenant": a team user's, for the dashboard; own tokens only */
};

#endif
