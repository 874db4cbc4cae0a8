/*
 * Signing in to the dashboard: tenants, and the people of their teams.
 *
 * These are no users of a product.  Their addresses are unique over all
 * tenants, so the address tells the tenant; what comes before that is known
 * (limits, failures) is put down in the default tenant.  A client that sends an
 * unknown address waits as long, and reads the same, as for a known one.
 *
 * Who has a second factor (tenant_mfa.c) is answered a challenge, and shows a code.
 *
 * Session and refresh token are of separate kinds: those of users are not
 * found here, nor these there.
 */
#include "build/sql/tenancy/tenant_auth.h"
#include "build/sql/tenancy/tenant_mfa.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/second_factor.h"
#include "handlers/mail.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/team.h"
#include "lib/base/jx.h"
#include "lib/crypto/password.h"
#include "lib/crypto/ticket.h"
#include "lib/crypto/tok.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { ACCESS_TTL_S = 3600, MFA_TTL_S = 300, MAX_TICKET = 512 };

/* clang-format off */
const char *const team_roles[] = { "owner", "admin", "member", NULL };
static const char *const bearer[] = { "Bearer", NULL };

static const struct field register_in[] = {
	{ "email",        F_EMAIL, F_REQUIRED, .example = "ada@example.com" },
	PASSWORD_FIELD("password", "Correct-horse-7"),
	{ "display_name", F_TEXT,  0, .max = 100, .example = "Ada Lovelace" },
	{ "tenant_name",  F_TEXT,  F_REQUIRED, .min = 1, .max = 255, .example = "Acme" },
	{ "tenant_slug",  F_SLUG,  0, .about = "made from tenant_name when left out", .example = "acme" },
	FIELD_END
};

static const struct field login_in[] = {
	{ "email",    F_TEXT, F_REQUIRED, .max = 254, .example = "olive@default.example" },
	{ "password", F_TEXT, F_REQUIRED, .max = 1024, .example = "Correct-horse-7" },
	FIELD_END
};

static const struct field refresh_in[] = {
	{ "refresh_token", F_TEXT, F_REQUIRED, .max = MAX_TICKET, .example = "AAAAAAAAcACAAAAAAAAAAQ" },
	FIELD_END
};

static const struct field forgot_in[] = {
	{ "email", F_EMAIL, F_REQUIRED | F_KNOWN, .example = "olive@default.example" },
	FIELD_END
};

