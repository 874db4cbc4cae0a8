#include "worker/traces.h"

#include <string.h>

#include "build/sql/traces/retention.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum { BATCH = 1000, MOST_BATCHES = 1000, MOST_DAYS = 64 };

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
	return rc ? rc : repeat(tx, &q_traces_forget);
}

static enum err forget(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *problem, *project;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(project = json_text(json_at(payload, "project_id", NULL), 36)))
		return job_give_up(tx, "the payload names no project");
	tx_set(tx, "project", project);
	tx_set(tx, "batch", arena_fmt(&tx->arena, "%d", BATCH));
	return repeat(tx, &q_traces_forget);
}

const struct job_kind traces_expire_job = { .name = "traces.expire", .run = expire };
const struct job_kind traces_forget_job = { .name = "traces.forget", .run = forget };
