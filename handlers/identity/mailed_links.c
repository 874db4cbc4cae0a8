/*
 * What the pages behind mailed links ask, which have no API key: the token tells
 * the tenant.  It comes in bodies only, since paths are written into logs.
 *
 * An invitation is accepted by who has signed in, or registers on the spot: its
 * token proves the address, but an account that has an owner is opened by what
 * opens it.
 */
#include <string.h>

#include "build/sql/identity/mailed_links.h"
#include "build/sql/tenancy/invitations.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/auth.h"
#include "handlers/identity/session.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/base/mailbox.h"
#include "lib/crypto/password.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

/* clang-format off */
#define TOKEN_FIELD \
	{ "token", F_TEXT, F_REQUIRED, .min = 1, .max = 128, .about = "the one that the mail's link brought", \
	  .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" }

static const struct field token_in[] = {
	TOKEN_FIELD,
	FIELD_END
};

static const struct field sign_in_in[] = {
	TOKEN_FIELD,
	{ "password", F_TEXT, F_REQUIRED, .max = 1024, .example = "Correct-Horse-7" },
	FIELD_END
};

static const struct field register_in[] = {
	TOKEN_FIELD,
	PASSWORD_FIELD("password", "Correct-Horse-7"),
	{ "display_name", F_TEXT, F_NULL, .max = 255, .example = "Ada Lovelace" },
	{ "locale",       F_TEXT, 0, .min = 1, .max = 35, .def = "en", .about = "the language of mails" },
	FIELD_END
};

static const char *const kinds[] = { "verify_email", "reset_password", "invitation", "team_invitation", "team_reset", "activation", "email_change", NULL };
static const char *const statuses[] = { "pending", "used", "expired", NULL };
static const char *const accounts[] = { "none", "password", "other", NULL };

static const struct field brand_out[] = {
	{ "name",          F_TEXT,  0, .example = "Acme" },
	{ "logo_url",      F_URL,   F_NULL },
	{ "color",         F_TEXT,  F_NULL, .example = "#aa0000" },
	{ "support_email", F_EMAIL, F_NULL, .example = "help@acme.example" },
	FIELD_END
};

static const struct field invitation_out[] = {
	{ "organization_name", F_TEXT,     0, .example = "Acme Inc.", .about = "of a team: the tenant's name" },
	{ "invited_by",        F_TEXT,     F_NULL, .example = "Grace Hopper" },
	{ "email",             F_EMAIL,    0, .about = "the address that is invited", .example = "ada@example.com" },
	{ "role",              F_TEXT,     0, .example = "member" },
	{ "account",           F_ENUM,     0, .values = accounts,
	  .about = "of exactly this address: none to sign in to, one with a password, one with another way in" },
	{ "expires_at",        F_DATETIME, 0 },
	FIELD_END
};

static const struct field link_out[] = {
	{ "kind",       F_ENUM,   0, .values = kinds },
	{ "status",     F_ENUM,   0, .values = statuses, .about = "used: by whatever ended it" },
	{ "locale",     F_TEXT,   0, .example = "en", .about = "the mail's language" },
	{ "brand",      F_OBJECT, 0, .fields = brand_out, .about = "whose mail it is" },
	{ "invitation", F_OBJECT, F_NULL, .fields = invitation_out, .about = "and the workspace of an activation; null for other mails, and unless it is pending" },
	FIELD_END
};

static const struct shape link_shape = { "MailedLink", link_out };

static const enum err not_found[] = { ERR_TICKET, ERR_OK };
static const enum err not_in[] = { ERR_TICKET, ERR_CREDENTIALS, ERR_EMAIL_UNVERIFIED, ERR_ACCOUNT_INACTIVE, ERR_OK };
static const enum err not_registered[] = { ERR_TICKET, ERR_AUTHORIZATION, ERR_CONFLICT, ERR_OK };
/* clang-format on */

/* The token, as token_hash, in the tenant that it names. */
static enum err take_token(struct req *rq)
{
	const char *tenant, *hash;

	if (!ticket_parse(&rq->tx.arena, req_text(rq, "token"), &tenant, &hash))
		return req_fail(rq, ERR_TICKET, NULL);
	auth_act_for(rq, tenant);
	req_set(rq, "token_hash", hash);
	return ERR_OK;
}

static enum err mailed_link(struct req *rq)
{
	struct mailbox from = { NULL };
	PGresult *res;
	enum err rc = take_token(rq);

	if (rc)
		return rc;
	if (*cfg.mail_from)
		mailbox_parse(&rq->tx.arena, cfg.mail_from, &from);
	req_set(rq, "sender", from.name);
	rc = tx_call(&rq->tx, &q_mailed_link_get, false, &res);
	if (rc)
		return rc;
	return PQntuples(res) ? answer_rows(rq, &q_mailed_link_get) : req_fail(rq, ERR_TICKET, NULL);
}

/* An invitation that can be accepted: its address, the arena's. */
static enum err find_invitation(struct req *rq, const char **email, bool *has_account)
{
	PGresult *res;
	enum err rc = take_token(rq);

	if (!rc)
		rc = tx_call(&rq->tx, &q_invitation_find, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_TICKET, NULL);
	*email = arena_dup(&rq->tx.arena, column_text(res, 0, "email"));
	*has_account = strcmp(column_text(res, 0, "account"), "none") != 0;
	return ERR_OK;
}

static enum err sign_in(struct req *rq)
{
	const char *email;
	bool has_account;
	enum err rc = find_invitation(rq, &email, &has_account);

	if (rc)
		return rc;
	req_set(rq, "email", email);
	return auth_login(rq);
}

static enum err register_invited(struct req *rq)
{
	const char *email, *hash, *problem;
	bool has_account;
	enum err rc = find_invitation(rq, &email, &has_account);

	if (rc)
		return rc;
	if (has_account)
		return req_fail_field(rq, ERR_CONFLICT, "token",
				      "this address has an account: sign in to it, and accept");
	problem = password_check(&rq->tx.arena, req_text(rq, "password"), email);
	if (problem)
		return req_fail_field(rq, ERR_VALIDATION, "password", "%s", problem);
	rc = password_hash(&rq->tx, req_text(rq, "password"), &hash);
	if (rc)
		return rc;
	req_set(rq, "password_hash", hash);
	return answer_rows(rq, &q_invitation_register);
}

static enum err decline_invited(struct req *rq)
{
	enum err rc = take_token(rq);

	return rc ? rc : answer_rows(rq, &q_invitation_reject);
}

/* clang-format off */
const struct route mailed_link_routes[] = {
	{ POST, "/api/v1/auth/mailed-link", "platform.identity.mailed_link", &by_anyone, "What a mailed link is about",
	  "For the page that it opens: whose mail it was, in which language, and who invites to what. Looks only. 400 for what is no token.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = token_in, .out = &link_shape, .errors = not_found, .sql = &q_mailed_link_get, .run = mailed_link, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/auth/invitation/sign-in", "platform.identity.invitation_sign_in", &by_anyone, "Sign in as who is invited",
	  "With the password of the account that the invited address has; answers and counts as /auth/login does.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = sign_in_in, .out = &login_shape, .errors = not_in, .run = sign_in, .flags = PRIVATE | HASHES, .status = 200 },
	{ POST, "/api/v1/auth/invitation/register", "platform.identity.invitation_register", &by_anyone, "Sign up as who is invited, and accept",
	  "The address is verified by that. 409 where it has an account already, unless nobody has proved that it is theirs: then it is "
	  "this one, and what opened it before ends.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = register_in, .out = &organization_shape, .errors = not_registered, .sql = &q_invitation_register, .run = register_invited,
	  .flags = PRIVATE | HASHES },
	{ POST, "/api/v1/auth/invitation/accept", "platform.identity.invitation_accept", &by_user, "Accept an invitation, without a key",
	  "As /organizations/accept-invitation.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = token_in, .out = &organization_shape, .errors = not_registered, .sql = &q_invitation_accept, .status = 200 },
	{ POST, "/api/v1/auth/invitation/decline", "platform.identity.invitation_decline", &by_anyone, "Decline an invitation, without a key",
	  "The token is enough, as for /organizations/reject-invitation.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = token_in, .out = &message_shape, .errors = not_found, .sql = &q_invitation_reject, .run = decline_invited, .flags = PRIVATE, .status = 200 },
	ROUTE_END
};
/* clang-format on */
