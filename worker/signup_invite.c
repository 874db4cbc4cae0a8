#include "worker/signup_invite.h"

#include "build/sql/identity/signup_invites.h"
#include "lib/base/email.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "providers/mail_payload.h"
#include "providers/signup.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"

static void keep(struct tx *tx, const PGresult *row, const char *column)
{
	const char *text = column_text(row, 0, column);

	tx_set(tx, column, text ? arena_dup(&tx->arena, text) : NULL);
}

bool signup_invite_is_wanted(struct tx *tx, const PGresult *row)
{
	static const char *const columns[] = { "subscription", "customer",   "address", "full_name", "locale",
					       "meta",         "key_sealed", "is_test", "tenant" };

	if (!column_text(row, 0, "subscription"))
		return false;
	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		keep(tx, row, columns[i]);
	return true;
}

enum err signup_invite_look(struct tx *tx, const char **reason)
{
	const char *key = stripe_billing_key(&tx->arena, tx_text(tx, "tenant"), tx_text(tx, "key_sealed"),
					     tx_text(tx, "is_test")[0] == 't');
	struct stripe_answer answer = { 0 };
	const char *object = NULL;
	enum err rc = ERR_OK;

	if (key)
		rc = stripe_billing_read(&tx->arena, key, "subscription", tx_text(tx, "subscription"),
					 &object, &answer);
	if (rc)
		*reason = answer.reason;
	tx_set(tx, "object", object);
	return rc;
}

enum err signup_invite_make(struct tx *tx)
{
	const char *tenant = tx_text(tx, "tenant"), *sealed, *payload;
	struct signup_codes codes;
	struct email email;
	PGresult *res;

	email_find(&tx->arena, tx_text(tx, "address"), &email);
	sealed = signup_codes_make(&tx->arena, tenant, &codes);
	payload = mail_payload_make(&tx->arena, &(struct mail){ .template = "signup_invite",
								.tenant = tenant,
								.to = email.address,
								.locale = tx_text(tx, "locale"),
								.link = signup_codes_page(&tx->arena),
								.ticket = codes.code,
								.code = codes.access });
	if (!sealed || !payload)
		return tx_fail_inside(tx, ERR_UNAVAILABLE,
				      "no JWT_SECRET, so nothing to seal an invite with");
	tx_set(tx, "address", email.address);
	tx_set(tx, "email_key", email.key);
	tx_set(tx, "token_hash", secret_sha256_hex(&tx->arena, codes.code));
	tx_set(tx, "sealed", sealed);
	tx_set(tx, "mail_payload", payload);
	return tx_call(tx, &q_signup_invite_make, false, &res);
}
