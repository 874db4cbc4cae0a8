/*
 * What a user has used, by day and month, on the app surface.
 */
#include "build/sql/usage/usage_app.h"
#include "fcgi/req.h"

/* clang-format off */
static const char *const metrics[] = { "api_requests", "ai_tokens", "ai_requests", "storage_bytes", "file_uploads", "file_downloads",
				       "websocket_messages", "background_jobs", "email_sent", NULL };
static const char *const trends[] = { "increasing", "decreasing", "stable", NULL };

static const struct field period[] = {
	{ "start", F_DATETIME, 0, .example = "2026-11-01T00:00:00.000Z" },
	{ "end",   F_DATETIME, 0, .example = "2026-11-30T23:59:59.000Z" },
	FIELD_END
};

#define PERIOD { "period", F_OBJECT, 0, .fields = period, .about = "the month, in UTC" }

static const struct field months[] = {
	{ "current_period",  F_INT,    0, .example = "1250" },
	{ "previous_period", F_INT,    0, .example = "980" },
	{ "growth_rate",     F_NUMBER, F_SIGNED, .example = "27.55", .about = "percent; 100 where there was nothing before" },
	{ "daily_average",   F_NUMBER, 0, .example = "41.67", .about = "a thirtieth of the month's" },
	FIELD_END
};

#define MONTHS(metric) { metric, F_OBJECT, F_OPTIONAL, .fields = months }

static const struct field summaries[] = {
	MONTHS("api_requests"), MONTHS("ai_tokens"), MONTHS("ai_requests"), MONTHS("storage_bytes"), MONTHS("file_uploads"),
	MONTHS("file_downloads"), MONTHS("websocket_messages"), MONTHS("background_jobs"), MONTHS("email_sent"),
	FIELD_END
};

static const struct field summary_out[] = {
	{ "metrics", F_OBJECT, 0, .fields = summaries, .about = "all of them, or the one that was asked for" },
	PERIOD,
	FIELD_END
};

static const struct field current_out[] = {
	{ "api_requests",       F_INT, 0, .example = "1250" },
	{ "ai_tokens",          F_INT, 0, .example = "61000" },
	{ "ai_requests",        F_INT, 0, .example = "420" },
	{ "storage_bytes",      F_INT, F_SIGNED, .example = "52428800" },
	{ "file_uploads",       F_INT, 0, .example = "25" },
	{ "file_downloads",     F_INT, 0, .example = "80" },
	{ "websocket_messages", F_INT, 0, .example = "0" },
	{ "background_jobs",    F_INT, 0, .example = "0" },
	{ "email_sent",         F_INT, 0, .example = "3" },
	PERIOD,
	FIELD_END
};

static const struct field trend_out[] = {
	{ "metric",          F_ENUM,   0, .values = metrics },
	{ "current_period",  F_INT,    F_SIGNED, .example = "1250", .about = "the last days" },
	{ "previous_period", F_INT,    F_SIGNED, .example = "980", .about = "as many days before them" },
	{ "growth_rate",     F_NUMBER, F_SIGNED, .example = "27.55" },
	{ "daily_average",   F_NUMBER, F_SIGNED, .example = "41.67" },
	{ "peak_day",        F_DATE,   0, .example = "2026-11-14", .about = "the latest of equal ones" },
	{ "peak_value",      F_INT,    F_SIGNED, .example = "120" },
	{ "trend",           F_ENUM,   0, .values = trends },
	FIELD_END
};

static const struct field day[] = {
	{ "date",  F_DATE, 0, .example = "2026-11-14" },
	{ "value", F_INT,  F_SIGNED, .example = "120" },
	FIELD_END
};

static const struct field daily_out[] = {
	{ "metric",  F_ENUM,   0, .values = metrics },
	{ "data",    F_LIST,   0, .fields = day, .about = "the oldest day first, today last" },
	{ "total",   F_INT,    F_SIGNED, .example = "1250" },
	{ "average", F_NUMBER, F_SIGNED, .example = "41.67" },
	FIELD_END
};

static const struct field breakdown_out[] = {
	{ "metric",    F_ENUM,   0, .values = metrics },
	{ "breakdown", F_OBJECT, 0, .item = F_INT, .about = "by category, such as the model of tokens; other: what has none" },
	{ "total",     F_INT,    F_SIGNED, .example = "61000" },
	FIELD_END
};

