/*
 * Tiers of the installation on the operations surface: what is on offer, what a user has, and what
 * they have used of it.  What has to be paid is asked for in tier_payments.c.
 */
#include "handlers/billing/tiers.h"

#include "build/sql/billing/tiers.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const states[] = { "trialing", "active", "past_due", "canceled", "incomplete", "unpaid", "paused", NULL };
static const char *const resources[] = { "tokens_per_month", "tasks_per_month", "agents", "products", "team_members", "api_requests_per_day", "storage_bytes", NULL };

static const struct field limits[] = {
	{ "tokens_per_month",     F_INT, F_NULL, .about = "as all of these, null without a limit", .example = "10000" },
	{ "tasks_per_month",      F_INT, F_NULL },
	{ "agents",               F_INT, F_NULL },
	{ "products",             F_INT, F_NULL },
	{ "team_members",         F_INT, F_NULL },
	{ "api_requests_per_day", F_INT, F_NULL },
	{ "storage_bytes",        F_INT, F_NULL },
	FIELD_END
};

static const struct field used[] = {
	{ "tokens_per_month",     F_INT, 0, .about = "that were consumed from the user's own wallet", .example = "7" },
	{ "tasks_per_month",      F_INT, 0, .about = "that the user has made" },
	{ "agents",               F_INT, 0, .about = "that the user has made" },
	{ "products",             F_INT, 0 },
	{ "team_members",         F_INT, 0, .about = "of the organizations that the user owns, with the user", .example = "1" },
	{ "api_requests_per_day", F_INT, 0, .about = "of today, in UTC" },
	{ "storage_bytes",        F_INT, 0 },
	FIELD_END
};

static const struct field percents[] = {
	{ "tokens_per_month",     F_NUMBER, F_NULL, .about = "as all of these, null without a limit", .example = "0.1" },
	{ "tasks_per_month",      F_NUMBER, F_NULL },
	{ "agents",               F_NUMBER, F_NULL },
	{ "products",             F_NUMBER, F_NULL },
	{ "team_members",         F_NUMBER, F_NULL },
	{ "api_requests_per_day", F_NUMBER, F_NULL },
	{ "storage_bytes",        F_NUMBER, F_NULL },
	FIELD_END
};

static const struct field tier[] = {
	{ "slug",                F_SLUG,   0, .example = "pro" },
	{ "name",                F_TEXT,   0, .example = "Pro" },
	{ "description",         F_TEXT,   0 },
	{ "price_monthly_cents", F_INT,    0, .example = "4900" },
	{ "price_yearly_cents",  F_INT,    F_NULL, .example = "49000" },
	{ "currency",            F_TEXT,   0, .example = "usd" },
	{ "included_tokens",     F_INT,    0, .example = "500000" },
	{ "limits",              F_OBJECT, 0, .fields = limits },
	{ "features",            F_LIST,   0, .item = F_TEXT },
	{ "sort_order",          F_INT,    0, .about = "a tier with a smaller one is a lower tier", .example = "30" },
	FIELD_END
};

const struct field token_package_fields[] = {
	{ "slug",         F_SLUG, 0, .example = "tokens-50k" },
	{ "name",         F_TEXT, 0, .example = "50,000 tokens" },
	{ "tokens",       F_INT,  0, .example = "50000" },
	{ "bonus_tokens", F_INT,  0, .about = "that are given with them", .example = "0" },
	{ "price_cents",  F_INT,  0, .example = "500" },
	{ "currency",     F_TEXT, 0, .example = "usd" },
	FIELD_END
};

static const struct field action_cost[] = {
	{ "action", F_TEXT, 0, .example = "report.write" },
	{ "tokens", F_INT,  0, .example = "20" },
	FIELD_END
};

static const struct field economics[] = {
	{ "price_per_1k_tokens_cents", F_NUMBER, F_NULL, .about = "in the smallest package; null where none is sold", .example = "10" },
	{ "signup_bonus_tokens",       F_INT,    0, .example = "1000" },
	{ "annual_discount_percent",   F_NUMBER, 0, .about = "how much less a year costs than twelve months, at most", .example = "16.7" },
	{ "action_costs",              F_LIST,   0, .fields = action_cost },
	FIELD_END
};

