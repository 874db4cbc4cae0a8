#include "worker/traces.h"

#include <string.h>

#include "build/clickhouse/traces.h"
#include "build/sql/traces/retention.h"
#include "build/sql/traces/store.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/clickhouse.h"

enum {
	BATCH = 1000,
	MOST_BATCHES = 1000,
	MOST_DAYS = 64,
	LEFT_S = 600, /* behind which nobody is still about to count a batch of spans */
	MOST_LEFT = 1000,
	ASK_MS = 60000,   /* nobody waits for it, and a deletion rewrites what is left */
	HOURS = 100,      /* that are summed at once, */
	MOST_HOURS = 100, /* and so often in a job */
	LATE_DAYS = 1,
	ALL_DAYS = 1000,
};

/* Batch after batch, each a transaction, as long as one is full. */
static enum err repeat(struct tx *tx, const struct query *q)
{
	PGresult *res;

	for (int i = 0; i < MOST_BATCHES; i++) {
		enum err rc = tx_call(tx, q, true, &res);

		if (rc || !column_int(res, 0, "removed"))
			return rc;
	}
	return ERR_OK;
}

static enum err drop_days(struct tx *tx)
{
	PGresult *res;

	for (int i = 0; i < MOST_DAYS; i++) {
		enum err rc = tx_call(tx, &q_spans_drop, true, &res);

		if (rc || !column_text(res, 0, "dropped"))
			return rc;
	}
	return ERR_OK;
}

/* Where traces are in ClickHouse, what is over, and what is not counted, is there. */

static enum err ask(struct tx *tx, const struct clickhouse_query *q, const struct clickhouse_param *params,
		    PGresult **out)
{
	const struct clickhouse_call call = { .query = q, .params = params, .timeout_ms = ASK_MS };
	struct failure why = { ERR_OK };
	enum err rc = clickhouse_ask(&tx->arena, &call, out, &why);

	if (rc)
		tx->fail = why;
	return rc;
}

/* The partitions of days that are over, of each table. */
static enum err drop_parts(struct tx *tx)
{
	static const struct {
		const char *table;
		const struct clickhouse_query *drop;
	} tables[] = { { "spans", &ch_drop_spans },
		       { "span_times", &ch_drop_span_times },
		       { "traces", &ch_drop_traces } };
	static const struct clickhouse_query *const hours[] = { &ch_drop_word_traces, &ch_drop_hour_words,
								&ch_drop_hour_sessions, &ch_drop_hour_sums,
								&ch_drop_hour_marks };
	const struct clickhouse_param days[] = {
		{ "days", arena_fmt(&tx->arena, "[%ld,%ld,%ld]", cfg.traces_free_days, cfg.traces_pro_days,
				    cfg.traces_enterprise_days) },
		{ NULL }
	};
	PGresult *over;
	enum err rc = ask(tx, &ch_parts_over, days, &over);

	for (int i = 0; !rc && i < PQntuples(over); i++)
		for (size_t k = 0; !rc && k < sizeof(tables) / sizeof(*tables); k++) {
			const struct clickhouse_param id[] = { { "id", column_text(over, i, "partition_id") },
							       { NULL } };

			if (!strcmp(column_text(over, i, "table"), tables[k].table))
				rc = ask(tx, tables[k].drop, id, NULL);
		}
	/* What is kept of hours is in no days, and little: the marks, which tell that there is something, go
	 * last. */
	rc = rc ? rc : ask(tx, &ch_hours_over, days, &over);
	for (size_t i = 0; !rc && column_int(over, 0, "n") && i < sizeof(hours) / sizeof(*hours); i++)
		rc = ask(tx, hours[i], days, NULL);
	return rc;
}

/* What was put in, by whom nothing was heard since: its traces are made, and it is counted. */
static enum err settle(struct tx *tx, const PGresult *left, int i)
{
	const char *project = column_text(left, i, "project_id"), *batch = column_text(left, i, "batch");
	const struct clickhouse_param params[] = { { "project", project }, { "batch", batch }, { NULL } };
	PGresult *res;
	enum err rc = ask(tx, &ch_trace_put, params, NULL);

	rc = rc ? rc : ask(tx, &ch_hour_mark, params, NULL);
	rc = rc ? rc : ask(tx, &ch_batch_count, params, &res);
	if (rc)
		return rc;
	tx_set(tx, "tenant", column_text(left, i, "tenant_id"));
	tx_set(tx, "project", project);
	tx_set(tx, "batch", batch);
	tx_set(tx, "taken", arena_fmt(&tx->arena, "%lld", (long long)column_int(res, 0, "taken")));
	tx_set(tx, "tokens", column_text(res, 0, "tokens"));
	return tx_call(tx, &q_batch_settle, true, &res);
}

/* Make the sums of hours that have none, or have had something put in since, so many at a time. */
static enum err sum_hours(struct tx *tx, int days, int *summed)
{
	const struct clickhouse_param late[] = { { "days", arena_fmt(&tx->arena, "%d", days) },
						 { "limit", arena_fmt(&tx->arena, "%d", HOURS) },
						 { NULL } };
	struct clickhouse_param places[] = { { "places", NULL }, { NULL } };
	struct buf b;
	PGresult *res;
	enum err rc = ask(tx, &ch_hours_unsummed, late, &res);

