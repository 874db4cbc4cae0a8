/*
 * Jobs about stored objects.  The row stays until the content is removed, so that
 * whatever dies in between, it is known where the content was.
 */
#include "worker/storage.h"

#include <json-c/json.h>
#include <string.h>

#include "build/sql/content/storage.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "providers/storage.h"

static enum err run_remove(struct tx *tx, const struct job *job)
{
	struct json_object *payload, *id = NULL;
	struct storage_object object;
	const char *problem;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !json_object_object_get_ex(payload, "object_id", &id))
		return job_give_up(tx, "its payload has no object_id");
	tx_set(tx, "object_id", json_object_get_string(id));
	rc = tx_call(tx, &q_stored_object_gone, false, &res);
	if (rc || !PQntuples(res))
		return rc;
	object = (struct storage_object){
		.tenant_id = column_text(res, 0, "tenant_id"),
		.id = column_text(res, 0, "object_id"),
		.backend = column_text(res, 0, "backend"),
	};
	rc = storage_remove(&tx->arena, &object, &tx->fail);
	return rc ? rc : tx_call(tx, &q_stored_object_forget, false, &res);
}

const struct job_kind storage_remove_job = { .name = "storage.remove", .run = run_remove };
