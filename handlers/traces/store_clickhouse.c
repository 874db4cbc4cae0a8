/*
 * Spans in ClickHouse: what is read there.  sql/clickhouse/schema.sql says how they are kept.
 *
 * Who may is PostgreSQL's to say: it is asked first, in a transaction that has ended when ClickHouse is.
 */
#include "handlers/traces/store_clickhouse.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "build/clickhouse/traces.h"
#include "build/sql/traces/opsboard_projects.h"
#include "build/sql/traces/store.h"
#include "handlers/traces/span_rows.h"
#include "handlers/traces/store.h"
#include "lib/base/clock.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum {
	EXPORTED = 200,    /* traces at once: their spans are in ClickHouse's memory, and not in ours */
	CANDIDATES = 2000, /* as the macro of that name */
};

#define DAY_NS 86400000000000LL
#define LAST_S 4102444800 /* behind which there is nothing: trace_bounds() */

void store_clickhouse_set(struct store_clickhouse_asked *x, const char *name, const char *text)
{
	int i = 0;

	while (i < x->n && strcmp(x->params[i].name, name) != 0)
		i++;
	assert(i < STORE_CLICKHOUSE_PARAMS);
	x->params[i] = (struct clickhouse_param){ name, text ? text : "" };
	x->n += i == x->n;
}

void store_clickhouse_int(struct store_clickhouse_asked *x, const char *name, int64_t n)
{
	store_clickhouse_set(x, name, arena_fmt(&x->rq->tx.arena, "%lld", (long long)n));
}

static enum err ask_each(struct store_clickhouse_asked *x, const struct clickhouse_query *q, store_each *each,
			 void *to, PGresult **out)
{
	struct failure why = { ERR_OK };
	const struct clickhouse_call call = {
		.query = q, .params = x->params, .descends = x->descends, .each = each, .to = to
	};
	enum err rc = clickhouse_ask(&x->rq->tx.arena, &call, out, &why);

	if (rc)
		x->rq->tx.fail = why;
	return rc;
}

enum err store_clickhouse_ask(struct store_clickhouse_asked *x, const struct clickhouse_query *q,
			      PGresult **out)
{
	return ask_each(x, q, NULL, NULL, out);
}

/*
 * Hours
 *
 * What hours come to is summed behind the fact (worker/traces.c).  Which hours of a range have no sum that is
 * true is asked once, in front of what reads them: of two queries that asked by themselves each might see
 * another state, and an hour be counted by both.
 */

#define HOUR 3600

/* Between whole hours of a range are those that sums can stand for. */
void store_clickhouse_whole(struct store_clickhouse_asked *x, int64_t from_s, int64_t until_s)
{
	store_clickhouse_int(x, "from_s", from_s);
	store_clickhouse_int(x, "until_s", until_s);
	store_clickhouse_int(x, "sums_from_s", (from_s + HOUR - 1) / HOUR * HOUR);
	store_clickhouse_int(x, "sums_until_s", until_s / HOUR * HOUR);
}

static enum err ask_hours(struct store_clickhouse_asked *x, int64_t from_s, int64_t until_s, int64_t most,
			  PGresult **out)
{
	store_clickhouse_whole(x, from_s, until_s);
	store_clickhouse_int(x, "most", most);
	if (!x->tip)
		x->tip = "most_total_cost"; /* any: it is not asked for */
	store_clickhouse_set(x, "tip", x->tip);
	store_clickhouse_int(x, "is_down", x->tip[0] == 'm');
	return store_clickhouse_ask(x, &ch_open_hours, out);
}

void store_clickhouse_near(struct store_clickhouse_asked *x, int64_t from_s, int64_t until_s)
{
	store_clickhouse_int(x, "near_from_s", from_s / HOUR * HOUR);
	store_clickhouse_int(x, "near_until_s", until_s);
}

