/*
 * Tokens: what users and tenants have of them, and spend.  A purchase puts some in once it is paid;
 * consuming takes them out while there are enough.
 */
#include "build/sql/billing/wallets.h"
#include "fcgi/answer.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const types[] = { "consume", "purchase", "bonus", "signup_bonus", "admin_grant", "refund", NULL };

#define COMPANY { "company_id", F_INT, 0, .min = 1, .about = "the number of the caller's tenant, for the wallet that its users share; their own when left out", .example = "1" }
#define COMPANY_OUT { "company_id", F_INT, F_NULL, .about = "of the wallet that a tenant's users share", .example = "1" }

static const struct field balance_in[] = {
	COMPANY,
	FIELD_END
};

static const struct field list_in[] = {
	COMPANY,
	{ "type", F_ENUM, 0, .values = types },
	FIELD_END
};

static const struct field consume_in[] = {
	{ "amount",       F_INT,    F_REQUIRED, .min = 1, .max = 1000000000000, .example = "7" },
	{ "action",       F_TEXT,   F_REQUIRED, .min = 1, .max = 100, .about = "what for", .example = "report.write" },
	COMPANY,
	{ "reference_id", F_TEXT,   0, .min = 1, .max = 200, .about = "a label; to send a request once, use Idempotency-Key", .example = "report-41" },
	{ "metadata",     F_OBJECT, 0, .about = "anything that is to stand with it; {} when left out", .example = "{\"pages\":3}" },
	FIELD_END
};

static const char *const statuses[] = { "held", "committed", "released", "expired", NULL };

enum { MAX_HOLD_S = 86400 };

static const struct field hold_params[] = {
	{ "hold_number", F_INT, F_REQUIRED, .min = 1, .about = "the hold's id", .example = "1" },
	FIELD_END
};

static const struct field holds_in[] = {
	COMPANY,
	FIELD_END
};

static const struct field hold_in[] = {
	FIELDS_OF(consume_in),
	{ "expires_in",   F_INT,    0, .min = 1, .max = MAX_HOLD_S, .def = "900", .about = "seconds after which it lets go by itself", .example = "600" },
	FIELD_END
};

static const struct field commit_in[] = {
	{ "amount", F_INT, 0, .min = 1, .max = 1000000000000, .about = "what it came to, at most what is held; all of it when left out", .example = "5" },
	FIELD_END
};

/* Whose wallet somebody who operates the installation means. */
#define WHOSE \
	{ "user_id",    F_INT, 0, .min = 1, .about = "a user's number, for their own wallet", .example = "1" }, \
	{ "company_id", F_INT, F_RARE, .min = 1, .about = "a tenant's number, for the wallet that its users share", .example = "1" }

static const struct field grant_in[] = {
	WHOSE,
	{ "amount",       F_INT,  F_REQUIRED, .min = 1, .max = 1000000000000, .example = "500" },
	{ "reason",       F_TEXT, F_REQUIRED, .min = 1, .max = 200, .about = "stands with the transaction, as metadata.reason, and in the audit log", .example = "an apology" },
	{ "reference_id", F_TEXT, 0, .min = 1, .max = 200, .about = "a label; to send a request once, use Idempotency-Key", .example = "ticket-7" },
	FIELD_END
};

static const struct field refund_in[] = {
	WHOSE,
	{ "transaction_id", F_INT,  F_REQUIRED, .min = 1, .about = "the consumption", .example = "3" },
	{ "amount",         F_INT,  0, .min = 1, .max = 1000000000000, .about = "at most what is not refunded yet; all of that when left out", .example = "3" },
	{ "reason",         F_TEXT, F_REQUIRED, .min = 1, .max = 200, .about = "stands with the transaction, as metadata.reason, and in the audit log", .example = "the report failed" },
	FIELD_END
};

static const struct choice whose = { CHOICE_ONE, { WAY("user_id"), WAY("company_id") } };

static const struct field balance_out[] = {
	{ "balance",            F_INT,      0, .example = "993" },
	{ "lifetime_purchased", F_INT,      0, .example = "0" },
	{ "lifetime_bonus",     F_INT,      0, .example = "1000" },
	{ "lifetime_consumed",  F_INT,      0, .example = "7" },
	{ "held",               F_INT,      0, .about = "of the balance, what holds have set aside", .example = "0" },
	COMPANY_OUT,
	{ "updated_at",         F_DATETIME, 0 },
	FIELD_END
};

static const struct field transaction_out[] = {
	{ "id",            F_INT,      0, .example = "41" },
	{ "type",          F_ENUM,     0, .values = types },
	{ "amount",        F_INT,      F_SIGNED, .about = "negative: taken out", .example = "-7" },
	{ "balance_after", F_INT,      0, .example = "993" },
	{ "action",        F_TEXT,     F_NULL, .example = "report.write" },
	{ "reference_id",  F_TEXT,     F_NULL, .example = "report-41" },
	COMPANY_OUT,
	{ "metadata",      F_OBJECT,   0 },
	{ "created_at",    F_DATETIME, 0 },
	FIELD_END
};

static const struct field consumed_out[] = {
	{ "transaction_id", F_INT,  0, .example = "41" },
	{ "consumed",       F_INT,  0, .example = "7" },
	{ "balance",        F_INT,  0, .about = "what is left", .example = "993" },
	{ "action",         F_TEXT, 0, .example = "report.write" },
	{ "reference_id",   F_TEXT, F_NULL, .example = "report-41" },
	COMPANY_OUT,
	FIELD_END
};

