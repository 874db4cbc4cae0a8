/*
 * The second factor: codes of an authenticator app, and recovery codes for who
 * has lost it.
 *
 * Enrolling gives out a secret, which counts from the first code on that proves
 * the app has it.  From then on signing in with a password answers a challenge
 * (session.c), which is passed here.  A code is taken once; wrong ones are
 * counted and put down, so those refusals commit.
 */
#include <time.h>

#include "build/sql/identity/mfa.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/session.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/ticket.h"
#include "lib/crypto/recovery.h"
#include "lib/crypto/totp.h"
#include "lib/db/column.h"

/* The user's factor, as mfa_factor and mfa_challenge have it. */
struct factor {
	const char *tenant, *account;
	const char *sealed; /* NULL: there is none */
	long long last_step;
	bool is_confirmed;
};

/* A secret is sealed for its user: one that is copied into another user's row does not open. */
static const char *purpose_of(struct req *rq, const char *account)
{
	return arena_fmt(&rq->tx.arena, "totp %s", account);
}

static const char *text(struct req *rq, const PGresult *res, const char *column)
{
	const char *value = column_text(res, 0, column);

	return value ? arena_dup(&rq->tx.arena, value) : NULL;
}

/* An impersonator may look, and no more: by the session, whatever the token says. */
static enum err refuse_impersonator(struct req *rq, const PGresult *res)
{
	return rq->who.actor || column_bool(res, 0, "is_impersonated")
		       ? req_fail(rq, ERR_AUTHORIZATION,
				  "the second factor of a user is not to be changed while impersonating")
		       : ERR_OK;
}

static enum err factor_read(struct req *rq, const PGresult *res, struct factor *out)
{
	int64_t retry_after_s = column_int(res, 0, "retry_after_s");

	if (retry_after_s)
		return req_retry_after(rq, retry_after_s);
	*out = (struct factor){
		.tenant = text(rq, res, "tenant"),
		.account = text(rq, res, "account"),
		.sealed = text(rq, res, "secret_sealed"),
		.last_step = column_int(res, 0, "last_step"),
		.is_confirmed = column_bool(res, 0, "is_confirmed"),
	};
	return ERR_OK;
}

/* The caller's factor, unless there are to be no more guesses. */
static enum err factor_load(struct req *rq, struct factor *out)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_mfa_factor, false, &res);

	if (!rc)
		rc = refuse_impersonator(rq, res);
	return rc ? rc : factor_read(rq, res, out);
}

static enum err open_secret(struct req *rq, const struct factor *f, const char **secret)
{
	*secret = seal_open(&rq->tx.arena, purpose_of(rq, f->account), f->tenant, f->sealed);
	if (!*secret)
		return req_fail_inside(rq, ERR_INTERNAL,
				       "the user's TOTP secret does not open: is its key in "
				       "ENCRYPTION_KEYS?");
	return ERR_OK;
}

/*
 * Look at the code that was sent.  What can be one of the factor's sets step or
 * recovery_hash for the query that uses it up; *fits is false for what cannot.
 */
static enum err code_read(struct req *rq, const struct factor *f, bool *fits)
{
	const char *code = req_text(rq, "code"), *secret, *recovery = recovery_read(&rq->tx.arena, code);
	int64_t step;
	enum err rc;

	req_set(rq, "step", NULL);
	req_set(rq, "recovery_hash", NULL);
	*fits = recovery != NULL;
	if (recovery) {
		req_set(rq, "recovery_hash",
			ticket_code_hash(&rq->tx.arena, arena_fmt(&rq->tx.arena, "recovery %s", f->account),
					 recovery));
		return ERR_OK;
	}
	rc = open_secret(rq, f, &secret);
	if (rc)
		return rc;
	*fits = totp_verify(secret, code, time(NULL), f->last_step, &step);
	if (*fits)
		req_set(rq, "step", arena_fmt(&rq->tx.arena, "%lld", (long long)step));
	return ERR_OK;
}

