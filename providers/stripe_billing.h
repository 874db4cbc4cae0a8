/*
 * Stripe's objects in our words, as JSON that the database takes: what billing_see(),
 * invoice_see() and payment_see() say that an object has.  Another provider of payments is another
 * such file.
 */
#ifndef PROVIDERS_STRIPE_BILLING_H
#define PROVIDERS_STRIPE_BILLING_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct json_object;
struct stripe_answer;

/* The arena's; NULL: the tree is no such object. */
const char *stripe_billing_subscription(struct arena *a, struct json_object *tree);
const char *stripe_billing_invoice(struct arena *a, struct json_object *tree);
/* A price: id amount exact currency interval interval_count usage divide_by; amount is null unless exact. */
const char *stripe_billing_price(struct arena *a, struct json_object *tree);
const char *stripe_billing_payment(struct arena *a, struct json_object *tree);

/* What payment_accounts.key_sealed and .webhook_secret_sealed are sealed as (lib/crypto/seal.h). */
#define STRIPE_KEY_SEAL "stripe_key"
#define STRIPE_WEBHOOK_SEAL "stripe_webhook"

/*
 * Of which account a tenant's objects are: its key, the arena's or the configuration's; NULL where there is
 * none.  In test mode no live key is one.
 *
 * tenant  its uuid
 * sealed  of its own account, which then is the only one; NULL: it has none
 */
const char *stripe_billing_key(struct arena *a, const char *tenant, const char *sealed, bool is_test);

/*
 * Read one object, "subscription", "invoice" or "payment", in our words; no transaction may be open.
 *
 * ERR_OK, and *object is the arena's; ERR_NOT_FOUND: there is none of this id, or of this kind;
 * otherwise as stripe_ask, whose answer is in *out.
 */
enum err stripe_billing_read(struct arena *a, const char *key, const char *kind, const char *id,
			     const char **object, struct stripe_answer *out);

#endif
