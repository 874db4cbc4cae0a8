/*
 * Traces of a project, in a list: a page of them in one of nine orders, and what all of them come to.
 */
#include <string.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/traces/opsboard_org.h"
#include "handlers/traces/store.h"
#include "handlers/traces/trace_metrics.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

static enum err trace_list(struct req *rq);

static const struct pattern attribute_form = { "^[^:]+:.+$", "key:value, whose key has no colon," };

/* clang-format off */
static const char *const orders[] = { "start_time", "duration", "span_count", "error_count", "total_cost", "trace_id", "service_name",
				      "span_name", "tags", NULL };
static const char *const directions[] = { "ASC", "DESC", NULL };
static const char *const statuses[] = { "OK", "ERROR", "UNSET", NULL };

#define LIST_FIELDS \
	{ "start_time", F_DATETIME, F_RARE, .about = "traces that began then or later, to the second", .example = "2026-01-01T00:00:00Z" }, \
	{ "end_time",   F_DATETIME, F_RARE, .about = "and not after that second", .example = "2100-01-01T00:00:00Z" }, \
	{ "query",      F_TEXT, F_RARE, .min = 1, .max = 255, .about = "in the first span's name, or in a tag, in any case; or how the id begins, eight digits " \
	  "or more. total and metrics are those of the newest 5,000 found", .example = "answer" }, \
	{ "attribute",  F_TEXT, F_RARE, .min = 3, .max = 1024, .fits = &attribute_form, .about = "key:value, as a span or its process has it; looked for in the newest 2,000 traces of the range, " \
	  "or of those found", .example = "gen_ai.request.model:gpt-4o-mini" }, \
	{ "span",       F_TEXT, F_RARE, .min = 1, .max = 255, .about = "in any span's name, among the same", .example = "chat" }, \
	{ "session_id", F_TEXT, F_RARE, .min = 1, .max = 255, .about = "traces of this session, the newest 5,000", .example = "demo-session" }, \
	{ "limit",      F_INT,  0, .min = 1, .max = 100, .def = "20" }, \
	{ "offset",     F_INT,  0, .min = 0, .max = 1000000000, .def = "0" }, \
	{ "order_by",   F_ENUM, 0, .values = orders, .def = "start_time" }, \
	{ "sort_order", F_ENUM, 0, .values = directions, .def = "DESC" }

static const struct field list_in[] = { LIST_FIELDS, FIELD_END };

static const struct field list_of_in[] = {
	{ "project_id", F_UUID, F_REQUIRED, .example = "trace project" },
	LIST_FIELDS,
	FIELD_END
};

static const struct field item_out[] = {
	{ "freeplan_truncated", F_BOOL,     0, .about = "on the free plan it is shown without its content" },
	{ "trace_id",           F_TEXT,     0, .example = "0af7651916cd43dd8448eb211c80319c" },
	{ "root_service_name",  F_TEXT,     0, .about = "of the span that began first", .example = "harbour" },
	{ "root_span_name",     F_TEXT,     0, .example = "answer" },
	{ "start_time",         F_DATETIME, 0 },
	{ "end_time",           F_DATETIME, 0, .about = "when the last span began" },
	{ "duration",           F_INT,      0, .about = "from one to the other, in nanoseconds", .example = "5000000" },
	{ "span_count",         F_INT,      0, .example = "2" },
	{ "error_count",        F_INT,      0, .example = "0" },
	{ "tags",               F_LIST,     F_NULL, .item = F_TEXT },
	{ "total_cost",         F_NUMBER,   F_NULL, .about = "dollars; null: no model was called", .example = "0.0001806" },
	{ "total_tokens",       F_INT,      0, .example = "916" },
	{ "status",             F_ENUM,     0, .values = statuses, .about = "of the last span" },
	{ "session_id",         F_TEXT,     F_NULL, .example = "demo-session" },
	FIELD_END
};

static const struct field list_out[] = {
	{ "traces",             F_LIST,   0, .fields = item_out },
	{ "metrics",            F_OBJECT, 0, .fields = trace_metrics_out, .about = "of all of them, on whatever page" },
	{ "total",              F_INT,    0, .example = "1" },
	{ "limit",              F_INT,    0, .example = "20" },
	{ "offset",             F_INT,    0, .example = "0" },
	{ "freeplan_truncated", F_BOOL,   0, .about = "there are more than the free plan shows whole" },
	FIELD_END
};

