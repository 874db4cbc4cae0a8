/*
 * What was used, and how much may be, on the platform surface: an organization's
 * and a user's counters beside the limits of their plan.
 */
#include "build/sql/usage/usage.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "lib/db/column.h"

static enum err usage_consume(struct req *rq);

static const char *const usage_types[] = { "tokens", "messages", NULL };

/* clang-format off */

/* Fields. A number, or the text "unlimited". */
#define LIMIT(field, sample, ...) { field, F_JSON, 0, .example = sample, .about = "a number, or the text unlimited" __VA_ARGS__ }

static const struct field meter[] = {
	{ "current",    F_NUMBER, 0, .example = "420" },
	LIMIT("max",       "1000"),
	LIMIT("remaining", "580", ", without what is reserved"),
	{ "percentage", F_NUMBER, 0, .min = 0, .max = 100, .example = "42", .about = "0 where there is no limit" },
	FIELD_END
};

static const struct field token_totals[] = {
	{ "total",  F_NUMBER, 0, .example = "61000" },
	{ "input",  F_NUMBER, 0, .example = "48000", .about = "as far as it is known which they are" },
	{ "output", F_NUMBER, 0, .example = "13000" },
	FIELD_END
};

static const struct field breakdown[] = {
	{ "messages", F_OBJECT, 0, .fields = meter },
	{ "cost_usd", F_OBJECT, 0, .fields = meter, .about = "in dollars" },
	{ "tokens",   F_OBJECT, 0, .fields = token_totals },
	FIELD_END
};

static const struct field limits[] = {
	{ "plan_id",      F_UUID,     F_NULL, .about = "null: there is none, and nothing of these may be used" },
	{ "period_start", F_DATETIME, F_NULL },
	{ "period_end",   F_DATETIME, F_NULL },
	{ "messages",     F_OBJECT,   0, .fields = meter },
	{ "cost_usd",     F_OBJECT,   0, .fields = meter },
	{ "tokens",       F_OBJECT,   0, .fields = meter },
	{ "would_exceed", F_BOOL,     0, .example = "false", .about = "with what was asked for" },
	FIELD_END
};

#define RECORD \
	{ "id",              F_UUID,     0, .about = "the period's" }, \
	{ "organization_id", F_UUID,     F_NULL, .about = "null where the user has no default organization" }, \
	{ "user_id",         F_UUID,     0 }, \
	{ "plan_id",         F_UUID,     F_NULL }, \
	{ "period_start",    F_DATETIME, 0 }, \
	{ "period_end",      F_DATETIME, 0 }, \
	{ "messages_count",  F_NUMBER,   0, .example = "420" }, \
	{ "tokens_count",    F_NUMBER,   0, .example = "61000" }, \
	{ "usage_metadata",  F_OBJECT,   0, .item = F_INT, .about = "other metrics" }, \
	{ "created_at",      F_DATETIME, 0 }, \
	{ "updated_at",      F_DATETIME, 0 }

static const struct field record[] = { RECORD, FIELD_END };

static const struct field record_and_cost[] = {
	RECORD,
	{ "cost_usd", F_NUMBER, 0, .example = "1.25" },
	FIELD_END
};

static const struct field user_share[] = {
	{ "user_id",        F_UUID,   0 },
	{ "messages_count", F_NUMBER, 0, .example = "420" },
	{ "tokens_count",   F_NUMBER, 0, .example = "61000" },
	{ "cost_usd",       F_NUMBER, 0, .example = "1.25" },
	FIELD_END
};

static const struct field organization_stats[] = {
	{ "period_start", F_DATETIME, 0 },
	{ "period_end",   F_DATETIME, 0 },
	{ "plan_id",      F_UUID,     F_NULL },
	{ "plan_name",    F_TEXT,     F_NULL, .example = "Pro" },
	FIELDS_OF(breakdown),
	{ "by_user",      F_LIST,     0, .fields = user_share, .about = "who cost most comes first" },
	FIELD_END
};

static const struct field organization_out[] = {
	{ "usage_stats", F_OBJECT, 0, .fields = organization_stats },
	FIELD_END
};

static const struct field member_out[] = {
	{ "usage", F_OBJECT, 0, .fields = record_and_cost },
	FIELD_END
};

static const struct field organization_check_out[] = {
	{ "would_exceed", F_BOOL,   0, .example = "false" },
	{ "limits",       F_OBJECT, 0, .fields = limits },
	FIELD_END
};

static const struct field limits_out[] = {
	{ "limits", F_OBJECT, 0, .fields = limits },
	FIELD_END
};

