/*
 * Sums by day as a list: of the tenant, of an organization, of the caller; as a
 * table for programs and spreadsheets where Accept asks for one.
 */
#include "build/sql/usage/usage_day_list.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"

/* clang-format off */
#define DAY \
	{ "date",            F_DATE,   0, .example = "2026-11-14" }, \
	{ "metric",          F_TEXT,   0, .example = "api_requests", .about = "meter.<key>, or peak.<key>, of a meter of the tenant's own" }, \
	{ "category",        F_TEXT,   0, .example = "gpt-4o", .about = "what the metric is broken down by, such as the model of tokens; else empty" }, \
	{ "organization_id", F_UUID,   F_NULL, .about = "null: used outside of organizations" }

#define AMOUNT \
	{ "quantity",        F_NUMBER, F_SIGNED, .example = "120", .about = "cost_usd in dollars" }, \
	{ "count",           F_INT,    0, .example = "120", .about = "of how many events it is the sum" }

static const struct field day[] = {
	DAY,
	{ "user_id",         F_UUID,   F_NULL, .about = "null: of no user, as with a key alone" },
	AMOUNT,
	FIELD_END
};

static const struct field own_day[] = { DAY, AMOUNT, FIELD_END };

#define RANGE \
	{ "from",   F_DATE, F_RARE, .about = "the first day of the month that to is in, when left out" }, \
	{ "to",     F_DATE, F_RARE, .about = "today, when left out; 366 days at most" }, \
	{ "metric", F_TEXT, F_RARE, .min = 1, .max = 80, .about = "only this one", .example = "api_requests" }

static const struct field of_tenant[] = {
	RANGE,
	{ "organization_id", F_UUID, F_RARE, .about = "only of this organization" },
	{ "user_id",         F_UUID, F_RARE, .about = "only of this user" },
	FIELD_END
};

static const struct field of_organization[] = {
	RANGE,
	{ "user_id",         F_UUID, F_RARE, .about = "only of this user" },
	FIELD_END
};

static const struct field of_oneself[] = { RANGE, FIELD_END };

static const struct shape day_shape = { "UsageOfDay", day, "Usage" };
static const struct shape own_day_shape = { "OwnUsageOfDay", own_day, "Usage" };

#define ABOUT "The oldest day first, in UTC; some seconds behind. As CSV or NDJSON all of it."
#define LISTED .out = &day_shape, .list = &skipped, .sql = &q_usage_day_list, .outputs = AS_CSV | AS_NDJSON

const struct route usage_day_routes[] = {
	{ GET, "/api/v1/usage/days", "platform.usage.list_days", &by_secret_key, "List usage by day", ABOUT, .query = of_tenant, LISTED },
	{ GET, "/api/v1/dashboard/usage-days", "platform.usage.list_dashboard_days", &by_team, "List usage by day", ABOUT, .query = of_tenant, LISTED },
	{ GET, "/api/v1/organizations/{organization_id}/usage/days", "platform.usage.list_org_days", &by_organization_member,
	  "List an organization's usage by day", ABOUT, .may = &org_read, .query = of_organization, LISTED },
	{ GET, "/api/v1/app/usage/days", "app.usage.list_days", &by_user, "List my usage of all metrics by day", ABOUT,
	  .query = of_oneself, .out = &own_day_shape, .list = &skipped, .sql = &q_usage_day_own, .outputs = AS_CSV | AS_NDJSON },
	ROUTE_END
};
/* clang-format on */