static const struct field metric[] = {
	{ "key",         F_ENUM, 0, .values = metrics },
	{ "name",        F_TEXT, 0, .example = "API Requests" },
	{ "description", F_TEXT, 0, .example = "Requests that the API has let in" },
	{ "unit",        F_TEXT, 0, .example = "requests" },
	FIELD_END
};

static const struct field metrics_out[] = {
	{ "metrics", F_LIST, 0, .fields = metric },
	FIELD_END
};

static const struct field top_user[] = {
	{ "user_id", F_TEXT,  0, .example = "user_123abc" },
	{ "email",   F_EMAIL, F_NULL },
	{ "value",   F_INT,   0, .example = "1250" },
	FIELD_END
};

static const struct field top_out[] = {
	{ "metric", F_ENUM, 0, .values = metrics },
	{ "users",  F_LIST, 0, .fields = top_user },
	PERIOD,
	FIELD_END
};

static const struct field summary_in[] = {
	{ "metric", F_ENUM, 0, .values = metrics, .about = "only this one" },
	FIELD_END
};

static const struct field metric_in[] = {
	{ "metric", F_ENUM, F_REQUIRED, .values = metrics },
	FIELD_END
};

static const struct field days_in[] = {
	{ "metric", F_ENUM, F_REQUIRED, .values = metrics },
	{ "days",   F_INT,  0, .min = 1, .max = 90, .def = "30", .about = "how many, today the last" },
	FIELD_END
};

static const struct field trends_in[] = {
	{ "metric", F_ENUM, F_REQUIRED, .values = metrics },
	{ "days",   F_INT,  0, .min = 1, .max = 365, .def = "30", .about = "how many, today the last; compared with as many before" },
	FIELD_END
};

static const struct field top_in[] = {
	{ "metric", F_ENUM, 0, .values = metrics, .def = "api_requests" },
	{ "limit",  F_INT,  0, .min = 1, .max = 100, .def = "10" },
	FIELD_END
};

static const struct field user_path[] = {
	{ "user", F_TEXT, 0, .about = "a user's id" },
	FIELD_END
};

static const struct shape summary_shape = { "UsageSummary", summary_out, "User" };
static const struct shape current_shape = { "UsageCurrentPeriod", current_out };
static const struct shape trend_shape = { "UsageTrend", trend_out };
static const struct shape daily_shape = { "UsageDaily", daily_out };
static const struct shape breakdown_shape = { "UsageBreakdown", breakdown_out };
static const struct shape metrics_shape = { "UsageMetrics", metrics_out };
static const struct shape top_shape = { "UsageTopUsers", top_out };

const struct route usage_app_routes[] = {
	{ GET, "/api/v1/app/usage/summary", "app.usage.get_summary", &by_user, "Sum up my usage this month",
	  "This month beside the one before. All usage here is some seconds behind what has happened.",
	  .query = summary_in, .out = &summary_shape, .sql = &q_usage_summary },
	{ GET, "/api/v1/app/usage/current-period", "app.usage.get_current_period", &by_user, "Show this month's counters",
	  .out = &current_shape, .sql = &q_usage_current_period },
	{ GET, "/api/v1/app/usage/trends", "app.usage.get_trends", &by_user, "Show where my usage goes",
	  .query = trends_in, .out = &trend_shape, .sql = &q_usage_trends },
	{ GET, "/api/v1/app/usage/daily", "app.usage.get_daily", &by_user, "List my usage by day",
	  .query = days_in, .out = &daily_shape, .sql = &q_usage_daily },
	{ GET, "/api/v1/app/usage/breakdown", "app.usage.get_breakdown", &by_user, "Break this month's usage down",
	  .query = metric_in, .out = &breakdown_shape, .sql = &q_usage_breakdown },
	{ GET, "/api/v1/app/usage/metrics", "app.usage.list_metrics", &by_user, "List what is counted",
	  .out = &metrics_shape, .sql = &q_usage_metric_list },
	{ GET, "/api/v1/admin/usage/summary/{user}", "app.usage.admin_get_user_summary", &by_admin, "Sum up a user's usage",
	  .params = user_path, .query = summary_in, .out = &summary_shape, .sql = &q_admin_usage_summary },
	{ GET, "/api/v1/admin/usage/top-users", "app.usage.admin_list_top_users", &by_admin, "List who has used most this month",
	  .query = top_in, .out = &top_shape, .sql = &q_admin_usage_top_users },
	ROUTE_END
};
/* clang-format on */
