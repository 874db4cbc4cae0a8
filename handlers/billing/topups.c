/*
 * Automatic top-ups on the operations surface: of a tenant's tokens, and of a user's credit.  What is
 * bought whenever a wallet is low, and how it is paid, is sql/functions/billing/topups.sql's and
 * worker/topups.c's.
 */
#include "build/sql/billing/topups.h"
#include "fcgi/route.h"
#include "handlers/billing/tiers.h"
#include "handlers/permissions.h"

/* clang-format off */
static const struct pattern card = { "^[A-Za-z]+_[A-Za-z0-9_]+$", "the id of a payment method at Stripe, such as pm_1MqLiJ," };

#define MOST 1000000000000

#define ABOUT_CARD "of the caller's customer at Stripe; when it was never sent, the customer's default"
#define COMMON_IN \
	{ "enabled",                  F_BOOL, NEW | SET, .def = "true" }, \
	{ "max_monthly_topups",       F_INT,  NEW | SET, .min = 1, .max = 100, .def = "5", .about = "in a calendar month, in UTC", .example = "5" }, \
	{ "stripe_payment_method_id", F_TEXT, NEW | SET, .min = 1, .max = 255, .fits = &card, .about = ABOUT_CARD, .example = "pm_1MqLiJLkdIwHu7ixUEgbFdYF" }

static const struct field tokens_in[] = {
	{ "threshold_tokens", F_INT,  NEW | SET | NEEDED, .min = 1, .max = MOST, .about = "a spend that leaves less than that has a package bought", .example = "5000" },
	{ "package_id",       F_TEXT, NEW | NEEDED, .min = 1, .max = 63, .about = "its slug", .example = "tokens-50k" },
	{ "package_slug",     F_TEXT, SET, .min = 1, .max = 63, .example = "tokens-250k" },
	COMMON_IN,
	FIELD_END
};

static const struct field credit_in[] = {
	{ "threshold_cents", F_INT,  NEW | SET | NEEDED, .min = 1, .max = MOST, .about = "a spend that leaves less than that has a package bought", .example = "500" },
	{ "package_slug",    F_TEXT, NEW | SET | NEEDED, .min = 1, .max = 63, .example = "credit-10" },
	COMMON_IN,
	FIELD_END
};

#define COMMON_OUT \
	{ "package_slug",             F_TEXT,     0, .example = "tokens-50k" }, \
	{ "max_monthly_topups",       F_INT,      0, .example = "5" }, \
	{ "topups_this_month",        F_INT,      0, .about = "that were paid, or are on their way", .example = "1" }, \
	{ "stripe_payment_method_id", F_TEXT,     F_NULL, .about = "null: the customer's default", .example = "pm_1MqLiJLkdIwHu7ixUEgbFdYF" }, \
	{ "last_topup_at",            F_DATETIME, F_NULL }, \
	{ "last_error",               F_TEXT,     F_NULL, .about = "why the last one was not paid: what the card's bank said, authentication_required, no_payment_method, monthly_limit_reached, …", .example = "insufficient_funds" }, \
	{ "created_at",               F_DATETIME, 0 }, \
	{ "updated_at",               F_DATETIME, 0 }

static const struct field tokens_out[] = {
	{ "id",               F_INT,  0, .example = "3" },
	{ "enabled",          F_BOOL, 0, .about = "false, too, once a card was declined: switch it on again" },
	{ "threshold_tokens", F_INT,  0, .example = "5000" },
	{ "package_id",       F_TEXT, 0, .about = "the same as package_slug", .example = "tokens-50k" },
	COMMON_OUT,
	FIELD_END
};

static const struct field credit_out[] = {
	{ "id",              F_INT,  0, .example = "3" },
	{ "enabled",         F_BOOL, 0, .about = "false, too, once a card was declined: switch it on again" },
	{ "threshold_cents", F_INT,  0, .example = "500" },
	COMMON_OUT,
	FIELD_END
};

