/*
 * Users as they see and change themselves, and as those do who share a workspace with them.
 *
 * An account is its user's own: what others change about them is what they are in that workspace
 * (sql/functions/identity/profiles.sql).  Another address is unverified, and the mailbox before it can take
 * it back (sql/functions/identity/email_changes.sql).
 */
#include "build/sql/identity/profiles.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/mailed.h"
#include "handlers/identity/session.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/crypto/password.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

static enum err profile_update_me(struct req *rq), profile_update(struct req *rq),
	email_verify(struct req *rq), email_take_back(struct req *rq);

/* clang-format off */
#define PROFILE \
	{ "name",         F_TEXT,  F_NULL, .min = 1, .max = 255, .example = "Theo Tiller" }, \
	{ "display_name", F_TEXT,  F_NULL | F_RARE, .max = 255, .about = "the same as name", .example = "Theo Tiller" }, \
	{ "email",        F_EMAIL, F_RARE, .about = "unverified then; needs a recent sign-in", .example = "theo.tiller@example.com" }, \
	{ "title",        F_TEXT,  F_NULL, .max = 255, .example = "Shipwright" }, \
	{ "phone",        F_TEXT,  F_NULL, .max = 50, .example = "+49 40 5550100" }, \
	{ "bio",          F_TEXT,  F_NULL, .max = 2000, .example = "Has built boats since 1998." }, \
	{ "avatar_url",   F_URL,   F_NULL | F_RARE, .max = 2048, .example = "https://harbour.example/theo.png" }

static const struct field me_in[] = {
	PROFILE,
	FIELD_END
};

static const struct field user_in[] = {
	PROFILE,
	{ "role",         F_ENUM,  F_RARE, .values = workspace_roles, .about = "in the workspace", .example = "member" },
	{ "workspace_id", F_UUID,  F_RARE, .about = "in which they are changed; left out: the caller's active one", .example = "organization" },
	FIELD_END
};

static const struct field user_path[] = {
	{ "user_id", F_UUID, F_REQUIRED, .example = "user theo" },
	FIELD_END
};

static const struct field back_in[] = {
	{ "token", F_TEXT, F_REQUIRED, .min = 1, .max = 128, .about = "the one that the mail's link brought",
	  .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "new_password", F_TEXT, F_NULL | F_NFC, .min = PASSWORD_MIN, .max = PASSWORD_MAX, .about = "left out: the account has none until one is asked for (/auth/forgot-password)",
	  .example = "Correct-Horse-8" },
	FIELD_END
};

