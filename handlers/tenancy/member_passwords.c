/*
 * A member's forgotten password, reset by an owner or admin of the workspace.
 *
 * Accounts are shared by workspaces: whoever administers one may have a mail sent, which its user alone
 * reads, and gets a link to pass on only for an account that the workspace itself has made (account_hold()).
 */
#include "build/sql/tenancy/member_passwords.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/identity/mailed.h"
#include "handlers/permissions.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"

static enum err member_password_mail(struct req *rq), member_password_show(struct req *rq);

/* clang-format off */
static const struct field path[] = {
	{ "workspace_id", F_UUID, F_REQUIRED, .example = "organization" },
	{ "user_id",      F_UUID, F_REQUIRED, .example = "user theo" },
	FIELD_END
};

static const struct field mailed_out[] = {
	{ "message",    F_TEXT,  0, .about = "for people" },
	{ "email",      F_EMAIL, F_NULL, .example = "theo@example.com" },
	{ "email_sent", F_BOOL,  0, .about = "false: the account has no address, or is not active" },
	FIELD_END
};

static const struct field link_out[] = {
	{ "reset_url",  F_URL,      0, .example = "https://localhost:8443/reset-password.html?token=AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "token",      F_TEXT,     0, .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "expires_at", F_DATETIME, 0 },
	{ "email",      F_EMAIL,    0, .example = "theo@example.com" },
	FIELD_END
};

static const struct shape mailed_shape = { "MemberPasswordMailed", mailed_out, "Member" };
static const struct shape link_shape = { "MemberPasswordLink", link_out, "Member" };
static const enum err not_theirs[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_OK };

#define ONE "/api/v1/workspaces/{workspace_id}/users/{user_id}"

const struct route member_password_routes[] = {
	{ POST, ONE "/reset-password",      "workspace.organizations.send_member_password_reset",       &by_workspace_member, "Mail a member a link to reset the password",
	  .about = "Good for an hour, as the one that they ask for themself. Not for who has a higher role. Mails count as invitations do (429).",
	  .may = &org_manage, .params = path, .out = &mailed_shape, .errors = not_theirs, .sql = &q_member_password_mail, .run = member_password_mail, .status = 200 },
	{ POST, ONE "/reset-password-link", "workspace.organizations.create_member_password_reset_link", &by_workspace_member, "Get a link to reset a member's password",
	  .about = "To be passed on: no mail goes, and the one before it stops working. Good for 24 hours, and only for an account that this workspace has made, whose user has not verified the "
		   "address, and which is nowhere else: for any other 403, also once it is used. It verifies nothing.",
	  .needs = { "a member whose account the workspace has made", ERR_AUTHORIZATION }, .may = &org_manage, .params = path, .out = &link_shape, .errors = not_theirs,
	  .sql = &q_member_password_show, .run = member_password_show, .flags = PRIVATE, .status = 200 },
	ROUTE_END
};
/* clang-format on */

static const char *page_of(struct req *rq, PGresult *res)
{
	const char *page = column_text(res, 0, "page");

	return page ? page : mailed_page(rq, "reset-password");
}

static enum err member_password_mail(struct req *rq)
{
	PGresult *res;
	const char *email;
	enum err rc = tx_call(&rq->tx, &q_member_password_prepare, false, &res);

	if (rc)
		return rc;
	if (column_int(res, 0, "retry_s"))
		return req_retry_after(rq, column_int(res, 0, "retry_s"));
	email = column_text(res, 0, "email");
	req_set(rq, "id", column_text(res, 0, "id"));
	req_set(rq, "address", email);
	req_set(rq, "mail_payload", NULL);
	req_set(rq, "token_hash", NULL);
	req_set(rq, "token_code_hash", NULL);
	if (email && column_bool(res, 0, "is_active"))
		rc = mailed_make(rq, &(struct mail){ .template = "reset_password",
						     .tenant = column_text(res, 0, "tenant"),
						     .to = email,
						     .locale = column_text(res, 0, "locale"),
						     .link = page_of(rq, res) });
	return rc ? rc : answer_rows(rq, &q_member_password_mail);
}

static enum err member_password_show(struct req *rq)
{
	const char *ticket;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_member_password_page, false, &res);

	if (rc)
		return rc;
	ticket = ticket_new(&rq->tx.arena, column_text(res, 0, "tenant"));
	req_set(rq, "token", ticket);
	req_set(rq, "token_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	req_set(rq, "reset_url", mail_link(&rq->tx.arena, page_of(rq, res), ticket));
	return answer_rows(rq, &q_member_password_show);
}
