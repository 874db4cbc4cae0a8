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

static const char *days_text(struct req *rq, const struct span_days *days, char open, char close)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 64);
	buf_char(&b, open);
	for (int i = 0; i < days->n; i++)
		buf_fmt(&b, "%s%d", i ? "," : "", days->days[i]);
	buf_char(&b, close);
	return buf_str(&b);
}

/*
 * A day that nothing came of before: from now on it is kept as long as the organization's plan says.  But
 * where something of it is there, from before each day had one class, it is of that one's.
 */
static enum err decide_days(struct store_clickhouse_asked *x, struct span_days *days)
{
	struct req *rq = x->rq;
	PGresult *res;
	struct buf b;
	enum err rc;

	store_clickhouse_set(x, "days", days_text(rq, days, '[', ']'));
	rc = store_clickhouse_ask(x, &ch_batch_days, &res);
	if (rc)
		return rc;
	buf_init(&b, &rq->tx.arena, 64);
	for (int i = 0; i < days->n; i++) {
		int keep = 0;

		for (int k = 0; k < PQntuples(res); k++)
			if (column_int(res, k, "day") == days->days[i])
				keep = (int)column_int(res, k, "keep");
		buf_fmt(&b, "%c%d", i ? ',' : '{', keep);
	}
	buf_char(&b, '}');
	req_set(rq, "stored", buf_str(&b));
	rc = tx_call(&rq->tx, &q_batch_days, true, &res);
	if (rc)
		return rc;
	days->classes = column_text(res, 0, "classes");
	return ERR_OK;
}

static enum err put_rows(struct req *rq, struct otlp_batch *b, const char *project, uint64_t batch,
			 const struct span_days *days)
{
	struct failure why = { ERR_OK };
	struct buf rows;
	bool was_sent = false;
	struct clickhouse_call call = { .query = &ch_span_put, .was_sent = &was_sent };

	buf_init(&rows, &rq->tx.arena, (size_t)b->taken * 640);
	span_rows_write(&rows, b, project, batch, days);
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

enum err store_clickhouse_put(struct req *rq, struct otlp_batch *b)
{
	static const struct child sampled[] = { { "sampled", &q_trace_sampling_count }, { NULL } };
	struct store_clickhouse_asked x = { .rq = rq };
	uint64_t batch = new_batch();
	struct span_days days;
	const char *project;
	PGresult *res;
	bool is_told;
	enum err rc;

	req_set(rq, "sampled_away", arena_fmt(&rq->tx.arena, "%d", b->sampled_away));
	if (!b->taken)
		return b->sampled_away ? tx_call(&rq->tx, &q_trace_sampling_count, true, &res) : ERR_OK;
	req_set(rq, "batch", arena_fmt(&rq->tx.arena, "%llu", (unsigned long long)batch));
	span_rows_days(b, &days);
	req_set(rq, "days", days_text(rq, &days, '{', '}'));
	rc = tx_call(&rq->tx, &q_batch_open, true, &res);
	if (rc)
		return rc;
	is_told = column_bool(res, 0, "is_due");
	project = column_text(res, 0, "project_id");
	days.classes = column_text(res, 0, "classes");
	store_clickhouse_set(&x, "project", project);
	if (strchr(days.classes, '0') && decide_days(&x, &days)) {
		struct failure why = rq->tx.fail;

		return give_up(rq, false, &why);
	}
	rc = put_rows(rq, b, project, batch, &days);
	store_clickhouse_set(&x, "batch", req_text(rq, "batch"));
	rc = rc ? rc : put_traces(&x, is_told);
	return rc ? rc : tx_call_family(&rq->tx, &q_batch_end, b->sampled_away ? sampled : NULL, true, &res);
}
