#include "worker/activity.h"

#include "build/sql/work/activity_upkeep.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"

enum { BATCH = 1000, MOST_BATCHES = 10000, MOST_MONTHS = 1200 };

/* Sums first: a month that is counted is there. */
static enum err expire(struct tx *tx)
{
	PGresult *res;

	tx_set(tx, "months", arena_fmt(&tx->arena, "%ld", cfg.activity_months));
	tx_set(tx, "batch", arena_fmt(&tx->arena, "%d", BATCH));
	for (int i = 0; i < MOST_BATCHES; i++) {
		enum err rc = tx_call(tx, &q_activity_forget, true, &res);

		if (rc)
			return rc;
		if (!column_int(res, 0, "removed"))
			break;
	}
	for (int i = 0; i < MOST_MONTHS; i++) {
		enum err rc = tx_call(tx, &q_activity_drop, true, &res);

		if (rc || !column_text(res, 0, "dropped"))
			return rc;
	}
	return ERR_OK;
}

static enum err run(struct tx *tx, const struct job *job)
{
	PGresult *res;
	enum err rc = tx_call(tx, &q_activity_months_ahead, true, &res);

	(void)job;
	return rc || !cfg.activity_months ? rc : expire(tx);
}

const struct job_kind activity_months_job = { .name = "activity.months", .run = run };
