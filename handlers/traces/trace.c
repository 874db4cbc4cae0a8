/*
 * One trace with its spans, sent while they are read: what prompts and answers come to may be much.
 */
#include <json-c/json.h>
#include <string.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/traces/span_attributes.h"
#include "handlers/traces/store.h"
#include "handlers/traces/trace_id.h"
#include "handlers/traces/trace_metrics.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { MOST_SPANS = 10000, CHUNK = 64 << 10 };

static enum err trace_get(struct req *rq);

/* clang-format off */
static const char *const types[] = { "request", "agent", "tool", "other", NULL };
static const char *const statuses[] = { "OK", "ERROR", "UNSET", NULL };
static const char *const status_words[] = { "UNSET", "OK", "ERROR" };
static const char *const kinds[] = { "Unspecified", "Internal", "Server", "Client", "Producer", "Consumer" };

static const struct field project_in[] = {
	{ "project_id", F_UUID, F_REQUIRED, .example = "trace project" },
	FIELD_END
};

static const struct field span_metrics_out[] = {
	{ "total_tokens",            F_INT,  0, .example = "916" },
	{ "prompt_tokens",           F_INT,  0, .example = "820" },
	{ "completion_tokens",       F_INT,  0, .example = "96" },
	{ "cache_read_input_tokens", F_INT,  0, .example = "0" },
	{ "reasoning_tokens",        F_INT,  0, .example = "0" },
	{ "success_tokens",          F_INT,  0, .about = "total_tokens where the span's status is OK, else 0; so are the two behind it", .example = "916" },
	{ "fail_tokens",             F_INT,  0, .example = "0" },
	{ "indeterminate_tokens",    F_INT,  0, .example = "0" },
	{ "prompt_cost",             F_TEXT, 0, .about = "dollars, with seven decimals", .example = "0.0001230" },
	{ "completion_cost",         F_TEXT, 0, .example = "0.0000576" },
	{ "total_cost",              F_TEXT, 0, .example = "0.0001806" },
	FIELD_END
};

static const struct field span_out[] = {
	{ "freeplan_truncated",  F_BOOL,     0 },
	{ "span_id",             F_TEXT,     0, .about = "16 hexadecimal digits", .example = "b7ad6b7169203331" },
	{ "parent_span_id",      F_TEXT,     F_NULL, .example = "00f067aa0ba902b7" },
	{ "span_name",           F_TEXT,     0, .example = "chat gpt-4o-mini" },
	{ "span_kind",           F_TEXT,     0, .about = "Unspecified, Internal, Server, Client, Producer or Consumer", .example = "Client" },
	{ "span_type",           F_ENUM,     F_NULL, .values = types, .about = "null: it has no attributes" },
	{ "service_name",        F_TEXT,     0, .example = "harbour" },
	{ "start_time",          F_DATETIME, 0 },
	{ "end_time",            F_DATETIME, 0 },
	{ "duration",            F_INT,      0, .about = "nanoseconds", .example = "1100000000" },
	{ "start_ns",            F_INT,      0, .about = "start_time in nanoseconds since 1970", .example = "1767268800005000000" },
	{ "status_code",         F_ENUM,     0, .values = statuses },
	{ "status_message",      F_TEXT,     F_NULL },
	{ "attributes",          F_OBJECT,   0, .about = "empty: see span_attributes" },
	{ "resource_attributes", F_OBJECT,   0, .about = "of the process, as it sent them", .example = "{\"service.name\":\"harbour\"}" },
	{ "span_attributes",     F_OBJECT,   0, .about = "dotted keys are objects and arrays", .example = "{\"gen_ai\":{\"request\":{\"model\":\"gpt-4o-mini\"}}}" },
	{ "event_timestamps",    F_LIST,     0, .item = F_DATETIME },
	{ "event_names",         F_LIST,     0, .item = F_TEXT },
	{ "event_attributes",    F_LIST,     0, .item = F_OBJECT },
	{ "link_trace_ids",      F_LIST,     0, .item = F_TEXT },
	{ "link_span_ids",       F_LIST,     0, .item = F_TEXT },
	{ "link_trace_states",   F_LIST,     0, .item = F_TEXT },
	{ "link_attributes",     F_LIST,     0, .item = F_OBJECT },
	{ "metrics",             F_OBJECT,   F_NULL, .fields = span_metrics_out, .about = "of a call of a model" },
	{ "scope_name",          F_TEXT,     F_NULL, .about = "what made the span", .example = "demo" },
	{ "ended_before_start",  F_BOOL,     0, .about = "it was sent so; its duration is 0", .example = "false" },
	{ "was_cut",             F_BOOL,     0, .about = "of its attributes, events or links something was too much", .example = "false" },
	FIELD_END
};

