/*
 * Traces of a project as OTLP has them, for other programs: a line each of what one process and scope said of
 * one trace, which is a whole ExportTraceServiceRequest in JSON, sent while it is read.
 */
#include <json-c/json.h>
#include <string.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/traces/store.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"

enum { CHUNK = 64 << 10 };

static enum err export_traces(struct req *rq);

/* clang-format off */
static const struct field export_in[] = {
	{ "project_id", F_UUID,     F_REQUIRED, .example = "trace project" },
	{ "start_time", F_DATETIME, F_REQUIRED, .about = "traces that began then or later, to the second, the oldest first", .example = "2026-01-01T00:00:00Z" },
	{ "end_time",   F_DATETIME, F_RARE, .about = "and not after that second", .example = "2100-01-01T00:00:00Z" },
	{ "limit",      F_INT,      0, .min = 1, .max = 100000, .def = "10000", .about = "traces; to go on, begin with the last one's second" },
	FIELD_END
};

static const enum err errors[] = { ERR_NOT_FOUND, ERR_OK };

const struct route trace_export_routes[] = {
	{ GET, "/api/v4/traces/export", "observability.traces.export_traces", &by_opsboard, "Export traces",
	  .about = "A line each of what one process said of one trace: an ExportTraceServiceRequest (OTLP/JSON), to be posted to any collector.",
	  .query = export_in, .errors = errors, .run = export_traces, .status = 200, .flags = SLOW, .content_type = "application/x-ndjson" },
	ROUTE_END
};
/* clang-format on */

struct writer {
	struct req *rq;
	struct arena scratch;
	char *trace, *resource, *scope; /* of the line that is open; trace NULL: none is */
	size_t cap;
};

static void release_scratch(void *ptr)
{
	arena_release(ptr);
}

/* An OTLP AnyValue. */
static void write_value(struct buf *b, struct json_object *v)
{
	buf_char(b, '{');
	switch (json_object_get_type(v)) {
	case json_type_boolean: jx_key(b, "boolValue"), jx_bool(b, json_object_get_boolean(v)); break;
	case json_type_int:
		jx_key(b, "intValue");
		buf_fmt(b, "\"%lld\"", (long long)json_object_get_int64(v));
		break;
	case json_type_double: jx_key(b, "doubleValue"), jx_double(b, json_object_get_double(v)); break;
	case json_type_string: jx_key_str(b, "stringValue", json_object_get_string(v)); break;
	case json_type_array:
		buf_text(b, "\"arrayValue\":{\"values\":[");
		for (size_t i = 0; i < json_object_array_length(v); i++)
			jx_next(b), write_value(b, json_object_array_get_idx(v, i));
		buf_text(b, "]}");
		break;
	case json_type_object:
		buf_text(b, "\"kvlistValue\":{\"values\":[");
		json_object_object_foreach(v, key, member)
		{
			jx_next(b), buf_char(b, '{');
			jx_key_str(b, "key", key);
			jx_key(b, "value"), write_value(b, member);
			buf_char(b, '}');
		}
		buf_text(b, "]}");
		break;
	default: break; /* null: nothing */
	}
	buf_char(b, '}');
}

static void write_attributes(struct buf *b, struct json_object *o)
{
	jx_key_open(b, "attributes", '[');
	if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, key, member)
		{
			jx_next(b), buf_char(b, '{');
			jx_key_str(b, "key", key);
			jx_key(b, "value"), write_value(b, member);
			buf_char(b, '}');
		}
	}
	buf_char(b, ']');
}

static struct json_object *parse(struct writer *w, const char *text)
{
	struct json_object *tree = NULL;
	const char *problem;

	if (!text || json_read_any(&w->scratch, text, strlen(text), &tree, &problem))
		return NULL;
	return tree;
}

static void write_ns(struct buf *b, const char *name, int64_t ns)
{
	jx_key(b, name);
	buf_fmt(b, "\"%lld\"", (long long)ns);
}

static const char *word(struct json_object *o, const char *name)
{
	struct json_object *v = json_at(o, name, NULL);

	return v ? json_object_get_string(v) : "";
}

