/*
 * A tenant's own account at a provider of payments, by its key: what is asked for the tenant is then asked
 * there, and nowhere else.  A key is tried before it is kept, is kept sealed, and shown by its last
 * characters.
 */
#include <json-c/json.h>

#include "build/sql/billing/payment_accounts.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"
#include "providers/stripe_object.h"

enum { TAIL = 4, MIN_SECRET = 16 };

/* clang-format off */
static const char *const providers[] = { "stripe", NULL };

static const struct field account[] = {
	{ "provider",             F_ENUM,     OUT, .values = providers },
	{ "is_enabled",           F_BOOL,     OUT | SET, .about = "false: the installation's account is asked; true when first left out" },
	{ "account_id",           F_TEXT,     OUT | F_NULL, .about = "null: the key may not ask for it", .example = "acct_1032D82eZvKYlo2C" },
	{ "is_live",              F_BOOL,     OUT, .about = "does the key move money?" },
	{ "secret_key",           F_TEXT,     SET, .min = MIN_SECRET, .max = 255, .about = "sk_ or rk_; kept when left out. In test mode, of test mode", .example = "rk_test_51H8xYzEx…" },
	{ "secret_key_last4",     F_TEXT,     OUT, .example = "eKey" },
	{ "webhook_secret",       F_TEXT,     SET | F_NULL, .min = MIN_SECRET, .max = 255, .about = "of the endpoint for webhook_url; two while one replaces the other, with a comma", .example = "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH" },
	{ "webhook_secret_last4", F_TEXT,     OUT | F_NULL, .example = "e8FH" },
	{ "webhook_url",          F_URL,      OUT, .about = "to be entered at the provider", .example = "https://api.example.com/api/v1/public/webhooks/stripe/00000000-0000-7000-8000-000000000001" },
	{ "created_at",           F_DATETIME, OUT },
	{ "updated_at",           F_DATETIME, OUT },
	FIELD_END
};

static const struct field account_path[] = {
	{ "provider", F_ENUM, F_REQUIRED, .values = providers },
	FIELD_END
};

static const struct shape account_shape = { "PaymentAccount", account, "PaymentAccount" };
/* clang-format on */

static const char *tail_of(const char *secret)
{
	return secret + strlen(secret) - TAIL;
}

/* Whether it is a key, and one of this mode. */
static enum err check_key(struct req *rq, const char *key, bool is_test)
{
	if (!stripe_is_key(key))
		return req_fail_field(rq, ERR_VALIDATION, "secret_key",
				      "this is no secret or restricted key, sk_… or rk_…");
	if (is_test && stripe_is_live(key))
		return req_fail_field(rq, ERR_VALIDATION, "secret_key",
				      "test mode takes a key of test mode, sk_test_… or rk_test_…");
	return ERR_OK;
}

static enum err check_webhook_secret(struct req *rq, const char *secret)
{
	for (const char *p = secret; *p; p += strcspn(p, ", "), p += strspn(p, ", "))
		if (strncmp(p, "whsec_", 6) || strcspn(p, ", ") < MIN_SECRET)
			return req_fail_field(rq, ERR_VALIDATION, "webhook_secret",
					      "this is no signing secret, whsec_…");
	return ERR_OK;
}

/* Ask the provider whose key it is; without a connection to the database. */
static enum err try_key(struct req *rq, const char *key)
{
	struct stripe_call call = { .key = key, .method = "GET", .resource = "account" };
	struct stripe_answer answer;
	enum err rc;

	db_close();
	rc = stripe_ask(&rq->tx.arena, &call, &answer);
	if (rc && answer.status == 401)
		return req_fail_field(rq, ERR_VALIDATION, "secret_key",
				      "the payment provider does not know this key");
	/* A restricted key may be good, and not for that. */
	if (rc && answer.status != 403)
		return req_fail_inside(rq, rc, "%s", answer.reason ? answer.reason : "no reason is known");
	req_set(rq, "account", rc ? NULL : stripe_object_id(answer.said));
	req_set(rq, "is_live", stripe_is_live(key) ? "true" : "false");
	return ERR_OK;
}

static enum err seal(struct req *rq, const char *purpose, const char *tenant, const char *secret,
		     const char *sealed_name, const char *tail_name)
{
	const char *sealed = secret ? seal_text(&rq->tx.arena, purpose, tenant, secret) : NULL;

	if (secret && !sealed)
		return req_fail_inside(rq, ERR_UNAVAILABLE,
				       "no key to seal a payment account's secrets with");
	req_set(rq, sealed_name, sealed);
	req_set(rq, tail_name, secret ? tail_of(secret) : NULL);
	return ERR_OK;
}

static enum err payment_account_put(struct req *rq)
{
	const char *key = req_text(rq, "secret_key"), *secret = req_text(rq, "webhook_secret"), *tenant;
	PGresult *res;
	bool is_test;
	enum err rc = tx_call(&rq->tx, &q_payment_account_begin, false, &res);

	if (rc)
		return rc;
	tenant = arena_dup(&rq->tx.arena, column_text(res, 0, "tenant"));
	is_test = column_bool(res, 0, "is_test");
	rc = tx_finish(&rq->tx, true);
	if (!rc && secret)
		rc = check_webhook_secret(rq, secret);
	if (!rc && key)
		rc = check_key(rq, key, is_test);
	if (!rc)
		rc = seal(rq, STRIPE_KEY_SEAL, tenant, key, "key_sealed", "key_tail");
	if (!rc)
		rc = seal(rq, STRIPE_WEBHOOK_SEAL, tenant, secret, "webhook_sealed", "webhook_tail");
	req_set(rq, "account", NULL);
	req_set(rq, "is_live", NULL);
	if (!rc && key)
		rc = try_key(rq, key);
	if (!rc)
		rc = tx_call(&rq->tx, &q_payment_account_put, false, &res);
	return rc ? rc : answer_rows(rq, &q_payment_account_get);
}

static const enum err errors[] = { ERR_CONFLICT, ERR_UNAVAILABLE, ERR_EXTERNAL, ERR_OK };
static const enum err goes_on[] = { ERR_CONFLICT, ERR_OK };

/* clang-format off */
#define BASE "/api/v1/dashboard/payment-accounts"

const struct route payment_account_routes[] = {
	{ GET,    BASE,               "platform.billing.list_payment_accounts",   &by_team, "List the tenant's own payment accounts",
	  .about = "Without one, the installation's account takes the money.",
	  .out = &account_shape, .list = &unwrapped, .items = "accounts", .sql = &q_payment_account_list },
	{ PUT,    BASE "/{provider}", "platform.billing.put_payment_account",    &by_team_admin, "Set up the tenant's own payment account",
	  .about = "The key is tried, and kept encrypted. 409 while subscriptions go on that another account has.",
	  .needs = { "a key of the payment provider's", ERR_VALIDATION },
	  .params = account_path, .body = account, .as = SET, .out = &account_shape, .errors = errors, .sql = &q_payment_account_get,
	  .run = payment_account_put, .flags = SLOW },
	{ DELETE, BASE "/{provider}", "platform.billing.delete_payment_account", &by_team_admin, "Give up the tenant's own payment account",
	  .about = "409 while subscriptions go on that it has.",
	  .params = account_path, .out = &account_shape, .errors = goes_on, .sql = &q_payment_account_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