static const struct field current_out[] = {
	{ "period_start", F_DATETIME, 0 },
	{ "period_end",   F_DATETIME, 0 },
	{ "plan_name",    F_TEXT,     0, .example = "Pro", .about = "empty where no plan applies" },
	{ "plan_id",      F_UUID,     F_NULL },
	{ "usage",        F_OBJECT,   0, .fields = breakdown, .about = "the organization's" },
	{ "error",        F_TEXT,     F_NULL, .example = "No active plan" },
	FIELD_END
};

static const struct field entities_by_schema[] = {
	{ "schema_id",     F_UUID, 0 },
	{ "slug",          F_SLUG, 0 },
	{ "records_count", F_INT,  0 },
	FIELD_END
};

static const struct field entities_out[] = {
	{ "schemas_count",     F_INT,  0, .example = "0" },
	{ "records_count",     F_INT,  0, .example = "0" },
	{ "records_by_schema", F_LIST, 0, .fields = entities_by_schema },
	FIELD_END
};

static const struct field share[] = {
	{ "user",         F_NUMBER, 0, .example = "12" },
	{ "organization", F_NUMBER, 0, .example = "420" },
	LIMIT("max",       "1000"),
	LIMIT("remaining", "580"),
	FIELD_END
};

static const struct field shares[] = {
	{ "messages", F_OBJECT, 0, .fields = share },
	{ "cost_usd", F_OBJECT, 0, .fields = share },
	{ "tokens",   F_OBJECT, 0, .fields = share },
	FIELD_END
};

static const struct field stats_out[] = {
	{ "period_start", F_DATETIME, F_NULL },
	{ "period_end",   F_DATETIME, F_NULL },
	{ "plan_name",    F_TEXT,     F_NULL, .example = "Pro" },
	{ "plan_id",      F_UUID,     F_NULL },
	{ "usage",        F_OBJECT,   0, .fields = shares },
	{ "error",        F_TEXT,     F_NULL, .example = "No active plan" },
	FIELD_END
};

static const struct field check_out[] = {
	{ "allowed",       F_BOOL,   0, .example = "true" },
	{ "current_usage", F_NUMBER, 0, .example = "420", .about = "with what is reserved" },
	LIMIT("max_limit", "1000"),
	LIMIT("remaining", "580"),
	{ "requested",     F_NUMBER, F_NULL, .example = "1" },
	{ "error",         F_TEXT,   F_NULL, .about = "why it is not allowed", .example = "No active plan" },
	FIELD_END
};

static const struct field consumption_out[] = {
	{ "success",    F_BOOL,   0, .example = "true" },
	{ "consumed",   F_NUMBER, F_NULL, .example = "1" },
	{ "usage_type", F_ENUM,   F_NULL, .values = usage_types },
	{ "allowed",    F_BOOL,   0, .example = "true" },
	{ "limits",     F_OBJECT, 0, .fields = limits },
	{ "error",      F_TEXT,   F_NULL },
	FIELD_END
};

static const struct field user_path[] = {
	{ "user", F_UUID, 0, .about = "a user's id" },
	FIELD_END
};

static const struct field organization_in[] = {
	{ "organization_id", F_UUID, F_REQUIRED, .about = "which the caller is a member of" },
	FIELD_END
};

static const struct field additional_in[] = {
	{ "additional_messages", F_INT, 0, .min = 0, .max = 1000000000000, .def = "0" },
	{ "additional_tokens",   F_INT, 0, .min = 0, .max = 1000000000000, .def = "0" },
	FIELD_END
};

static const struct field amount_in[] = {
	{ "tokens",          F_NUMBER, F_REQUIRED | F_ABOVE, .min = 0, .max = 1000000000000, .example = "1",
	  .about = "how much, also of messages: a whole number" },
	{ "usage_type",      F_ENUM,   0, .values = usage_types, .def = "tokens" },
	{ "user_id",         F_UUID,   F_REQUIRED, .about = "your own id" },
	{ "organization_id", F_UUID,   F_REQUIRED, .about = "which you are a member of" },
	FIELD_END
};

static const struct shape organization_usage_shape = { "OrganizationUsage", organization_out, "Organization" };
static const struct shape member_usage_shape = { "OrganizationMemberUsage", member_out, "Member" };
static const struct shape organization_check_shape = { "OrganizationUsageCheck", organization_check_out, "Organization" };
static const struct shape record_shape = { "UserPlanUsage", record, "Active plan" };
static const struct shape limits_shape = { "UsageLimits", limits_out, "User" };
static const struct shape current_shape = { "CurrentUsage", current_out, "Organization" };
static const struct shape entities_shape = { "EntityUsage", entities_out, "Organization" };
static const struct shape stats_shape = { "UsageStats", stats_out, "Organization" };
static const struct shape check_shape = { "UsageCheck", check_out, "Organization" };
static const struct shape consumption_shape = { "UsageConsumption", consumption_out, "Organization" };