enum err store_clickhouse_hours(struct store_clickhouse_asked *x, int64_t from_s, int64_t until_s,
				int64_t most, bool is_newest)
{
	int64_t near_from = from_s / HOUR * HOUR, near_until = until_s, found;
	PGresult *res;
	enum err rc = ask_hours(x, from_s, until_s, most, &res);

	if (rc)
		return rc;
	found = column_int(res, 0, is_newest ? "newest_s" : "oldest_s");
	if (found && is_newest)
		near_from = found;
	else if (found)
		near_until = found + HOUR;
	store_clickhouse_set(x, "open", column_text(res, 0, "open"));
	x->has_open = strcmp(column_text(res, 0, "open"), "[]") != 0;
	store_clickhouse_set(x, "closed", column_text(res, 0, "closed"));
	store_clickhouse_set(x, "top", column_text(res, 0, "top"));
	store_clickhouse_int(x, "near_from_s", near_from);
	store_clickhouse_int(x, "near_until_s", near_until);
	return ERR_OK;
}

/* What a free plan shows whole: the newest, and what ended not long ago. */
static enum err set_plan(struct store_clickhouse_asked *x, bool is_free)
{
	int64_t newest = cfg.freeplan_trace_min_num;
	PGresult *res;
	enum err rc;

	store_clickhouse_int(x, "is_free", is_free);
	store_clickhouse_int(x, "most_new", newest > 0 ? newest - 1 : 0);
	store_clickhouse_int(x, "cut_ns", clock_unix_us() * 1000 - cfg.freeplan_trace_days_cutoff * DAY_NS);
	store_clickhouse_int(x, "newest_s", 0);
	if (!is_free)
		return ERR_OK;
	rc = ask_hours(x, 0, LAST_S, newest > 0 ? newest : 1, &res);
	if (!rc)
		store_clickhouse_int(x, "newest_s", column_int(res, 0, "newest_s"));
	return rc;
}

enum err store_clickhouse_enter(struct store_clickhouse_asked *x, struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_store_reader, true, &res);

	x->rq = rq;
	if (rc)
		return rc;
	store_clickhouse_set(x, "project", req_text(rq, "project_id"));
	rc = set_plan(x, column_bool(res, 0, "is_free"));
	x->from_s = column_int(res, 0, "from_s");
	x->until_s = column_int(res, 0, "until_s");
	store_clickhouse_int(x, "from_s", x->from_s);
	store_clickhouse_int(x, "until_s", x->until_s);
	return rc;
}

/* Lists */

/* How an id begins, where what is looked for is that; "": it is none. */
static const char *digits_of(struct req *rq, const char *query)
{
	char digits[33];
	size_t n = 0, len = query ? strlen(query) : 0;

	if (len < 8 || len > 36 || strspn(query, "0123456789abcdefABCDEF-") != len)
		return "";
	for (; *query; query++)
		if (*query != '-') {
			if (n == 32)
				return "";
			digits[n++] = (char)tolower((unsigned char)*query);
		}
	digits[n] = '\0';
	return n < 8 ? "" : arena_dup(&rq->tx.arena, digits);
}

static void set_search(struct store_clickhouse_asked *x)
{
	const char *key = req_text(x->rq, "attribute_key"), *value = req_text(x->rq, "attribute_value");
	uint64_t word = key ? span_rows_word(key, strlen(key), value, strlen(value)) : 0;

	store_clickhouse_set(x, "query", req_text(x->rq, "query"));
	store_clickhouse_set(x, "digits", digits_of(x->rq, req_text(x->rq, "query")));
	store_clickhouse_set(x, "session", req_text(x->rq, "session_id"));
	store_clickhouse_set(x, "span", req_text(x->rq, "span"));
	store_clickhouse_set(x, "word", arena_fmt(&x->rq->tx.arena, "%llu", (unsigned long long)word));
}

