#include "worker/workspace.h"

#include <string.h>

#include "build/sql/tenancy/workspace_health.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"

enum { MOST_STEPS = 1000 };

/* Each step is a transaction, which tells of itself when it ends. */
static enum err take_steps(struct tx *tx)
{
	PGresult *res;

	for (int i = 0; i < MOST_STEPS; i++) {
		enum err rc = tx_call(tx, &q_workspace_run_step, true, &res);

		if (rc || !column_bool(res, 0, "is_more"))
			return rc;
	}
	return ERR_OK;
}

static enum err run(struct tx *tx, const struct job *job)
{
	const char *organization, *run_id, *problem;
	struct json_object *payload;
	struct failure why;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(organization = json_text(json_at(payload, "organization_id", NULL), 36)) ||
	    !(run_id = json_text(json_at(payload, "run_id", NULL), 36)))
		return job_give_up(tx, "the payload names no run");
	tx_set(tx, "organization", organization);
	tx_set(tx, "run", run_id);
	rc = take_steps(tx);
	if (!rc || job->attempt < job->max_attempts)
		return rc;
	/* Told in another transaction than the one that failed. */
	why = tx->fail;
	tx_finish(tx, false);
	tx->fail = (struct failure){ ERR_OK };
	tx_call(tx, &q_workspace_run_failed, true, &res);
	tx->fail = why;
	return rc;
}

const struct job_kind workspace_migrate_job = { .name = "workspace.migrate", .run = run };
