/*
 * Tasks: the queue for workers outside, who claim over HTTP, say that they are
 * alive, and report.  The same jobs as in bull_queue.c; what the words mean is
 * in sql/functions/ops/queues.sql.
 */
#include "build/sql/ops/task_queue.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/ops/queues.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/db/rows.h"

/* clang-format off */
#define TENANT_FIELD \
	{ "tenant_id", F_INT, 0, .min = 1, \
	  .about = "the caller's own tenant when left out; another one's number is for administrators of tenant 1 only", .example = "1" }

/* Of the demo: one that a worker has, and one to try again. */
static const struct field claimed[] = {
	{ "task_id", F_UUID, F_REQUIRED, .example = "task claimed" },
	FIELD_END
};

static const struct field failed[] = {
	{ "task_id", F_UUID, F_REQUIRED, .example = "task failed" },
	FIELD_END
};

static const struct field submit_in[] = {
	{ "task_type",       F_TEXT,   F_REQUIRED, .min = 1, .max = 100, .about = "what is to be done", .example = "thumbnail" },
	{ "payload",         F_OBJECT, 0, .about = "what the worker needs for it; {} when left out",
	  .example = "{\"image\":7}" },
	{ "queue_name",      F_TEXT,   0, .min = 1, .max = 100, .def = "default", .about = "letters, digits and _ . -" },
	{ "priority",        F_INT,    0, .min = 0, .max = 2097152, .def = "0", .about = "lower ones first" },
	TENANT_FIELD,
	{ "max_attempts",    F_INT,    0, .min = 1, .max = 25, .def = "3" },
	{ "timeout_seconds", F_INT,    0, .min = 1, .max = 86400, .def = "300", .about = "how long a claim lasts without a heartbeat" },
	{ "idempotency_key", F_TEXT,   0, .min = 1, .max = 200, .about = "a task of this queue that was submitted with it is returned",
	  .example = "image-7" },
	FIELD_END
};

static const struct field claim_in[] = {
	{ "worker_id",  F_TEXT, F_REQUIRED, .min = 1, .max = 200, .about = "who claims; reports name it again", .example = "worker-1" },
	{ "queue_name", F_TEXT, 0, .min = 1, .max = 100, .def = "default" },
	{ "task_type",  F_TEXT, 0, .min = 1, .max = 100, .about = "only tasks of this type", .example = "thumbnail" },
	TENANT_FIELD,
	{ "batch_size", F_INT,  0, .min = 1, .max = 100, .def = "1", .about = "above 1 the answer is an array" },
	FIELD_END
};

static const struct field heartbeat_in[] = {
	{ "worker_id", F_TEXT, F_REQUIRED, .min = 1, .max = 200, .about = "who claimed it", .example = "worker-1" },
	{ "attempt",   F_INT,  0, .min = 1, .max = 1000000,
	  .about = "the task's attempts when it was claimed: a report about an earlier attempt is refused" },
	FIELD_END
};

static const struct field complete_in[] = {
	FIELDS_OF(heartbeat_in),
	{ "result", F_JSON, F_NULL, .about = "anything, kept with the task", .example = "{\"width\":320}" },
	FIELD_END
};

static const struct field fail_in[] = {
	FIELDS_OF(heartbeat_in),
	{ "error",               F_TEXT, F_REQUIRED, .min = 1, .max = 2000, .example = "the image is not one" },
	{ "retry",               F_BOOL, 0, .def = "true", .about = "false: it fails for good" },
	{ "retry_after_seconds", F_INT,  0, .min = 0, .max = 86400, .about = "when to try again, instead of the task's own back-off",
	  .example = "60" },
	FIELD_END
};

static const struct field task_out[] = {
	{ "id",               F_TEXT,     0, .example = "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f" },
	{ "queue_name",       F_TEXT,     0, .example = "default" },
	{ "task_type",        F_TEXT,     0, .example = "thumbnail" },
	{ "payload",          F_OBJECT,   0 },
	{ "status",           F_ENUM,     0, .values = queue_statuses },
	{ "priority",         F_INT,      0, .example = "0" },
	{ "tenant_id",        F_INT,      F_NULL, .example = "1" },
	{ "attempts",         F_INT,      0, .about = "how often it was claimed", .example = "1" },
	{ "max_attempts",     F_INT,      0, .example = "3" },
	{ "timeout_seconds",  F_INT,      0, .example = "300" },
	{ "idempotency_key",  F_TEXT,     F_NULL },
	{ "worker_id",        F_TEXT,     F_NULL, .example = "worker-1" },
	{ "claimed_at",       F_DATETIME, F_NULL },
	{ "lease_expires_at", F_DATETIME, F_NULL },
	{ "run_at",           F_DATETIME, 0 },
	{ "created_at",       F_DATETIME, 0 },
	{ "updated_at",       F_DATETIME, 0 },
	FIELD_END
};

static const struct field submitted_out[] = {
	FIELDS_OF(task_out),
	{ "deduplicated", F_BOOL, 0, .about = "it was there before, with this idempotency_key", .example = "false" },
	FIELD_END
};

