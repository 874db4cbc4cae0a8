/*
 * Figures of a project whose spans are in ClickHouse: what project_metrics() of PostgreSQL
 * (sql/functions/traces/trace_metrics.sql) makes of sums that it keeps, made here of the sums of hours, and
 * where one has none of its traces and spans themselves; and its sessions.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/clickhouse/traces.h"
#include "build/sql/traces/store.h"
#include "fcgi/answer.h"
#include "handlers/traces/store_clickhouse.h"
#include "handlers/traces/trace_metrics.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, MOST_STEPS = 500, NEWEST = 1000 /* as metrics_newest */ };

static void write_count(struct buf *b, const char *name, const PGresult *res, const char *column)
{
	jx_key(b, name);
	buf_text(b, column_text(res, 0, column));
}

/* As columns of PostgreSQL's have one. */
static void write_time(struct buf *b, int64_t ns)
{
	jx_timestamptz(b, ns / 1000 - CLOCK_PG_EPOCH_US);
}

static void write_sums(struct buf *b, const PGresult *s)
{
	jx_key_int(b, "trace_count", column_int(s, 0, "traces"));
	jx_key_open(b, "span_count", '{');
	write_count(b, "total", s, "spans");
	write_count(b, "success", s, "oks");
	write_count(b, "fail", s, "errors");
	write_count(b, "unknown", s, "others");
	write_count(b, "indeterminate", s, "others");
	buf_char(b, '}');
	jx_key_open(b, "token_metrics", '{');
	jx_key_str(b, "total_cost", column_text(s, 0, "cost"));
	jx_key_str(b, "average_cost_per_session", column_text(s, 0, "average_cost"));
	write_count(b, "prompt_tokens", s, "prompt");
	write_count(b, "completion_tokens", s, "completion");
	jx_key_open(b, "total_tokens", '{');
	write_count(b, "all", s, "tokens");
	write_count(b, "success", s, "ok_tokens");
	write_count(b, "fail", s, "error_tokens");
	buf_char(b, '}');
	jx_key_open(b, "avg_tokens", '{');
	write_count(b, "all", s, "average");
	write_count(b, "success", s, "ok_average");
	write_count(b, "fail", s, "error_average");
	buf_text(b, "}}");
}

/* The newest traces, in lists of when those of each status ended, the first one first. */
static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void write_moments(struct req *rq, struct buf *b, const char *name, const PGresult *newest, int status)
{
	int64_t *at = arena_alloc(&rq->tx.arena, sizeof(*at) * (size_t)(PQntuples(newest) + 1));
	size_t n = 0;

	for (int i = 0; i < PQntuples(newest); i++)
		if (column_int(newest, i, "last_status") == status)
			at[n++] = column_int(newest, i, "last_ns");
	qsort(at, n, sizeof(*at), by_number);
	jx_key_open(b, name, '[');
	for (size_t i = 0; i < n; i++)
		jx_next(b), trace_metrics_time(b, at[i]);
	buf_char(b, ']');
}

static void write_durations(struct req *rq, struct buf *b, const PGresult *newest)
{
	int64_t *ns = arena_alloc(&rq->tx.arena, sizeof(*ns) * (size_t)(PQntuples(newest) + 1));
	size_t n = 0;

	for (int i = 0; i < PQntuples(newest); i++)
		if (column_int(newest, i, "span_time_ns") > 0)
			ns[n++] = column_int(newest, i, "span_time_ns");
	qsort(ns, n, sizeof(*ns), by_number);
	jx_key_open(b, "trace_durations", '[');
	for (size_t i = 0; i < n; i++)
		jx_next(b), jx_int(b, ns[i]);
	buf_char(b, ']');
}

/* When a range of whole days, hours and minutes, which trace_slices() of PostgreSQL makes of it, has its
 * piece with this second; and how many seconds that has. */
static int64_t piece_of(int64_t from, int64_t until, int64_t second, int *width)
{
	static const int widths[] = { HOUR, DAY };

	*width = MINUTE;
	for (int i = 0; i < 2; i++) {
		int64_t low = (from + widths[i] - 1) / widths[i] * widths[i],
			high = until / widths[i] * widths[i];

		if (low >= high)
			break;
		if (second < low || second >= high)
			break;
		*width = widths[i];
	}
	return second / *width * *width;
}

struct figures {
	const PGresult *res; /* of metrics_spans */
	int64_t low, high, step;
};

/* The hours of which only a part may be in a range. */
static void set_edges(struct store_clickhouse_asked *x, int64_t from_s, int64_t until_s)
{
	store_clickhouse_set(x, "edges",
			     arena_fmt(&x->rq->tx.arena, "[%lld,%lld]", (long long)(from_s / HOUR * HOUR),
				       (long long)(until_s / HOUR * HOUR)));
}