static const struct field pricing_out[] = {
	{ "currency",       F_TEXT,   0, .example = "usd" },
	{ "tiers",          F_LIST,   0, .fields = tier },
	{ "token_packages", F_LIST,   0, .fields = token_package_fields },
	{ "economics",      F_OBJECT, 0, .fields = economics },
	FIELD_END
};

const struct field tier_subscription_fields[] = {
	{ "id",                     F_INT,      0, .example = "7" },
	{ "tier",                   F_TEXT,     0, .example = "pro" },
	{ "status",                 F_ENUM,     0, .values = states },
	{ "stripe_customer_id",     F_TEXT,     F_NULL, .example = "cus_NffrFeUfNV2Hib" },
	{ "stripe_subscription_id", F_TEXT,     F_NULL, .example = "sub_1MowQVLkdIwHu7ixeRlqHVzs" },
	{ "current_period_start",   F_DATETIME, 0 },
	{ "current_period_end",     F_DATETIME, 0 },
	{ "cancel_at_period_end",   F_BOOL,     0 },
	{ "trial_end",              F_DATETIME, F_NULL },
	{ "created_at",             F_DATETIME, 0 },
	{ "updated_at",             F_DATETIME, 0 },
	FIELD_END
};

static const struct field usage_out[] = {
	{ "tier",                F_TEXT,     0, .example = "free" },
	{ "subscription_status", F_TEXT,     F_NULL, .about = "null: there is no subscription that goes on" },
	{ "period_start",        F_DATETIME, 0, .about = "of the subscription, or the calendar's month" },
	{ "period_end",          F_DATETIME, 0 },
	{ "usage",               F_OBJECT,   0, .fields = used },
	{ "limits",              F_OBJECT,   0, .fields = limits },
	{ "percent_used",        F_OBJECT,   0, .fields = percents },
	FIELD_END
};

static const struct field summary_out[] = {
	{ "tier",                F_OBJECT,   0, .fields = tier },
	{ "subscription_status", F_TEXT,     F_NULL, .about = "null: there is no subscription that goes on" },
	{ "period_start",        F_DATETIME, 0, .about = "of the subscription, or the calendar's month" },
	{ "period_end",          F_DATETIME, 0 },
	{ "limits",              F_OBJECT,   0, .fields = limits },
	{ "usage",               F_OBJECT,   0, .fields = used },
	{ "remaining",           F_OBJECT,   0, .fields = limits },
	FIELD_END
};

const struct field tier_fields[] = {
	{ "tier", F_TEXT, F_REQUIRED, .min = 1, .max = 63, .about = "the slug of one that is on offer", .example = "pro" },
	FIELD_END
};

static const struct field violation[] = {
	{ "resource", F_ENUM, 0, .values = resources },
	{ "current",  F_INT,  0, .example = "12" },
	{ "limit",    F_INT,  0, .example = "10" },
	{ "excess",   F_INT,  0, .example = "2" },
	FIELD_END
};

static const struct field downgrade_out[] = {
	{ "allowed",      F_BOOL, 0 },
	{ "current_tier", F_TEXT, 0, .example = "pro" },
	{ "target_tier",  F_TEXT, 0, .example = "free" },
	{ "violations",   F_LIST, 0, .fields = violation },
	FIELD_END
};

static const struct field product_revenue[] = {
	{ "product_slug",         F_TEXT, 0, .about = "the tier, or the plan in small letters", .example = "pro" },
	{ "product_name",         F_TEXT, 0, .example = "Pro" },
	{ "mrr_cents",            F_INT,  0, .example = "4900" },
	{ "active_subscriptions", F_INT,  0, .about = "those that are past due, too", .example = "1" },
	FIELD_END
};

static const struct field cost_item[] = {
	{ "name",          F_TEXT, 0, .example = "web and database" },
	{ "provider",      F_TEXT, 0, .example = "Harbour Hosting" },
	{ "monthly_cents", F_INT,  0, .example = "1200" },
	FIELD_END
};

static const struct field infrastructure[] = {
	{ "total_cents", F_INT,  0, .example = "1200" },
	{ "items",       F_LIST, 0, .fields = cost_item },
	FIELD_END
};

