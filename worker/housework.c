/*
 * The kinds of jobs that are about jobs: nothing at all, three times over, and
 * deleting those that ended long ago; and what the clock alone ends.
 */
#include "worker/housework.h"

#include "build/sql/runtime/worker.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"

enum { PURGE_BATCHES = 100 };

static enum err batch(struct tx *tx, const struct job *jobs, size_t n)
{
	(void)tx, (void)jobs, (void)n;
	return ERR_OK;
}

/* With a statement of its own, which tests and benchmarks replace: job_noop() in sql/functions/ops/jobs.sql.
 */
static enum err sql(struct tx *tx, const struct job *job)
{
	PGresult *res;
	enum err rc;

	tx_set(tx, "payload", job->payload);
	rc = tx_call(tx, &q_job_noop, false, &res);
	if (rc)
		return rc;
	if (column_text(res, 0, "give_up"))
		return job_give_up(tx, "%s", column_text(res, 0, "give_up"));
	if (column_text(res, 0, "retry_after"))
		return job_retry_after(tx, strtod(column_text(res, 0, "retry_after"), NULL), "not yet");
	return ERR_OK;
}

/* Batch after batch, each a separate transaction, so that no lock is held for long. */
static enum err retention(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	tx_set(tx, "batch", "1000");
	for (int i = 0; i < PURGE_BATCHES; i++) {
		enum err rc = tx_call(tx, &q_jobs_purge, true, &res);

		if (rc || column_int(res, 0, "deleted") < 1000)
			return rc;
	}
	return ERR_OK;
}

/* Memberships whose time is over; the statement goes from one tenant to the next. */
static enum err ends(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	tx_set(tx, "batch", "100");
	for (int i = 0; i < PURGE_BATCHES; i++) {
		enum err rc = tx_call(tx, &q_memberships_end, true, &res);

		if (rc || column_int(res, 0, "ended") < 100)
			return rc;
	}
	return ERR_OK;
}

const struct job_kind job_noop = { .name = "noop" };
const struct job_kind job_noop_batch = { .name = "noop.batch", .run_all = batch, .max_batch = 500 };
const struct job_kind job_noop_sql = { .name = "noop.sql", .run = sql };
const struct job_kind job_retention = { .name = "jobs.retention", .run = retention };
const struct job_kind job_memberships_end = { .name = "memberships.end", .run = ends };