/* What spans did, by when they themselves began. */
static enum err read_spans(struct store_clickhouse_asked *x, const PGresult *sums, int64_t from_s,
			   int64_t until_s, struct figures *f)
{
	int64_t low = from_s / MINUTE * MINUTE, high = (until_s + MINUTE - 1) / MINUTE * MINUTE, span;
	const PGresult *extent = sums;
	int width;
	PGresult *res;
	enum err rc = ERR_OK;

	store_clickhouse_whole(x, low, high);
	/* Where sums stand for all of it they have told. */
	if (x->has_open || from_s % HOUR || until_s % HOUR) {
		rc = store_clickhouse_ask(x, &ch_metrics_extent, &res);
		extent = res;
	}
	f->res = NULL;
	if (rc || !column_int(extent, 0, "begun"))
		return rc;
	f->low = piece_of(low, high, column_int(extent, 0, "first_s"), &width);
	f->low = f->low > from_s ? f->low : from_s;
	f->high = piece_of(low, high, column_int(extent, 0, "last_s"), &width) + width;
	f->high = f->high < until_s ? f->high : until_s;
	span = f->high - f->low;
	f->step = span <= 4 * HOUR ? MINUTE : span <= 14 * DAY ? HOUR : DAY;
	f->low = f->low / f->step * f->step;
	store_clickhouse_int(x, "step", f->step);
	store_clickhouse_int(x, "low_s", f->low < low ? f->low : low);
	f->high = (f->high + f->step - 1) / f->step * f->step;
	store_clickhouse_int(x, "high_s", f->high > high ? f->high : high);
	if (f->step < HOUR)
		store_clickhouse_int(x, "sums_until_s", 0);
	set_edges(x, low, high);
	rc = store_clickhouse_ask(x, &ch_metrics_spans, &res);
	f->res = res;
	return rc;
}

/* The middle of a slot: span_slot_ns(). */
static int64_t slot_ns(int64_t slot)
{
	return (int64_t)llround(pow(2, ((double)slot + 38.5) / 4));
}

/* What so many of a thousand spans stay below; NULL without any. */
static void write_percentile(struct buf *b, const char *name, const struct figures *f, int64_t timed,
			     int milli)
{
	int64_t seen = 0, wanted = (timed * milli + 999) / 1000;

	jx_key(b, name);
	for (int i = 0; timed && i < PQntuples(f->res); i++) {
		if (column_bool(f->res, i, "is_time") || !column_int(f->res, i, "place"))
			continue;
		seen += column_int(f->res, i, "spans");
		if (seen >= wanted) {
			jx_int(b, slot_ns(column_int(f->res, i, "place")));
			return;
		}
	}
	jx_null(b);
}

static void write_null_or(struct buf *b, const char *name, bool is_there, int64_t n)
{
	jx_key(b, name);
	is_there ? jx_int(b, n) : jx_null(b);
}

static void write_duration_metrics(struct req *rq, struct buf *b, const struct figures *f,
				   const PGresult *sums, const PGresult *newest)
{
	int64_t timed = 0, least = INT64_MAX, most = 0;
	const char *took = column_text(sums, 0, "took");

	for (int i = 0; f->res && i < PQntuples(f->res); i++) {
		if (column_bool(f->res, i, "is_time") || !column_int(f->res, i, "place") ||
		    !column_int(f->res, i, "spans"))
			continue;
		timed += column_int(f->res, i, "spans");
		if (column_int(f->res, i, "least_ns") < least)
			least = column_int(f->res, i, "least_ns");
		if (column_int(f->res, i, "most_ns") > most)
			most = column_int(f->res, i, "most_ns");
	}
	jx_key_open(b, "duration_metrics", '{');
	write_null_or(b, "min_duration_ns", timed, least);
	write_null_or(b, "max_duration_ns", timed, most);
	jx_key_int(b, "avg_duration_ns",
		   timed ? (int64_t)llroundl(strtold(took, NULL) / (long double)timed) : 0);
	jx_key(b, "total_duration_ns"), buf_text(b, strcmp(took, "0") != 0 ? took : "null");
	write_percentile(b, "p50_duration_ns", f, timed, 500);
	write_percentile(b, "p90_duration_ns", f, timed, 900);
	write_percentile(b, "p95_duration_ns", f, timed, 950);
	write_percentile(b, "p99_duration_ns", f, timed, 990);
	write_durations(rq, b, newest);
	buf_char(b, '}');
}