/* The code was wrong, and that stays. */
static enum err refuse_code(struct req *rq, const struct query *audit)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "failed_route", rq->asked.route->path);
	rc = tx_call(&rq->tx, audit, true, &res);
	if (!rc && column_int(res, 0, "retry_after_s"))
		return req_retry_after(rq, column_int(res, 0, "retry_after_s"));
	return rc ? rc : req_refuse(rq, ERR_MFA_CODE, NULL);
}

/* Ten new recovery codes, and hashes for the query that stores them. */
static enum err codes_new(struct req *rq, const char *account, const char *codes[TOTP_RECOVERY_CODES])
{
	const char *scope = arena_fmt(&rq->tx.arena, "recovery %s", account), *hash;
	struct buf hashes;

	buf_init(&hashes, &rq->tx.arena, 1024);
	for (int i = 0; i < TOTP_RECOVERY_CODES; i++) {
		codes[i] = recovery_code(&rq->tx.arena);
		hash = ticket_code_hash(&rq->tx.arena, scope, codes[i]);
		if (!hash)
			return req_fail_inside(rq, ERR_UNAVAILABLE,
					       "there is no JWT_SECRET to hash codes with");
		buf_char(&hashes, i ? ',' : '{');
		buf_text(&hashes, hash + strlen("\\x"));
	}
	buf_char(&hashes, '}');
	req_set(rq, "hashes", buf_str(&hashes));
	return ERR_OK;
}

static enum err codes_answer(struct req *rq, const char *const codes[TOTP_RECOVERY_CODES])
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key(b, "recovery_codes"), buf_char(b, '[');
	for (int i = 0; i < TOTP_RECOVERY_CODES; i++)
		jx_next(b), jx_str(b, codes[i]);
	buf_text(b, "]}");
	return answer_close(rq);
}

static enum err mfa_enrol(struct req *rq)
{
	const char *secret = totp_secret(&rq->tx.arena), *sealed, *account, *name, *issuer;
	struct buf *b;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_mfa_account, false, &res);

	if (!rc)
		rc = refuse_impersonator(rq, res);
	if (rc)
		return rc;
	account = text(rq, res, "account");
	name = text(rq, res, "name");
	issuer = text(rq, res, "issuer");
	sealed = seal_text(&rq->tx.arena, purpose_of(rq, account), column_text(res, 0, "tenant"), secret);
	if (!sealed)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "there is no key to seal a secret with");
	req_set(rq, "secret_sealed", sealed);
	rc = tx_call(&rq->tx, &q_mfa_enrol, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_CONFLICT, "the second factor is on already; turn it off first");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "secret"), jx_str(b, secret);
	jx_key(b, "otpauth_uri"), jx_str(b, totp_uri(&rq->tx.arena, secret, issuer, name));
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err mfa_activate(struct req *rq)
{
	const char *codes[TOTP_RECOVERY_CODES], *secret;
	struct factor f;
	int64_t step;
	PGresult *res;
	enum err rc = factor_load(rq, &f);

	if (rc)
		return rc;
	if (f.is_confirmed)
		return req_refuse(rq, ERR_CONFLICT, "the second factor is on already");
	if (!f.sealed)
		return req_refuse(rq, ERR_NOT_FOUND, "there is nothing to confirm: enrol first");
	rc = open_secret(rq, &f, &secret);
	if (rc)
		return rc;
	if (!totp_verify(secret, req_text(rq, "code"), time(NULL), f.last_step, &step))
		return refuse_code(rq, &q_mfa_failed);
	rc = codes_new(rq, f.account, codes);
	if (rc)
		return rc;
	req_set(rq, "secret_sealed", f.sealed);
	req_set(rq, "step", arena_fmt(&rq->tx.arena, "%lld", (long long)step));
	rc = tx_call(&rq->tx, &q_mfa_activate, true, &res);
	if (rc)
		return rc;
	if (!column_bool(res, 0, "done"))
		return req_fail(rq, ERR_CONFLICT, "the second factor has changed meanwhile");
	return codes_answer(rq, codes);
}

/* Load the factor, and look at the code; q then uses it up, and does what it is for. */
static enum err mfa_change(struct req *rq, const struct query *q, const char *codes[TOTP_RECOVERY_CODES])
{
	struct factor f;
	PGresult *res;
	bool fits;
	enum err rc = factor_load(rq, &f);

