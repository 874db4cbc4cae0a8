#include "worker/records.h"

#include <string.h>

#include "build/sql/records/records.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"

enum { BATCHES = 10000 };

static const char batch[] = "1000";

static enum err records_remove(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *problem, *organization, *content;
	PGresult *res;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(organization = json_text(json_at(payload, "organization_id", NULL), 36)) ||
	    !(content = json_text(json_at(payload, "content_id", NULL), 36)))
		return job_give_up(tx, "the payload names no content");
	tx_set(tx, "organization", organization);
	tx_set(tx, "content", content);
	tx_set(tx, "batch", batch);
	for (int i = 0; i < BATCHES; i++) {
		enum err rc = tx_call(tx, &q_records_remove, true, &res);

		if (rc || !column_int(res, 0, "removed"))
			return rc;
	}
	return job_retry_after(tx, 1, "there are more");
}

const struct job_kind records_remove_job = { .name = "records.remove", .run = records_remove };