	*summed = rc ? 0 : PQntuples(res);
	if (!*summed)
		return rc;
	buf_init(&b, &tx->arena, (size_t)*summed * 80);
	buf_char(&b, '[');
	for (int i = 0; i < *summed; i++)
		buf_fmt(&b, "%s('%s',%lld,%lld,%s)", i ? "," : "", column_text(res, i, "project"),
			(long long)column_int(res, i, "hour_s"), (long long)column_int(res, i, "keep"),
			column_text(res, i, "marked"));
	buf_char(&b, ']');
	places[0].value = buf_str(&b);
	rc = ask(tx, &ch_hour_sessions_put, places, NULL);
	rc = rc ? rc : ask(tx, &ch_word_traces_put, places, NULL);
	rc = rc ? rc : ask(tx, &ch_hour_words_put, places, NULL);
	return rc ? rc : ask(tx, &ch_hour_sums_put, places, NULL);
}

static enum err sum_clickhouse(struct tx *tx, int days)
{
	int summed = HOURS;
	enum err rc = ERR_OK;

	for (int i = 0; !rc && summed == HOURS && i < MOST_HOURS; i++)
		rc = sum_hours(tx, days, &summed);
	return rc;
}

static enum err keep_clickhouse(struct tx *tx)
{
	PGresult *left;
	enum err rc = drop_parts(tx);

	if (rc)
		return rc;
	tx_set(tx, "seconds", arena_fmt(&tx->arena, "%d", LEFT_S));
	tx_set(tx, "most", arena_fmt(&tx->arena, "%d", MOST_LEFT));
	rc = tx_call(tx, &q_batches_left, true, &left);
	for (int i = 0; !rc && i < PQntuples(left); i++)
		rc = settle(tx, left, i);
	return rc ? rc : sum_clickhouse(tx, ALL_DAYS);
}

static enum err forget_clickhouse(struct tx *tx, const char *project)
{
	const struct clickhouse_param params[] = { { "project", project }, { NULL } };
	PGresult *res;
	enum err rc = tx_call(tx, &q_trace_project_is_gone, true, &res);

	if (rc || !column_bool(res, 0, "is_gone"))
		return rc;
	rc = ask(tx, &ch_forget_hour_sums, params, NULL);
	rc = rc ? rc : ask(tx, &ch_forget_hour_sessions, params, NULL);
	rc = rc ? rc : ask(tx, &ch_forget_hour_words, params, NULL);
	rc = rc ? rc : ask(tx, &ch_forget_word_traces, params, NULL);
	rc = rc ? rc : ask(tx, &ch_forget_hour_marks, params, NULL);
	rc = rc ? rc : ask(tx, &ch_forget_traces, params, NULL);
	rc = rc ? rc : ask(tx, &ch_forget_span_times, params, NULL);
	rc = rc ? rc : ask(tx, &ch_forget_span_batches, params, NULL);
	return rc ? rc : ask(tx, &ch_forget_spans, params, NULL);
}

static enum err expire(struct tx *tx, const struct job *job)
{
	PGresult *res;
	enum err rc;

	(void)job;
	tx_set(tx, "today", NULL);
	tx_set(tx, "project", NULL);
	tx_set(tx, "batch", arena_fmt(&tx->arena, "%d", BATCH));
	tx_set(tx, "days",
	       arena_fmt(&tx->arena, "{%ld,%ld,%ld}", cfg.traces_free_days, cfg.traces_pro_days,
			 cfg.traces_enterprise_days));
	rc = tx_call(tx, &q_spans_ahead, true, &res);
	if (!rc)
		rc = drop_days(tx);
	if (!rc)
		rc = repeat(tx, &q_traces_expire);
	if (!rc)
		rc = repeat(tx, &q_trace_files_expire);
	if (!rc)
		rc = repeat(tx, &q_traces_forget);
	return rc || !clickhouse_is_configured() ? rc : keep_clickhouse(tx);
}

static enum err forget(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *problem, *project;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(project = json_text(json_at(payload, "project_id", NULL), 36)))
		return job_give_up(tx, "the payload names no project");
	tx_set(tx, "project", project);
	tx_set(tx, "batch", arena_fmt(&tx->arena, "%d", BATCH));
	rc = repeat(tx, &q_traces_forget);
	return rc || !clickhouse_is_configured() ? rc : forget_clickhouse(tx, project);
}

static enum err sum(struct tx *tx, const struct job *job)
{
	(void)job;
	return clickhouse_is_configured() ? sum_clickhouse(tx, LATE_DAYS) : ERR_OK;
}

bool traces_are_summed(void)
{
	return clickhouse_is_configured();
}

const struct job_kind traces_expire_job = { .name = "traces.expire", .run = expire };
const struct job_kind traces_forget_job = { .name = "traces.forget", .run = forget };
const struct job_kind traces_sum_job = { .name = "traces.sum", .run = sum };