static void set_page(struct store_clickhouse_asked *x)
{
	static const char *const columns[][2] = {
		{ "start_time", "start_ns" },   { "duration", "duration_ns" },
		{ "span_count", "span_count" }, { "error_count", "error_count" },
		{ "total_cost", "total_cost" }, { "trace_id", "trace_id" },
		{ "service_name", "service" },  { "span_name", "root_name" },
		{ "tags", "tags_key" },
	};
	const char *order = req_text(x->rq, "order_by");

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		if (!strcmp(order, columns[i][0]))
			x->sort = columns[i][1];
	store_clickhouse_set(x, "sort", x->sort);
	x->descends = strcmp(req_text(x->rq, "sort_order"), "ASC") != 0;
	store_clickhouse_set(x, "limit", req_text(x->rq, "limit"));
	store_clickhouse_set(x, "offset", req_text(x->rq, "offset"));
}

/* Hours that the first so many are in are all that is read: by time from one end on, else those whose own
 * first are. */
static enum err set_hours(struct store_clickhouse_asked *x)
{
	bool by_time = !strcmp(req_text(x->rq, "order_by"), "start_time");
	int64_t most =
		strtoll(req_text(x->rq, "limit"), NULL, 10) + strtoll(req_text(x->rq, "offset"), NULL, 10);
	enum err rc;

	if (!by_time)
		x->tip = arena_fmt(&x->rq->tx.arena, "%s_%s", x->descends ? "most" : "least", x->sort);
	rc = store_clickhouse_hours(x, x->from_s, x->until_s, most, x->descends);
	store_clickhouse_int(x, "is_all", by_time);
	if (!by_time)
		store_clickhouse_near(x, x->from_s, x->until_s);
	return rc;
}

/* The hours that a search looks into: with so many found in the newest that is all. */
static enum err set_reach(struct store_clickhouse_asked *x)
{
	PGresult *res;
	enum err rc = store_clickhouse_hours(x, x->from_s, x->until_s, INT64_MAX, true);

	if (rc || !req_text(x->rq, "query") || req_text(x->rq, "session_id"))
		return rc;
	rc = store_clickhouse_ask(x, &ch_words_reach, &res);
	if (!rc && column_int(res, 0, "reach_s"))
		store_clickhouse_int(x, "near_from_s", column_int(res, 0, "reach_s"));
	return rc;
}

/* The newest that are looked into, where nothing else narrows them, and on which days their spans are. */
static enum err set_candidates(struct store_clickhouse_asked *x)
{
	bool is_narrow = req_text(x->rq, "query") || req_text(x->rq, "session_id");
	PGresult *res;
	enum err rc =
		store_clickhouse_hours(x, x->from_s, x->until_s, is_narrow ? INT64_MAX : CANDIDATES, true);

	rc = rc ? rc : store_clickhouse_ask(x, &ch_trace_candidates, &res);
	if (rc)
		return rc;
	store_clickhouse_set(x, "first_day", column_text(res, 0, "first_day"));
	store_clickhouse_set(x, "last_day", column_text(res, 0, "last_day"));
	store_clickhouse_int(x, "near_from_s", column_int(res, 0, "first_s"));
	return ERR_OK;
}

struct way {
	const struct clickhouse_query *page,
		*head; /* what the second says stands with each row of the first */
};

static enum err list(struct req *rq, bool is_search, PGresult **head, PGresult **page)
{
	static const struct way by_spans = { &ch_trace_search_spans, &ch_trace_search_spans_head },
				by_words = { &ch_trace_search, &ch_trace_search_head },
				by_words_or_id = { &ch_trace_search_id, &ch_trace_search_id_head },
				by_session = { &ch_trace_search_session, &ch_trace_search_session_head };
	bool by_span = req_text(rq, "attribute") || req_text(rq, "span");
	struct store_clickhouse_asked x = { .rq = rq };
	const struct way *how;
	enum err rc = store_clickhouse_enter(&x, rq);

