/*
 * Spans go into ClickHouse.
 *
 * PostgreSQL notes that they are about to, and counts them when they are there, for two stores fail one at a
 * time: what was put in and not counted is counted when the note is found (worker/traces.c), by asking how
 * many spans of the batch there are.  Sent again, they are there already, are of another batch then, and
 * count for nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "build/clickhouse/traces.h"
#include "build/sql/traces/sampling.h"
#include "build/sql/traces/store.h"
#include "handlers/traces/span_rows.h"
#include "handlers/traces/store_clickhouse.h"
#include "lib/base/clock.h"
#include "lib/db/column.h"

static int class_of(const char *plan)
{
	return !strcmp(plan, "enterprise") ? 3 : !strcmp(plan, "pro") ? 2 : 1;
}

/* By time, which says until when it is remembered; in the same microsecond it is another one all the same. */
static uint64_t new_batch(void)
{
	return ((uint64_t)clock_unix_us() << 12) + (arc4random() & 0xfff);
}

/* Nothing can have come of it: so there is nothing to find out. */
static enum err give_up(struct req *rq, bool was_sent, struct failure *why)
{
	PGresult *res;

	if (!was_sent && tx_call(&rq->tx, &q_batch_drop, true, &res))
		rq->tx.fail.err = ERR_OK; /* then the note stays */
	rq->tx.fail = *why;
	return why->err;
}

static enum err put_rows(struct req *rq, struct otlp_batch *b, const char *project, uint64_t batch, int keep)
{
	struct failure why = { ERR_OK };
	struct buf rows;
	bool was_sent = false;
	struct clickhouse_call call = { .query = &ch_span_put, .was_sent = &was_sent };

	buf_init(&rows, &rq->tx.arena, (size_t)b->taken * 640);
	span_rows_write(&rows, b, project, batch, keep);
	call.rows = rows.p;
	call.n = rows.n;
	return clickhouse_ask(&rq->tx.arena, &call, NULL, &why) ? give_up(rq, was_sent, &why) : ERR_OK;
}

static enum err put_traces(struct store_clickhouse_asked *x, bool is_told)
{
	struct req *rq = x->rq;
	PGresult *res;
	enum err rc = store_clickhouse_ask(x, &ch_trace_put, NULL);

	rc = rc ? rc : store_clickhouse_ask(x, &ch_hour_mark, NULL);
	rc = rc ? rc : store_clickhouse_ask(x, &ch_batch_count, &res);
	if (rc)
		return rc;
	req_set(rq, "taken", arena_fmt(&rq->tx.arena, "%lld", (long long)column_int(res, 0, "taken")));
	req_set(rq, "tokens", column_text(res, 0, "tokens"));
	req_set(rq, "trace_count", NULL);
	req_set(rq, "traces", NULL);
	if (!is_told || !column_int(res, 0, "taken"))
		return ERR_OK;
	rc = store_clickhouse_ask(x, &ch_batch_traces, &res);
	if (rc)
		return rc;
	req_set(rq, "trace_count",
		arena_fmt(&rq->tx.arena, "%lld", (long long)column_int(res, 0, "trace_count")));
	req_set(rq, "traces", column_text(res, 0, "traces"));
	return ERR_OK;
}

enum err store_clickhouse_put(struct req *rq, struct otlp_batch *b, const char *plan)
{
	static const struct child sampled[] = { { "sampled", &q_trace_sampling_count }, { NULL } };
	struct store_clickhouse_asked x = { .rq = rq };
	uint64_t batch = new_batch();
	const char *project;
	PGresult *res;
	bool is_told;
	enum err rc;

	req_set(rq, "sampled_away", arena_fmt(&rq->tx.arena, "%d", b->sampled_away));
	if (!b->taken)
		return b->sampled_away ? tx_call(&rq->tx, &q_trace_sampling_count, true, &res) : ERR_OK;
	req_set(rq, "batch", arena_fmt(&rq->tx.arena, "%llu", (unsigned long long)batch));
	rc = tx_call(&rq->tx, &q_batch_begin, true, &res);
	if (rc)
		return rc;
	is_told = column_bool(res, 0, "is_due");
	project = column_text(res, 0, "project_id");
	rc = put_rows(rq, b, project, batch, class_of(plan));
	store_clickhouse_set(&x, "project", project);
	store_clickhouse_set(&x, "batch", req_text(rq, "batch"));
	rc = rc ? rc : put_traces(&x, is_told);
	return rc ? rc : tx_call_family(&rq->tx, &q_batch_end, b->sampled_away ? sampled : NULL, true, &res);
}
