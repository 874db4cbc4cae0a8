#include "worker/tasks.h"

#include "build/sql/work/tasks.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"

enum { BATCHES = 1000, BATCH = 100 };

/* Batch after batch, each a transaction of its own, so that no member's list is locked for long. */
static enum err due(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	tx_set(tx, "batch", arena_fmt(&tx->arena, "%d", BATCH));
	for (int i = 0; i < BATCHES; i++) {
		enum err rc = tx_call(tx, &q_tasks_due, true, &res);

		if (rc || column_int(res, 0, "found") < BATCH)
			return rc;
	}
	return ERR_OK;
}

const struct job_kind tasks_due_job = { .name = "tasks.due", .run = due };
