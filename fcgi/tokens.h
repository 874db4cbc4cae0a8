/*
 * The tokens of a session that a statement has just opened, whether a request's or a job's.
 */
#ifndef ASHLAR_TOKENS_H
#define ASHLAR_TOKENS_H

#include <libpq-fe.h>

#include "lib/base/err.h"

struct tx;

enum { TOKENS_SESSION_TTL_S = 30 * 86400 }; /* of a session, from signing in; no refresh prolongs it */

/* What there is to answer with; all of it the arena's. */
struct tokens {
	const char *tenant, *session; /* uuids */
	const char *access;           /* "Bearer" */
	const char *refresh;          /* NULL: the session cannot be refreshed */
	long long expires_in;         /* seconds that access is good for */
	const char *mfa;              /* instead of all that, a ticket: to be shown with the second factor */
	const PGresult *row;          /* whose columns the answer's "user" is made of */
};

/*
 * The tokens of a session: row is the only one of a query with the columns of session_claims()
 * (sql/functions/identity/sessions.sql).  Where it was opened earlier, _auth_s says when, in seconds since
 * 1970; where the access token lasts for another time than JWT_TTL_S, _access_s for how long; where
 * somebody acts as the user, _type that the token is for an exchange, _impersonator who it is, and
 * _refreshes that there is a refresh token all the same.
 *
 * ERR_OK; ERR_UNAVAILABLE, recorded: there is no JWT_SECRET to sign with.
 */
enum err tokens_read(struct tx *tx, const PGresult *row, struct tokens *out);

#endif