static const struct shape list_shape = { "TraceList", list_out, "Project" };

static const enum err errors[] = { ERR_NOT_FOUND, ERR_OK };

const struct route trace_routes[] = {
	{ GET, "/api/v4/traces",                   "observability.traces.list",         &by_opsboard, "List traces",
	  .about = "For any member of the project's organization. A trace that began in the same nanosecond as another stands by its id.",
	  .query = list_of_in, .out = &list_shape, .errors = errors, .slow_if = &cfg.clickhouse_url, .run = trace_list },
	{ GET, "/api/v4/traces/list/{project_id}", "observability.traces.list_by_path", &by_opsboard, "List traces of a project",
	  .params = opsboard_project_path, .query = list_in, .out = &list_shape, .errors = errors, .slow_if = &cfg.clickhouse_url, .run = trace_list },
	ROUTE_END
};
/* clang-format on */

/* key:value, as attribute_form has it. */
static void read_attribute(struct req *rq)
{
	const char *text = req_text(rq, "attribute"), *colon = text ? strchr(text, ':') : NULL;

	req_set(rq, "attribute_key", colon ? arena_dup_n(&rq->tx.arena, text, (size_t)(colon - text)) : NULL);
	req_set(rq, "attribute_value", colon ? colon + 1 : NULL);
}

static void write_item(struct buf *b, const PGresult *res, int row)
{
	static const char *const words[] = { "UNSET", "OK", "ERROR" };
	int64_t start_ns = column_int(res, row, "start_ns"), duration = column_int(res, row, "duration");
	const char *tags = column_text(res, row, "tags"), *cost = column_text(res, row, "cost");

	jx_next(b), buf_char(b, '{');
	jx_key(b, "freeplan_truncated"), jx_bool(b, column_bool(res, row, "is_cut"));
	jx_key_str(b, "trace_id", column_text(res, row, "trace_id"));
	jx_key_str(b, "root_service_name", column_text(res, row, "service"));
	jx_key_str(b, "root_span_name", column_text(res, row, "root_name"));
	jx_key(b, "start_time"), trace_metrics_time(b, start_ns);
	jx_key(b, "end_time"), trace_metrics_time(b, start_ns + duration);
	jx_key_int(b, "duration", duration);
	jx_key_int(b, "span_count", column_int(res, row, "spans"));
	jx_key_int(b, "error_count", column_int(res, row, "error_count"));
	jx_key(b, "tags"), tags ? jx_json(b, tags, strlen(tags)) : jx_null(b);
	jx_key(b, "total_cost"), buf_text(b, cost ? cost : "null");
	jx_key_int(b, "total_tokens", column_int(res, row, "tokens"));
	jx_key_str(b, "status", words[column_int(res, row, "last_status")]);
	jx_key_text(b, "session_id", column_text(res, row, "session_id"));
	buf_char(b, '}');
}

static enum err trace_list(struct req *rq)
{
	bool is_search = req_text(rq, "query") || req_text(rq, "attribute") || req_text(rq, "span") ||
			 req_text(rq, "session_id");
	PGresult *head, *page;
	struct buf *b;
	enum err rc;

	read_attribute(rq);
	rc = store_configured()->list(rq, is_search, &head, &page);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_open(b, "traces", '[');
	for (int i = 0; i < PQntuples(page); i++)
		if (column_text(page, i, "trace_id"))
			write_item(b, page, i);
	buf_char(b, ']');
	jx_key(b, "metrics"), trace_metrics_write(b, head, 0);
	jx_key_int(b, "total", column_int(head, 0, "total"));
	jx_key_int(b, "limit", req_int(rq, "limit"));
	jx_key_int(b, "offset", req_int(rq, "offset"));
	jx_key(b, "freeplan_truncated");
	jx_bool(b,
		column_bool(head, 0, "is_free") && column_int(head, 0, "total") > cfg.freeplan_trace_min_num);
	buf_char(b, '}');
	return answer_close(rq);
}
