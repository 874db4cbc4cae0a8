/*
 * Accounts on the operations surface: signing up, in and out, and who calls.  Sessions, passwords and mailed
 * tokens are those of all surfaces.
 *
 * Who signs in names no tenant.  Their address is one account's over the default tenant and those who have
 * signed up here (sql/migrations/0189_account_names.sql), and that account's tenant is the request's from
 * there on; what comes before is counted in the default one.  An unknown address is answered in the same
 * words and the same time as a wrong password.
 */
#include "build/sql/identity/auth.h"
#include "build/sql/identity/operations_identity.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/auth.h"
#include "handlers/identity/mailed.h"
#include "handlers/identity/session.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/crypto/imported.h"
#include "lib/crypto/password.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { MAX_TICKET = 512 };

static enum err operations_register(struct req *rq);
static enum err operations_login(struct req *rq);
static enum err operations_forgot(struct req *rq);
static enum err operations_logout(struct req *rq);

/* clang-format off */
static const char *const roles[] = { "admin", "editor", "member", "viewer", "builder", "agent", "demo", NULL };
static const char *const team_roles[] = { "owner", "admin", "member", NULL };

static const struct field register_in[] = {
	{ "username",         F_TEXT,  F_REQUIRED, .min = 3, .max = 40, .example = "nora", .about = "taken once, whatever its case" },
	{ "email",            F_EMAIL, F_REQUIRED, .example = "nora@example.com", .about = "the same" },
	PASSWORD_FIELD("password", "Correct-Horse-7"),
	{ "invite_code",      F_TEXT,  F_NULL | F_RARE, .min = 1, .max = MAX_TICKET, .about = "the token of a mail that invites this address to an organization or a team",
	  .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	{ "terms_accepted",   F_BOOL,  F_REQUIRED, .about = "must be true", .example = "true" },
	{ "privacy_accepted", F_BOOL,  F_REQUIRED, .about = "must be true", .example = "true" },
	FIELD_END
};

static const struct field login_in[] = {
	{ "email",    F_EMAIL, F_REQUIRED | F_KNOWN, .example = "demo@example.com" },
	{ "password", F_TEXT,  F_REQUIRED, .max = 1024, .example = "Correct-Horse-7" },
	FIELD_END
};

static const struct field forgot_in[] = {
	{ "email", F_EMAIL, F_REQUIRED | F_KNOWN, .example = "demo@example.com" },
	FIELD_END
};

static const struct field account[] = {
	{ "id",         F_INT,      0, .example = "3" },
	{ "username",   F_TEXT,     0, .example = "nora" },
	{ "email",      F_EMAIL,    F_NULL, .example = "nora@example.com" },
	{ "role",       F_ENUM,     0, .values = roles },
	{ "avatar_url", F_URL,      F_NULL, .example = "https://example.com/nora.png" },
	{ "created_at", F_DATETIME, 0 },
	{ "updated_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field success[] = {
	{ "success", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct field tokens_here[] = {
	{ "token",         F_TEXT,   0, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t", .about = "good for 24 hours" },
	{ "refresh_token", F_TEXT,   0, .example = "AAAAAAAAcACAAAAAAAAAAQ", .about = "for /api/v1/auth/refresh; good for 30 days from signing in" },
	{ "user",          F_OBJECT, 0, .fields = account },
	FIELD_END
};

static const struct field register_out[] = {
	FIELDS_OF(success),
	FIELDS_OF(tokens_here),
	FIELD_END
};

static const struct field login_out[] = {
	FIELDS_OF(success),
	{ .type = F_FIELDS, F_OPTIONAL, .fields = tokens_here },
	{ "mfa_required", F_BOOL, F_OPTIONAL | F_RARE, .example = "true",
	  .about = "there are no tokens yet: the second factor is to be shown to /api/v1/auth/mfa/verify" },
	{ "mfa_token",    F_TEXT, F_OPTIONAL | F_RARE, .example = "AAAAAAAAcACAAAAAAAAAAQ" },
	FIELD_END
};

static const struct field organization_ref[] = {
	{ "id",   F_UUID, 0 },
	{ "name", F_TEXT, 0, .example = "Acme Inc." },
	{ "slug", F_SLUG, 0, .max = 60, .example = "acme-inc" },
	{ "role", F_ENUM, 0, .values = workspace_roles, .about = "the user's there; a developer reads as a member" },
	FIELD_END
};

static const struct field team_ref[] = {
	{ "id",   F_INT,  0, .example = "4" },
	{ "name", F_TEXT, 0, .example = "Harbour" },
	{ "role", F_ENUM, 0, .values = team_roles },
	FIELD_END
};

static const struct field me[] = {
	{ "id",            F_INT,      0, .example = "3" },
	{ "username",      F_TEXT,     0, .example = "theo", .about = "the one that was chosen, else the name, or what stands before the @ of the address" },
	{ "email",         F_EMAIL,    F_NULL, .example = "theo.tidewater@example.com", .about = "null for who signed in elsewhere and has told no address" },
	{ "role",          F_ENUM,     0, .values = roles, .about = "in the tenant; a key never is an administrator, whoever made it" },
	{ "avatar_url",    F_URL,      F_NULL, .example = "https://example.com/theo.png" },
	{ "created_at",    F_DATETIME, 0 },
	{ "updated_at",    F_DATETIME, 0 },
	{ "tenant_id",     F_INT,      0, .about = "the tenant's number", .example = "1" },
	{ "last_login_at", F_DATETIME, F_NULL },
	{ "organizations", F_LIST,     0, .fields = organization_ref, .about = "by name" },
	{ "teams",         F_LIST,     0, .fields = team_ref, .about = "by name" },
	FIELD_END
};

static const struct field logout_in[] = {
	{ "all_devices", F_BOOL, 0, .def = "false", .about = "end all of the user's sessions" },
	FIELD_END
};

static const struct field logout_out[] = {
	{ "success",          F_BOOL, 0, .example = "true" },
	{ "revoked_sessions", F_INT,  0, .example = "1" },
	FIELD_END
};

static const struct shape me_shape = { "OperationsMe", me, "User" };
static const struct shape logout_shape = { "OperationsSignedOut", logout_out };
static const struct shape register_shape = { "OperationsRegistered", register_out };
static const char *const login_one_of[] = { "token", "mfa_token", NULL };
static const struct shape login_here_shape = { "OperationsSignedIn", login_out, .one_of = login_one_of };
static const struct shape forgot_shape = { "OperationsResetMailed", success };

static const enum err not_registered[] = { ERR_AUTHORIZATION, ERR_CONFLICT, ERR_OK };
static const enum err not_in[] = { ERR_AUTHENTICATION, ERR_OK };

static const struct constraint taken[] = {
	{ "user_accounts_username_unique", ERR_CONFLICT, "username", "this username is taken" },
	{ "users_email_unique",            ERR_CONFLICT, "email", "this address has an account: sign in" },
	{ "users_email_key_unique",        ERR_CONFLICT, "email", "this address has an account: sign in" },
	{ NULL }
};

const struct route operations_identity_routes[] = {
	{ POST, "/api/auth/register", "operations.identity.register", &by_anyone, "Sign up and in",
	  .about = "In a tenant of one's own, or with invite_code in the inviting organization or team, and its tenant. Both consents are kept with their time. "
		   "From one address five an hour.",
	  .body = register_in, .out = &register_shape, .errors = not_registered, .constraints = taken, .run = operations_register, .flags = PRIVATE | HASHES | BARE },
	{ POST, "/api/auth/login", "operations.identity.login", &by_anyone, "Sign in by an address alone",
	  .about = "For accounts of the default tenant and those that have signed up here. Who has a second factor gets mfa_required instead of tokens. "
		   "Ten tries in 15 minutes from one address, and for one account from addresses that it does not know.",
	  .needs = { "the user's password", ERR_AUTHENTICATION }, .body = login_in, .out = &login_here_shape, .errors = not_in, .run = operations_login,
	  .flags = PRIVATE | HASHES | BARE, .status = 200 },
	{ POST, "/api/auth/forgot-password", "operations.identity.forgot_password", &by_anyone, "Have a link for a new password mailed",
	  .about = "The answer is the same whether there is such an account or not. The link is good once, for an hour; a newer one voids it. "
		   "Three an hour from one address, and for one account from addresses that it does not know.",
	  .body = forgot_in, .out = &forgot_shape, .done = "If this address has an account, a mail with a link is on its way to it", .run = operations_forgot,
	  .sql = &q_operations_forgot, .flags = PRIVATE, .status = 200 },
	{ GET,  "/api/auth/me", "operations.identity.get_me", &by_person, "Who am I",
	  .about = "With an organization's key, who made it.", .out = &me_shape, .sql = &q_operations_me },
	{ POST, "/api/auth/logout", "operations.identity.logout", &by_own_session, "Sign out",
	  .about = "Ends the session of the token, with its refresh token: the next request with either is 401. A key has no session to end (400).",
	  .body = logout_in, .out = &logout_shape, .done = "Signed out", .run = operations_logout, .sql = &q_operations_logout, .status = 200 },
	ROUTE_END
};
/* clang-format on */

static enum err operations_logout(struct req *rq)
{
	enum err rc = tx_enter(&rq->tx);

	if (rc)
		return rc;
	if (rq->who.kind == API_KEY)
		return req_fail(rq, ERR_BAD_REQUEST, "a key has no session to end: revoke it");
	return answer_rows(rq, &q_operations_logout);
}

/* What is tried is counted in a transaction of its own: what is computed next takes long. */
static enum err count(struct req *rq, const struct query *q, PGresult **res)
{
	enum err rc = tx_call(&rq->tx, q, true, res);

	if (rc)
		return rc;
	return column_int(*res, 0, "wait_s") ? req_retry_after(rq, column_int(*res, 0, "wait_s")) : ERR_OK;
}

/* From here on the request is of the account's tenant, where there is such an account. */
static void become(struct req *rq, const PGresult *found)
{
	const char *tenant = column_text(found, 0, "tenant");

	if (tenant)
		auth_act_for(rq, tenant);
	req_set(rq, "id", column_text(found, 0, "id"));
}

static enum err answer_signed_in(struct req *rq, const PGresult *row)
{
	struct tokens t;
	struct buf *b;
	enum err rc = session_read(rq, row, &t);

	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "success"), jx_bool(b, true);
	jx_key_str(b, "token", t.access);
	jx_key_str(b, "refresh_token", t.refresh);
	jx_key(b, "user"), buf_text(b, column_text(row, 0, "account"));
	buf_char(b, '}');
	return answer_close(rq);
}

/*
 * Signing up
 */

/* The invitation of a code is looked at in its tenant, and used by what makes the account. */
static enum err take_invite(struct req *rq, const char *code)
{
	const char *tenant, *hash;
	PGresult *res;
	enum err rc;

	if (ticket_parse(&rq->tx.arena, code, &tenant, &hash)) {
		auth_act_for(rq, tenant);
		req_set(rq, "invite_hash", hash);
		rc = tx_call(&rq->tx, &q_operations_register_check, true, &res);
		if (rc)
			return rc;
		if (column_bool(res, 0, "is_invited"))
			return ERR_OK;
	}
	return req_fail_field(rq, ERR_VALIDATION, "invite_code",
			      "invite_code must be that of a pending invitation of this address");
}

static enum err check_consent(struct req *rq, const char *field)
{
	return *req_text(rq, field) == 't'
		       ? ERR_OK
		       : req_fail_field(rq, ERR_VALIDATION, field,
					"to sign up takes both consents: %s must be true", field);
}

/* What is to prove the address, unless an invitation's mail has. */
static enum err make_mail(struct req *rq, const PGresult *made)
{
	req_set(rq, "token_hash", NULL);
	req_set(rq, "token_code_hash", NULL);
	req_set(rq, "mail_payload", NULL);
	if (column_bool(made, 0, "is_proved"))
		return ERR_OK;
	return mailed_make(rq, &(struct mail){ .template = "verify_email",
					       .tenant = column_text(made, 0, "tenant"),
					       .to = req_text(rq, "email"),
					       .locale = "en",
					       .link = mailed_page(rq, "verify-email") });
}

static enum err operations_register(struct req *rq)
{
	const char *password = req_text(rq, "password"), *code = req_text(rq, "invite_code"), *hash;
	const char *problem = password_check(&rq->tx.arena, password, req_text(rq, "email"));
	PGresult *res;
	enum err rc = check_consent(rq, "terms_accepted");

	if (!rc)
		rc = check_consent(rq, "privacy_accepted");
	if (!rc && problem)
		rc = req_fail_field(rq, ERR_VALIDATION, "password", "%s", problem);
	if (!rc && !code && !strcmp(cfg.tenant_registration, "closed"))
		rc = req_fail(rq, ERR_AUTHORIZATION, "nobody makes a tenant here but the operator");
	if (!rc)
		rc = count(rq, &q_operations_register_limit, &res);
	req_set(rq, "invite_hash", NULL);
	if (!rc && code)
		rc = take_invite(rq, code);
	if (!rc)
		rc = password_hash(&rq->tx, password, &hash);
	if (rc)
		return rc;
	req_set(rq, "password_hash", hash);
	req_set(rq, "bonus", arena_fmt(&rq->tx.arena, "%ld", cfg.signup_bonus_tokens));
	req_set(rq, "signin_ttl_s", arena_fmt(&rq->tx.arena, "%d", SESSION_TTL_S));
	rc = tx_call(&rq->tx, &q_operations_register, false, &res);
	if (rc)
		return rc;
	req_set(rq, "id", column_text(res, 0, "id"));
	req_set(rq, "session", column_text(res, 0, "session"));
	req_set(rq, "issued", column_text(res, 0, "issued"));
	rc = make_mail(rq, res);
	if (!rc)
		rc = tx_call(&rq->tx, &q_operations_registered, true, &res);
	return rc ? rc : answer_signed_in(rq, res);
}

/*
 * Signing in
 */

/* The same words whatever was wrong; which it was is put down. */
static enum err login_refuse(struct req *rq, const char *public_id, const char *reason)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "public_id", public_id);
	req_set(rq, "reason", reason);
	req_set(rq, "is_guess", "false"); /* every try was counted before */
	rc = tx_call(&rq->tx, &q_login_failed, true, &res);
	return rc ? rc : req_refuse(rq, ERR_AUTHENTICATION, "wrong email or password");
}

static enum err answer_challenge(struct req *rq, const char *ticket)
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key(b, "success"), jx_bool(b, true);
	jx_key(b, "mfa_required"), jx_bool(b, true);
	jx_key_str(b, "mfa_token", ticket);
	buf_char(b, '}');
	return answer_close(rq);
}

/* The password was right.  before: its hash, of an account that has it already. */
static enum err login_enter(struct req *rq, const char *before, const char *stored, bool renews)
{
	const char *ticket = ticket_new(&rq->tx.arena, rq->who.tenant_id), *tenant, *hash;
	PGresult *res;
	enum err rc = ERR_OK;

	ticket_parse(&rq->tx.arena, ticket, &tenant, &hash);
	req_set(rq, "mfa_hash", hash);
	req_set(rq, "password_hash", stored);
	req_set(rq, "signin_ttl_s", arena_fmt(&rq->tx.arena, "%d", SESSION_TTL_S));
	if (renews) {
		rc = password_hash(&rq->tx, req_text(rq, "password"), &stored);
		if (rc)
			return rc;
		req_set(rq, "before", before);
		req_set(rq, "password_hash", stored);
		rc = tx_call(&rq->tx, &q_login_rehash, false, &res);
	}
	if (!rc)
		rc = tx_call(&rq->tx, &q_operations_login, true, &res);
	if (rc)
		return rc;
	return column_text(res, 0, "_session_id") ? answer_signed_in(rq, res) : answer_challenge(rq, ticket);
}

static enum err operations_login(struct req *rq)
{
	bool matches, is_outdated, is_pending;
	struct password_stored known;
	PGresult *found, *user, *row;
	const char *stored;
	enum err rc = count(rq, &q_operations_login_limit, &found);

	if (rc)
		return rc;
	become(rq, found);
	rc = tx_call(&rq->tx, &q_operations_login_begin, true, &user);
	if (rc)
		return rc;
	stored = column_text(user, 0, "password_hash");
	is_pending = column_bool(user, 0, "is_pending");
	/*
	 * What is compared with beside a hash of ours is the default tenant's, as for an unknown address, and
	 * none of the account's tenant: its time would tell.
	 */
	row = imported_is(stored) ? user : found;
	rc = auth_stored(rq, row, stored, &known);
	known.decoy = column_text(row, 0, "decoy");
	if (!rc)
		rc = password_verify(&rq->tx, req_text(rq, "password"), &known, &matches, &is_outdated);
	if (rc)
		return rc;
	if (!matches)
		return login_refuse(rq, column_text(user, 0, "public_id"),
				    column_text(user, 0, "id") ? "wrong password" : "unknown address");
	if (!column_bool(user, 0, "may_enter"))
		return login_refuse(rq, column_text(user, 0, "public_id"), "not active or not verified");
	return login_enter(rq, is_pending ? NULL : stored, stored, is_outdated || is_pending);
}

/* The same work and the same answer whether there is such an account or not. */
static enum err operations_forgot(struct req *rq)
{
	const char *page, *email;
	PGresult *res;
	enum err rc = count(rq, &q_operations_forgot_limit, &res);

	if (rc)
		return rc;
	become(rq, res);
	rc = tx_call(&rq->tx, &q_operations_forgot_begin, false, &res);
	if (rc)
		return rc;
	page = column_text(res, 0, "page");
	email = column_text(res, 0, "email");
	req_set(rq, "id", column_text(res, 0, "id"));
	req_set(rq, "address", email ? email : req_text(rq, "email"));
	rc = mailed_make(rq, &(struct mail){ .template = "reset_password",
					     .tenant = column_text(res, 0, "tenant_id"),
					     .to = req_text(rq, "address"),
					     .locale = column_text(res, 0, "locale"),
					     .link = page ? page : mailed_page(rq, "reset-password") });
	return rc ? rc : answer_rows(rq, &q_operations_forgot);
}
