/*
 * A front end's question behind a sign-in with Clerk: has this user an account here, and if so, tokens for
 * it.
 *
 * The front end's server asks, which has a secret for it, and vouches for the address; so nobody is made
 * here, and an account that no user has proved to be theirs is from here on the one's who has shown it to
 * Clerk.
 */
#include "handlers/identity/clerk.h"

#include <string.h>

#include "build/sql/identity/clerk.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/identity/session.h"
#include "handlers/tenancy/workspaces.h"
#include "lib/base/jx.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

static enum err clerk_check(struct req *rq);

/* clang-format off */
static const char *const bearer[] = { "Bearer", NULL };

static const struct field check_in[] = {
	{ "email",      F_EMAIL, F_KNOWN | F_REQUIRED, .about = "that Clerk has verified", .example = "ada@example.com" },
	{ "clerk_id",   F_TEXT,  F_NULL, .min = 1, .max = 255, .about = "kept with the account that the address finds, and from then on looked for first", .example = "user_2abcDEF" },
	{ "name",       F_TEXT,  F_NULL, .min = 1, .max = 255, .about = "of an account that has none", .example = "Ada Lovelace" },
	{ "avatar_url", F_URL,   F_NULL | F_RARE, .max = 2048, .about = "likewise" },
	FIELD_END
};

static const struct field check_headers[] = {
	{ "X-Clerk-Secret", F_TEXT, F_REQUIRED, .about = "CLERK_CHECK_SECRET", .example = "the-secret-of-the-front-end" },
	FIELD_END
};

static const struct field check_out[] = {
	{ "exists",        F_BOOL,   0, .about = "false: there is no account, and all else is null or empty" },
	{ "access_token",  F_TEXT,   F_NULL },
	{ "refresh_token", F_TEXT,   F_NULL },
	{ "token_type",    F_ENUM,   F_NULL, .values = bearer },
	{ "expires_in",    F_INT,    F_NULL, .about = "seconds", .example = "3600" },
	{ "user",          F_OBJECT, F_NULL, .fields = auth_user_fields },
	{ "workspaces",    F_LIST,   0, .fields = workspace_brief_fields, .about = "in which they are active, by name" },
	FIELD_END
};

static const struct shape check_shape = { "ClerkUser", check_out };
static const enum err not_let_in[] = { ERR_AUTHENTICATION, ERR_AUTHORIZATION, ERR_UNAVAILABLE, ERR_OK };

const struct route clerk_routes[] = {
	{ POST, "/api/v1/auth/clerk/check-user", "workspace.identity.check_clerk_user", &by_anyone, "Has a user of Clerk's an account?", "For a front end's server, behind a sign-in with Clerk. An account is found by clerk_id, else by the address, and "
	  "signed in to; none is ever made. 403: it is not active.",
	  .needs = { "a secret that is configured", ERR_UNAVAILABLE }, .body = check_in, .headers = check_headers, .out = &check_shape, .errors = not_let_in, .run = clerk_check, .flags = PRIVATE, .status = 200 },
	ROUTE_END
};
/* clang-format on */

bool clerk_vouches(const struct req *rq)
{
	const char *shown = req_header(rq, "X-Clerk-Secret");

	return shown && secret_is_one_of(shown, cfg.clerk_check_secret);
}

const char *clerk_issuer(void)
{
	return *cfg.clerk_issuer ? cfg.clerk_issuer : "clerk";
}

static enum err answer_nobody(struct req *rq)
{
	struct buf *b = answer_open(rq);

	buf_text(b, "{\"exists\":false,\"access_token\":null,\"refresh_token\":null,\"token_type\":null,"
		    "\"expires_in\":null,\"user\":null,\"workspaces\":[]}");
	return answer_close(rq);
}

static enum err clerk_check(struct req *rq)
{
	const char *workspaces, *id;
	struct tokens t;
	PGresult *res;
	struct buf *b;
	enum err rc;

	if (!*cfg.clerk_check_secret) {
		req_set_header(rq, "Retry-After", "3600"); /* until an operator has set it up */
		return req_fail(rq, ERR_UNAVAILABLE,
				"questions about users of Clerk (CLERK_CHECK_SECRET) are not configured");
	}
	if (!clerk_vouches(rq))
		return req_fail(rq, ERR_AUTHENTICATION, "X-Clerk-Secret is missing or wrong");
	req_set(rq, "issuer", clerk_issuer());
	rc = tx_call(&rq->tx, &q_clerk_user, false, &res);
	if (rc)
		return rc;
	id = column_text(res, 0, "id");
	if (!id)
		return answer_nobody(rq);
	workspaces = arena_dup(&rq->tx.arena, column_text(res, 0, "workspaces"));
	rc = session_open(rq, &(struct signin){ .user = arena_dup(&rq->tx.arena, id), .method = "token" },
			  &t);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_text(b, "{\"exists\":true,");
	session_members(b, rq, &t);
	jx_key(b, "workspaces"), buf_text(b, workspaces);
	buf_char(b, '}');
	return answer_close(rq);
}