	if (rc)
		return rc;
	if (!f.is_confirmed)
		return req_refuse(rq, ERR_NOT_FOUND, "the second factor is off");
	rc = code_read(rq, &f, &fits);
	if (!rc && !fits)
		rc = refuse_code(rq, &q_mfa_failed);
	if (!rc && codes)
		rc = codes_new(rq, f.account, codes);
	if (!rc)
		rc = tx_call(&rq->tx, q, false, &res);
	if (rc)
		return rc;
	return column_bool(res, 0, "done") ? ERR_OK : refuse_code(rq, &q_mfa_failed);
}

static enum err mfa_disable(struct req *rq)
{
	enum err rc = mfa_change(rq, &q_mfa_disable, NULL);

	if (rc)
		return rc;
	answer_open(rq);
	return answer_close(rq);
}

static enum err mfa_recovery_codes(struct req *rq)
{
	const char *codes[TOTP_RECOVERY_CODES];
	enum err rc = mfa_change(rq, &q_mfa_replace_codes, codes);

	return rc ? rc : codes_answer(rq, codes);
}

static enum err mfa_verify(struct req *rq)
{
	const char *tenant, *hash, *method, *account;
	struct factor f;
	struct tokens tokens;
	PGresult *res;
	bool fits;
	enum err rc;

