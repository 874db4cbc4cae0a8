/*
 * The queue in BullMQ's words: jobs, schedules, queues and their counts.  The
 * same jobs as in task_queue.c, in one table of PostgreSQL; there is no Redis.
 */
#include "build/sql/ops/bull_queue.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/ops/queues.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"

/* clang-format off */
const char *const queue_statuses[] = { "waiting", "active", "completed", "failed", "delayed", "paused", "prioritized",
				       "cancelled", NULL };

static const char *const backoffs[] = { "fixed", "exponential", NULL };

enum { DELAY_MAX_MS = 31536000, MAX_SPAN = 200 };	/* the first times 1,000: a year */

static const struct field backoff_io[] = {
	{ "type",  F_ENUM, F_REQUIRED, .values = backoffs },
	{ "delay", F_INT,  F_REQUIRED, .min = 0, .max = 86400000, .about = "milliseconds; exponential: of the first, doubled with each", .example = "1000" },
	FIELD_END
};

#define QUEUE_FIELD { "queue", F_TEXT, F_REQUIRED, .min = 1, .max = 100, .about = "letters, digits and _ . -", .example = "default" }
#define DELAY_FIELD { "delay", F_INT, 0, .min = 0, .max = DELAY_MAX_MS * 1000LL, .about = "milliseconds to hold the job back", .example = "5000" }

static const struct field submit_in[] = {
	QUEUE_FIELD,
	{ "name",     F_TEXT,   F_REQUIRED, .min = 1, .max = 100, .about = "what is to be done", .example = "thumbnail" },
	{ "data",     F_OBJECT, F_REQUIRED, .about = "what the worker needs for it", .example = "{\"image\":7}" },
	{ "priority", F_INT,    0, .min = 0, .max = 2097152, .def = "0", .about = "0: none, and first; then 1, 2, …" },
	{ "attempts", F_INT,    0, .min = 1, .max = 25, .def = "1", .about = "how often to try in all" },
	{ "backoff",  F_OBJECT, 0, .fields = backoff_io, .about = "how long to wait between; not at all when left out" },
	DELAY_FIELD,
	{ "job_id",   F_TEXT,   0, .min = 1, .max = 200, .about = "a job of this queue that has it is returned", .example = "image-7" },
	FIELD_END
};

static const struct field schedule_in[] = {
	QUEUE_FIELD,
	{ "name",   F_TEXT,   F_REQUIRED, .min = 1, .max = 100, .example = "report" },
	{ "data",   F_OBJECT, F_REQUIRED, .example = "{\"of\":\"last week\"}" },
	{ "delay",  F_INT,    0, .min = 0, .max = DELAY_MAX_MS * 1000LL,
	  .about = "milliseconds; alone it makes one delayed job, with repeat or every it holds back the first", .example = "5000" },
	{ "repeat", F_TEXT,   0, .min = 1, .max = 200, .about = "a cron rule of 5 fields, or 6 with the second first, in UTC", .example = "0 7 * * MON-FRI" },
	{ "every",  F_INT,    F_RARE, .min = 1000, .max = DELAY_MAX_MS * 1000LL, .about = "milliseconds", .example = "60000" },
	FIELD_END
};

static const struct field queue_name[] = {
	{ "queue", F_TEXT, F_REQUIRED, .min = 1, .max = 100, .about = "the queue's name", .example = "default" },
	FIELD_END
};

static const struct field only_queue[] = {
	{ "queue", F_TEXT, 0, .min = 1, .max = 100, .about = "only this one, which shows zeros when there are no such jobs" },
	FIELD_END
};

static const struct field list_in[] = {
	{ "status", F_ENUM, 0, .values = queue_statuses },
	{ "start",  F_INT,  0, .min = 0, .def = "0", .about = "the first place in the list" },
	{ "end",    F_INT,  0, .min = 0, .def = "49", .about = "the last one, of at most 200" },
	FIELD_END
};

static const struct field schedule_list_in[] = {
	{ "queue", F_TEXT, 0, .min = 1, .max = 100 },
	FIELD_END
};