static const enum err of_members[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_OK };
static const enum err of_oneself[] = { ERR_AUTHORIZATION, ERR_OK };
static const enum err of_limits[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_LIMIT, ERR_OK };

const struct route usage_routes[] = {
	{ GET,  "/api/v1/organizations/{organization_id}/usage", "platform.usage.get_org_usage", &by_organization_member,
	  "Show an organization's usage", "Of the current period, with who used it.",
	  .may = &org_read, .out = &organization_usage_shape, .sql = &q_organization_usage_get },
	{ GET,  "/api/v1/organizations/{organization_id}/usage/user/{user}", "platform.usage.get_org_user_usage", &by_organization_member,
	  "Show a member's usage", "In this organization, in the current period.",
	  .may = &members_read, .params = user_path, .out = &member_usage_shape, .sql = &q_organization_usage_user },
	{ POST, "/api/v1/organizations/{organization_id}/usage/check", "platform.usage.check_org_usage", &by_organization_member,
	  "Ask whether an organization may use so much more", "Nothing is used. The answer is 200 also where it would be too much.",
	  .may = &org_read, .query = additional_in, .out = &organization_check_shape, .sql = &q_organization_usage_check, .status = 200 },
	{ GET,  "/api/v1/subscriptions/users/{user}/usage", "platform.usage.get_user_plan_usage", &by_key_and_user,
	  "Show my usage", "In the default organization, in the current period.",
	  .params = user_path, .out = &record_shape, .errors = of_oneself, .sql = &q_user_usage_get },
	{ GET,  "/api/v1/subscriptions/users/{user}/usage/limits", "platform.usage.get_user_usage_limits", &by_key_and_user,
	  "Show my limits", "Those of the default organization, or of who has none.",
	  .params = user_path, .out = &limits_shape, .errors = of_oneself, .sql = &q_user_usage_limits },
	{ GET,  "/api/v1/api/usage/current", "platform.usage.current", &by_key_and_user, "Show the current period's usage",
	  "Of the whole organization, beside the plan's limits.",
	  .query = organization_in, .out = &current_shape, .errors = of_members, .sql = &q_usage_current },
	{ GET,  "/api/v1/api/usage/history", "platform.usage.history", &by_key_and_user, "List my usage by period",
	  "In an organization, the newest period first.",
	  .query = organization_in, .out = &record_shape, .list = &shifted, .errors = of_members, .sql = &q_usage_history },
	{ GET,  "/api/v1/api/usage/entity-usage", "platform.usage.entity_usage", &by_key_and_user, "Count custom entities",
	  .query = organization_in, .out = &entities_shape, .errors = of_members, .sql = &q_usage_entities },
	{ GET,  "/api/v1/usage/stats", "platform.usage.stats", &by_key_and_user, "Show my usage beside the organization's",
	  .query = organization_in, .out = &stats_shape, .errors = of_members, .sql = &q_usage_stats },
	{ POST, "/api/v1/usage/check", "platform.usage.check", &by_key_and_user, "Ask whether so much may be used",
	  "Nothing is used. The answer is 200 also where it is not allowed.",
	  .body = amount_in, .out = &check_shape, .errors = of_members, .sql = &q_usage_check, .status = 200 },
	{ POST, "/api/v1/usage/consume", "platform.usage.consume", &by_key_and_user, "Use so much",
	  "All of it is booked or, where a limit would be passed, nothing: then the answer is a 402 that says what there is. With an "
	  "Idempotency-Key it is booked once.",
	  .body = amount_in, .out = &consumption_shape, .errors = of_limits, .sql = &q_usage_consume, .run = usage_consume, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* A 402 has the members of the answer beside what it says itself: asked behind the refusal, which booked
 * nothing. */
static enum err usage_consume(struct req *rq)
{
	enum err rc = answer_rows(rq, &q_usage_consume);
	struct failure refused = rq->tx.fail;
	PGresult *res;

	if (rc != ERR_LIMIT)
		return rc;
	rq->tx.fail = (struct failure){ 0 };
	if (!tx_call(&rq->tx, &q_usage_refused, true, &res))
		refused.more = column_text(res, 0, "more");
	rq->tx.fail = refused;
	return rc;
}