static void write_over_time(struct buf *b, const struct figures *f)
{
	int first = f->res ? PQntuples(f->res) : 0, n = 0;

	/* Behind what is by slot, and of that the last. */
	while (first > 0 && n < MOST_STEPS && column_bool(f->res, first - 1, "is_time"))
		first--, n++;
	jx_key_open(b, "over_time", '[');
	for (int i = first; i < first + n; i++) {
		int64_t at = column_int(f->res, i, "place");

		if (at < f->low || at >= f->high)
			continue;
		jx_next(b), buf_char(b, '{');
		jx_key(b, "start_time"), write_time(b, at * 1000000000);
		jx_key_int(b, "span_count", column_int(f->res, i, "spans"));
		jx_key_int(b, "error_count", column_int(f->res, i, "errors"));
		write_null_or(b, "max_duration_ns", column_int(f->res, i, "timed"),
			      column_int(f->res, i, "most_ns"));
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

struct results {
	PGresult *sums, *newest;
	struct figures spans;
};

static enum err read_all(struct store_clickhouse_asked *x, const PGresult *bounds, struct results *r)
{
	int64_t from_s = column_int(bounds, 0, "from_s"), until_s = column_int(bounds, 0, "until_s");
	enum err rc;

	store_clickhouse_set(x, "project", req_text(x->rq, "project_id"));
	rc = store_clickhouse_hours(x, from_s, until_s, NEWEST, true);
	set_edges(x, from_s, until_s);
	rc = rc ? rc : store_clickhouse_ask(x, &ch_metrics_sums, &r->sums);
	rc = rc ? rc : store_clickhouse_ask(x, &ch_metrics_newest, &r->newest);
	return rc ? rc : read_spans(x, r->sums, from_s, until_s, &r->spans);
}

enum err store_clickhouse_metrics(struct req *rq)
{
	struct store_clickhouse_asked x = { .rq = rq };
	struct results r;
	PGresult *bounds;
	int64_t last = 0;
	struct buf *b;
	enum err rc;

	req_set(rq, "most_days", arena_fmt(&rq->tx.arena, "%ld", cfg.freeplan_metrics_days_cutoff));
	rc = tx_call(&rq->tx, &q_store_metrics_reader, true, &bounds);
	rc = rc ? rc : read_all(&x, bounds, &r);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "project_id", req_text(rq, "project_id"));
	write_sums(b, r.sums);
	write_duration_metrics(rq, b, &r.spans, r.sums, r.newest);
	write_durations(rq, b, r.newest);
	write_moments(rq, b, "success_datetime", r.newest, 1);
	write_moments(rq, b, "fail_datetime", r.newest, 2);
	write_moments(rq, b, "indeterminate_datetime", r.newest, 0);
	jx_key(b, "spans_per_trace"), buf_text(b, column_text(r.sums, 0, "sizes"));
	jx_key(b, "trace_cost_dates"), buf_text(b, column_text(r.sums, 0, "days"));
	write_over_time(b, &r.spans);
	for (int i = 0; i < PQntuples(r.newest); i++)
		last = column_int(r.newest, i, "last_ns") > last ? column_int(r.newest, i, "last_ns") : last;
	jx_key(b, "start_time");
	column_int(r.sums, 0, "traces") ? write_time(b, column_int(r.sums, 0, "first_ns")) : jx_null(b);
	jx_key(b, "end_time");
	PQntuples(r.newest) ? write_time(b, last) : jx_null(b);
	jx_key(b, "freeplan_truncated"), jx_bool(b, column_bool(bounds, 0, "freeplan_truncated"));
	buf_char(b, '}');
	return answer_close(rq);
}

/* The sessions of a page, as a parameter, and between which hours their traces are. */
static void set_sessions(struct store_clickhouse_asked *x, const PGresult *page)
{
	int64_t first_ns = INT64_MAX, recent_ns = 0;
	struct buf b;

	buf_init(&b, &x->rq->tx.arena, 4096);
	buf_char(&b, '[');
	for (int i = 0; i < PQntuples(page); i++) {
		int64_t first = column_int(page, i, "first_ns"), recent = column_int(page, i, "recent_ns");

		buf_fmt(&b, "%s('%s',%lld,%lld)", i ? "," : "", column_text(page, i, "id"), (long long)first,
			(long long)recent);
		first_ns = first < first_ns ? first : first_ns;
		recent_ns = recent > recent_ns ? recent : recent_ns;
	}
	buf_char(&b, ']');
	store_clickhouse_set(x, "page", buf_str(&b));
	store_clickhouse_int(x, "total", column_int(page, 0, "total"));
	store_clickhouse_int(x, "near_from_s", first_ns / 1000000000 / HOUR * HOUR);
	store_clickhouse_int(x, "near_until_s", recent_ns / 1000000000 + 1);
}

enum err store_clickhouse_sessions(struct req *rq)
{
	struct store_clickhouse_asked x = { .rq = rq };
	PGresult *page, *found;
	enum err rc;

	req_set(rq, "start_time", NULL);
	req_set(rq, "end_time", NULL);
	rc = store_clickhouse_enter(&x, rq);
	rc = rc ? rc : store_clickhouse_hours(&x, x.from_s, x.until_s, INT64_MAX, true);
	store_clickhouse_set(&x, "limit", req_text(rq, "limit"));
	store_clickhouse_set(&x, "offset", req_text(rq, "offset"));
	rc = rc ? rc : store_clickhouse_ask(&x, &ch_trace_session_page, &page);
	if (rc)
		return rc;
	if (!PQntuples(page)) {
		rc = store_clickhouse_ask(&x, &ch_trace_session_count, &found);
		return rc ? rc : answer_page(rq, page, column_int(found, 0, "total"));
	}
	set_sessions(&x, page);
	rc = store_clickhouse_ask(&x, &ch_trace_session_list, &found);
	return rc ? rc : answer_page(rq, found, column_int(page, 0, "total"));
}