static const struct shape profile_shape = { "AuthUser", auth_user_fields, "User" };
static const enum err not_mine[] = { ERR_AUTHORIZATION, ERR_SIGN_IN_AGE, ERR_CONFLICT, ERR_OK };
static const enum err not_seen[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_OK };
static const enum err not_changed[] = { ERR_BAD_REQUEST, ERR_AUTHORIZATION, ERR_SIGN_IN_AGE, ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err not_verified[] = { ERR_TICKET, ERR_AUTHORIZATION, ERR_OK };
static const enum err not_taken[] = { ERR_TICKET, ERR_CONFLICT, ERR_OK };

const struct route profile_routes[] = {
	{ PUT,  "/api/v1/auth/me", "workspace.identity.update_me", &by_user, "Change my account",
	  "Only what is sent; title, phone and bio in the active workspace. Another email must be free (409) and is unverified. The mailbox before it, if it was "
	  "verified, is told, and can take it back for 7 days. At most 10 a day.",
	  .body = me_in, .out = &profile_shape, .errors = not_mine, .sql = &q_profile_changed, .run = profile_update_me, .flags = IF_MATCH },
	{ GET,  "/api/v1/auth/{user_id}", "workspace.identity.get_user", &by_user, "Get a user",
	  "Oneself, or who is in a workspace with the caller and has no higher role there (403): as they are called in that workspace, which active_workspace_id names. "
	  "Administrators of the tenant see everybody.",
	  .params = user_path, .out = &profile_shape, .errors = not_seen, .sql = &q_profile_get },
	{ PUT,  "/api/v1/auth/{user_id}", "workspace.identity.update_user", &by_user, "Change a user",
	  "In the workspace, with can_edit_member, and nobody who has a higher role: what they are called there. Role and email are for owners and admins; nobody gives a higher role "
	  "than their own, and the last owner stays (400). An email only of an account that the workspace has made, and nobody has proved to be theirs: any other is its user's own (403).",
	  .params = user_path, .body = user_in, .out = &profile_shape, .errors = not_changed, .sql = &q_profile_changed, .run = profile_update },
	{ POST, "/api/v1/auth/me/verify-email", "workspace.identity.verify_my_email", &by_user_with_key, "Verify my address",
	  "As /auth/verify-email, signed in: so an address is confirmed that the account was changed to, and nothing ends by it.",
	  .needs = { "the token or the code of a mail", ERR_TICKET }, .body = mailed_fields, .choice = &mailed_choice, .out = &message_shape, .errors = not_verified, .run = email_verify,
	  .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/auth/take-back-email", "workspace.identity.restore_email", &by_anyone, "Take an address back",
	  "By the token of the mail that tells of its change. It is verified by that. All sessions end, and so do the password and every passkey, second factor and identity that came into "
	  "the account since the session began in which it was changed. 409: somebody has proved the address as another account's.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = back_in, .out = &message_shape, .errors = not_taken, .sql = &q_email_take_back, .run = email_take_back,
	  .flags = PRIVATE | HASHES, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/*
 * Another address is to be the account's of target: what its mails need, and that it was counted.  Without
 * one, or where it is the same, mail_payload is NULL and nothing else was done.
 */
static enum err email_prepare(struct req *rq)
{
	const char *tenant, *to, *locale, *back = NULL, *maker;
	bool was_verified;
	PGresult *res;
	enum err rc;

	req_set(rq, "mail_payload", NULL);
	req_set(rq, "token_code_hash", NULL);
	req_set(rq, "token_hash", NULL);
	req_set(rq, "back_hash", NULL);
	req_set(rq, "notice", NULL);
	if (!req_text(rq, "email"))
		return ERR_OK;
	rc = auth_check_recent(rq);
	if (!rc)
		rc = tx_call(&rq->tx, &q_email_change_begin, true, &res);
	if (rc)
		return rc;
	if (column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	if (column_bool(res, 0, "is_same"))
		return ERR_OK;
	tenant = column_text(res, 0, "tenant");
	to = column_text(res, 0, "email");
	locale = column_text(res, 0, "locale");
	maker = column_text(res, 0, "maker");
	was_verified = column_bool(res, 0, "is_email_verified");
	if (was_verified) {
		back = ticket_new(&rq->tx.arena, tenant);
		req_set(rq, "back_hash", secret_sha256_hex(&rq->tx.arena, back));
	}
	rc = mail_prepare(rq,
			  &(struct mail){ .template = "email_changed",
					  .tenant = tenant,
					  .to = to ? to : "",
					  .locale = locale,
					  .link = was_verified ? mailed_page(rq, "take-back-email") : NULL,
					  .ticket = back });
	if (rc)
		return rc;
	req_set(rq, "notice", req_text(rq, "mail_payload"));
	if (maker) {
		const char *ticket = ticket_new(&rq->tx.arena, tenant);

		req_set(rq, "token_hash", secret_sha256_hex(&rq->tx.arena, ticket));
		return mail_prepare(rq, &(struct mail){ .template = "activation",
							.tenant = tenant,
							.to = req_text(rq, "email"),
							.locale = locale,
							.link = arena_fmt(&rq->tx.arena,
									  "%s/activate.html?workspace_id=%s",
									  cfg.public_url, maker),
							.ticket = ticket,
							.data = column_text(res, 0, "made_for") });
	}
	return mailed_make(rq, &(struct mail){ .template = "verify_email",
					       .tenant = tenant,
					       .to = req_text(rq, "email"),
					       .locale = locale,
					       .link = column_text(res, 0, "page")
							       ? column_text(res, 0, "page")
							       : mailed_page(rq, "verify-email"),
					       .data = "{\"changed\":true}" });
}

static enum err change(struct req *rq)
{
	PGresult *res;
	enum err rc = email_prepare(rq);

	if (!rc)
		rc = tx_call(&rq->tx, &q_profile_change, false, &res);
	return rc ? rc : answer_rows(rq, &q_profile_changed);
}

static enum err profile_update_me(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_profile_own, false, &res);

	if (rc)
		return rc;
	req_set(rq, "target", arena_dup(&rq->tx.arena, column_text(res, 0, "id")));
	req_set(rq, "seen_in", NULL);
	req_set(rq, "role", NULL);
	return change(rq);
}

static enum err profile_update(struct req *rq)
{
	req_set(rq, "target", req_path_text(rq, "user_id"));
	req_set(rq, "seen_in", req_text(rq, "workspace_id"));
	return change(rq);
}

static enum err email_verify(struct req *rq)
{
	return mailed_verify(rq, &q_email_verify_mine);
}

static enum err email_take_back(struct req *rq)
{
	const char *password = req_text(rq, "new_password"), *tenant, *ticket, *problem, *hash = NULL;
	PGresult *res;
	enum err rc;

	if (!ticket_parse(&rq->tx.arena, req_text(rq, "token"), &tenant, &ticket))
		return req_fail(rq, ERR_TICKET, NULL);
	auth_act_for(rq, tenant);
	req_set(rq, "token_hash", ticket);
	rc = tx_call(&rq->tx, &q_email_back_find, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_TICKET, NULL);
	problem = password ? password_check(&rq->tx.arena, password, column_text(res, 0, "email")) : NULL;
	if (problem)
		return req_fail_field(rq, ERR_VALIDATION, "new_password", "%s", problem);
	if (password)
		rc = password_hash(&rq->tx, password, &hash);
	if (rc)
		return rc;
	req_set(rq, "password_hash", hash);
	return answer_rows(rq, &q_email_take_back);
}
