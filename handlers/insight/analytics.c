/*
 * What a tenant's team sees of its product.
 */
#include <string.h>

#include "build/sql/insight/analytics.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

static enum err usage_get(struct req *rq);

static const char *const intervals[] = { "day", "week", "month", NULL };
static const char *const groups[] = { "none", "organization", "agent", "external_agent", "model", NULL };
static const char *const sources[] = { "platform", "external", NULL };

/* clang-format off */
#define PERIOD \
	{ "from", F_DATETIME, F_RARE, .about = "the beginning of the month (UTC), when left out; days count as a whole" }, \
	{ "to",   F_DATETIME, F_RARE, .about = "now, when left out; 366 days behind from at most" }

static const struct field overview_in[] = {
	PERIOD,
	FIELD_END
};

static const struct field usage_in[] = {
	PERIOD,
	{ "interval", F_ENUM, 0, .values = intervals, .def = "day" },
	{ "group_by", F_ENUM, 0, .values = groups, .def = "none", .about = "external_agent where the source is external, agent and model where it is platform" },
	{ "source",   F_ENUM, 0, .values = sources, .def = "platform", .about = "external: what agents that run elsewhere told of" },
	FIELD_END
};

static const struct field users_out[] = {
	{ "total",  F_INT, 0, .example = "1250" },
	{ "active", F_INT, 0, .example = "1180" },
	{ "new",    F_INT, 0, .example = "45" },
	FIELD_END
};

static const struct field organizations_out[] = {
	{ "total", F_INT, 0, .example = "310" },
	{ "new",   F_INT, 0, .example = "12" },
	FIELD_END
};

static const struct field subscriptions_out[] = {
	{ "active",    F_INT,    0, .example = "180" },
	{ "trialing",  F_INT,    0, .example = "20" },
	{ "past_due",  F_INT,    0, .example = "3" },
	{ "cancelled", F_INT,    0, .about = "that ended in this time", .example = "4" },
	{ "mrr",       F_NUMBER, 0, .about = "what active ones bring in a month, in the currency that brings most", .example = "5220" },
	FIELD_END
};

static const struct field spent_out[] = {
	{ "messages",      F_INT,    0, .example = "9120" },
	{ "input_tokens",  F_INT,    0, .example = "4100000" },
	{ "output_tokens", F_INT,    0, .example = "1200000" },
	{ "total_tokens",  F_INT,    0, .example = "5300000" },
	{ "cost_usd",      F_NUMBER, 0, .example = "31.25" },
	FIELD_END
};

static const struct field agents_out[] = {
	{ "executions",            F_INT,    0, .example = "2100" },
	{ "failed",                F_INT,    0, .example = "6" },
	{ "avg_execution_time_ms", F_NUMBER, 0, .example = "1830" },
	FIELD_END
};

static const struct field external_agents_out[] = {
	{ "calls",        F_INT,    0, .example = "540" },
	{ "errors",       F_INT,    0, .example = "2" },
	{ "total_tokens", F_INT,    0, .example = "520000" },
	{ "cost_usd",     F_NUMBER, 0, .about = "which the tenant pays its own provider", .example = "2.4" },
	FIELD_END
};

static const struct field entities_out[] = {
	{ "schemas", F_INT, 0 },
	{ "records", F_INT, 0 },
	FIELD_END
};

static const struct field files_out[] = {
	{ "count", F_INT, 0, .example = "870" },
	{ "bytes", F_INT, 0, .example = "734003200" },
	FIELD_END
};

static const struct field overview_out[] = {
	{ "period_start",    F_DATETIME, 0 },
	{ "period_end",      F_DATETIME, 0 },
	{ "users",           F_OBJECT,   0, .fields = users_out },
	{ "organizations",   F_OBJECT,   0, .fields = organizations_out },
	{ "subscriptions",   F_OBJECT,   0, .fields = subscriptions_out },
	{ "usage",           F_OBJECT,   0, .fields = spent_out },
	{ "agents",          F_OBJECT,   0, .fields = agents_out },
	{ "external_agents", F_OBJECT,   0, .fields = external_agents_out },
	{ "entities",        F_OBJECT,   0, .fields = entities_out },
	{ "files",           F_OBJECT,   0, .fields = files_out },
	FIELD_END
};

static const struct field point[] = {
	{ "bucket",       F_DATETIME, 0, .about = "when it begins" },
	{ "key",          F_TEXT,     F_NULL, .about = "an id, or a model; null: none, as of who has no organization", .example = "gpt-4o" },
	{ "label",        F_TEXT,     F_NULL, .about = "its name", .example = "gpt-4o" },
	{ "messages",     F_INT,      0, .example = "310" },
	{ "total_tokens", F_INT,      0, .example = "182000" },
	{ "cost_usd",     F_NUMBER,   0, .example = "1.07" },
	{ "calls",        F_INT,      0, .example = "322" },
	{ "errors",       F_INT,      0, .example = "2" },
	FIELD_END
};

static const struct field usage_out[] = {
	{ "period_start", F_DATETIME, 0 },
	{ "period_end",   F_DATETIME, 0 },
	{ "interval",     F_ENUM,     0, .values = intervals },
	{ "group_by",     F_ENUM,     0, .values = groups },
	{ "source",       F_ENUM,     0, .values = sources },
	{ "points",       F_LIST,     0, .fields = point, .about = "each bucket of each key, the oldest first; the twenty keys that used most" },
	FIELD_END
};

static const struct shape overview_shape = { "AnalyticsOverview", overview_out };
static const struct shape usage_shape = { "AnalyticsUsage", usage_out };

const struct route analytics_routes[] = {
	{ GET, "/api/v1/dashboard/analytics/overview", "platform.analytics.analytics_overview", &by_team, "See how the product is used",
	  .about = "Agents that run elsewhere are counted apart. What was used is some seconds behind.",
	  .query = overview_in, .out = &overview_shape, .sql = &q_analytics_overview },
	{ GET, "/api/v1/dashboard/analytics/usage",    "platform.analytics.analytics_usage",    &by_team, "See what models were used for, over time",
	  .query = usage_in, .out = &usage_shape, .sql = &q_analytics_usage, .run = usage_get },
	ROUTE_END
};
/* clang-format on */

static enum err usage_get(struct req *rq)
{
	const char *group = req_text(rq, "group_by");
	bool is_external = !strcmp(req_text(rq, "source"), "external");
	bool is_of_external = !strcmp(group, "external_agent");

	if (is_external ? !strcmp(group, "agent") || !strcmp(group, "model") : is_of_external)
		return req_fail_field(rq, ERR_VALIDATION, "group_by", "group_by %s does not fit source %s",
				      group, req_text(rq, "source"));
	return answer_rows(rq, &q_analytics_usage);
}
