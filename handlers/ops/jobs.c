/*
 * Jobs as administrators and a tenant's team see them: all of the tenant's, the
 * server's own too.
 */
#include "build/sql/ops/admin_jobs.h"
#include "build/sql/ops/dashboard_jobs.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

/* clang-format off */
static const char *const states[] = { "scheduled", "queued", "running", "completed", "failed", "cancelled", NULL };

static const struct field list_in[] = {
	{ "state", F_ENUM, 0, .values = states },
	{ "queue", F_TEXT, 0, .min = 1, .max = 100 },
	{ "kind",  F_TEXT, 0, .min = 1, .max = 100, .example = "mail" },
	FIELD_END
};

static const struct field error_out[] = {
	{ "attempt", F_INT,      0 },
	{ "at",      F_DATETIME, 0 },
	{ "error",   F_TEXT,     0 },
	FIELD_END
};

static const struct field job_out[] = {
	{ "id",           F_UUID,     0 },
	{ "queue",        F_TEXT,     0, .about = "\"ashlar\" and \"ashlar.…\" are the server's own", .example = "ashlar.mail" },
	{ "kind",         F_TEXT,     0, .example = "mail" },
	{ "state",        F_ENUM,     0, .values = states },
	{ "priority",     F_INT,      0, .about = "lower ones first", .example = "0" },
	{ "payload",      F_OBJECT,   0, .about = "{} of the server's own jobs, which may carry secrets" },
	{ "attempts",     F_INT,      0, .example = "1" },
	{ "max_attempts", F_INT,      0, .example = "10" },
	{ "timeout_s",    F_INT,      0, .example = "300" },
	{ "run_at",       F_DATETIME, 0 },
	{ "started_at",   F_DATETIME, F_NULL },
	{ "finished_at",  F_DATETIME, F_NULL },
	{ "worker",       F_TEXT,     F_NULL, .about = "who has it, or had it last" },
	{ "result",       F_JSON,     F_NULL },
	{ "last_error",   F_TEXT,     F_NULL },
	{ "errors",       F_LIST,     0, .fields = error_out },
	{ "schedule_id",  F_UUID,     F_NULL },
	{ "created_at",   F_DATETIME, 0 },
	{ "updated_at",   F_DATETIME, 0 },
	FIELD_END
};

static const struct shape job_shape = { "Job", job_out };

static const struct constraint constraints[] = {
	{ "jobs_unique_key_unique", ERR_CONFLICT, NULL, "another job has been queued in its place" },
	{ NULL },
};

/* It has not failed. */
static const enum err retry_errors[] = { ERR_CONFLICT, ERR_OK };
const struct route admin_job_routes[] = {
	{ GET,  "/api/v1/admin/jobs",                "app.jobs.list",  &by_admin, "List background jobs",
	  .about = "Newest first; of a state that is an end, the latest first. Up to 10,001 are counted, and queue and kind are looked for "
		   "among the newest 10,001 of the state.",
	  .query = list_in, .out = &job_shape, .list = &skipped, .sql = &q_admin_job_list },
	{ POST, "/api/v1/admin/jobs/{job_id}/retry", "app.jobs.retry", &by_admin, "Put a failed job back into its queue",
	  .about = "With all its attempts; its errors stay.",
	  .out = &job_shape, .constraints = constraints, .errors = retry_errors, .sql = &q_admin_job_retry, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* For the team. */

/* clang-format off */
static const struct field schedule_list_in[] = {
	{ "queue", F_TEXT, 0, .min = 1, .max = 100 },
	FIELD_END
};

static const struct field schedule_out[] = {
	{ "id",          F_UUID,     0 },
	{ "queue",       F_TEXT,     0, .example = "harbour-reports" },
	{ "kind",        F_TEXT,     0, .example = "tide-report" },
	{ "cron",        F_TEXT,     F_NULL, .example = "0 7 * * MON-FRI", .about = "in UTC; or every_ms" },
	{ "every_ms",    F_INT,      F_NULL },
	{ "payload",     F_OBJECT,   0 },
	{ "next_job_id", F_UUID,     F_NULL },
	{ "next_run_at", F_DATETIME, F_NULL },
	{ "created_at",  F_DATETIME, 0 },
	{ "updated_at",  F_DATETIME, 0 },
	FIELD_END
};

static const struct shape schedule_shape = { "JobSchedule", schedule_out, "Schedule" };

/* It has ended, or is no job to be cancelled. */
static const enum err cancel_errors[] = { ERR_CONFLICT, ERR_OK };

const struct route dashboard_job_routes[] = {
	{ GET,    "/api/v1/dashboard/jobs",                    "platform.jobs.list_dashboard_jobs",  &by_team_admin, "List background jobs",
	  .about = "Newest first; of a state that is an end, the latest first. Up to 10,001 are counted, and queue and kind are looked for "
		   "among the newest 10,001 of the state.",
	  .query = list_in, .out = &job_shape, .list = &turned, .items = "jobs", .sql = &q_admin_job_list },
	{ GET,    "/api/v1/dashboard/jobs/{job_id}",           "platform.jobs.get_dashboard_job",    &by_team_admin, "Get a background job",
	  .out = &job_shape, .sql = &q_dashboard_job_get },
	{ POST,   "/api/v1/dashboard/jobs/{job_id}/retry",     "platform.jobs.retry_dashboard_job",  &by_team_admin, "Put a failed job back into its queue",
	  .about = "With all its attempts; its errors stay.",
	  .out = &job_shape, .constraints = constraints, .errors = retry_errors, .sql = &q_admin_job_retry, .status = 200 },
	{ POST,   "/api/v1/dashboard/jobs/{job_id}/cancel",    "platform.jobs.cancel_dashboard_job", &by_team_admin, "Cancel a job",
	  .about = "One that waits is not begun, and what one that runs does is rolled back. Of the server's own only mails that wait can be cancelled.",
	  .needs = { "a job that has not ended", ERR_CONFLICT }, .out = &job_shape, .errors = cancel_errors, .sql = &q_dashboard_job_cancel, .status = 200 },
	{ GET,    "/api/v1/dashboard/schedules",               "platform.jobs.list_dashboard_schedules", &by_team_admin, "List schedules of jobs",
	  .about = "Newest first; those of the tenant's own queues.",
	  .query = schedule_list_in, .out = &schedule_shape, .list = &turned, .items = "schedules", .sql = &q_dashboard_schedule_list },
	{ DELETE, "/api/v1/dashboard/schedules/{schedule_id}", "platform.jobs.delete_dashboard_schedule", &by_team_admin, "Delete a schedule",
	  .about = "Its job to come is cancelled.",
	  .out = &schedule_shape, .sql = &q_dashboard_schedule_remove, .status = 204 },
	ROUTE_END
};
/* clang-format on */