static const struct field credit_package[] = {
	{ "slug",         F_SLUG, 0, .example = "credit-10" },
	{ "name",         F_TEXT, 0, .example = "$10 of credit" },
	{ "credit_cents", F_INT,  0, .example = "1000" },
	{ "bonus_cents",  F_INT,  0, .about = "that are given with it", .example = "0" },
	{ "price_cents",  F_INT,  0, .example = "1000" },
	{ "currency",     F_TEXT, 0, .example = "usd" },
	FIELD_END
};

static const struct field tokens_state[] = {
	{ "config",   F_OBJECT, F_NULL, .fields = tokens_out, .about = "null: none is set up yet" },
	{ "packages", F_LIST,   0, .fields = token_package_fields },
	FIELD_END
};

static const struct field credit_state[] = {
	{ "config",   F_OBJECT, F_NULL, .fields = credit_out, .about = "null: none is set up yet" },
	{ "packages", F_LIST,   0, .fields = credit_package },
	FIELD_END
};

static const struct choice some_tokens = { CHOICE_ANY, { WAY("enabled"), WAY("package_slug"), WAY("threshold_tokens"), WAY("max_monthly_topups"), WAY("stripe_payment_method_id") } };
static const struct choice some_credit = { CHOICE_ANY, { WAY("enabled"), WAY("package_slug"), WAY("threshold_cents"), WAY("max_monthly_topups"), WAY("stripe_payment_method_id") } };

static const struct constraint constraints[] = {
	{ "topup_configs_owner_unique", ERR_CONFLICT, NULL, "an automatic top-up is set up already: change it with PUT" },
	{ NULL },
};

static const struct shape
	tokens_shape       = { "AutoTopup", tokens_out },
	credit_shape       = { "CreditAutoTopup", credit_out },
	tokens_state_shape = { "AutoTopupState", tokens_state },
	credit_state_shape = { "CreditAutoTopupState", credit_state };

static const enum err absent[] = { ERR_NOT_FOUND, ERR_OK };

#define TOKENS "/api/billing/auto-topup"
#define CREDIT "/api/billing/credit-auto-topup"
#define WHEN "Whenever a spend leaves less than the threshold, and none is on its way, the package is charged to the caller's card. A card that is declined, or that " \
	     "wants its owner to confirm, switches it off, and its owner is mailed."

const struct route topup_routes[] = {
	{ GET,  TOKENS, "operations.billing.get_auto_topup", &by_person, "Show the automatic top-up of the tenant's tokens",
	  .out = &tokens_state_shape, .sql = &q_topup_tokens_get },
	{ POST, TOKENS, "operations.billing.create_auto_topup", &by_person, "Have the tenant's tokens topped up", .about = WHEN,
	  .may = &tenant_write, .body = tokens_in, .as = NEW, .out = &tokens_shape, .constraints = constraints, .sql = &q_topup_tokens_create },
	{ PUT,  TOKENS, "operations.billing.update_auto_topup", &by_person, "Change the automatic top-up of the tenant's tokens",
	  .about = "What is left out stays. Who changes it pays from then on. Switched on again, it forgets what went wrong.",
	  .needs = { "one that is set up", ERR_NOT_FOUND }, .may = &tenant_write, .body = tokens_in, .as = SET, .choice = &some_tokens, .out = &tokens_shape, .errors = absent, .sql = &q_topup_tokens_update },
	{ GET,  CREDIT, "operations.billing.get_credit_auto_topup", &by_person, "Show the automatic top-up of one's credit",
	  .out = &credit_state_shape, .sql = &q_topup_credit_get },
	{ POST, CREDIT, "operations.billing.create_credit_auto_topup", &by_person, "Have one's credit topped up", .about = WHEN,
	  .may = &tenant_write, .body = credit_in, .as = NEW, .out = &credit_shape, .constraints = constraints, .sql = &q_topup_credit_create },
	{ PUT,  CREDIT, "operations.billing.update_credit_auto_topup", &by_person, "Change the automatic top-up of one's credit",
	  .about = "What is left out stays. Switched on again, it forgets what went wrong.",
	  .needs = { "one that is set up", ERR_NOT_FOUND }, .may = &tenant_write, .body = credit_in, .as = SET, .choice = &some_credit, .out = &credit_shape, .errors = absent, .sql = &q_topup_credit_update },
	ROUTE_END
};
/* clang-format on */
