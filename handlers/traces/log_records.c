/*
 * Log records of a project, as OpenTelemetry's exporters sent them (ingest.c): all of them by time, or those
 * of a trace. They are in PostgreSQL, wherever spans are.
 */
#include "build/sql/traces/log_records.h"

#include <string.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/traces/trace_id.h"
#include "lib/host/config.h"

static enum err log_list(struct req *rq);

/* clang-format off */
static const char *const severities[] = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", NULL };
static const char *const directions[] = { "ASC", "DESC", NULL };

static const struct field list_in[] = {
	{ "project_id", F_UUID,     F_REQUIRED, .example = "trace project" },
	{ "trace_id",   F_TEXT,     0, .min = 1, .max = 64, .about = "those of this trace", .example = "0af7651916cd43dd8448eb211c80319c" },
	{ "severity",   F_ENUM,     F_RARE, .values = severities, .about = "of this one or above" },
	{ "service",    F_TEXT,     F_RARE, .min = 1, .max = 255, .about = "of this service", .example = "harbour" },
	{ "start_time", F_DATETIME, F_RARE, .about = "then or later, to the second", .example = "2026-01-01T00:00:00Z" },
	{ "end_time",   F_DATETIME, F_RARE, .about = "and not after that second", .example = "2100-01-01T00:00:00Z" },
	{ "sort_order", F_ENUM,     0, .values = directions, .about = "by time; left out: DESC, but ASC where trace_id is given" },
	FIELD_END
};

static const struct field record_out[] = {
	{ "time",                F_DATETIME, 0, .about = "when it happened, or else was observed" },
	{ "time_ns",             F_INT,      0, .about = "the same in nanoseconds since 1970", .example = "1767268800005000000" },
	{ "observed_ns",         F_INT,      F_NULL, .example = "1767268800005100000" },
	{ "severity_number",     F_INT,      0, .about = "1 to 24; 0: not said", .example = "9" },
	{ "severity_text",       F_TEXT,     0, .about = "as the program calls it, or else OpenTelemetry does", .example = "INFO" },
	{ "body",                F_JSON,     F_NULL, .about = "a text, as a rule", .example = "\"tides asked for\"" },
	{ "event_name",          F_TEXT,     F_NULL },
	{ "trace_id",            F_TEXT,     F_NULL, .example = "0af7651916cd43dd8448eb211c80319c" },
	{ "span_id",             F_TEXT,     F_NULL, .example = "0000000000000001" },
	{ "service_name",        F_TEXT,     0, .example = "harbour" },
	{ "scope_name",          F_TEXT,     F_NULL, .example = "demo" },
	{ "scope_version",       F_TEXT,     F_NULL, .example = "1.0" },
	{ "attributes",          F_OBJECT,   0, .about = "with their types", .example = "{\"port\":\"Harbour\"}" },
	{ "resource_attributes", F_OBJECT,   F_NULL, .about = "of the process", .example = "{\"service.name\":\"harbour\"}" },
	{ "was_cut",             F_BOOL,     0, .about = "of its body or attributes something was too much", .example = "false" },
	FIELD_END
};

static const struct shape record_shape = { "LogRecord", record_out, "Project" };
static const enum err errors[] = { ERR_NOT_FOUND, ERR_OK };

const struct route log_record_routes[] = {
	{ GET, "/api/v4/logs", "observability.logs.list", &by_opsboard, "List log records",
	  .about = "Those that came by OTLP, of a project or a trace. A free organization sees the first: FREEPLAN_LOGS_LINE_LIMIT.",
	  .query = list_in, .out = &record_shape, .list = &shifted, .errors = errors, .run = log_list },
	ROUTE_END
};
/* clang-format on */

/* The first number of a severity. */
static int number_of(const char *severity)
{
	for (int i = 0; severities[i]; i++)
		if (!strcmp(severity, severities[i]))
			return 4 * i + 1;
	return 0;
}

static enum err log_list(struct req *rq)
{
	const char *id = req_text(rq, "trace_id"), *severity = req_text(rq, "severity");
	const char *order = req_text(rq, "sort_order");

	/* What is no id is no trace's, whatever records there are of none. */
	req_set(rq, "trace", id ? trace_id_of(rq, id) : NULL);
	if (id && !trace_id_of(rq, id))
		req_set(rq, "trace", "ffffffff-ffff-ffff-ffff-ffffffffffff");
	req_set(rq, "least", severity ? arena_fmt(&rq->tx.arena, "%d", number_of(severity)) : NULL);
	req_set(rq, "newest_first",
		!order                   ? id ? "false" : "true"
		: !strcmp(order, "DESC") ? "true"
					 : "false");
	req_set(rq, "most_free", arena_fmt(&rq->tx.arena, "%ld", cfg.freeplan_logs_line_limit));
	return answer_rows(rq, &q_log_record_list);
}
