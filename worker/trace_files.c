#include "worker/trace_files.h"

#include <json-c/json.h>
#include <string.h>

#include "build/sql/traces/trace_files.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"

/* Five hundred at a time, each time in a separate transaction: their content goes by jobs of its own. */
static enum err run(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *project, *problem;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(project = json_text(json_at(payload, "project_id", NULL), 36)))
		return job_give_up(tx, "its payload has no project_id");
	tx_set(tx, "project", project);
	do {
		rc = tx_call(tx, &q_trace_files_forget, true, &res);
		if (rc)
			return rc;
	} while (column_bool(res, 0, "has_more"));
	return ERR_OK;
}

const struct job_kind trace_files_job = { .name = "traces.forget_files", .run = run };