static const struct field trace_out[] = {
	{ "freeplan_truncated", F_BOOL,   0, .about = "attributes, events and links are empty" },
	{ "project_id",         F_UUID,   0, .example = "trace project" },
	{ "trace_id",           F_TEXT,   0, .example = "0af7651916cd43dd8448eb211c80319c" },
	{ "tags",               F_LIST,   F_NULL, .item = F_TEXT, .about = "of the span that began first" },
	{ "session_id",         F_TEXT,   F_NULL, .example = "demo-session" },
	{ "metrics",            F_OBJECT, 0, .fields = trace_metrics_out },
	{ "spans",              F_LIST,   0, .fields = span_out, .about = "in the order in which they began; of more than 10,000 the first" },
	FIELD_END
};

static const struct shape trace_shape = { "TraceDetail", trace_out, "Trace" };

static const enum err errors[] = { ERR_NOT_FOUND, ERR_OK };

const struct route trace_detail_routes[] = {
	{ GET, "/api/v4/traces/{trace_id}",        "observability.traces.get",         &by_opsboard, "Get a trace",
	  .params = trace_id_param, .query = project_in, .out = &trace_shape, .errors = errors, .slow_if = &cfg.clickhouse_url, .run = trace_get },
	{ GET, "/api/v4/traces/detail/{trace_id}", "observability.traces.get_by_path", &by_opsboard, "Get a trace of any project",
	  .about = "Of the first project of the caller's that has it.",
	  .params = trace_id_param, .out = &trace_shape, .errors = errors, .slow_if = &cfg.clickhouse_url, .run = trace_get },
	ROUTE_END
};
/* clang-format on */

/* What each span is written with; what one takes is given back before the next. */
struct writer {
	struct req *rq;
	struct arena scratch;
	size_t rows;
	bool is_cut;
};

static void release_scratch(void *ptr)
{
	arena_release(ptr);
}

static void write_id(struct buf *b, const char *name, int64_t id)
{
	jx_key(b, name);
	buf_fmt(b, "\"%016llx\"", (unsigned long long)id);
}

static struct json_object *parse(struct writer *w, const char *text)
{
	struct json_object *tree = NULL;
	const char *problem;

	if (!text || json_read_any(&w->scratch, text, strlen(text), &tree, &problem))
		return NULL;
	return tree;
}

