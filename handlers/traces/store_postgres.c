/*
 * Spans in PostgreSQL: the built-in store.  What a request asks for is a query, and all of it is in
 * sql/functions/traces.
 */
#include <string.h>

#include "build/sql/traces/export.h"
#include "build/sql/traces/ingest.h"
#include "build/sql/traces/opsboard_projects.h"
#include "build/sql/traces/project_metrics.h"
#include "build/sql/traces/sampling.h"
#include "build/sql/traces/sessions.h"
#include "build/sql/traces/trace.h"
#include "build/sql/traces/trace_files.h"
#include "build/sql/traces/traces.h"
#include "fcgi/answer.h"
#include "handlers/traces/store.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { NARROW = 20000 /* traces that are sorted rather than found in their order */, EXPORT_MS = 600000 };

static void set_int(struct req *rq, const char *name, int64_t n)
{
	req_set(rq, name, arena_fmt(&rq->tx.arena, "%lld", (long long)n));
}

/* What a free plan shows. */
static void set_limits(struct req *rq)
{
	set_int(rq, "most_new", cfg.freeplan_trace_min_num);
	set_int(rq, "most_days", cfg.freeplan_trace_days_cutoff);
}

/* What was left out is counted behind what was taken: until then nobody else who sends to the project waits.
 */
static enum err put(struct req *rq, struct otlp_batch *b)
{
	static const struct child sampled[] = { { "sampled", &q_trace_sampling_count }, { NULL } };
	PGresult *res;

	set_int(rq, "sampled_away", b->sampled_away);
	if (!b->taken)
		return b->sampled_away ? tx_call(&rq->tx, &q_trace_sampling_count, true, &res) : ERR_OK;
	otlp_batch_bind(b, &rq->tx);
	return tx_call_family(&rq->tx, &q_span_ingest, b->sampled_away ? sampled : NULL, true, &res);
}

/* A range that many of the traces are in stands beside the order's index; the bounds of another lead to it.
 */
static void choose_way(struct req *rq, const PGresult *head)
{
	static const char *const ways[] = { "narrow", "from_ns", "until_ns", "wide_from_ns",
					    "wide_until_ns" };
	int64_t from = column_int(head, 0, "from_ns"), until = column_int(head, 0, "until_ns");
	bool by_time = !strcmp(req_text(rq, "order_by"), "start_time");

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		req_set(rq, ways[i], NULL);
	if (!req_text(rq, "start_time") && !req_text(rq, "end_time"))
		return;
	if (!by_time && column_int(head, 0, "total") > NARROW) {
		set_int(rq, "wide_from_ns", from);
		set_int(rq, "wide_until_ns", until);
		return;
	}
	set_int(rq, "from_ns", from);
	set_int(rq, "until_ns", until);
	if (!by_time)
		req_set(rq, "narrow", "1");
}

/*
 * No figure and no page reads all traces.  What a range of time holds is summed from days, hours and minutes
 * that are kept as sums; and how many that are decides how the page is read: few are read by time and
 * sorted, of many the order's own index is walked.
 */
static enum err list(struct req *rq, bool is_search, PGresult **head, PGresult **page)
{
	enum err rc;

	set_limits(rq);
	req_set(rq, "sort_by", req_text(rq, "order_by"));
	rc = tx_call(&rq->tx, is_search ? &q_trace_search : &q_trace_list_head, is_search, head);
	*page = *head;
	if (rc || is_search)
		return rc;
	choose_way(rq, *head);
	return tx_call(&rq->tx, &q_trace_page, true, page);
}

static enum err head(struct req *rq, PGresult **out)
{
	set_limits(rq);
	return tx_call(&rq->tx, &q_trace_head, false, out);
}

static void set_trace(struct req *rq, const PGresult *of, int most)
{
	req_set(rq, "project", column_text(of, 0, "project_id"));
	req_set(rq, "first_day", column_text(of, 0, "first_day"));
	req_set(rq, "last_day", column_text(of, 0, "last_day"));
	set_int(rq, "most", most);
}

static enum err call_each(struct req *rq, const struct query *q, store_each *each, void *to)
{
	PGresult *none;
	enum err rc;

	rq->tx.each = each;
	rq->tx.each_to = to;
	rc = tx_call(&rq->tx, q, true, &none);
	rq->tx.each = NULL;
	return rc;
}

static enum err spans(struct req *rq, const PGresult *of, int most, store_each *each, void *to)
{
	set_trace(rq, of, most);
	return call_each(rq, &q_trace_spans, each, to);
}

static enum err bars(struct req *rq, const PGresult *of, int most, PGresult **out)
{
	set_trace(rq, of, most);
	return tx_call(&rq->tx, &q_trace_bars, true, out);
}

static enum err read_export(struct req *rq, store_each *each, void *to)
{
	set_limits(rq);
	rq->tx.timeout_ms = EXPORT_MS;
	return call_each(rq, &q_trace_export, each, to);
}

static enum err projects(struct req *rq, PGresult **out, int64_t **counts)
{
	enum err rc = tx_call(&rq->tx, &q_opsboard_project_list, false, out);

	if (rc)
		return rc;
	*counts = arena_alloc(&rq->tx.arena, sizeof(**counts) * 2 * (size_t)(PQntuples(*out) + 1));
	for (int i = 0; i < PQntuples(*out); i++) {
		(*counts)[2 * i] = column_int(*out, i, "span_count");
		(*counts)[2 * i + 1] = column_int(*out, i, "trace_count");
	}
	return ERR_OK;
}

static enum err find_log(struct req *rq, const char *const *ids, PGresult **out)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 80);
	buf_char(&b, '{');
	for (int i = 0; ids[i]; i++)
		buf_fmt(&b, "%s%s", i ? "," : "", ids[i]);
	buf_char(&b, '}');
	req_set(rq, "ids", buf_str(&b));
	return tx_call(&rq->tx, &q_trace_log_find, true, out);
}

static enum err metrics(struct req *rq)
{
	set_int(rq, "most_days", cfg.freeplan_metrics_days_cutoff);
	return answer_rows(rq, &q_project_metrics);
}

static enum err sessions(struct req *rq)
{
	return answer_rows(rq, &q_trace_session_list);
}

const struct store store_postgres = { put,         list,     head,     spans,   bars,
				      read_export, projects, find_log, metrics, sessions };
