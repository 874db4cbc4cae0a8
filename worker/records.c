#include "worker/records.h"

#include <json-c/json.h>
#include <string.h>

#include "build/sql/records/record_map.h"
#include "build/sql/records/record_runs.h"
#include "build/sql/records/records.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"

enum { BATCHES = 10000, PORTIONS = 1000000, UNIQUE_MS = 600000 };

static const char batch[] = "1000";

/* Batch after batch, each a transaction of its own, until one does nothing. */
static enum err run(struct tx *tx, const struct query *q, const char *count)
{
	PGresult *res;

	tx_set(tx, "batch", batch);
	for (int i = 0; i < BATCHES; i++) {
		enum err rc = tx_call(tx, q, true, &res);

		if (rc || !column_int(res, 0, count))
			return rc;
	}
	return job_retry_after(tx, 1, "there are more");
}

/* An id of the payload as a parameter; NULL: there is none. */
static const char *take(struct tx *tx, struct json_object *payload, const char *member, const char *name)
{
	const char *id = json_text(json_at(payload, member, NULL), 36);

	tx_set(tx, name, id);
	return id;
}

static enum err records_remove(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *problem;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !take(tx, payload, "organization_id", "organization") ||
	    !take(tx, payload, "content_id", "content"))
		return job_give_up(tx, "the payload names no content");
	return run(tx, &q_records_remove, "removed");
}

static enum err records_give(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *problem;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !take(tx, payload, "organization_id", "organization") ||
	    !take(tx, payload, "member_id", "member") || !take(tx, payload, "heir_id", "heir"))
		return job_give_up(tx, "the payload names no members");
	return run(tx, &q_records_give, "given");
}

/* A recordset's slots: from record to record, '' at first. */
static enum err records_fill(struct tx *tx, const struct job *job)
{
	struct json_object *payload, *slots;
	const char *problem, *after = "";
	PGresult *res;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !take(tx, payload, "organization_id", "organization") ||
	    !take(tx, payload, "recordset_id", "recordset") || !(slots = json_at(payload, "slots", NULL)))
		return job_give_up(tx, "the payload names no recordset");
	tx_set(tx, "slots", json_object_to_json_string_ext(slots, JSON_C_TO_STRING_PLAIN));
	tx_set(tx, "is_again", json_at(payload, "again", NULL) ? "t" : "f");
	tx_set(tx, "batch", "500");
	for (int i = 0; i < PORTIONS && after; i++) {
		enum err rc;

		tx_set(tx, "after", after);
		rc = tx_call(tx, &q_records_fill, true, &res);
		if (rc)
			return rc;
		after = column_text(res, 0, "after");
	}
	return after ? job_retry_after(tx, 1, "there are more") : ERR_OK;
}

/* A large recordset's unique fields.  Nobody writes into it meanwhile. */
static enum err records_unique(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *problem;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !take(tx, payload, "organization_id", "organization") ||
	    !take(tx, payload, "recordset_id", "recordset"))
		return job_give_up(tx, "the payload names no recordset");
	tx->timeout_ms = UNIQUE_MS;
	rc = tx_call(tx, &q_recordset_unique_wait, false, &res);
	return rc ? rc : tx_call(tx, &q_recordset_unique_fill, true, &res);
}

/* Where a recordset's records are by its settings: from record to record, '' at first. */
static enum err records_place(struct tx *tx, const struct job *job)
{
	struct json_object *payload, *place;
	const char *problem, *after = "";
	PGresult *res;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !take(tx, payload, "organization_id", "organization") ||
	    !take(tx, payload, "recordset_id", "recordset"))
		return job_give_up(tx, "the payload names no recordset");
	place = json_at(payload, "place", NULL);
	tx_set(tx, "job", job->id);
	tx_set(tx, "place", place ? json_object_to_json_string_ext(place, JSON_C_TO_STRING_PLAIN) : NULL);
	tx_set(tx, "batch", "500");
	for (int i = 0; i < PORTIONS && after; i++) {
		enum err rc;

		tx_set(tx, "after", after);
		rc = tx_call(tx, &q_records_place, true, &res);
		if (rc)
			return rc;
		after = column_text(res, 0, "after");
	}
	return after ? job_retry_after(tx, 1, "there are more") : ERR_OK;
}

/* What has no slots yet, or whose job has failed. */
static enum err records_fill_all(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	return tx_call(tx, &q_recordsets_unfilled, false, &res);
}

/* Runs whose job has died, and files that are over. */
static enum err runs_tend(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	tx_set(tx, "most", batch);
	return tx_call(tx, &q_record_runs_tend, false, &res);
}

const struct job_kind record_runs_job = { .name = "record.runs", .run = runs_tend };
const struct job_kind records_remove_job = { .name = "records.remove", .run = records_remove };
const struct job_kind records_give_job = { .name = "records.give", .run = records_give };
const struct job_kind records_place_job = { .name = "records.place", .run = records_place };
const struct job_kind records_fill_job = { .name = "records.fill", .run = records_fill };
const struct job_kind records_fill_all_job = { .name = "records.fill_all", .run = records_fill_all };
const struct job_kind records_unique_job = { .name = "records.unique", .run = records_unique };