static const struct field job_out[] = {
	{ "id",            F_TEXT,     0, .about = "job_id, or a UUID", .example = "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f" },
	{ "queue",         F_TEXT,     0, .example = "default" },
	{ "name",          F_TEXT,     0, .example = "thumbnail" },
	{ "data",          F_OBJECT,   0 },
	{ "status",        F_ENUM,     0, .values = queue_statuses },
	{ "priority",      F_INT,      0, .example = "0" },
	{ "delay",         F_INT,      0, .about = "milliseconds", .example = "0" },
	{ "attempts",      F_INT,      0, .about = "in all", .example = "1" },
	{ "attempts_made", F_INT,      0, .example = "0" },
	{ "backoff",       F_OBJECT,   F_NULL, .fields = backoff_io },
	{ "schedule_id",   F_UUID,     F_NULL },
	{ "result",        F_JSON,     F_NULL },
	{ "failed_reason", F_TEXT,     F_NULL, .example = "lease expired" },
	{ "run_at",        F_DATETIME, 0 },
	{ "created_at",    F_DATETIME, 0 },
	{ "started_at",    F_DATETIME, F_NULL },
	{ "finished_at",   F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field submitted_out[] = {
	FIELDS_OF(job_out),
	{ "deduplicated", F_BOOL, 0, .about = "it was there before, with this job_id", .example = "false" },
	FIELD_END
};

static const struct field scheduled_out[] = {
	{ "schedule_id", F_UUID,     F_NULL },
	{ "job_id",      F_TEXT,     0, .about = "the job to come", .example = "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f" },
	{ "queue",       F_TEXT,     0, .example = "default" },
	{ "name",        F_TEXT,     0, .example = "report" },
	{ "delay",       F_INT,      F_NULL },
	{ "repeat",      F_TEXT,     F_NULL, .example = "0 7 * * MON-FRI" },
	{ "every",       F_INT,      F_NULL },
	{ "next_run_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field schedule_out[] = {
	{ "schedule_id", F_UUID,     0 },
	{ "queue",       F_TEXT,     0, .example = "default" },
	{ "name",        F_TEXT,     0, .example = "report" },
	{ "data",        F_OBJECT,   0 },
	{ "repeat",      F_TEXT,     F_NULL, .example = "0 7 * * MON-FRI" },
	{ "every",       F_INT,      F_NULL },
	{ "job_id",      F_TEXT,     F_NULL, .about = "the job to come" },
	{ "next_run_at", F_DATETIME, F_NULL },
	{ "created_at",  F_DATETIME, 0 },
	{ "updated_at",  F_DATETIME, 0 },
	FIELD_END
};

static const struct field counts_out[] = {
	{ "waiting",     F_INT, 0 },
	{ "active",      F_INT, 0 },
	{ "completed",   F_INT, 0 },
	{ "failed",      F_INT, 0 },
	{ "delayed",     F_INT, 0 },
	{ "paused",      F_INT, 0 },
	{ "prioritized", F_INT, 0 },
	{ "cancelled",   F_INT, 0 },
	FIELD_END
};

static const struct field stats_row_out[] = {
	{ "queue",     F_TEXT, 0, .example = "default" },
	{ "is_paused", F_BOOL, 0, .example = "false" },
	FIELDS_OF(counts_out),
	FIELD_END
};

static const struct field stats_out[] = {
	{ "queues", F_LIST,   0, .fields = stats_row_out },
	{ "totals", F_OBJECT, 0, .fields = counts_out },
	FIELD_END
};

static const struct field paused_out[] = {
	{ "success",   F_BOOL, 0 },
	{ "queue",     F_TEXT, 0, .example = "default" },
	{ "is_paused", F_BOOL, 0 },
	FIELD_END
};

static const struct field deleted_out[] = {
	{ "id",      F_UUID, 0 },
	{ "deleted", F_BOOL, 0 },
	FIELD_END
};

static const struct shape
	job_shape       = { "QueueJob", job_out },
	submitted_shape = { "QueueJobSubmitted", submitted_out },
	scheduled_shape = { "QueueSchedule", scheduled_out },
	schedule_shape  = { "QueueScheduleListed", schedule_out },
	stats_shape     = { "QueueStats", stats_out },
	paused_shape    = { "QueuePaused", paused_out },
	deleted_shape   = { "QueueScheduleDeleted", deleted_out, .resource = "Schedule" };
/* clang-format on */

/* Places from start to end, both included, are a page of the list. */
static enum err queue_job_list(struct req *rq)
{
	long long start = req_int(rq, "start"), end = req_int(rq, "end");

	if (end < start)
		return req_fail_field(rq, ERR_VALIDATION, "end", "end must not be before start");
	if (end - start >= MAX_SPAN)
		return req_fail_field(rq, ERR_VALIDATION, "end", "at most %d jobs are listed at once",
				      MAX_SPAN);
	req_set(rq, "skip", arena_fmt(&rq->tx.arena, "%lld", start));
	req_set(rq, "limit", arena_fmt(&rq->tx.arena, "%lld", end - start + 1));
	return answer_rows(rq, &q_queue_job_list);
}

/* clang-format off */
const struct route bull_queue_routes[] = {
	{ POST, "/api/bull-queue/submit", "operations.jobs.submit_job", &by_user_or_key, "Submit a job",
	  .may = &operator_write, .body = submit_in, .out = &submitted_shape, .sql = &q_queue_submit },
	{ POST, "/api/bull-queue/submit-scheduled", "operations.jobs.submit_scheduled_job", &by_user_or_key, "Submit a delayed or repeated job",
	  .about = "repeat and every make a schedule; there is one for each queue, name and rule, and submitting it again replaces data and "
		   "delay. After a downtime it fires once. Days of the month and of the week are as in Vixie's cron: where both are given "
		   "either is enough.",
	  .may = &operator_write, .body = schedule_in, .out = &scheduled_shape, .sql = &q_queue_schedule },
	{ GET,  "/api/bull-queue/stats", "operations.jobs.get_queue_stats", &by_user_or_key, "Count the jobs of the queues",
	  .about = "A job counts once: as paused if its queue is. Each number counts up to 10,001.",
	  .may = &operator_read, .query = only_queue, .out = &stats_shape, .sql = &q_queue_stats },
	{ GET,  "/api/bull-queue/{queue}/jobs", "operations.jobs.list_queue_jobs", &by_user_or_key, "List the jobs of a queue",
	  .about = "Newest first. total counts up to 10,001 of each status.",
	  .may = &operator_read, .params = queue_name, .query = list_in, .out = &job_shape, .list = &unpaged, .sql = &q_queue_job_list, .run = queue_job_list },
	{ POST, "/api/bull-queue/{queue}/pause", "operations.jobs.pause_queue", &by_user_or_key, "Pause a queue",
	  .about = "Nothing is taken from it; what runs goes on.", .done = "the queue is paused",
	  .may = &operator_write, .params = queue_name, .out = &paused_shape, .sql = &q_queue_pause, .status = 200 },
	{ POST, "/api/bull-queue/{queue}/resume", "operations.jobs.resume_queue", &by_user_or_key, "Resume a queue",
	  .done = "the queue is resumed",
	  .may = &operator_write, .params = queue_name, .out = &paused_shape, .sql = &q_queue_resume, .status = 200 },
	{ GET,  "/api/bull-queue/schedules", "operations.jobs.list_schedules", &by_user_or_key, "List schedules",
	  .about = "Newest first.",
	  .may = &operator_read, .query = schedule_list_in, .out = &schedule_shape, .list = &enveloped, .sql = &q_queue_schedule_list },
	{ DELETE, "/api/bull-queue/schedules/{schedule_id}", "operations.jobs.delete_schedule", &by_user_or_key, "Delete a schedule",
	  .about = "Its job to come is cancelled.", .done = "the schedule is deleted",
	  .may = &operator_write, .out = &deleted_shape, .sql = &q_queue_schedule_remove, .status = 200 },
	ROUTE_END
};
/* clang-format on */
