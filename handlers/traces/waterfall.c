/*
 * A trace as it is drawn: its spans under one another, each with its depth, its place in time, and whether
 * the trace would have been over sooner without it.
 */
#include <stdlib.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/traces/store.h"
#include "handlers/traces/trace_id.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { MOST_BARS = 10000 };

static enum err waterfall(struct req *rq);

/* clang-format off */
static const char *const statuses[] = { "OK", "ERROR", "UNSET", NULL };

static const struct field project_in[] = {
	{ "project_id", F_UUID, F_REQUIRED, .example = "trace project" },
	FIELD_END
};

static const struct field bar_out[] = {
	{ "span_id",        F_TEXT,   0, .example = "b7ad6b7169203331" },
	{ "parent_span_id", F_TEXT,   F_NULL, .example = "00f067aa0ba902b7" },
	{ "span_name",      F_TEXT,   0, .example = "chat gpt-4o-mini" },
	{ "service_name",   F_TEXT,   0, .example = "harbour" },
	{ "status_code",    F_ENUM,   0, .values = statuses },
	{ "depth",          F_INT,    0, .about = "0: under none that is there", .example = "1" },
	{ "child_count",    F_INT,    0, .example = "0" },
	{ "offset_ns",      F_INT,    0, .about = "from the trace's beginning", .example = "5000000" },
	{ "duration_ns",    F_INT,    0, .example = "1100000000" },
	{ "self_ns",        F_INT,    0, .about = "in which none of its children ran", .example = "1100000000" },
	{ "left",           F_NUMBER, 0, .about = "where its bar begins, of a width of 1", .example = "0.0041666" },
	{ "width",          F_NUMBER, 0, .example = "0.9166666" },
	{ "is_critical",    F_BOOL,   0, .about = "on the path of what had to be waited for" },
	FIELD_END
};

static const struct field waterfall_out[] = {
	{ "trace_id",    F_TEXT, 0, .example = "0af7651916cd43dd8448eb211c80319c" },
	{ "start_ns",    F_INT,  0, .about = "since 1970", .example = "1767268800000000000" },
	{ "duration_ns", F_INT,  0, .about = "from the first beginning to the last end", .example = "1200000000" },
	{ "span_count",  F_INT,  0, .about = "all there are, of which the first 10,000 are drawn", .example = "2" },
	{ "spans",       F_LIST, 0, .fields = bar_out, .about = "each before its children, those in the order in which they began" },
	FIELD_END
};

static const struct shape waterfall_shape = { "TraceWaterfall", waterfall_out, "Trace" };
static const enum err errors[] = { ERR_NOT_FOUND, ERR_OK };

const struct route waterfall_routes[] = {
	{ GET, "/api/v4/traces/waterfall/{trace_id}", "observability.traces.get_waterfall", &by_opsboard, "Get a trace's waterfall",
	  .params = trace_id_param, .query = project_in, .out = &waterfall_shape, .errors = errors, .slow_if = &cfg.clickhouse_url, .run = waterfall },
	ROUTE_END
};
/* clang-format on */

/* Spans by the rows of the result, which has them in the order in which they began; -1: none. */
struct bar {
	int64_t id, start, end, self;
	int parent, first, last, next; /* its parent, its first and last child, the next one of its parent */
	int depth, children;
	bool is_critical;
};

struct bars {
	struct bar *at;
	int n, first, last;  /* those under none */
	int *by_id, *by_end; /* numbers in another order; the latter as long as a span is looked at */
};

static const struct bar *sorted; /* for qsort, which has no argument of its own */

static int by_id(const void *a, const void *b)
{
	int64_t x = sorted[*(const int *)a].id, y = sorted[*(const int *)b].id;

	return (x > y) - (x < y);
}

/* The latest first. */
static int by_end(const void *a, const void *b)
{
	int64_t x = sorted[*(const int *)a].end, y = sorted[*(const int *)b].end;

	return (x < y) - (x > y);
}