static const struct field reset_in[] = {
	{ "token",        F_TEXT, F_REQUIRED, .max = MAX_TICKET, .about = "from the mail's link",
	  .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	PASSWORD_FIELD("new_password", "Correct-horse-8"),
	FIELD_END
};

static const struct field change_in[] = {
	{ "current_password", F_TEXT, F_REQUIRED, .max = 1024, .example = "Correct-horse-7" },
	PASSWORD_FIELD("new_password", "Correct-horse-8"),
	FIELD_END
};

static const struct field accept_in[] = {
	{ "token",        F_TEXT, F_REQUIRED, .max = MAX_TICKET, .about = "from the mail's link",
	  .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	PASSWORD_FIELD("password", "Correct-horse-7"),
	{ "display_name", F_TEXT, 0, .max = 100, .example = "Bob Example" },
	FIELD_END
};

const struct field tenant_out[] = {
	{ "id",         F_UUID,     0 },
	{ "name",       F_TEXT,     0, .example = "Acme" },
	{ "slug",       F_SLUG,     0, .example = "acme" },
	{ "is_active",  F_BOOL,     0 },
	{ "created_at", F_DATETIME, 0 },
	{ "updated_at", F_DATETIME, 0 },
	FIELD_END
};

const struct field tenant_user_out[] = {
	{ "id",                F_UUID,     0 },
	{ "tenant_id",         F_UUID,     0 },
	{ "email",             F_EMAIL,    0, .example = "ada@example.com" },
	{ "display_name",      F_TEXT,     F_NULL, .max = 100, .example = "Ada Lovelace" },
	{ "role",              F_ENUM,     0, .values = team_roles },
	{ "is_active",         F_BOOL,     0 },
	{ "is_email_verified", F_BOOL,     0, .about = "a mailed link was followed" },
	{ "last_login_at",     F_DATETIME, F_NULL },
	{ "created_at",        F_DATETIME, 0 },
	FIELD_END
};

static const struct field tokens_out[] = {
	{ "access_token",  F_TEXT,   0, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t", .about = "for the dashboard's endpoints, and no others" },
	{ "refresh_token", F_TEXT,   0, .example = "AAAAAAAAcACAAAAAAAAAAQ", .about = "good for 30 days from signing in" },
	{ "token_type",    F_ENUM,   0, .values = bearer },
	{ "user",          F_OBJECT, 0, .fields = tenant_user_out },
	{ "tenant",        F_OBJECT, 0, .fields = tenant_out },
	FIELD_END
};

static const struct field lifetime_out[] = {
	{ "expires_in", F_INT, 0, .example = "3600", .about = "seconds that access_token is good for" },
	FIELD_END
};

static const struct field token_out[] = {
	FIELDS_OF(tokens_out),
	FIELDS_OF(lifetime_out),
	FIELD_END
};

static const struct field login_out[] = {
	{ .type = F_FIELDS, F_OPTIONAL, .fields = tokens_out },
	FIELDS_OF(lifetime_out),
	{ "mfa_required", F_BOOL, F_OPTIONAL | F_RARE, .example = "true",
	  .about = "there are no tokens yet: the second factor is to be shown to /tenant-auth/mfa/verify" },
	{ "mfa_token",    F_TEXT, F_OPTIONAL | F_RARE, .example = "AAAAAAAAcACAAAAAAAAAAQ" },
	FIELD_END
};

static const struct field me_out[] = {
	{ "user",        F_OBJECT, 0, .fields = tenant_user_out },
	{ "tenant",      F_OBJECT, 0, .fields = tenant_out },
	{ "permissions", F_LIST,   0, .item = F_TEXT, .about = "what the role may do", .example = "[\"entities:read\",\"analytics:read\"]" },
	FIELD_END
};

static const char *const login_one_of[] = { "access_token", "mfa_token", NULL };
static const struct shape token_shape = { "TenantTokenResponse", token_out };
static const struct shape login_shape = { "TenantLoginResponse", login_out, .one_of = login_one_of };
static const struct shape me_shape = { "TenantMe", me_out };

static const enum err register_errors[] = { ERR_AUTHORIZATION, ERR_OK };
static const enum err login_errors[] = { ERR_CREDENTIALS, ERR_ACCOUNT_INACTIVE, ERR_OK };
static const enum err refresh_errors[] = { ERR_AUTHENTICATION, ERR_OK };
static const enum err verify_errors[] = { ERR_MFA_CODE, ERR_TICKET, ERR_AUTHENTICATION, ERR_OK };
static const enum err ticket_errors[] = { ERR_TICKET, ERR_OK };

static const struct constraint register_constraints[] = {
	{ "tenants_slug_unique",       ERR_CONFLICT, "tenant_slug", "this slug is already taken" },
	{ "team_members_email_unique", ERR_CONFLICT, "email",       "this address already has a tenant account" },
	{ "team_members_email_key_unique", ERR_CONFLICT, "email",   "this address already has a tenant account" },
	{ NULL },
};
/* clang-format on */

static enum err answer_message(struct req *rq, const char *message)
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key(b, "message"), jx_str(b, message);
	buf_char(b, '}');
	return answer_close(rq);
}

static const char *column(struct req *rq, const PGresult *res, const char *name)
{
	const char *text = PQntuples(res) ? column_text(res, 0, name) : NULL;

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

/* TenantTokenResponse, from a row of team_session_tokens(). */
static enum err answer_tokens(struct req *rq, const PGresult *res)
{
	long long iat = column_int(res, 0, "iat_s"), end = column_int(res, 0, "end_s");
	struct claims c = {
		.subject = column(rq, res, "_member_id"),
		.session = column(rq, res, "_session_id"),
		.tenant_id = column(rq, res, "_tenant_id"),
		.email = column(rq, res, "email"),
		.role = column(rq, res, "role"),
		.iat = iat,
		.auth_at = column_int(res, 0, PQfnumber(res, "_auth_s") < 0 ? "iat_s" : "_auth_s"),
		.exp = end < iat + ACCESS_TTL_S ? end : iat + ACCESS_TTL_S,
		.generation = (int)column_int(res, 0, "_generation"),
		.own = true,
		.team = true,
	};
	char *access = tok_sign(&rq->tx.arena, &c), *refresh;
	struct buf *b;

	refresh = ticket_refresh_make(&rq->tx.arena, c.tenant_id, c.session, (uint32_t)c.generation);
	if (!access || !refresh)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "there is no JWT_SECRET to sign tokens with");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "access_token"), jx_str(b, access);
	jx_key(b, "refresh_token"), jx_str(b, refresh);
	jx_key(b, "token_type"), jx_str(b, *bearer);
	jx_key(b, "expires_in"), jx_int(b, c.exp - c.iat);
	jx_key(b, "user"), buf_text(b, column_text(res, 0, "member"));
	jx_key(b, "tenant"), buf_text(b, column_text(res, 0, "tenant"));
	buf_char(b, '}');
	return answer_close(rq);
}

/* What is counted, or looked at, in a separate transaction: what is computed next takes long. */
static enum err count(struct req *rq, const struct query *q, PGresult **res)
{
	enum err rc = tx_call(&rq->tx, q, true, res);

	if (rc)
		return rc;
	return column_int(*res, 0, "retry_after") ? req_retry_after(rq, column_int(*res, 0, "retry_after"))
						  : ERR_OK;
}

/* Is the text a good password for this address (NULL: not known yet)? */
static enum err check_password(struct req *rq, const char *field, const char *email)
{
	const char *problem = password_check(&rq->tx.arena, req_text(rq, field), email);

	return problem ? req_fail_field(rq, ERR_VALIDATION, field, "%s", problem) : ERR_OK;
}

static enum err hash_password(struct req *rq, const char *field, const char *name)
{
	const char *hash;
	enum err rc = password_hash(&rq->tx, req_text(rq, field), &hash);

	if (!rc)
		req_set(rq, name, hash);
	return rc;
}

/* What a limit's query found out about the address: from here on the request is the member's tenant's. */
static void become(struct req *rq, const PGresult *found)
{
	const char *tenant = column(rq, found, "tenant");

	if (tenant)
		auth_act_for(rq, tenant);
	req_set(rq, "member", column(rq, found, "member"));
}

static enum err tenant_register(struct req *rq)
{
	PGresult *res;
	enum err rc;

	if (!strcmp(cfg.tenant_registration, "closed"))
		return req_fail(rq, ERR_AUTHORIZATION, "nobody makes a tenant here but the operator");
	rc = check_password(rq, "password", req_text(rq, "email"));
	if (!rc)
		rc = count(rq, &q_team_register_limit, &res);
	if (!rc)
		rc = hash_password(rq, "password", "password_hash");
	if (!rc)
		rc = tx_call(&rq->tx, &q_team_tenant_create, false, &res);
	if (rc)
		return rc;
	req_set(rq, "tenant", column(rq, res, "tenant"));
	req_set(rq, "member", column(rq, res, "member"));
	rc = tx_call(&rq->tx, &q_team_tenant_created, true, &res);
	return rc ? rc : answer_tokens(rq, res);
}

/* The password is wrong, or there is no such user: the same answer in the same time. */
static enum err login_failed(struct req *rq)
{
	PGresult *res;
	enum err rc = count(rq, &q_team_login_failed, &res);

	return rc ? rc : req_fail(rq, ERR_CREDENTIALS, NULL);
}

/* There are no tokens yet: the challenge, by whose hash team_login has put it down. */
static enum err answer_challenge(struct req *rq, const char *ticket)
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key(b, "mfa_required"), jx_bool(b, true);
	jx_key(b, "mfa_token"), jx_str(b, ticket);
	jx_key(b, "expires_in"), jx_int(b, MFA_TTL_S);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err tenant_login(struct req *rq)
{
	const char *tenant, *hash, *ticket;
	bool matches, is_outdated;
	PGresult *res;
	enum err rc = count(rq, &q_team_login_limit, &res);

	if (rc)
		return rc;
	become(rq, res);
	rc = tx_call(&rq->tx, &q_team_password, true, &res);
	if (rc)
		return rc;
	req_set(rq, "password_hash", column(rq, res, "password_hash"));
	rc = password_verify(&rq->tx, req_text(rq, "password"),
			     &(struct password_stored){ .hash = req_text(rq, "password_hash") }, &matches,
			     &is_outdated);
	if (rc)
		return rc;
	if (!matches)
		return login_failed(rq);
	req_set(rq, "new_hash", NULL);
	if (is_outdated)
		rc = hash_password(rq, "password", "new_hash");
	if (rc)
		return rc;
	ticket = ticket_new(&rq->tx.arena, rq->who.tenant_id);
	ticket_parse(&rq->tx.arena, ticket, &tenant, &hash);
	req_set(rq, "challenge_hash", hash);
	rc = count(rq, &q_team_login, &res);
	if (rc)
		return rc;
	if (column_bool(res, 0, "is_challenged"))
		return answer_challenge(rq, ticket);
	if (!column_text(res, 0, "_session_id"))
		return req_fail(rq, ERR_ACCOUNT_INACTIVE, NULL);
	return answer_tokens(rq, res);
}

static enum err tenant_mfa_verify(struct req *rq)
{
	const char *tenant, *hash;
	struct second_factor f;
	PGresult *res;
	bool fits;
	enum err rc;

	if (!ticket_parse(&rq->tx.arena, req_text(rq, "mfa_token"), &tenant, &hash))
		return req_fail(rq, ERR_TICKET, "the mfa_token is invalid; log in again");
	auth_act_for(rq, tenant);
	req_set(rq, "hash", hash);
	rc = tx_call(&rq->tx, &q_team_mfa_challenge, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_refuse(rq, ERR_TICKET, "the mfa_token is used or expired; log in again");
	rc = second_factor_read(rq, res, &f);
	if (rc)
		return rc;
	req_set(rq, "challenge", column(rq, res, "challenge"));
	req_set(rq, "account", f.account);
	rc = second_factor_code(rq, &f, &fits);
	if (!rc && fits)
		rc = tx_call(&rq->tx, &q_team_mfa_pass, false, &res);
	if (rc)
		return rc;
	if (!fits || !column_text(res, 0, "_session_id"))
		return second_factor_refuse(rq, &q_team_mfa_sign_in_failed);
	return answer_tokens(rq, res);
}

static enum err tenant_refresh(struct req *rq)
{
	struct refresh r;
	PGresult *res;
	enum err rc;

	if (!ticket_refresh_parse(&rq->tx.arena, req_text(rq, "refresh_token"), &r))
		return req_fail(rq, ERR_AUTHENTICATION, "the refresh token is not valid");
	auth_act_for(rq, r.tenant);
	req_set(rq, "session", r.session);
	req_set(rq, "generation", arena_fmt(&rq->tx.arena, "%u", r.generation));
	rc = tx_call(&rq->tx, &q_team_refresh, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_AUTHENTICATION, "the refresh token is not valid any more");
	if (column_bool(res, 0, "_is_reused"))
		return req_refuse(
			rq, ERR_AUTHENTICATION,
			"this refresh token was used before, so its session has ended; sign in again");
	return answer_tokens(rq, res);
}

/* A new ticket in the caller's tenant, as token_hash, and the mail with its link, as mail_payload. */
static enum err prepare_ticket(struct req *rq, const char *template, const char *page)
{
	const char *tenant, *hash;
	char *ticket = ticket_new(&rq->tx.arena, rq->who.tenant_id);

	ticket_parse(&rq->tx.arena, ticket, &tenant, &hash);
	req_set(rq, "token_hash", hash);
	return mail_prepare(rq, &(struct mail){ .template = template,
						.tenant = tenant,
						.to = req_text(rq, "email"),
						.link = team_dashboard_page(rq, page),
						.ticket = ticket });
}

static enum err tenant_forgot_password(struct req *rq)
{
	PGresult *res;
	enum err rc = count(rq, &q_team_forgot_limit, &res);

	if (rc)
		return rc;
	become(rq, res);
	rc = prepare_ticket(rq, "team_reset", "reset-password");
	if (!rc)
		rc = tx_call(&rq->tx, &q_team_forgot, true, &res);
	return rc ? rc
		  : answer_message(rq,
				   "If this address has an account, a mail with a link is on its way to it");
}

/* A mailed ticket and a new password, as token_hash and password_hash; the ticket is looked at, not used. */
static enum err take_ticket(struct req *rq, const char *kind, const char *field)
{
	const char *tenant, *hash, *email;
	PGresult *res;
	enum err rc = check_password(rq, field, NULL);

	if (rc)
		return rc;
	if (!ticket_parse(&rq->tx.arena, req_text(rq, "token"), &tenant, &hash))
		return req_fail(rq, ERR_TICKET, NULL);
	auth_act_for(rq, tenant);
	req_set(rq, "token_hash", hash);
	req_set(rq, "kind", kind);
	rc = tx_call(&rq->tx, &q_team_ticket_find, true, &res);
	if (rc)
		return rc;
	email = column(rq, res, "email");
	if (!email)
		return req_fail(rq, ERR_TICKET, NULL);
	rc = check_password(rq, field, email);
	return rc ? rc : hash_password(rq, field, "password_hash");
}

static enum err tenant_reset_password(struct req *rq)
{
	PGresult *res;
	enum err rc = take_ticket(rq, "team_reset", "new_password");

	if (!rc)
		rc = tx_call(&rq->tx, &q_team_reset, true, &res);
	return rc ? rc : answer_message(rq, "The password is changed; log in with the new one");
}

static enum err tenant_accept_invitation(struct req *rq)
{
	PGresult *res;
	enum err rc = take_ticket(rq, "team_invitation", "password");

	if (!rc)
		rc = tx_call(&rq->tx, &q_team_invitation_accept, true, &res);
	if (rc)
		return rc;
	if (!column_text(res, 0, "_session_id"))
		return req_fail(rq, ERR_ACCOUNT_INACTIVE, NULL);
	return answer_tokens(rq, res);
}

static enum err wrong_password(struct req *rq)
{
	return req_fail_field(rq, ERR_BAD_REQUEST, "current_password", "the current password is wrong");
}

static enum err tenant_change_password(struct req *rq)
{
	bool matches, is_outdated;
	PGresult *res;
	enum err rc = check_password(rq, "new_password", NULL);

	if (!rc)
		rc = count(rq, &q_team_change_limit, &res);
	if (rc)
		return rc;
	req_set(rq, "password_hash", column(rq, res, "password_hash"));
	rc = check_password(rq, "new_password", column(rq, res, "email"));
	if (!rc)
		rc = password_verify(&rq->tx, req_text(rq, "current_password"),
				     &(struct password_stored){ .hash = req_text(rq, "password_hash") },
				     &matches, &is_outdated);
	if (rc)
		return rc;
	if (!matches) {
		rc = count(rq, &q_team_change_failed, &res);
		return rc ? rc : wrong_password(rq);
	}
	rc = hash_password(rq, "new_password", "new_hash");
	if (!rc)
		rc = count(rq, &q_team_password_change, &res);
	if (rc)
		return rc;
	if (!column_bool(res, 0, "is_changed"))
		return wrong_password(rq); /* since it was looked at */
	return answer_message(rq, "The password is changed; log in again with the new one");
}

/* clang-format off */
const struct route tenant_auth_routes[] = {
	{ POST, "/api/v1/tenant-auth/register",          "platform.identity.tenant_register",          &by_anyone, "Make a tenant and its owner",
	  .about = "From one address three an hour for one account, and 20 for all, then none for 30 minutes.",
	  .body = register_in, .out = &token_shape, .errors = register_errors, .constraints = register_constraints, .run = tenant_register, .flags = PRIVATE | HASHES },
	{ POST, "/api/v1/tenant-auth/login",             "platform.identity.tenant_login",             &by_anyone, "Log in to the dashboard",
	  .about = "Wrong ones count: ten in 15 minutes of an account from one address, and 50 of all, then none for 15 minutes; 30 an hour of "
		   "an account from addresses that it does not know, then a brake. Who has a second factor gets mfa_required instead of tokens.",
	  .needs = { "the password", ERR_CREDENTIALS }, .body = login_in, .out = &login_shape, .errors = login_errors, .run = tenant_login, .flags = PRIVATE | HASHES, .status = 200 },
	{ POST, "/api/v1/tenant-auth/mfa/verify",        "platform.identity.tenant_mfa_verify",        &by_anyone, "Finish logging in to the dashboard",
	  .about = "For who was answered mfa_required. An mfa_token is good for five minutes and five codes; a code is good once.",
	  .needs = { "an mfa_token, which logging in brings, and a code", ERR_TICKET }, .body = second_factor_verify_in, .out = &token_shape,
	  .errors = verify_errors, .run = tenant_mfa_verify, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/tenant-auth/refresh",           "platform.identity.tenant_refresh",           &by_anyone, "Get a new access token",
	  .about = "The same refresh token comes back, or, where the tenant has tokens rotated (refresh_token_rotation), the next one.",
	  .needs = { "a refresh token, which signing in brings", ERR_AUTHENTICATION }, .body = refresh_in, .out = &token_shape, .errors = refresh_errors, .run = tenant_refresh, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/tenant-auth/logout",            "platform.identity.tenant_logout",            &by_team_any_mode, "Log out",
	  .about = "Ends all of the caller's sessions, on every device.",
	  .out = &message_shape, .sql = &q_team_logout, .status = 200 },
	{ GET,  "/api/v1/tenant-auth/me",                "platform.identity.tenant_me",                &by_team_any_mode, "Who am I?",
	  .out = &me_shape, .sql = &q_team_me },
	{ POST, "/api/v1/tenant-auth/forgot-password",   "platform.identity.tenant_forgot_password",   &by_anyone, "Have a link for a new password mailed",
	  .about = "The answer is the same whether there is such an account or not. The link is good once, for an hour. "
		   "From one address three an hour for one account, and 20 for all, then none for 30 minutes.",
	  .body = forgot_in, .out = &message_shape, .run = tenant_forgot_password, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/tenant-auth/reset-password",    "platform.identity.tenant_reset_password",    &by_anyone, "Set a new password by a mailed link",
	  .about = "Ends all of the account's sessions.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = reset_in, .out = &message_shape, .errors = ticket_errors, .run = tenant_reset_password, .flags = PRIVATE | HASHES, .status = 200 },
	{ POST, "/api/v1/tenant-auth/change-password",   "platform.identity.tenant_change_password",   &by_team_any_mode, "Change my password",
	  .about = "Ends all of the caller's sessions, this one too. Five wrong ones an hour from one address, then none for 30 minutes.",
	  .needs = { "the current password", ERR_BAD_REQUEST }, .body = change_in, .out = &message_shape, .run = tenant_change_password, .flags = PRIVATE | HASHES, .status = 200 },
	{ POST, "/api/v1/tenant-auth/accept-invitation", "platform.identity.tenant_accept_invitation", &by_anyone, "Join a team by a mailed link",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = accept_in, .out = &token_shape, .errors = ticket_errors, .run = tenant_accept_invitation, .flags = PRIVATE | HASHES },
	ROUTE_END
};
/* clang-format on */
