#include "handlers/identity/second_factor.h"

#include <time.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/base/jx.h"
#include "lib/crypto/recovery.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/ticket.h"
#include "lib/crypto/totp.h"
#include "lib/db/column.h"

const enum err second_factor_enrol_errors[] = { ERR_CONFLICT, ERR_AUTHORIZATION, ERR_OK };
const enum err second_factor_activate_errors[] = { ERR_MFA_CODE, ERR_NOT_FOUND, ERR_CONFLICT,
						   ERR_AUTHORIZATION, ERR_OK };
const enum err second_factor_change_errors[] = { ERR_MFA_CODE, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

/* clang-format off */
const struct field second_factor_code_in[] = {
	{ "code", F_TEXT, F_REQUIRED | F_CODE, .min = 6, .max = 32, .example = "123456", .about = "six digits of the app, or a recovery code" },
	FIELD_END
};

const struct field second_factor_first_code_in[] = {
	{ "code", F_TEXT, F_REQUIRED | F_CODE, .min = 6, .max = 6, .example = "123456", .about = "six digits of the app" },
	FIELD_END
};

const struct field second_factor_verify_in[] = {
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

const struct shape second_factor_status_shape = { "MfaStatus", status_out };
const struct shape second_factor_enrolment_shape = { "MfaEnrolment", enrolment_out };
const struct shape second_factor_codes_shape = { "RecoveryCodes", codes_out };
/* clang-format on */

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

enum err second_factor_read(struct req *rq, const PGresult *res, struct second_factor *out)
{
	int64_t retry_after_s = column_int(res, 0, "retry_after_s");

	if (retry_after_s)
		return req_retry_after(rq, retry_after_s);
	*out = (struct second_factor){
		.tenant = text(rq, res, "tenant"),
		.account = text(rq, res, "account"),
		.sealed = text(rq, res, "secret_sealed"),
		.last_step = column_int(res, 0, "last_step"),
		.is_confirmed = column_bool(res, 0, "is_confirmed"),
	};
	return ERR_OK;
}

/* The caller's factor, unless there are to be no more guesses. */
static enum err load(struct req *rq, const struct second_factor_queries *q, struct second_factor *out)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, q->factor, false, &res);

	if (!rc)
		rc = refuse_impersonator(rq, res);
	return rc ? rc : second_factor_read(rq, res, out);
}

static enum err open_secret(struct req *rq, const struct second_factor *f, const char **secret)
{
	*secret = seal_open(&rq->tx.arena, purpose_of(rq, f->account), f->tenant, f->sealed);
	if (!*secret)
		return req_fail_inside(rq, ERR_INTERNAL,
				       "the user's TOTP secret does not open: is its key in "
				       "ENCRYPTION_KEYS?");
	return ERR_OK;
}

enum err second_factor_code(struct req *rq, const struct second_factor *f, bool *fits)
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

enum err second_factor_refuse(struct req *rq, const struct query *audit)
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

enum err second_factor_enrol(struct req *rq, const struct second_factor_queries *q)
{
	const char *secret = totp_secret(&rq->tx.arena), *sealed, *account, *name, *issuer;
	struct buf *b;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, q->account, false, &res);

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
	rc = tx_call(&rq->tx, q->enrol, true, &res);
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

enum err second_factor_activate(struct req *rq, const struct second_factor_queries *q)
{
	const char *codes[TOTP_RECOVERY_CODES], *secret;
	struct second_factor f;
	int64_t step;
	PGresult *res;
	enum err rc = load(rq, q, &f);

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
		return second_factor_refuse(rq, q->failed);
	rc = codes_new(rq, f.account, codes);
	if (rc)
		return rc;
	req_set(rq, "secret_sealed", f.sealed);
	req_set(rq, "step", arena_fmt(&rq->tx.arena, "%lld", (long long)step));
	rc = tx_call(&rq->tx, q->activate, true, &res);
	if (rc)
		return rc;
	if (!column_bool(res, 0, "done"))
		return req_fail(rq, ERR_CONFLICT, "the second factor has changed meanwhile");
	return codes_answer(rq, codes);
}

/* Load the factor, and look at the code; done then uses it up, and does what it is for. */
static enum err change(struct req *rq, const struct second_factor_queries *q, const struct query *done,
		       const char *codes[TOTP_RECOVERY_CODES])
{
	struct second_factor f;
	PGresult *res;
	bool fits;
	enum err rc = load(rq, q, &f);

	if (rc)
		return rc;
	if (!f.is_confirmed)
		return req_refuse(rq, ERR_NOT_FOUND, "the second factor is off");
	rc = second_factor_code(rq, &f, &fits);
	if (!rc && !fits)
		rc = second_factor_refuse(rq, q->failed);
	if (!rc && codes)
		rc = codes_new(rq, f.account, codes);
	if (!rc)
		rc = tx_call(&rq->tx, done, false, &res);
	if (rc)
		return rc;
	return column_bool(res, 0, "done") ? ERR_OK : second_factor_refuse(rq, q->failed);
}

enum err second_factor_disable(struct req *rq, const struct second_factor_queries *q)
{
	enum err rc = change(rq, q, q->disable, NULL);

	if (rc)
		return rc;
	answer_open(rq);
	return answer_close(rq);
}

enum err second_factor_codes(struct req *rq, const struct second_factor_queries *q)
{
	const char *codes[TOTP_RECOVERY_CODES];
	enum err rc = change(rq, q, q->replace_codes, codes);

	return rc ? rc : codes_answer(rq, codes);
}
