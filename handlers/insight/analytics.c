/*
 * What a tenant's team sees of its product.
 */
#include <string.h>

#include "build/sql/insight/analytics.h"
#include "build/sql/insight/request_hours.h"
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

#define REQUEST_FIGURES \
	{ "requests",      F_INT,    0, .about = "of the product: not those of the team", .example = "48210" }, \
	{ "client_errors", F_INT,    0, .about = "answered with 4xx", .example = "310" }, \
	{ "server_errors", F_INT,    0, .about = "with 5xx", .example = "2" }, \
	{ "avg_ms",        F_NUMBER, F_NULL, .example = "12.4" }, \
	{ "p50_ms",        F_NUMBER, F_NULL, .about = "by the histogram; at most 10,000", .example = "4.1" }, \
	{ "p95_ms",        F_NUMBER, F_NULL, .example = "38.5" }, \
	{ "p99_ms",        F_NUMBER, F_NULL, .example = "210" }

static const struct field requests_out[] = {
	REQUEST_FIGURES,
	FIELD_END
};

static const struct field jobs_out[] = {
	{ "waiting",   F_INT, 0, .about = "now, as all of these, up to 10,001", .example = "12" },
	{ "scheduled", F_INT, 0, .example = "40" },
	{ "running",   F_INT, 0, .example = "3" },
	{ "failed",    F_INT, 0, .about = "in the last 30 days", .example = "1" },
	FIELD_END
};

static const struct field webhooks_out[] = {
	{ "active",   F_INT, 0, .about = "now, as all of these, up to 10,001", .example = "8" },
	{ "failing",  F_INT, 0, .about = "of those, whose last delivery failed", .example = "1" },
	{ "disabled", F_INT, 0, .about = "switched off, since they failed for too long", .example = "0" },
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
	{ "requests",        F_OBJECT,   0, .fields = requests_out },
	{ "jobs",            F_OBJECT,   0, .fields = jobs_out },
	{ "webhooks",        F_OBJECT,   0, .fields = webhooks_out },
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

static const char *const steps[] = { "hour", "day", NULL };

static const struct field requests_in[] = {
	{ "from",     F_DATETIME, F_RARE, .about = "23 hours before to, or the beginning of its month (UTC), when left out" },
	{ "to",       F_DATETIME, F_RARE, .about = "now, when left out; 31 days behind from at most, 366 by the day" },
	{ "interval", F_ENUM, 0, .values = steps, .def = "hour" },
	FIELD_END
};

static const struct field part_out[] = {
	{ "le_ms",    F_NUMBER, F_NULL, .about = "took up to so long, and longer than the part before; null: longer than all", .example = "25" },
	{ "requests", F_INT,    0, .example = "5120" },
	FIELD_END
};

static const struct field request_point[] = {
	{ "bucket", F_DATETIME, 0, .about = "when it begins" },
	REQUEST_FIGURES,
	FIELD_END
};

static const struct field requests_series_out[] = {
	{ "period_start", F_DATETIME, 0 },
	{ "period_end",   F_DATETIME, 0 },
	{ "interval",     F_ENUM,     0, .values = steps },
	{ "total",        F_OBJECT,   0, .fields = requests_out },
	{ "latency",      F_LIST,     0, .fields = part_out, .about = "how long they took, in thirteen parts" },
	{ "points",       F_LIST,     0, .fields = request_point, .about = "each hour or day, the oldest first" },
	FIELD_END
};

static const struct shape requests_shape = { "AnalyticsRequests", requests_series_out };
static const struct shape overview_shape = { "AnalyticsOverview", overview_out };
static const struct shape usage_shape = { "AnalyticsUsage", usage_out };

const struct route analytics_routes[] = {
	{ GET, "/api/v1/dashboard/analytics/overview", "platform.analytics.analytics_overview", &by_team, "See how the product is used",
	  .about = "Agents that run elsewhere are counted apart. What was used is some seconds behind.",
	  .query = overview_in, .out = &overview_shape, .sql = &q_analytics_overview },
	{ GET, "/api/v1/dashboard/analytics/usage",    "platform.analytics.analytics_usage",    &by_team, "See what models were used for, over time",
	  .query = usage_in, .out = &usage_shape, .sql = &q_analytics_usage, .run = usage_get },
	{ GET, "/api/v1/dashboard/analytics/requests", "platform.analytics.list_request_hours", &by_team, "See requests, errors and latency, over time",
	  .about = "Of requests that came with a token or an API key of the tenant; refused ones too. Some seconds behind; kept for 400 days.",
	  .query = requests_in, .out = &requests_shape, .sql = &q_analytics_requests },
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