	if (!ticket_parse(&rq->tx.arena, req_text(rq, "mfa_token"), &tenant, &hash)) {
		rc = tx_enter(&rq->tx); /* a key that is wrong is what is wrong first */
		return rc ? rc : req_fail(rq, ERR_TICKET, "the mfa_token is invalid; sign in again");
	}
	/* Without an API key the token tells the tenant; with one, the door compares the two. */
	auth_act_for(rq, tenant);
	req_set(rq, "hash", hash);
	rc = tx_call(&rq->tx, &q_mfa_challenge, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_refuse(rq, ERR_TICKET, "the mfa_token is used or expired; sign in again");
	rc = factor_read(rq, res, &f);
	if (rc)
		return rc;
	method = text(rq, res, "method");
	account = f.account;
	req_set(rq, "challenge", text(rq, res, "challenge"));
	req_set(rq, "account", account);
	req_set(rq, "public_id", text(rq, res, "public_id"));
	rc = code_read(rq, &f, &fits);
	if (!rc && fits)
		rc = tx_call(&rq->tx, &q_mfa_pass, false, &res);
	if (rc)
		return rc;
	if (!fits || !column_bool(res, 0, "done"))
		return refuse_code(rq, &q_mfa_sign_in_failed);
	rc = session_open(rq, &(struct signin){ .user = account, .method = method, .has_mfa = true },
			  &tokens);
	return rc ? rc : session_answer(rq, &tokens);
}

static const enum err enrol_errors[] = { ERR_CONFLICT, ERR_AUTHORIZATION, ERR_OK };
static const enum err activate_errors[] = { ERR_MFA_CODE, ERR_NOT_FOUND, ERR_CONFLICT, ERR_AUTHORIZATION,
					    ERR_OK };
static const enum err change_errors[] = { ERR_MFA_CODE, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err verify_errors[] = { ERR_MFA_CODE, ERR_TICKET, ERR_AUTHENTICATION, ERR_OK };

/* clang-format off */
static const struct field code_in[] = {
	{ "code", F_TEXT, F_REQUIRED | F_CODE, .min = 6, .max = 32, .example = "123456", .about = "six digits of the app, or a recovery code" },
	FIELD_END
};

static const struct field first_code_in[] = {
	{ "code", F_TEXT, F_REQUIRED | F_CODE, .min = 6, .max = 6, .example = "123456", .about = "six digits of the app" },
	FIELD_END
};

static const struct field verify_in[] = {
	{ "mfa_token", F_TEXT, F_REQUIRED, .min = 1, .max = 128, .example = "AAAAAAAAcACAAAAAAAAAAQ",
	  .about = "that signing in has answered" },
	{ "code",      F_TEXT, F_REQUIRED | F_CODE, .min = 6, .max = 32, .example = "123456", .about = "six digits of the app, or a recovery code" },
	FIELD_END
};

static const struct field status_out[] = {
	{ "enabled",             F_BOOL,     0, .about = "signing in with a password asks for a code" },
	{ "confirmed_at",        F_DATETIME, F_NULL },
	{ "recovery_codes_left", F_INT,      0, .example = "10" },
	FIELD_END
};

static const struct field enrolment_out[] = {
	{ "secret",      F_TEXT, 0, .example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", .about = "base32, for who types it in" },
	{ "otpauth_uri", F_TEXT, 0, .about = "for the QR code",
	  .example = "otpauth://totp/Acme:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme&algorithm=SHA1&digits=6&period=30" },
	FIELD_END
};

static const struct field codes_out[] = {
	{ "recovery_codes", F_LIST, 0, .item = F_TEXT, .about = "ten; each is good once, in the place of a code" },
	FIELD_END
};

static const struct shape status_shape = { "MfaStatus", status_out };
static const struct shape enrolment_shape = { "MfaEnrolment", enrolment_out };
static const struct shape codes_shape = { "RecoveryCodes", codes_out };

const struct route mfa_routes[] = {
	{ GET,    "/api/v1/auth/mfa", "platform.identity.mfa_get", &by_user_with_key, "Is my second factor on?",
	  .out = &status_shape, .sql = &q_mfa_get },
	{ POST,   "/api/v1/auth/mfa/totp", "platform.identity.mfa_enrol", &by_user_with_key, "Begin with an authenticator app",
	  "Answers a new secret, which counts from the first code on: see /auth/mfa/totp/verify. One that was never confirmed is "
	  "replaced. 409 when the second factor is on.",
	  .flags = PRIVATE | RECENT, .out = &enrolment_shape, .errors = enrol_errors, .run = mfa_enrol },
	{ POST,   "/api/v1/auth/mfa/totp/verify", "platform.identity.mfa_activate", &by_user_with_key, "Turn the second factor on",
	  "The app's first code proves that it has the secret. Answers ten recovery codes, this once. "
	  "Ten wrong codes in 15 minutes from one address, then 429 for 15 minutes.",
	  .needs = { "a secret that was begun with, and its code", ERR_NOT_FOUND }, .flags = PRIVATE, .body = first_code_in, .out = &codes_shape, .errors = activate_errors, .run = mfa_activate, .status = 200 },
	{ DELETE, "/api/v1/auth/mfa/totp", "platform.identity.mfa_disable", &by_user_with_key, "Turn the second factor off",
	  "Needs a code. Secret and recovery codes are deleted. Ten wrong codes in 15 minutes from one address, then 429 for 15 minutes.",
	  .needs = { "a second factor that is on, and a code", ERR_NOT_FOUND }, .body = code_in, .errors = change_errors, .run = mfa_disable },
	{ POST,   "/api/v1/auth/mfa/recovery-codes", "platform.identity.mfa_recovery_codes", &by_user_with_key, "Get new recovery codes",
	  "Needs a code; ten new ones take the place of those that are left. Ten wrong codes in 15 minutes from one address, then 429 for 15 minutes.",
	  .needs = { "a second factor that is on, and a code", ERR_NOT_FOUND }, .flags = PRIVATE, .body = code_in, .out = &codes_shape, .errors = change_errors, .run = mfa_recovery_codes, .status = 200 },
	{ POST,   "/api/v1/auth/mfa/verify", "platform.identity.mfa_verify", &by_anyone_with_key, "Finish signing in",
	  "For who was answered mfa_required. An mfa_token is good for five minutes and five codes; a code is good once. "
	  "400 INVALID_CODE: try another; 400 TOKEN_INVALID: sign in again. Ten wrong codes in 15 minutes from one address, then 429 for 15 minutes.",
	  .needs = { "an mfa_token, which signing in brings, and a code", ERR_TICKET }, .flags = PRIVATE, .body = verify_in, .out = &token_shape, .errors = verify_errors, .run = mfa_verify, .status = 200 },
	ROUTE_END
};
/* clang-format on */
