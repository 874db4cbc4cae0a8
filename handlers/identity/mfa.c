/*
 * The second factor of users: handlers/identity/second_factor.h.  Who signs in
 * with a password passes the challenge of session.c here.
 */
#include "build/sql/identity/mfa.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/second_factor.h"
#include "handlers/identity/session.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"

static const struct second_factor_queries of_user = {
	.account = &q_mfa_account,
	.enrol = &q_mfa_enrol,
	.factor = &q_mfa_factor,
	.activate = &q_mfa_activate,
	.disable = &q_mfa_disable,
	.replace_codes = &q_mfa_replace_codes,
	.failed = &q_mfa_failed,
};

static const char *text(struct req *rq, const PGresult *res, const char *column)
{
	const char *value = column_text(res, 0, column);

	return value ? arena_dup(&rq->tx.arena, value) : NULL;
}

static enum err mfa_enrol(struct req *rq)
{
	return second_factor_enrol(rq, &of_user);
}

static enum err mfa_activate(struct req *rq)
{
	return second_factor_activate(rq, &of_user);
}

static enum err mfa_disable(struct req *rq)
{
	return second_factor_disable(rq, &of_user);
}

static enum err mfa_recovery_codes(struct req *rq)
{
	return second_factor_codes(rq, &of_user);
}

static enum err mfa_verify(struct req *rq)
{
	const char *tenant, *hash, *method, *account;
	struct second_factor f;
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
	rc = second_factor_read(rq, res, &f);
	if (rc)
		return rc;
	method = text(rq, res, "method");
	account = f.account;
	req_set(rq, "challenge", text(rq, res, "challenge"));
	req_set(rq, "account", account);
	req_set(rq, "public_id", text(rq, res, "public_id"));
	rc = second_factor_code(rq, &f, &fits);
	if (!rc && fits)
		rc = tx_call(&rq->tx, &q_mfa_pass, false, &res);
	if (rc)
		return rc;
	if (!fits || !column_bool(res, 0, "done"))
		return second_factor_refuse(rq, &q_mfa_sign_in_failed);
	rc = session_open(rq, &(struct signin){ .user = account, .method = method, .has_mfa = true },
			  &tokens);
	return rc ? rc : session_answer(rq, &tokens);
}

static const enum err verify_errors[] = { ERR_MFA_CODE, ERR_TICKET, ERR_AUTHENTICATION, ERR_OK };

/* clang-format off */
const struct route mfa_routes[] = {
	{ GET,    "/api/v1/auth/mfa", "platform.identity.mfa_get", &by_user_with_key, "Is my second factor on?",
	  .out = &second_factor_status_shape, .sql = &q_mfa_get },
	{ POST,   "/api/v1/auth/mfa/totp", "platform.identity.mfa_enrol", &by_user_with_key, "Begin with an authenticator app",
	  "Answers a new secret, which counts from the first code on: see /auth/mfa/totp/verify. One that was never confirmed is "
	  "replaced. 409 when the second factor is on.",
	  .flags = PRIVATE | RECENT, .out = &second_factor_enrolment_shape, .errors = second_factor_enrol_errors, .run = mfa_enrol },
	{ POST,   "/api/v1/auth/mfa/totp/verify", "platform.identity.mfa_activate", &by_user_with_key, "Turn the second factor on",
	  "The app's first code proves that it has the secret. Answers ten recovery codes, this once. "
	  "Ten wrong codes in 15 minutes from one address, then 429 for 15 minutes.",
	  .needs = { "a secret that was begun with, and its code", ERR_NOT_FOUND }, .flags = PRIVATE, .body = second_factor_first_code_in, .out = &second_factor_codes_shape, .errors = second_factor_activate_errors, .run = mfa_activate, .status = 200 },
	{ DELETE, "/api/v1/auth/mfa/totp", "platform.identity.mfa_disable", &by_user_with_key, "Turn the second factor off",
	  "Needs a code. Secret and recovery codes are deleted. Ten wrong codes in 15 minutes from one address, then 429 for 15 minutes.",
	  .needs = { "a second factor that is on, and a code", ERR_NOT_FOUND }, .body = second_factor_code_in, .errors = second_factor_change_errors, .run = mfa_disable },
	{ POST,   "/api/v1/auth/mfa/recovery-codes", "platform.identity.mfa_recovery_codes", &by_user_with_key, "Get new recovery codes",
	  "Needs a code; ten new ones take the place of those that are left. Ten wrong codes in 15 minutes from one address, then 429 for 15 minutes.",
	  .needs = { "a second factor that is on, and a code", ERR_NOT_FOUND }, .flags = PRIVATE, .body = second_factor_code_in, .out = &second_factor_codes_shape, .errors = second_factor_change_errors, .run = mfa_recovery_codes, .status = 200 },
	{ POST,   "/api/v1/auth/mfa/verify", "platform.identity.mfa_verify", &by_anyone_with_key, "Finish signing in",
	  "For who was answered mfa_required. An mfa_token is good for five minutes and five codes; a code is good once. "
	  "400 INVALID_CODE: try another; 400 TOKEN_INVALID: sign in again. Ten wrong codes in 15 minutes from one address, then 429 for 15 minutes.",
	  .needs = { "an mfa_token, which signing in brings, and a code", ERR_TICKET }, .flags = PRIVATE, .body = second_factor_verify_in, .out = &token_shape, .errors = verify_errors, .run = mfa_verify, .status = 200 },
	ROUTE_END
};
/* clang-format on */
