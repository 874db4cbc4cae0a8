/*
 * Signing up, in and out, for the end users of a tenant.  With X-API-Key the key
 * tells the tenant; without one it is that of the token, or the default one.
 */
#include <strings.h>

#include "build/sql/identity/auth.h"
#include "build/sql/identity/sessions.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/auth.h"
#include "handlers/identity/mailed.h"
#include "handlers/identity/session.h"
#include "handlers/tenancy/workspaces.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/crypto/imported.h"
#include "lib/crypto/password.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

/* clang-format off */
static const struct field register_in[] = {
	{ "email",        F_EMAIL, F_REQUIRED, .example = "ada@example.com" },
	PASSWORD_FIELD("password", "Correct-Horse-7"),
	{ "display_name", F_TEXT,  F_NULL, .max = 255, .example = "Ada Lovelace" },
	{ "name",         F_TEXT,  F_NULL | F_RARE, .max = 255, .about = "the same, where display_name is left out", .example = "Ada Lovelace" },
	{ "locale",       F_TEXT,  0, .min = 1, .max = 35, .def = "en", .about = "the language of mails" },
	{ "return_to",    F_URL,   F_NULL | F_PAGE | F_RARE, .max = 2048, .example = "https://app.example.com/verify-email",
	  .about = "the page that the mailed link opens, with ?token=; its origin must be one of the public key's (with a "
		   "secret key any https, without a key one of CORS_ORIGINS)" },
	FIELD_END
};

static const struct field login_in[] = {
	{ "email",    F_TEXT, F_REQUIRED, .max = 254, .example = "demo@example.com" },
	{ "password", F_TEXT, F_REQUIRED, .max = 1024, .example = "Correct-Horse-7" },
	FIELD_END
};

static const struct field refresh_in[] = {
	{ "refresh_token", F_TEXT, F_REQUIRED, .max = 1024, .example = "AAAAAAAAcACAAAAAAAAAAQ" },
	FIELD_END
};

static const struct field logout_in[] = {
	{ "all", F_BOOL, F_NULL, .example = "false", .about = "end all of my sessions" },
	FIELD_END
};