static int find(const struct bars *s, int64_t id)
{
	int low = 0, high = s->n;

	while (low < high) {
		int mid = (low + high) / 2;

		if (s->at[s->by_id[mid]].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->at[s->by_id[low]].id == id ? s->by_id[low] : -1;
}

static void append(struct bars *s, int parent, int i)
{
	int *first = parent < 0 ? &s->first : &s->at[parent].first;
	int *last = parent < 0 ? &s->last : &s->at[parent].last;

	s->at[i].parent = parent;
	if (*last < 0)
		*first = i;
	else
		s->at[*last].next = i;
	*last = i;
	if (parent >= 0)
		s->at[parent].children++;
}

/* Is one its own ancestor, as somebody's mistake may have it? */
static bool is_loop(const struct bars *s, const int *parents, int i)
{
	int at = parents[i];

	for (int steps = 0; at >= 0 && steps <= s->n; at = parents[at], steps++)
		if (at == i)
			return true;
	return false;
}

static void link_bars(struct req *rq, struct bars *s, const PGresult *res)
{
	int *parents = arena_alloc(&rq->tx.arena, sizeof(int) * (size_t)(s->n + 1));
	bool has_loop = false;

	for (int i = 0; i < s->n; i++)
		parents[i] =
			column_bool(res, i, "has_parent") ? find(s, column_int(res, i, "parent_id")) : -1;
	/* A step for each is enough to see whether there is any; then it costs what it costs. */
	for (int i = 0; i < s->n && !has_loop; i++)
		has_loop = parents[i] >= i && is_loop(s, parents, i);
	for (int i = 0; i < s->n; i++)
		append(s, has_loop && is_loop(s, parents, i) ? -1 : parents[i], i);
}

/* The one behind i in the order of drawing. */
static int after(const struct bars *s, int i)
{
	if (s->at[i].first >= 0)
		return s->at[i].first;
	while (i >= 0 && s->at[i].next < 0)
		i = s->at[i].parent;
	return i < 0 ? -1 : s->at[i].next;
}

/* What of a span none of its children covers: those are in the order in which they began. */
static int64_t self_of(const struct bars *s, const struct bar *b)
{
	int64_t covered = 0, to = b->start;

	for (int c = b->first; c >= 0; c = s->at[c].next) {
		int64_t from = s->at[c].start > to ? s->at[c].start : to;
		int64_t until = s->at[c].end < b->end ? s->at[c].end : b->end;

		if (until > from) {
			covered += until - from;
			to = until;
		}
	}
	return b->end - b->start - covered;
}

/*
 * From a span's end backwards: the child that ended last before that was waited for, then what ended before
 * that one began, and so on.  In drawing order a parent is marked before its children are looked at.
 */
static void mark_children(struct bars *s, const struct bar *b)
{
	int64_t until = b->end;
	int n = 0;

	for (int c = b->first; c >= 0; c = s->at[c].next)
		s->by_end[n++] = c;
	qsort(s->by_end, (size_t)n, sizeof(int), by_end);
	for (int i = 0; i < n; i++) {
		struct bar *child = &s->at[s->by_end[i]];

		if (child->start >= until)
			continue;
		child->is_critical = true;
		until = child->start;
	}
}

static void write_id(struct buf *b, const char *name, int64_t id)
{
	jx_key(b, name);
	buf_fmt(b, "\"%016llx\"", (unsigned long long)id);
}

static void write_bar(struct buf *b, const struct bars *s, int i, const PGresult *res, int64_t start,
		      int64_t ns)
{
	static const char *const words[] = { "UNSET", "OK", "ERROR" };
	const struct bar *bar = &s->at[i];

	jx_next(b), buf_char(b, '{');
	write_id(b, "span_id", bar->id);
	if (column_bool(res, i, "has_parent"))
		write_id(b, "parent_span_id", column_int(res, i, "parent_id"));
	else
		jx_key_text(b, "parent_span_id", NULL);
	jx_key_str(b, "span_name", column_text(res, i, "name"));
	jx_key_str(b, "service_name", column_text(res, i, "service"));
	jx_key_str(b, "status_code", words[column_int(res, i, "status")]);
	jx_key_int(b, "depth", bar->depth);
	jx_key_int(b, "child_count", bar->children);
	jx_key_int(b, "offset_ns", bar->start - start);
	jx_key_int(b, "duration_ns", bar->end - bar->start);
	jx_key_int(b, "self_ns", self_of(s, bar));
	jx_key(b, "left"), jx_double(b, ns ? (double)(bar->start - start) / (double)ns : 0);
	jx_key(b, "width"), jx_double(b, ns ? (double)(bar->end - bar->start) / (double)ns : 1);
	jx_key(b, "is_critical"), jx_bool(b, bar->is_critical);
	buf_char(b, '}');
}

static void read_bars(struct req *rq, struct bars *s, const PGresult *res)
{
	*s = (struct bars){ .n = PQntuples(res), .first = -1, .last = -1 };
	s->at = arena_alloc(&rq->tx.arena, sizeof(*s->at) * (size_t)(s->n + 1));
	s->by_id = arena_alloc(&rq->tx.arena, sizeof(int) * (size_t)(s->n + 1));
	s->by_end = arena_alloc(&rq->tx.arena, sizeof(int) * (size_t)(s->n + 1));
	for (int i = 0; i < s->n; i++) {
		int64_t start = column_int(res, i, "start_ns");

		s->at[i] = (struct bar){ .id = column_int(res, i, "span_id"),
					 .start = start,
					 .end = start + column_int(res, i, "duration_ns"),
					 .parent = -1,
					 .first = -1,
					 .last = -1,
					 .next = -1 };
		s->by_id[i] = i;
	}
	sorted = s->at;
	qsort(s->by_id, (size_t)s->n, sizeof(int), by_id);
	link_bars(rq, s, res);
}

static void write_all(struct req *rq, const char *id, const PGresult *head, const PGresult *res)
{
	struct buf *b = answer_open(rq);
	int64_t start = 0, end = 0;
	struct bars s;
	int last = -1;

	read_bars(rq, &s, res);
	for (int i = 0; i < s.n; i++) {
		start = i && start < s.at[i].start ? start : s.at[i].start;
		end = i && end > s.at[i].end ? end : s.at[i].end;
		if (s.at[i].parent < 0 && (last < 0 || s.at[i].end > s.at[last].end))
			last = i;
	}
	if (last >= 0)
		s.at[last].is_critical = true;
	buf_char(b, '{');
	jx_key_str(b, "trace_id", id);
	jx_key_int(b, "start_ns", start);
	jx_key_int(b, "duration_ns", end - start);
	jx_key(b, "span_count"), buf_text(b, column_text(head, 0, "span_count"));
	jx_key_open(b, "spans", '[');
	for (int i = s.first; i >= 0; i = after(&s, i)) {
		s.at[i].depth = s.at[i].parent < 0 ? 0 : s.at[s.at[i].parent].depth + 1;
		if (s.at[i].is_critical)
			mark_children(&s, &s.at[i]);
		write_bar(b, &s, i, res, start, end - start);
	}
	buf_text(b, "]}");
}

static enum err waterfall(struct req *rq)
{
	const char *id = trace_id_read(rq);
	PGresult *head, *res;
	enum err rc;

	req_set(rq, "trace", id);
	rc = store_configured()->head(rq, &head);
	if (rc)
		return rc;
	if (!PQntuples(head))
		return answer_not_found(rq, req_path_text(rq, "trace_id"));
	rc = store_configured()->bars(rq, head, MOST_BARS, &res);
	if (rc)
		return rc;
	write_all(rq, id, head, res);
	return answer_close(rq);
}