static const struct field error_out[] = {
	{ "attempt", F_INT,      0 },
	{ "at",      F_DATETIME, 0 },
	{ "error",   F_TEXT,     0 },
	FIELD_END
};

static const struct field detail_out[] = {
	FIELDS_OF(task_out),
	{ "result",        F_JSON,     F_NULL },
	{ "failed_reason", F_TEXT,     F_NULL, .about = "the last error", .example = "lease expired" },
	{ "errors",        F_LIST,     0, .fields = error_out, .about = "of all attempts" },
	{ "finished_at",   F_DATETIME, F_NULL },
	FIELD_END
};

static const struct shape
	task_shape      = { "TaskQueueJob", task_out, .resource = "Task" },
	submitted_shape = { "TaskQueueJobSubmitted", submitted_out, .resource = "Task" },
	detail_shape    = { "TaskQueueJobDetail", detail_out, .resource = "Task" };

/* A claim that is lost; a task that has ended, or has not failed. */
static const enum err conflicts[] = { ERR_CONFLICT, ERR_OK };
/* Another tenant's number. */
static const enum err no_tenant[] = { ERR_NOT_FOUND, ERR_OK };
/* clang-format on */

/* One as an object, several as an array, and null where there is nothing to do. */
static enum err task_claim(struct req *rq)
{
	bool many = req_int(rq, "batch_size") > 1;
	struct rows *rows;
	PGresult *res;
	struct buf *b;
	enum err rc;
	int n;

	rc = tx_call(&rq->tx, &q_task_claim, true, &res);
	if (rc)
		return rc;
	n = PQntuples(res);
	rows = answer_form(rq, res);
	b = answer_open(rq);
	if (!n)
		jx_null(b);
	else if (!many)
		rows_object(b, rows, 0);
	else
		buf_char(b, '[');
	for (int i = 0; many && i < n; i++) {
		jx_next(b);
		rows_object(b, rows, i);
	}
	if (many && n)
		buf_char(b, ']');
	return answer_close(rq);
}

/* clang-format off */
const struct route task_queue_routes[] = {
	{ POST, "/api/task-queue/submit", "operations.jobs.submit_task", &by_user_or_key, "Submit a task",
	  .about = "Tasks and the jobs of /api/bull-queue are the same: queue_name, task_type, payload and max_attempts are queue, "
		   "name, data and attempts there.",
	  .may = &operator_write, .body = submit_in, .out = &submitted_shape, .errors = no_tenant, .sql = &q_task_submit },
	{ POST, "/api/task-queue/claim",  "operations.jobs.claim_task", &by_user_or_key, "Claim tasks",
	  .about = "In the order of priority, run_at and id; no task goes to two workers. data is an array with batch_size above 1, "
		   "and null when there is nothing to do. Whoever claims reports before lease_expires_at, or sends a heartbeat; "
		   "else the task goes back while attempts are left.",
	  .may = &operator_write, .body = claim_in, .out = &task_shape, .errors = no_tenant, .sql = &q_task_claim, .run = task_claim,
	  .status = 200, .flags = ONE_OR_MANY },
	{ GET,  "/api/task-queue/{task_id}", "operations.jobs.get_task", &by_user_or_key, "Get a task",
	  .may = &operator_read, .out = &detail_shape, .sql = &q_task_get },
	{ POST, "/api/task-queue/{task_id}/complete", "operations.jobs.complete_task", &by_user_or_key, "Report a task done",
	  .may = &operator_write, .params = claimed, .body = complete_in, .out = &detail_shape, .errors = conflicts, .sql = &q_task_complete, .status = 200 },
	{ POST, "/api/task-queue/{task_id}/fail", "operations.jobs.fail_task", &by_user_or_key, "Report that an attempt has failed",
	  .about = "It waits for its back-off, 5 s, 15 s, 45 s, … unless the task or the report says otherwise, while attempts are left.",
	  .may = &operator_write, .params = claimed, .body = fail_in, .out = &detail_shape, .errors = conflicts, .sql = &q_task_fail, .status = 200 },
	{ POST, "/api/task-queue/{task_id}/heartbeat", "operations.jobs.heartbeat_task", &by_user_or_key, "Keep a claim",
	  .about = "The lease then ends timeout_seconds from now.",
	  .may = &operator_write, .params = claimed, .body = heartbeat_in, .out = &detail_shape, .errors = conflicts, .sql = &q_task_heartbeat, .status = 200 },
	{ POST, "/api/task-queue/{task_id}/cancel", "operations.jobs.cancel_task", &by_user_or_key, "Cancel a task",
	  .about = "Of a running one the worker learns when it reports: 409.",
	  .may = &operator_write, .out = &detail_shape, .errors = conflicts, .sql = &q_task_cancel, .status = 200 },
	{ POST, "/api/task-queue/{task_id}/retry", "operations.jobs.retry_task", &by_user_or_key, "Try a failed task again",
	  .about = "With all its attempts; its errors stay.",
	  .may = &operator_write, .params = failed, .out = &detail_shape, .errors = conflicts, .sql = &q_task_retry, .status = 200 },
	ROUTE_END
};
/* clang-format on */