static const struct field register_out[] = {
	{ "access_token",  F_TEXT, F_OPTIONAL, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t" },
	{ "refresh_token", F_TEXT, F_OPTIONAL, .example = "AAAAAAAAcACAAAAAAAAAAQ" },
	{ "token_type",    F_TEXT, F_OPTIONAL, .example = "Bearer" },
	{ "expires_in",    F_INT,  F_OPTIONAL, .example = "3600", .about = "seconds" },
	{ "user",          F_OBJECT, F_OPTIONAL, .fields = auth_user_fields },
	{ "workspace_id",  F_UUID, F_OPTIONAL | F_NULL, .about = "null: in none yet" },
	{ "message",       F_TEXT, F_OPTIONAL | F_RARE, .example = "Registration successful. Please check your email to verify your account." },
	{ "verification_required", F_BOOL, F_OPTIONAL | F_RARE, .example = "true", .about = "then there are no tokens yet" },
	FIELD_END
};

static const struct field me_in[] = {
	{ "workspace_id", F_UUID, F_RARE, .about = "of which member is to tell; 403 for who is no member of it", .example = "organization" },
	FIELD_END
};

static const struct field me_out[] = {
	FIELDS_OF(auth_user_fields),
	{ "member", F_OBJECT, F_NULL, .fields = workspace_member_fields, .about = "who the user is in workspace_id; null where that was not given" },
	FIELD_END
};

static const struct shape me_shape = { "CurrentUser", me_out, "User" };

static const char *const register_one_of[] = { "access_token", "verification_required", NULL };
static const struct shape register_shape = { "RegisterResponse", register_out, .one_of = register_one_of };
/* clang-format on */

/*
 * The origin of an http or https URL as browsers write it, in lower case and
 * without the scheme's own port; NULL for what two readers might take for two
 * different hosts (user names, backslashes).  The arena's.
 */
static const char *origin_of(struct req *rq, const char *url)
{
	size_t scheme = !strncasecmp(url, "https://", 8) ? 8 : !strncasecmp(url, "http://", 7) ? 7 : 0;
	size_t host =
		strspn(url + scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
	const char *p = url + scheme + host, *own_port = scheme == 8 ? ":443" : ":80";
	size_t port = *p == ':' ? 1 + strspn(p + 1, "0123456789") : 0;
	char *out;

	if (!scheme || !host || (p[port] && !strchr("/?#", p[port])) || strpbrk(url, "\\\t\r\n"))
		return NULL;
	if (port == 1 || (port == strlen(own_port) && !strncmp(p, own_port, port)))
		port = 0;
	out = arena_dup_n(&rq->tx.arena, url, scheme + host + port);
	for (char *c = out; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return out;
}

/* May a mailed link lead there?  A link to anywhere, in a mail of ours, would be an open redirect. */
static bool may_return_to(struct req *rq, const char *url, const char *origin, const PGresult *begun)
{
	const char *own;

	if (!origin)
		return false;
	if (rq->who.is_secret)
		return !strncasecmp(url, "https://", 8);
	if (rq->who.api_key)
		return column_bool(begun, 0, "is_allowed");
	for (const char *const *o = cfg.cors_origins; o && *o; o++)
		if (!strcasecmp(*o, origin))
			return true;
	own = origin_of(rq, cfg.public_url);
	return own && !strcmp(origin, own);
}

/*
 * The address has to be verified first.  Known or not, the answer and the work
 * are the same; who has the address learns from the mail which it was.
 */
static enum err register_pending(struct req *rq, const PGresult *begun)
{
	const char *page = column_text(begun, 0, "verification_url"), *return_to = req_text(rq, "return_to");
	struct mail mail = {
		.template = "verify_email",
		.tenant = column_text(begun, 0, "tenant_id"),
		.to = req_text(rq, "email"),
		.locale = req_text(rq, "locale"),
		.link = return_to ? return_to
			: page    ? page
				  : mailed_page(rq, "verify-email"),
	};
	struct mail known = {
		.template = "already_registered", .tenant = mail.tenant, .to = mail.to, .locale = mail.locale
	};
	PGresult *res;
	struct buf *b;
	enum err rc = mail_prepare(rq, &known);

	if (rc)
		return rc;
	req_set(rq, "known_mail", req_text(rq, "mail_payload"));
	rc = mailed_make(rq, &mail);
	if (rc)
		return rc;
	req_set(rq, "mail", req_text(rq, "mail_payload"));
	rc = tx_call(&rq->tx, &q_register_pending, true, &res);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_text(b,
		 "{\"message\":\"Registration successful. Please check your email to verify your account.\","
		 "\"verification_required\":true}");
	return answer_close(rq);
}

static enum err register_run(struct req *rq)
{
	const char *return_to = req_text(rq, "return_to"), *password = req_text(rq, "password");
	const char *origin = return_to ? origin_of(rq, return_to) : NULL, *problem, *hash;
	PGresult *begun, *res;
	struct tokens t;
	enum err rc;

	problem = password_check(&rq->tx.arena, password, req_text(rq, "email"));
	req_set(rq, "is_counted", problem ? "false" : "true");
	req_set(rq, "return_origin", origin);
	req_set(rq, "api_key", rq->who.api_key);
	rc = tx_call(&rq->tx, &q_register_begin, true, &begun);
	if (rc)
		return rc;
	if (column_int(begun, 0, "wait_s"))
		return req_retry_after(rq, column_int(begun, 0, "wait_s"));
	if (return_to && !may_return_to(rq, return_to, origin, begun))
		return req_fail_field(rq, ERR_VALIDATION, "return_to",
				      "return_to leads to an origin that is not allowed here");
	if (problem)
		return req_fail_field(rq, ERR_VALIDATION, "password", "%s", problem);
	rc = password_hash(&rq->tx, password, &hash);
	if (rc)
		return rc;
	req_set(rq, "password_hash", hash);
	if (column_bool(begun, 0, "is_pending"))
		return register_pending(rq, begun);
	req_set(rq, "signin_ttl_s", arena_fmt(&rq->tx.arena, "%d", SESSION_TTL_S));
	rc = tx_call(&rq->tx, &q_register, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail_field(rq, ERR_CONFLICT, "email", "User already exists");
	rc = session_read(rq, res, &t);
	return rc ? rc : session_answer(rq, &t);
}

/* The refusal of a user who would have signed in, put down in the audit log; is_guess: it is counted, too.
 */
static enum err login_failed(struct req *rq, const char *public_id, const char *reason, bool is_guess)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "public_id", public_id);
	req_set(rq, "reason", reason);
	req_set(rq, "is_guess", is_guess ? "true" : "false");
	rc = tx_call(&rq->tx, &q_login_failed, true, &res);
	if (!rc && column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	return rc;
}

/* The password is right, which ends what was counted against this address.  The transaction stays open. */
static enum err login_passed(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_login_passed, false, &res);

	if (!rc && column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	return rc;
}

/* With today's parameters, in the transaction that opens the session.  before: the account's, if it has one.
 */
static enum err login_rehash(struct req *rq, const char *before, const char *hash)
{
	PGresult *res;

	req_set(rq, "before", before);
	req_set(rq, "password_hash", hash);
	return tx_call(&rq->tx, &q_login_rehash, false, &res);
}

enum err auth_stored(struct req *rq, const PGresult *user, const char *hash, struct password_stored *out)
{
	const char *sealed = column_text(user, 0, "signer_sealed");

	*out = (struct password_stored){ .hash = hash };
	if (sealed) {
		out->signer =
			seal_open(&rq->tx.arena, IMPORTED_SEAL, column_text(user, 0, "tenant_id"), sealed);
		if (!out->signer)
			return req_fail_inside(rq, ERR_INTERNAL,
					       "the signer key of imported passwords does not open: is its "
					       "key in ENCRYPTION_KEYS?");
	}
	return ERR_OK;
}

enum err auth_login(struct req *rq)
{
	const char *id, *public_id, *stored, *renewed = NULL;
	bool matches, is_outdated, is_pending, may_enter;
	struct password_stored known;
	PGresult *user;
	struct tokens t;
	enum err rc = tx_call(&rq->tx, &q_login_begin, true, &user);

	if (rc)
		return rc;
	if (column_int(user, 0, "wait_s"))
		return req_retry_after(rq, column_int(user, 0, "wait_s"));
	id = column_text(user, 0, "id");
	public_id = column_text(user, 0, "public_id");
	stored = column_text(user, 0, "password_hash");
	is_pending = column_bool(user, 0, "is_pending");
	req_set(rq, "id", id);
	rc = auth_stored(rq, user, stored, &known);
	if (rc)
		return rc;
	known.decoy = column_text(user, 0, "decoy");
	rc = password_verify(&rq->tx, req_text(rq, "password"), &known, &matches, &is_outdated);
	if (rc)
		return rc;
	if (!matches) {
		rc = login_failed(rq, public_id, id ? "wrong password" : "unknown address", true);
		return rc ? rc : req_refuse(rq, ERR_CREDENTIALS, NULL);
	}
	may_enter = column_bool(user, 0, "is_active") && column_bool(user, 0, "may_enter");
	if (may_enter && (is_outdated || is_pending))
		rc = password_hash(&rq->tx, req_text(rq, "password"), &renewed);
	if (!rc)
		rc = login_passed(rq);
	if (rc)
		return rc;
	/* A caller who knows the password may know how the account stands. */
	if (!column_bool(user, 0, "is_active")) {
		rc = login_failed(rq, public_id, "not active", false);
		return rc ? rc : req_refuse(rq, ERR_ACCOUNT_INACTIVE, NULL);
	}
	if (!column_bool(user, 0, "may_enter")) {
		rc = login_failed(rq, public_id, "not verified", false);
		if (rc)
			return rc;
		req_refuse(rq, ERR_EMAIL_UNVERIFIED, NULL);
		rq->tx.fail.more = "\"verification_required\":true";
		return ERR_EMAIL_UNVERIFIED;
	}
	/* One that waits to be confirmed is the account's where that is not asked for any more. */
	if (renewed)
		rc = login_rehash(rq, is_pending ? NULL : stored, renewed);
	if (!rc)
		rc = session_open(rq,
				  &(struct signin){ .user = id,
						    .method = "password",
						    .tenant = column_text(user, 0, "tenant_id"),
						    .password_hash = renewed ? renewed : stored },
				  &t);
	return rc ? rc : session_answer(rq, &t);
}

static enum err refresh(struct req *rq)
{
	struct refresh shown;
	struct tokens t;
	PGresult *res;
	enum err rc;

	if (!ticket_refresh_parse(&rq->tx.arena, req_text(rq, "refresh_token"), &shown)) {
		rc = tx_enter(&rq->tx);
		return rc ? rc : req_fail(rq, ERR_AUTHENTICATION, "the refresh token is not valid");
	}
	auth_act_for(rq, shown.tenant); /* with a key, the door compares it with the key's */
	req_set(rq, "session", shown.session);
	req_set(rq, "generation", arena_fmt(&rq->tx.arena, "%u", shown.generation));
	rc = tx_call(&rq->tx, &q_session_refresh, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_AUTHENTICATION, "the session has ended; sign in again");
	if (column_bool(res, 0, "_is_reused"))
		return req_refuse(
			rq, ERR_AUTHENTICATION,
			"this refresh token was used before, so its session has ended; sign in again");
	rc = session_read(rq, res, &t);
	return rc ? rc : session_answer(rq, &t);
}

static const enum err not_registered[] = { ERR_CONFLICT, ERR_OK };
static const enum err not_in[] = { ERR_CREDENTIALS, ERR_EMAIL_UNVERIFIED, ERR_ACCOUNT_INACTIVE, ERR_OK };
static const enum err not_refreshed[] = { ERR_AUTHENTICATION, ERR_OK };

/* clang-format off */
const struct route auth_routes[] = {
	{ POST, "/api/v1/auth/register", "platform.identity.register", &by_anyone_with_key, "Sign up",
	  "Answers with tokens, or, where the tenant wants addresses verified, with verification_required: then always, and the "
	  "mail tells whoever has the address whether it was known already.  From one address at most 3 an hour for one account, and 20 for all, "
	  "then none for 30 minutes.",
	  .body = register_in, .out = &register_shape, .errors = not_registered, .run = register_run, .flags = PRIVATE | HASHES },
	{ POST, "/api/v1/auth/login", "platform.identity.login", &by_anyone_with_key, "Sign in with a password",
	  "A user with a second factor gets mfa_required instead of tokens.  Wrong ones count: 10 in 15 minutes of an account from one "
	  "address, and 50 of all, then none for 15 minutes; 30 an hour of an account from addresses that it does not know, then a brake.",
	  .needs = { "the user's password", ERR_CREDENTIALS }, .body = login_in, .out = &login_shape, .errors = not_in, .run = auth_login, .flags = PRIVATE | HASHES, .status = 200 },
	{ POST, "/api/v1/auth/refresh", "platform.identity.refresh", &by_anyone_with_key, "Get new tokens",
	  "The refresh token stays the same, or, where the tenant has tokens rotated (refresh_token_rotation), is replaced by the "
	  "next one.  The one before gets the next one again within 30 seconds, and later as long as neither the next refresh token "
	  "nor its access token was used; else it ends the session.",
	  .needs = { "a refresh token, which signing in brings", ERR_AUTHENTICATION }, .body = refresh_in, .out = &token_shape, .errors = not_refreshed, .run = refresh, .flags = PRIVATE, .status = 200 },
	{ GET,  "/api/v1/auth/me", "platform.identity.me", &by_user_with_key, "Who am I",
	  .query = me_in, .out = &me_shape, .sql = &q_auth_me },
	{ POST, "/api/v1/auth/logout", "platform.identity.logout", &by_user_with_key, "Sign out",
	  "Ends the session of the token.",
	  .body = logout_in, .out = &message_shape, .sql = &q_logout, .status = 200 },
	ROUTE_END
};
/* clang-format on */
