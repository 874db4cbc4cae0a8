/*
 * Figures of a project over a range of time: of sums that are kept while spans come in (trace_stats), so that
 * it costs the same however many there are.
 */
#include "fcgi/req.h"
#include "handlers/traces/opsboard_org.h"
#include "handlers/traces/store.h"
#include "lib/host/config.h"

static enum err metrics_get(struct req *rq);

/* clang-format off */
#define RANGE_FIELDS \
	{ "start_time", F_DATETIME, F_RARE, .about = "traces that began then or later, to the second", .example = "2026-01-01T00:00:00Z" }, \
	{ "end_time",   F_DATETIME, F_RARE, .about = "and not after that second", .example = "2100-01-01T00:00:00Z" }

static const struct field range_in[] = { RANGE_FIELDS, FIELD_END };

static const struct field range_of_in[] = {
	{ "project_id", F_UUID, F_REQUIRED, .example = "trace project" },
	RANGE_FIELDS,
	FIELD_END
};

static const struct field span_count_out[] = {
	{ "total",         F_INT, 0, .example = "3" },
	{ "success",       F_INT, 0, .example = "2" },
	{ "fail",          F_INT, 0, .example = "1" },
	{ "unknown",       F_INT, 0, .about = "the same as indeterminate", .example = "0" },
	{ "indeterminate", F_INT, 0, .example = "0" },
	FIELD_END
};

static const struct field tokens_out[] = {
	{ "all",     F_INT, 0, .example = "916" },
	{ "success", F_INT, 0, .about = "of traces whose last span's status is OK", .example = "916" },
	{ "fail",    F_INT, 0, .about = "ERROR", .example = "0" },
	FIELD_END
};

static const struct field average_out[] = {
	{ "all",     F_NUMBER, 0, .about = "a span", .example = "305.33" },
	{ "success", F_NUMBER, 0, .about = "success of total_tokens, by spans of that status", .example = "458" },
	{ "fail",    F_NUMBER, 0, .example = "0" },
	FIELD_END
};

static const struct field token_metrics_out[] = {
	{ "total_cost",               F_TEXT,   0, .about = "dollars, with five decimals", .example = "0.00018" },
	{ "average_cost_per_session", F_TEXT,   0, .about = "a trace", .example = "0.00009" },
	{ "prompt_tokens",            F_INT,    0, .example = "820" },
	{ "completion_tokens",        F_INT,    0, .example = "96" },
	{ "total_tokens",             F_OBJECT, 0, .fields = tokens_out },
	{ "avg_tokens",               F_OBJECT, 0, .fields = average_out },
	FIELD_END
};

static const struct field duration_metrics_out[] = {
	{ "min_duration_ns",   F_INT,  F_NULL, .about = "spans that took no time are in none of these", .example = "30000000" },
	{ "max_duration_ns",   F_INT,  F_NULL, .example = "1200000000" },
	{ "avg_duration_ns",   F_INT,  0, .example = "776666667" },
	{ "total_duration_ns", F_INT,  F_NULL, .example = "2330000000" },
	{ "p50_duration_ns",   F_INT,  F_NULL, .about = "within a tenth, as the others", .example = "1082401000" },
	{ "p90_duration_ns",   F_INT,  F_NULL, .example = "1287200000" },
	{ "p95_duration_ns",   F_INT,  F_NULL, .example = "1287200000" },
	{ "p99_duration_ns",   F_INT,  F_NULL, .example = "1287200000" },
	{ "trace_durations",   F_LIST, 0, .item = F_INT, .about = "as beside it" },
	FIELD_END
};

static const struct field moment_out[] = {
	{ "start_time",      F_DATETIME, 0 },
	{ "span_count",      F_INT,      0, .example = "3" },
	{ "error_count",     F_INT,      0, .example = "1" },
	{ "max_duration_ns", F_INT,      F_NULL, .example = "1200000000" },
	FIELD_END
};

static const struct field metrics_out[] = {
	{ "project_id",             F_UUID,     0, .example = "trace project" },
	{ "trace_count",            F_INT,      0, .example = "2" },
	{ "span_count",             F_OBJECT,   0, .fields = span_count_out, .about = "spans of the range's traces" },
	{ "token_metrics",          F_OBJECT,   0, .fields = token_metrics_out },
	{ "duration_metrics",       F_OBJECT,   0, .fields = duration_metrics_out, .about = "of spans, by whole minutes" },
	{ "success_datetime",       F_LIST,     0, .item = F_DATETIME, .about = "when the last span of a trace began whose status is OK; of the newest 1,000 traces" },
	{ "fail_datetime",          F_LIST,     0, .item = F_DATETIME, .about = "ERROR" },
	{ "indeterminate_datetime", F_LIST,     0, .item = F_DATETIME, .about = "neither" },
	{ "spans_per_trace",        F_OBJECT,   0, .item = F_INT, .about = "traces by their spans: from so many on, up to a tenth of the most; of whole days" },
	{ "trace_durations",        F_LIST,     0, .item = F_INT, .about = "the spans' time of each of the newest 1,000 traces, in nanoseconds, ascending" },
	{ "trace_cost_dates",       F_OBJECT,   0, .item = F_NUMBER, .about = "dollars by day, of traces whose last span's status is OK" },
	{ "over_time",              F_LIST,     0, .fields = moment_out, .about = "spans by when they began: minutes, hours or days, as fits the range" },
	{ "start_time",             F_DATETIME, F_NULL, .about = "when the first trace began; null: there is none" },
	{ "end_time",               F_DATETIME, F_NULL, .about = "when the last span of the newest 1,000 traces began" },
	{ "freeplan_truncated",     F_BOOL,     0, .about = "the free plan has 30 days, and these are not all that was asked for" },
	FIELD_END
};

static const struct shape metrics_shape = { "ProjectMetrics", metrics_out, "Project" };

static const enum err errors[] = { ERR_NOT_FOUND, ERR_OK };

const struct route project_metrics_routes[] = {
	{ GET, "/api/v4/meterics/project",              "observability.traces.get_project_metrics",         &by_opsboard, "Get a project's metrics",
	  .about = "For any member of the project's organization.",
	  .query = range_of_in, .out = &metrics_shape, .errors = errors, .slow_if = &cfg.clickhouse_url, .run = metrics_get },
	{ GET, "/api/v4/meterics/project/{project_id}", "observability.traces.get_project_metrics_by_path", &by_opsboard, "Get the metrics of a project",
	  .params = opsboard_project_path, .query = range_in, .out = &metrics_shape, .errors = errors, .slow_if = &cfg.clickhouse_url, .run = metrics_get },
	ROUTE_END
};
/* clang-format on */

static enum err metrics_get(struct req *rq)
{
	return store_configured()->metrics(rq);
}