	if (rc)
		return rc;
	set_search(&x);
	set_page(&x);
	if (!is_search) {
		rc = set_hours(&x);
		rc = rc ? rc : store_clickhouse_ask(&x, &ch_trace_list_head, head);
		return rc ? rc : store_clickhouse_ask(&x, &ch_trace_page, page);
	}
	how = by_span                                 ? &by_spans
	      : !req_text(rq, "query")                ? &by_session
	      : *digits_of(rq, req_text(rq, "query")) ? &by_words_or_id
						      : &by_words;
	rc = by_span ? set_candidates(&x) : set_reach(&x);
	rc = rc ? rc : store_clickhouse_ask(&x, how->page, page);
	if (rc)
		return rc;
	*head = *page;
	if (PQntuples(*page))
		return ERR_OK;
	return store_clickhouse_ask(
		&x, strcmp(req_text(rq, "offset"), "0") ? how->head : &ch_trace_search_nothing, head);
}

/* One trace */

/* Texts that have nothing to be escaped, as an array. */
static void set_list(struct store_clickhouse_asked *x, const char *name, const PGresult *res,
		     const char *column)
{
	struct buf b;

	buf_init(&b, &x->rq->tx.arena, 256);
	buf_char(&b, '[');
	for (int i = 0; i < PQntuples(res); i++)
		buf_fmt(&b, "%s'%s'", i ? "," : "", column_text(res, i, column));
	buf_char(&b, ']');
	store_clickhouse_set(x, name, buf_str(&b));
}

static void set_ids(struct store_clickhouse_asked *x, const char *const *ids)
{
	struct buf b;

	buf_init(&b, &x->rq->tx.arena, 80);
	buf_char(&b, '[');
	for (int i = 0; ids[i]; i++)
		buf_fmt(&b, "%s'%s'", i ? "," : "", ids[i]);
	buf_char(&b, ']');
	store_clickhouse_set(x, "traces", buf_str(&b));
}

/* Which of the caller's projects has the trace: the first one.  NULL: none. */
static enum err find(struct store_clickhouse_asked *x, const char **project)
{
	const char *const ids[] = { req_text(x->rq, "trace"), NULL };
	PGresult *mine, *res;
	enum err rc = tx_call(&x->rq->tx, &q_store_readable, true, &mine);

	*project = NULL;
	if (rc || !PQntuples(mine))
		return rc;
	set_list(x, "projects", mine, "project_id");
	set_ids(x, ids);
	rc = store_clickhouse_ask(x, &ch_trace_find, &res);
	if (rc || !PQntuples(res))
		return rc;
	*project = column_text(res, 0, "project_id");
	store_clickhouse_set(x, "project", *project);
	for (int i = 0; !rc && i < PQntuples(mine); i++)
		if (!strcmp(column_text(mine, i, "project_id"), *project))
			rc = set_plan(x, column_bool(mine, i, "is_free"));
	return rc;
}

static enum err head(struct req *rq, PGresult **out)
{
	struct store_clickhouse_asked x = { .rq = rq };
	const char *project = req_text(rq, "project_id");
	enum err rc;

	/* Of an id that is none there is no trace; who may not know that is told by PostgreSQL all the same.
	 */
	if (project) {
		req_set(rq, "start_time", NULL);
		req_set(rq, "end_time", NULL);
		rc = store_clickhouse_enter(&x, rq);
	} else {
		rc = find(&x, &project);
	}
	if (rc)
		return rc;
	if (!project || !req_text(rq, "trace")) {
		*out = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
		arena_defer(&rq->tx.arena, (void (*)(void *))PQclear, *out);
		return ERR_OK;
	}
	store_clickhouse_set(&x, "project", project);
	store_clickhouse_set(&x, "trace", req_text(rq, "trace"));
	return store_clickhouse_ask(&x, &ch_trace_head, out);
}

static void set_trace(struct store_clickhouse_asked *x, const PGresult *of, int most)
{
	store_clickhouse_set(x, "project", column_text(of, 0, "project_id"));
	store_clickhouse_set(x, "trace", req_text(x->rq, "trace"));
	store_clickhouse_set(x, "first_day", column_text(of, 0, "first_day"));
	store_clickhouse_set(x, "last_day", column_text(of, 0, "last_day"));
	store_clickhouse_int(x, "most", most);
}

static enum err spans(struct req *rq, const PGresult *of, int most, store_each *each, void *to)
{
	struct store_clickhouse_asked x = { .rq = rq };

