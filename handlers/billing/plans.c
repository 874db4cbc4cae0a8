/*
 * Plans, and what they cost: for pricing pages, for servers that sell them, and for
 * the tenant's dashboard, which makes them.
 */
#include "build/sql/billing/plans.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/billing/plans.h"
#include "handlers/shapes.h"
#include "lib/db/column.h"

#define MAX_PRICE 99999999      /* of what a card can be charged with, in whole units */
#define MAX_COUNT 1000000000000 /* a month */

/* clang-format off */
static const struct field list_in[] = {
	{ "include_inactive", F_BOOL, 0, .def = "false", .about = "also those that are not sold any more" },
	FIELD_END
};

static const struct field team_list_in[] = {
	{ "include_inactive", F_BOOL, 0, .def = "true", .about = "also those that are not sold any more" },
	FIELD_END
};

const struct field plan_fields[] = {
	{ "id",                      F_UUID,     OUT },
	{ "name",                    F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Pro" },
	{ "description",             F_TEXT,     OUT | NEW | SET | F_NULL_OUT, .max = 2000, .example = "For teams that ship" },
	{ "price_monthly",           F_NUMBER,   OUT | NEW | SET, .max = MAX_PRICE, .def = "0", .example = "29.00", .about = "in whole units, exactly" },
	{ "price_yearly",            F_NUMBER,   OUT | NEW | SET, .max = MAX_PRICE, .def = "0", .example = "290.00" },
	{ "currency",                F_TEXT,     OUT | NEW | SET, .min = 3, .max = 3, .def = "USD", .about = "of both prices; as it was written", .example = "USD" },
	{ "max_messages_per_month",  F_INT,      OUT | NEW | SET | F_NULL, .max = MAX_COUNT, .about = "null: no limit", .example = "10000" },
	{ "max_cost_usd_per_month",  F_NUMBER,   OUT | NEW | SET | F_NULL, .max = MAX_PRICE, .about = "what AI may cost, in dollars with at most 6 decimals; null: no limit", .example = "25" },
	{ "max_tokens_per_month",    F_INT,      DETAIL | NEW | SET | F_NULL, .max = MAX_COUNT, .about = "deprecated: max_cost_usd_per_month is what counts" },
	{ "features",                F_LIST,     OUT | NEW | SET, .item = F_TEXT, .max = 100, .example = "[\"Unlimited projects\"]" },
	{ "is_free",                 F_BOOL,     OUT | NEW | SET, .def = "false", .example = "false", .about = "has no price, and needs no payment" },
	{ "is_active",               F_BOOL,     OUT | NEW | SET, .def = "true", .about = "false: nobody can subscribe to it any more; who has, keeps it" },
	{ "stripe_product_id",       F_TEXT,     OUT | NEW | SET | F_NULL, .min = 1, .max = 255, .example = "prod_NWjs8kKbJWmuuc" },
	{ "stripe_price_id_monthly", F_TEXT,     OUT | NEW | SET | F_NULL, .min = 1, .max = 255, .about = "without it the plan can be shown, but not checked out", .example = "price_1MoBy5LkdIwHu7ix" },
	{ "stripe_price_id_yearly",  F_TEXT,     OUT | NEW | SET | F_NULL, .min = 1, .max = 255, .example = "price_1MoBy5LkdIwHu7iy" },
	{ "created_at",              F_DATETIME, OUT },
	{ "updated_at",              F_DATETIME, OUT },
	FIELD_END
};

static const struct field team_plan[] = {
	FIELDS_OF(plan_fields),
	{ "is_global",           F_BOOL, OUT, .about = "the installation's, which a tenant cannot change" },
	{ "subscriptions_count", F_INT,  OUT, .about = "the tenant's that it counts for now" },
	FIELD_END
};

static const struct field sellable[] = {
	{ "id",              F_UUID, 0 },
	{ "name",            F_TEXT, 0, .example = "Pro" },
	{ "price_cents",     F_INT,  0, .about = "a month, in the currency's smallest unit", .example = "2900" },
	{ "price_display",   F_TEXT, 0, .example = "$29.00" },
	{ "currency",        F_TEXT, 0, .example = "USD" },
	{ "features",        F_LIST, 0, .item = F_TEXT },
	{ "is_free",         F_BOOL, 0 },
	{ "stripe_price_id", F_TEXT, F_NULL, .example = "price_1MoBy5LkdIwHu7ix" },
	FIELD_END
};

static const struct field available_out[] = {
	{ "success", F_BOOL, 0 },
	{ "plans",   F_LIST, 0, .fields = sellable },
	FIELD_END
};

static const struct shape plan_shape = { "PlanResponse", plan_fields, "Plan" };
const struct shape plan_sold_shape = { "SubscriptionPlan", plan_fields, "Plan", .as = DETAIL };
static const struct shape team_plan_shape = { "TenantPlan", team_plan, "Plan", .as = DETAIL };
static const struct shape available_shape = { "BillingPlans", available_out };

/* Asked by skip and limit, answered with a page's number. */
static const struct list by_skip = { "plans", NULL, { "total", "page", "per_page", "has_next", "has_prev" }, { "skip", "limit" }, { 100, 1000 } };

static const struct constraint constraints[] = {
	{ "plans_name_unique",    ERR_CONFLICT,   "name",     "another plan has this name" },
	{ "plans_features_count", ERR_VALIDATION, "features", "a plan has at most 100 features" },
	{ NULL }
};
/* clang-format on */

static enum err plan_write(struct req *rq)
{
	bool is_new = rq->asked.route->method == POST;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, is_new ? &q_plan_create : &q_plan_update, false, &res);

	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_text(rq, "plan_id"));
	req_set(rq, "plan_id", column_text(res, 0, "id"));
	return answer_rows(rq, &q_plan_team_get);
}