static void write_tree(struct buf *b, struct json_object *tree)
{
	buf_text(b, json_object_to_json_string_ext(tree,
						   JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* The member of each of an array's objects, as an array; what is missing is `otherwise`. */
static void write_each(struct buf *b, const char *name, struct json_object *list, const char *member,
		       const char *otherwise)
{
	jx_key_open(b, name, '[');
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *v = json_at(json_object_array_get_idx(list, i), member, NULL);

		jx_next(b);
		if (v)
			write_tree(b, v);
		else
			buf_text(b, otherwise);
	}
	buf_char(b, ']');
}

static void write_events(struct buf *b, struct json_object *events)
{
	jx_key_open(b, "event_timestamps", '[');
	for (size_t i = 0; events && i < json_object_array_length(events); i++) {
		struct json_object *at = json_at(json_object_array_get_idx(events, i), "time_ns", NULL);

		jx_next(b), trace_metrics_time(b, json_object_get_int64(at));
	}
	buf_char(b, ']');
	write_each(b, "event_names", events, "name", "\"\"");
	write_each(b, "event_attributes", events, "attributes", "{}");
}

static void write_cost(struct buf *b, const char *name, int64_t cost)
{
	jx_key(b, name);
	buf_fmt(b, "\"%lld.%07lld\"", (long long)(cost / 10000000), (long long)(cost % 10000000));
}

static void write_metrics(struct buf *b, const PGresult *res, int64_t status)
{
	int64_t total = column_int(res, 0, "total_tokens");

	jx_key_open(b, "metrics", '{');
	jx_key_int(b, "total_tokens", total);
	jx_key_int(b, "prompt_tokens", column_int(res, 0, "prompt_tokens"));
	jx_key_int(b, "completion_tokens", column_int(res, 0, "completion_tokens"));
	jx_key_int(b, "cache_read_input_tokens", column_int(res, 0, "cache_read_tokens"));
	jx_key_int(b, "reasoning_tokens", column_int(res, 0, "reasoning_tokens"));
	jx_key_int(b, "success_tokens", status == 1 ? total : 0);
	jx_key_int(b, "fail_tokens", status == 2 ? total : 0);
	jx_key_int(b, "indeterminate_tokens", status == 0 ? total : 0);
	write_cost(b, "prompt_cost", column_int(res, 0, "prompt_cost"));
	write_cost(b, "completion_cost", column_int(res, 0, "completion_cost"));
	write_cost(b, "total_cost", column_int(res, 0, "total_cost"));
	buf_char(b, '}');
}

static void write_span(struct writer *w, struct buf *b, const PGresult *res)
{
	struct json_object *flat = parse(w, column_text(res, 0, "attributes"));
	struct json_object *nested = span_attributes_expand(flat);
	struct json_object *events = w->is_cut ? NULL : parse(w, column_text(res, 0, "events"));
	struct json_object *links = w->is_cut ? NULL : parse(w, column_text(res, 0, "links"));
	const char *resource = column_text(res, 0, "resource");
	int64_t start_ns = column_int(res, 0, "start_ns"), ns = column_int(res, 0, "duration_ns");
	int64_t status = column_int(res, 0, "status"), flags = column_int(res, 0, "flags");

	if (w->rows++) /* the one before may have been sent */
		buf_char(b, ',');
	buf_char(b, '{');
	jx_key(b, "freeplan_truncated"), jx_bool(b, w->is_cut);
	write_id(b, "span_id", column_int(res, 0, "span_id"));
	if (column_bool(res, 0, "has_parent"))
		write_id(b, "parent_span_id", column_int(res, 0, "parent_id"));
	else
		jx_key_text(b, "parent_span_id", NULL);
	jx_key_str(b, "span_name", column_text(res, 0, "name"));
	jx_key_str(b, "span_kind", kinds[column_int(res, 0, "kind")]);
	jx_key_text(b, "span_type", span_attributes_type(nested));
	jx_key_str(b, "service_name", column_text(res, 0, "service"));
	jx_key(b, "start_time"), trace_metrics_time(b, start_ns);
	jx_key(b, "end_time"), trace_metrics_time(b, start_ns + ns);
	jx_key_int(b, "duration", ns);
	jx_key_int(b, "start_ns", start_ns);
	jx_key_str(b, "status_code", status_words[status]);
	jx_key_text(b, "status_message", column_text(res, 0, "status_message"));
	jx_key(b, "attributes"), buf_text(b, "{}");
	jx_key(b, "resource_attributes");
	resource && !w->is_cut ? jx_json(b, resource, strlen(resource)) : buf_text(b, "{}");
	jx_key(b, "span_attributes");
	w->is_cut ? buf_text(b, "{}") : write_tree(b, nested);
	write_events(b, events);
	write_each(b, "link_trace_ids", links, "trace_id", "\"\"");
	write_each(b, "link_span_ids", links, "span_id", "\"\"");
	write_each(b, "link_trace_states", links, "trace_state", "\"\"");
	write_each(b, "link_attributes", links, "attributes", "{}");
	if (column_bool(res, 0, "has_counters") || (flat && span_attributes_have_metrics(flat)))
		write_metrics(b, res, status);
	else
		jx_key_text(b, "metrics", NULL);
	jx_key_text(b, "scope_name", column_text(res, 0, "scope"));
	jx_key(b, "ended_before_start"), jx_bool(b, flags & 1);
	jx_key(b, "was_cut"), jx_bool(b, flags & 2);
	buf_char(b, '}');
	json_object_put(nested);
}

static enum err send_chunk(struct req *rq, struct failure *why)
{
	rq->answer.status = 200;
	if (!rq->answer.send || rq->answer.send(rq))
		return ERR_OK;
	return failure_hide(why, &rq->tx.arena, ERR_UNAVAILABLE, "nobody waits for the answer");
}

static enum err each_span(void *to, const PGresult *row, struct failure *why)
{
	struct writer *w = to;
	struct buf *b = &w->rq->answer.out;

	write_span(w, b, row);
	arena_reset(&w->scratch);
	return b->n < CHUNK ? ERR_OK : send_chunk(w->rq, why);
}

static enum err trace_get(struct req *rq)
{
	struct writer *w = arena_alloc(&rq->tx.arena, sizeof(*w));
	const char *id = trace_id_read(rq), *tags;
	PGresult *head;
	struct buf *b;
	enum err rc;

	if (!req_value(rq, "project_id"))
		req_set(rq, "project_id", NULL);
	w->rq = rq;
	req_set(rq, "trace", id);
	rc = store_configured()->head(rq, &head);
	if (rc)
		return rc;
	if (!PQntuples(head))
		return answer_not_found(rq, req_path_text(rq, "trace_id"));
	w->is_cut = column_bool(head, 0, "is_cut");
	tags = column_text(head, 0, "tags");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "freeplan_truncated"), jx_bool(b, w->is_cut);
	jx_key_str(b, "project_id", column_text(head, 0, "project_id"));
	jx_key_str(b, "trace_id", id);
	jx_key(b, "tags"), tags ? jx_json(b, tags, strlen(tags)) : jx_null(b);
	jx_key_text(b, "session_id", column_text(head, 0, "session_id"));
	jx_key(b, "metrics"), trace_metrics_write(b, head, 0);
	jx_key_open(b, "spans", '[');
	arena_init(&w->scratch, CHUNK);
	arena_defer(&rq->tx.arena, release_scratch, &w->scratch);
	rc = store_configured()->spans(rq, head, MOST_SPANS, each_span, w);
	if (rc)
		return rc;
	buf_text(&rq->answer.out, "]}");
	return rq->answer.is_sent ? send_chunk(rq, &rq->tx.fail) : answer_close(rq);
}