	set_trace(&x, of, most);
	return ask_each(&x, &ch_trace_spans, each, to, NULL);
}

static enum err bars(struct req *rq, const PGresult *of, int most, PGresult **out)
{
	struct store_clickhouse_asked x = { .rq = rq };

	set_trace(&x, of, most);
	return store_clickhouse_ask(&x, &ch_trace_bars, out);
}

/* Export */

struct exported {
	store_each *each;
	void *to;
	int64_t start_ns; /* of the trace in hand; and its id: where to go on */
	char trace[33];
	int traces;
};

static enum err each_exported(void *to, const PGresult *row, struct failure *why)
{
	struct exported *e = to;
	const char *trace = column_text(row, 0, "trace_id");

	if (strcmp(e->trace, trace) != 0) {
		snprintf(e->trace, sizeof(e->trace), "%s", trace);
		e->start_ns = column_int(row, 0, "_start_ns");
		e->traces++;
	}
	return e->each(e->to, row, why);
}

static enum err read_export(struct req *rq, store_each *each, void *to)
{
	struct exported e = { .each = each, .to = to, .start_ns = -1 };
	struct store_clickhouse_asked x = { .rq = rq };
	enum err rc = store_clickhouse_enter(&x, rq);
	int64_t left = strtoll(req_text(rq, "limit"), NULL, 10);

	while (!rc && left > 0) {
		int64_t wanted = left < EXPORTED ? left : EXPORTED;

		store_clickhouse_int(&x, "after_ns", e.start_ns);
		store_clickhouse_set(&x, "after", arena_dup(&rq->tx.arena, e.trace));
		store_clickhouse_int(&x, "limit", wanted);
		e.traces = 0;
		rc = ask_each(&x, &ch_trace_export, each_exported, &e, NULL);
		if (e.traces < wanted)
			break;
		left -= e.traces;
	}
	return rc;
}

/* Beside projects */

static enum err projects(struct req *rq, PGresult **out, int64_t **counts)
{
	struct store_clickhouse_asked x = { .rq = rq };
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_opsboard_project_list, true, out);

	if (rc)
		return rc;
	*counts = arena_alloc(&rq->tx.arena, sizeof(**counts) * 2 * (size_t)(PQntuples(*out) + 1));
	if (!PQntuples(*out))
		return ERR_OK;
	set_list(&x, "projects", *out, "id");
	rc = store_clickhouse_ask(&x, &ch_trace_counts, &res);
	for (int i = 0; !rc && i < PQntuples(*out); i++)
		for (int k = 0; k < PQntuples(res); k++)
			if (!strcmp(column_text(res, k, "project_id"), column_text(*out, i, "id"))) {
				(*counts)[2 * i] = column_int(res, k, "span_count");
				(*counts)[2 * i + 1] = column_int(res, k, "trace_count");
			}
	return rc;
}

static enum err find_log(struct req *rq, const char *const *ids, PGresult **out)
{
	struct store_clickhouse_asked x = { .rq = rq };
	PGresult *mine, *res;
	struct buf b;
	enum err rc = tx_call(&rq->tx, &q_store_readable, true, &mine);

	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '{');
	if (!rc && ids[0] && PQntuples(mine)) {
		set_list(&x, "projects", mine, "project_id");
		set_ids(&x, ids);
		rc = store_clickhouse_ask(&x, &ch_trace_find, &res);
		for (int i = 0; !rc && i < PQntuples(res); i++)
			buf_fmt(&b, "%s%s", i ? "," : "", column_text(res, i, "project_id"));
	}
	if (rc)
		return rc;
	buf_char(&b, '}');
	req_set(rq, "projects", buf_str(&b));
	return tx_call(&rq->tx, &q_store_log_find, true, out);
}

const struct store store_clickhouse = { store_clickhouse_put,
					list,
					head,
					spans,
					bars,
					read_export,
					projects,
					find_log,
					store_clickhouse_metrics,
					store_clickhouse_sessions };
