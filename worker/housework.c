/*
 * The kinds of jobs that are about jobs: nothing at all, three times over, and
 * deleting those that ended long ago.
 */
#include "worker/housework.h"

#include "build/sql/runtime/worker.h"
#include "fcgi/db.h"
#include "fcgi/req.h"

enum { PURGE_BATCHES = 100 };

static enum err batch(struct req *rq, const struct job *jobs, size_t n)
{
	(void)rq, (void)jobs, (void)n;
	return ERR_OK;
}

/* With a statement of its own, which tests and benchmarks replace: job_noop() in sql/functions/ops/jobs.sql.
 */
static enum err sql(struct req *rq, const struct job *job)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "payload", job->payload);
	rc = db_call(rq, &q_job_noop, false, &res);
	if (rc)
		return rc;
	if (db_text(res, 0, "give_up"))
		return job_give_up(rq, "%s", db_text(res, 0, "give_up"));
	if (db_text(res, 0, "retry_after"))
		return job_retry_after(rq, strtod(db_text(res, 0, "retry_after"), NULL), "not yet");
	return ERR_OK;
}

/* Batch after batch, each a separate transaction, so that no lock is held for long. */
static enum err retention(struct req *rq, const struct job *job)
{
	PGresult *res;

	(void)job;
	req_set(rq, "batch", "1000");
	for (int i = 0; i < PURGE_BATCHES; i++) {
		enum err rc = db_call(rq, &q_jobs_purge, true, &res);

		if (rc || db_int(res, 0, "deleted") < 1000)
			return rc;
	}
	return ERR_OK;
}

const struct job_kind job_noop = { .name = "noop" };
const struct job_kind job_noop_batch = { .name = "noop.batch", .run_all = batch, .max_batch = 500 };
const struct job_kind job_noop_sql = { .name = "noop.sql", .run = sql };
const struct job_kind job_retention = { .name = "jobs.retention", .run = retention };
