/*
 * Passwords that were forgotten, and passwords that are to be others.
 */
#include "build/sql/identity/auth.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/identity/auth.h"
#include "handlers/identity/mailed.h"
#include "handlers/shapes.h"
#include "lib/crypto/password.h"
#include "lib/db/column.h"

/* clang-format off */
static const struct field forgot_in[] = {
	{ "email", F_TEXT, F_REQUIRED, .max = 254, .example = "ada@example.com" },
	FIELD_END
};

static const struct field reset_in[] = {
	FIELDS_OF(mailed_fields),
	PASSWORD_FIELD("new_password", "Correct-Horse-8"),
	FIELD_END
};

static const struct field change_in[] = {
	{ "current_password", F_TEXT, F_REQUIRED, .max = 1024, .example = "Correct-Horse-7" },
	PASSWORD_FIELD("new_password", "Correct-Horse-8"),
	FIELD_END
};
/* clang-format on */

/* The same work and the same answer whether there is such a user or not. */
static enum err forgot(struct req *rq)
{
	PGresult *user;
	enum err rc = tx_call(&rq->tx, &q_forgot_begin, false, &user);
	const char *email, *page;

	if (rc)
		return rc;
	if (column_int(user, 0, "wait_s"))
		return req_retry_after(rq, column_int(user, 0, "wait_s"));
	email = column_text(user, 0, "email");
	page = column_text(user, 0, "page");
	req_set(rq, "id", column_text(user, 0, "id"));
	req_set(rq, "address", email ? email : req_text(rq, "email"));
	rc = mailed_make(rq, &(struct mail){ .template = "reset_password",
					     .tenant = column_text(user, 0, "tenant_id"),
					     .to = req_text(rq, "address"),
					     .locale = column_text(user, 0, "locale"),
					     .link = page ? page : mailed_page(rq, "reset-password") });
	return rc ? rc : answer_rows(rq, &q_forgot_issue);
}

static enum err answer_message(struct req *rq, const char *message)
{
	struct buf *b = answer_open(rq);

	buf_fmt(b, "{\"message\":\"%s\"}", message);
	return answer_close(rq);
}

/* The policy, and the hash as password_hash for the query; both of the field new_password. */
static enum err new_password(struct req *rq, const char *email)
{
	const char *password = req_text(rq, "new_password"), *hash;
	const char *problem = password_check(&rq->tx.arena, password, email);
	enum err rc;

	if (problem)
		return req_refuse_field(rq, ERR_VALIDATION, "new_password", "%s", problem);
	rc = password_hash(&rq->tx, password, &hash);
	req_set(rq, "password_hash", rc ? NULL : hash);
	return rc;
}

static enum err reset(struct req *rq)
{
	PGresult *token, *res;
	enum err rc = mailed_read(rq, "reset_password");

	if (!rc)
		rc = tx_call(&rq->tx, &q_reset_begin, true, &token);
	if (rc)
		return rc;
	if (column_int(token, 0, "wait_s"))
		return req_retry_after(rq, column_int(token, 0, "wait_s"));
	if (!column_text(token, 0, "id"))
		return req_refuse(rq, ERR_TICKET, NULL); /* a wrong code was counted */
	req_set(rq, "id", column_text(token, 0, "id"));
	rc = new_password(rq, column_text(token, 0, "address"));
	if (!rc)
		rc = tx_call(&rq->tx, &q_reset_password, true, &res);
	if (rc)
		return rc;
	if (!column_bool(res, 0, "is_reset"))
		return req_fail(rq, ERR_TICKET, NULL);
	return answer_message(rq, "Password reset successfully");
}

/* A wrong password is 400: clients answer a 401 by refreshing their token and trying again. */
static enum err change(struct req *rq)
{
	const char *before;
	struct password_stored stored;
	bool matches, is_outdated;
	PGresult *user, *res;
	enum err rc = tx_call(&rq->tx, &q_change_begin, true, &user);

	if (rc)
		return rc;
	if (column_int(user, 0, "wait_s"))
		return req_retry_after(rq, column_int(user, 0, "wait_s"));
	before = column_text(user, 0, "password_hash");
	if (!before)
		return req_fail(rq, ERR_BAD_REQUEST,
				"this account has no password yet: forgot-password mails a link to set one");
	rc = auth_stored(rq, user, before, &stored);
	if (!rc)
		rc = password_verify(&rq->tx, req_text(rq, "current_password"), &stored, &matches,
				     &is_outdated);
	if (rc)
		return rc;
	if (!matches) {
		rc = tx_call(&rq->tx, &q_change_failed, true, &res);
		if (!rc && column_int(res, 0, "wait_s"))
			return req_retry_after(rq, column_int(res, 0, "wait_s"));
		return rc ? rc
			  : req_refuse_field(rq, ERR_BAD_REQUEST, "current_password",
					     "the current password is wrong");
	}
	rc = new_password(rq, column_text(user, 0, "email"));
	if (rc)
		return rc;
	req_set(rq, "before", before);
	rc = tx_call(&rq->tx, &q_change_password, true, &res);
	if (rc)
		return rc;
	if (column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	if (!column_bool(res, 0, "is_changed"))
		return req_fail(rq, ERR_CONFLICT, "the password was changed by another request");
	return answer_message(rq, "Password changed successfully");
}

static const enum err not_reset[] = { ERR_TICKET, ERR_OK };
static const enum err not_changed[] = { ERR_BAD_REQUEST, ERR_CONFLICT, ERR_OK };

/* clang-format off */
const struct route password_routes[] = {
	{ POST, "/api/v1/auth/forgot-password", "platform.identity.forgot_password", &by_anyone_with_key, "Ask for a mail to reset a password",
	  "Answers the same whether there is such a user or not.  The mail's link and code are good for one use: the link for an "
	  "hour, the code for ten minutes.  From one address at most 3 an hour for one account, and 20 for all, then none for 30 minutes.",
	  .body = forgot_in, .out = &message_shape, .run = forgot, .sql = &q_forgot_issue, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/auth/request-password-reset", "workspace.identity.request_password_reset", .alias_of = "platform.identity.forgot_password" },
	{ POST, "/api/v1/auth/reset-password", "platform.identity.reset_password", &by_anyone_with_key, "Set a forgotten password",
	  "With the token of the mail's link, or with the address and the mail's code.  All sessions of the user end, and the "
	  "address counts as verified: who resets a password reads its mail.  If it was not verified until now, passkeys and second factor end, too.",
	  .needs = { "the token or the code of a mail", ERR_TICKET }, .body = reset_in, .choice = &mailed_choice, .out = &message_shape, .errors = not_reset, .run = reset, .flags = PRIVATE | HASHES, .status = 200 },
	{ POST, "/api/v1/auth/change-password", "platform.identity.change_password", &by_user_with_key, "Change my password",
	  "The other sessions end.  5 wrong ones an hour of a user from one address, then none for 30 minutes.",
	  .needs = { "the current password", ERR_BAD_REQUEST }, .body = change_in, .out = &message_shape, .errors = not_changed, .run = change, .flags = PRIVATE | HASHES, .status = 200 },
	ROUTE_END
};
/* clang-format on */