static const struct field hold_out[] = {
	{ "id",             F_INT,      0, .example = "1" },
	{ "amount",         F_INT,      0, .example = "7" },
	{ "status",         F_ENUM,     0, .values = statuses },
	{ "consumed",       F_INT,      F_NULL, .about = "what it came to, once it is committed", .example = "5" },
	{ "transaction_id", F_INT,      F_NULL, .example = "41" },
	{ "action",         F_TEXT,     0, .example = "report.write" },
	{ "reference_id",   F_TEXT,     F_NULL, .example = "report-41" },
	COMPANY_OUT,
	{ "metadata",       F_OBJECT,   0 },
	{ "expires_at",     F_DATETIME, 0 },
	{ "created_at",     F_DATETIME, 0 },
	FIELD_END
};

static const struct field committed_out[] = {
	{ "transaction_id", F_INT, 0, .example = "41" },
	{ "consumed",       F_INT, 0, .example = "5" },
	{ "balance",        F_INT, 0, .about = "what is left", .example = "993" },
	FIELD_END
};

static const struct field released_out[] = {
	{ "id",       F_INT,  0, .example = "1" },
	{ "released", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct shape
	balance_shape     = { "TokenBalance", balance_out },
	transaction_shape = { "TokenTransaction", transaction_out },
	consumed_shape    = { "TokensConsumed", consumed_out },
	hold_shape        = { "TokenHold", hold_out, "Hold" },
	committed_shape   = { "TokenHoldCommitted", committed_out },
	released_shape    = { "TokenHoldReleased", released_out };

static const enum err foreign[] = { ERR_AUTHORIZATION, ERR_OK };
static const enum err too_few[] = { ERR_AUTHORIZATION, ERR_BALANCE, ERR_OK };
static const enum err absent[] = { ERR_NOT_FOUND, ERR_OK };
static const enum err over[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };

const struct route token_routes[] = {
	{ GET,  "/api/tokens/balance", "operations.credits.get_token_balance", &by_person, "Show how many tokens there are",
	  .query = balance_in, .out = &balance_shape, .sql = &q_token_balance, .errors = foreign },
	{ GET,  "/api/tokens/transactions", "operations.credits.list_token_transactions", &by_person, "List what tokens were put in and taken out",
	  .about = "Newest first.",
	  .query = list_in, .out = &transaction_shape, .list = &enveloped, .sql = &q_token_transaction_list, .errors = foreign },
	{ POST, "/api/tokens/consume", "operations.credits.consume_tokens", &by_person, "Consume tokens",
	  .about = "All that is asked for, or nothing where there are fewer.",
	  .may = &tenant_write, .body = consume_in, .out = &consumed_shape, .sql = &q_token_consume, .status = 200, .errors = too_few },
	{ POST, "/api/tokens/holds", "operations.credits.create_token_hold", &by_person, "Hold tokens until it is known what something takes",
	  .about = "Nobody else consumes them meanwhile. Commit or release the hold; past expires_at it lets go by itself.",
	  .may = &tenant_write, .body = hold_in, .out = &hold_shape, .sql = &q_token_hold_create, .errors = too_few },
	{ GET,  "/api/tokens/holds", "operations.credits.list_token_holds", &by_person, "List holds of tokens",
	  .about = "Newest first; those that are over for 90 days.",
	  .query = holds_in, .out = &hold_shape, .list = &enveloped, .sql = &q_token_hold_list, .errors = foreign },
	{ GET,  "/api/tokens/holds/{hold_number}", "operations.credits.get_token_hold", &by_person, "Show a hold of tokens",
	  .about = "Of the caller's own wallet, or of their tenant's.",
	  .params = hold_params, .out = &hold_shape, .sql = &q_token_hold_get, .errors = absent },
	{ POST, "/api/tokens/holds/{hold_number}/commit", "operations.credits.commit_token_hold", &by_person, "Consume what is held",
	  .about = "All of it, or as much as was needed; what is left of it is free again.",
	  .may = &tenant_write, .params = hold_params, .body = commit_in, .out = &committed_shape, .sql = &q_token_hold_commit, .status = 200, .errors = over },
	{ POST, "/api/tokens/holds/{hold_number}/release", "operations.credits.release_token_hold", &by_person, "Release what is held",
	  .about = "Again is harmless.",
	  .may = &tenant_write, .params = hold_params, .out = &released_shape, .sql = &q_token_hold_release, .status = 200, .errors = over },
	{ POST, "/api/tokens/grants", "operations.credits.grant_tokens", &by_person, "Grant tokens",
	  .about = "To a user or a tenant, of any tenant; nobody pays for them.",
	  .may = &operator_admin, .body = grant_in, .choice = &whose, .out = &transaction_shape, .sql = &q_token_grant, .errors = absent },
	{ POST, "/api/tokens/refunds", "operations.credits.refund_tokens", &by_person, "Give back what a consumption took",
	  .about = "All of it or a part, and of one consumption at most ten times. What is refunded no longer counts as consumed.",
	  .may = &operator_admin, .body = refund_in, .choice = &whose, .out = &transaction_shape, .sql = &q_token_refund, .errors = over },
	ROUTE_END
};
/* clang-format on */