/* clang-format off */
#define TEAM "/api/v1/dashboard/plans"

const struct route plan_routes[] = {
	{ GET, "/api/v1/plans",           "platform.billing.list_plans",        &by_key_and_user, "List plans",
	  .about = "The tenant's and the global ones, the cheapest first. Asked by skip and limit, answered with a page's number: skip / limit + 1.",
	  .query = list_in, .out = &plan_shape, .list = &by_skip, .sql = &q_plan_list },
	{ GET, "/api/v1/plans/active",    "platform.billing.list_active_plans", &by_key_and_user, "List the plans that are sold",
	  .out = &plan_shape, .list = &unwrapped, .sql = &q_plan_active_list },
	{ GET, "/api/v1/plans/free",      "platform.billing.list_free_plans",   &by_key_and_user, "List the plans that cost nothing",
	  .about = "Those that can be subscribed to, for a sign-up that gives one.",
	  .out = &plan_shape, .list = &unwrapped, .sql = &q_plan_free_list },
	{ GET, "/api/v1/plans/{plan_id}", "platform.billing.get_plan",          &by_key_and_user, "Get a plan",
	  .out = &plan_shape, .sql = &q_plan_get },

	{ GET, "/api/v1/subscriptions/plans",           "platform.billing.list_subscription_plans", &by_key_and_user, "List what can be subscribed to",
	  .out = &plan_sold_shape, .list = &unwrapped, .sql = &q_plan_sold_list },
	{ GET, "/api/v1/subscriptions/plans/{plan_id}", "platform.billing.get_subscription_plan",   &by_key_and_user, "Get what can be subscribed to",
	  .out = &plan_sold_shape, .sql = &q_plan_sold_get },

	{ GET, "/api/v1/billing/available-plans", "platform.billing.list_available_plans", &by_secret_key, "List plans to change to",
	  .about = "With the monthly price in the currency's smallest unit, and as a text.",
	  .out = &available_shape, .sql = &q_plan_available },

	{ GET,  TEAM,              "platform.billing.dashboard_list_plans",  &by_team, "List the tenant's plans",
	  .about = "And the global ones, which a tenant cannot change.",
	  .query = team_list_in, .out = &team_plan_shape, .list = &unwrapped, .items = "plans", .sql = &q_plan_team_list },
	{ POST, TEAM,              "platform.billing.dashboard_create_plan", &by_team_admin, "Make a plan",
	  .about = "A plan that is not free needs a price; it can be checked out once it has the ids of Stripe's prices. Caps that are null are none.",
	  .body = team_plan, .as = NEW, .out = &team_plan_shape, .constraints = constraints, .sql = &q_plan_team_get, .run = plan_write },
	{ PUT,  TEAM "/{plan_id}", "platform.billing.dashboard_update_plan", &by_team_admin, "Change a plan",
	  .about = "Fields that are left out keep their value. A plan is retired with is_active: false, and never deleted. Caps count from the next check on.",
	  .body = team_plan, .as = SET, .out = &team_plan_shape, .constraints = constraints, .sql = &q_plan_team_get, .run = plan_write,
	  .flags = IF_MATCH },
	ROUTE_END
};
/* clang-format on */
