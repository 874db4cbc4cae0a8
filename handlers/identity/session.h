/*
 * A session and its tokens: what every way of signing in ends with.
 *
 * A handler that has found out who the user is opens a session for them, in its own
 * transaction, and answers:
 *
 *	struct signin who = { .user = id, .method = "passkey", .has_mfa = true };
 *	struct tokens t;
 *	enum err rc = session_open(rq, &who, &t);
 *
 *	return rc ? rc : session_answer(rq, &t);
 *
 * The Google callback puts t.access, t.refresh and t.expires_in into a URL
 * instead; impersonation answers with t.access alone.
 */
#ifndef HANDLERS_IDENTITY_SESSION_H
#define HANDLERS_IDENTITY_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "fcgi/field.h"
#include "fcgi/tokens.h"
#include "lib/base/err.h"

struct buf;
struct req;

enum {
	SESSION_TTL_S = TOKENS_SESSION_TTL_S,
	SESSION_IMPERSONATED_TTL_S = 3600,
	SESSION_MFA_TTL_S = 300, /* to show the second factor */
};

/* Who signs in, and how. */
struct signin {
	const char *user;   /* uuid */
	const char *method; /* "password", "google", "passkey", "impersonation" */
	const char *tenant; /* uuid of the user's tenant: asks for the second factor, if the user has one;
			       NULL: no need, for instance after a passkey or the second factor itself */
	bool has_mfa;       /* more than one factor was shown */
	const char *password_hash; /* the one that the password was compared with, to be the user's still;
				      NULL: none was shown just now */
	const char *impersonator;  /* uuid of the administrator who acts as the user, or NULL: one hour then,
				      and no refresh token */
};

/*
 * Sign a user in, as the transaction's last statement: a row in sessions with
 * device and address, users.last_login_at, and session.create in the audit log
 * (for an impersonation the caller writes its own).
 *
 * ERR_OK; ERR_AUTHENTICATION: the user is not active any more; ERR_UNAVAILABLE:
 * there is no JWT_SECRET to sign with; and db_call's.
 */
enum err session_open(struct req *rq, const struct signin *in, struct tokens *out);

/* The same where a query of the caller's own has opened the session: tokens_read(). */
enum err session_read(struct req *rq, const PGresult *row, struct tokens *out);

/*
 * The answer: TokenResponse, or, with t->mfa,
 * {"mfa_required":true,"mfa_token":"…","expires_in":300}.
 * refresh_token is left out where there is none.
 */
enum err session_answer(struct req *rq, const struct tokens *t);

/* The members of that answer, of tokens, without the braces: for who has more to say. */
void session_members(struct buf *b, struct req *rq, const struct tokens *t);

/* What that looks like: always tokens, or what a way of signing in that asks for a second factor answers. */
extern const struct shape token_shape, login_shape;

/* The user in there, as the platform surface shows it to itself (AuthUser). */
extern const struct field auth_user_fields[];

#endif