static void write_events(struct buf *b, struct json_object *events)
{
	jx_key_open(b, "events", '[');
	for (size_t i = 0; events && i < json_object_array_length(events); i++) {
		struct json_object *e = json_object_array_get_idx(events, i);

		jx_next(b), buf_char(b, '{');
		write_ns(b, "timeUnixNano", json_object_get_int64(json_at(e, "time_ns", NULL)));
		jx_key_str(b, "name", word(e, "name"));
		write_attributes(b, json_at(e, "attributes", NULL));
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void write_links(struct buf *b, struct json_object *links)
{
	jx_key_open(b, "links", '[');
	for (size_t i = 0; links && i < json_object_array_length(links); i++) {
		struct json_object *l = json_object_array_get_idx(links, i);

		jx_next(b), buf_char(b, '{');
		jx_key_str(b, "traceId", word(l, "trace_id"));
		jx_key_str(b, "spanId", word(l, "span_id"));
		jx_key_str(b, "traceState", word(l, "trace_state"));
		write_attributes(b, json_at(l, "attributes", NULL));
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void write_id(struct buf *b, const char *name, int64_t id)
{
	jx_key(b, name);
	buf_fmt(b, "\"%016llx\"", (unsigned long long)id);
}

static void write_span(struct writer *w, struct buf *b, const PGresult *row)
{
	int64_t start_ns = column_int(row, 0, "start_ns");

	jx_next(b), buf_char(b, '{');
	jx_key_str(b, "traceId", column_text(row, 0, "trace_id"));
	write_id(b, "spanId", column_int(row, 0, "span_id"));
	if (column_bool(row, 0, "has_parent"))
		write_id(b, "parentSpanId", column_int(row, 0, "parent_id"));
	jx_key_str(b, "traceState", column_text(row, 0, "trace_state"));
	jx_key_str(b, "name", column_text(row, 0, "name"));
	jx_key_int(b, "kind", column_int(row, 0, "kind"));
	write_ns(b, "startTimeUnixNano", start_ns);
	write_ns(b, "endTimeUnixNano", start_ns + column_int(row, 0, "duration_ns"));
	write_attributes(b, parse(w, column_text(row, 0, "attributes")));
	write_events(b, parse(w, column_text(row, 0, "events")));
	write_links(b, parse(w, column_text(row, 0, "links")));
	jx_key_open(b, "status", '{');
	jx_key_int(b, "code", column_int(row, 0, "status"));
	jx_key_str(b, "message", column_text(row, 0, "status_message"));
	buf_text(b, "}}");
}

static void close_line(struct writer *w)
{
	if (w->trace)
		buf_text(&w->rq->answer.out, "]}]}]}\n");
}

/* Of another trace, process or scope than the line that is open? */
static bool is_other(const struct writer *w, const PGresult *row)
{
	return !w->trace || strcmp(w->trace, column_text(row, 0, "trace_id")) != 0 ||
	       strcmp(w->resource, column_text(row, 0, "resource_id")) != 0 ||
	       strcmp(w->scope, column_text(row, 0, "scope")) != 0;
}

/* Kept from row to row in memory of a fixed size: a scope's name is cut where it is longer than that. */
static void remember(char *to, size_t size, const char *text)
{
	size_t n = strlen(text);

	n = n < size ? n : size - 1;
	memcpy(to, text, n);
	to[n] = '\0';
}

static void open_line(struct writer *w, struct buf *b, const PGresult *row)
{
	close_line(w);
	if (!w->trace) {
		w->trace = arena_alloc(&w->rq->tx.arena, 40);
		w->resource = arena_alloc(&w->rq->tx.arena, 40);
		w->scope = arena_alloc(&w->rq->tx.arena, w->cap);
	}
	remember(w->trace, 40, column_text(row, 0, "trace_id"));
	remember(w->resource, 40, column_text(row, 0, "resource_id"));
	remember(w->scope, w->cap, column_text(row, 0, "scope"));
	buf_text(b, "{\"resourceSpans\":[{\"resource\":{");
	write_attributes(b, parse(w, column_text(row, 0, "resource")));
	buf_text(b, "},\"scopeSpans\":[{\"scope\":{");
	jx_key_str(b, "name", column_text(row, 0, "scope_name"));
	jx_key_str(b, "version", column_text(row, 0, "scope_version"));
	buf_text(b, "},\"spans\":[");
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

	/* Between lines alone: so that what jx_next looks at is there. */
	if (is_other(w, row)) {
		if (b->n >= CHUNK) {
			enum err rc;

			close_line(w);
			w->trace = NULL;
			rc = send_chunk(w->rq, why);
			if (rc)
				return rc;
		}
		open_line(w, b, row);
	}
	write_span(w, b, row);
	arena_reset(&w->scratch);
	return ERR_OK;
}

static enum err export_traces(struct req *rq)
{
	struct writer *w = arena_alloc(&rq->tx.arena, sizeof(*w));
	enum err rc;

	w->rq = rq;
	w->cap = 2048;
	arena_init(&w->scratch, CHUNK);
	arena_defer(&rq->tx.arena, release_scratch, &w->scratch);
	answer_body(rq);
	rc = store_configured()->export(rq, each_span, w);
	if (rc)
		return rc;
	close_line(w);
	rq->answer.status = 200;
	return rq->answer.is_sent ? send_chunk(rq, &rq->tx.fail) : ERR_OK;
}