static const struct field model_cost[] = {
	{ "model",         F_TEXT, 0, .example = "gpt-5-mini" },
	{ "cost_cents",    F_INT,  0, .example = "12" },
	{ "input_tokens",  F_INT,  0, .example = "41000" },
	{ "output_tokens", F_INT,  0, .example = "7000" },
	FIELD_END
};

static const struct field ai[] = {
	{ "month_to_date_cents", F_INT,  0, .example = "12" },
	{ "last_30d_cents",      F_INT,  0, .example = "30" },
	{ "by_model",            F_LIST, 0, .fields = model_cost, .about = "of the month" },
	FIELD_END
};

static const struct field overview_out[] = {
	{ "currency",          F_TEXT,     0, .example = "usd" },
	{ "period_start",      F_DATETIME, 0, .about = "the calendar's month, in UTC" },
	{ "period_end",        F_DATETIME, 0 },
	{ "mrr_cents",         F_INT,      0, .about = "what comes in each month, of what is paid to the installation's own account; a year's by twelfths", .example = "4900" },
	{ "mrr_by_product",    F_LIST,     0, .fields = product_revenue },
	{ "infrastructure",    F_OBJECT,   0, .fields = infrastructure },
	{ "ai",                F_OBJECT,   0, .fields = ai },
	{ "net_monthly_cents", F_INT,      F_SIGNED, .about = "what comes in, less infrastructure and AI of the month so far", .example = "3688" },
	FIELD_END
};

static const struct shape
	tier_shape         = { "Tier", tier },
	pricing_shape      = { "PricingStrategy", pricing_out },
	subscription_shape = { "TierSubscription", tier_subscription_fields, "Subscription" },
	usage_shape        = { "TierUsage", usage_out, "Usage" },
	summary_shape      = { "PlanSummary", summary_out },
	downgrade_shape    = { "DowngradeCheck", downgrade_out },
	overview_shape     = { "BillingOverview", overview_out };

static const enum err absent[] = { ERR_NOT_FOUND, ERR_OK };

#define BASE "/api/billing"

const struct route tier_routes[] = {
	{ GET,  BASE "/tiers", "operations.billing.list_tiers", &by_anyone, "List the tiers on offer", .about = "The lowest first.",
	  .out = &tier_shape, .list = &unpaged, .sql = &q_tier_list },
	{ GET,  BASE "/pricing", "operations.billing.get_pricing", &by_anyone, "Show what tiers and tokens cost",
	  .out = &pricing_shape, .sql = &q_tier_pricing },
	{ GET,  BASE "/subscription", "operations.billing.get_subscription", &by_person, "Show the caller's subscription",
	  .about = "The current one, else the one that ended last. 404 for who never had one, and is on the tier free.",
	  .needs = { "a subscription of one's own", ERR_NOT_FOUND }, .out = &subscription_shape, .errors = absent, .sql = &q_tier_subscription },
	{ GET,  BASE "/usage", "operations.billing.get_usage", &by_person, "Show what is used beside the tier's limits",
	  .about = "In the subscription's period, or the calendar's month. 404 for who has no subscription and has used nothing; team members and requests alone do not count as that.",
	  .out = &usage_shape, .errors = absent, .sql = &q_tier_usage_get },
	{ GET,  BASE "/plan-summary", "operations.billing.get_plan_summary", &by_person, "Show the tier, and what is left of it",
	  .out = &summary_shape, .sql = &q_tier_summary },
	{ POST, BASE "/validate-downgrade", "operations.billing.validate_downgrade", &by_person, "Does what is used fit a lower tier?",
	  .about = "Changes nothing. A tier that is not lower is always allowed.",
	  .body = tier_fields, .out = &downgrade_shape, .sql = &q_tier_downgrade, .status = 200 },
	{ GET,  BASE "/overview", "operations.billing.get_overview", &by_operator, "Show what the installation earns and costs",
	  .about = "Of all tenants that have no payment account of their own, in US cents.",
	  .may = &operator_read, .out = &overview_shape, .sql = &q_tier_overview },
	ROUTE_END
};
/* clang-format on */
