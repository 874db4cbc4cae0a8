/* Tasks about records, in the words of workspaces; the table is that of all tasks. */
#include "build/sql/records/record_tasks.h"
#include "fcgi/route.h"
#include "handlers/records/record_tracking.h"
#include "handlers/tenancy/member_ref.h"

/* clang-format off */
static const char *const states[] = { "todo", "in_progress", "blocked", "completed", "cancelled", NULL };
static const char *const types[] = { "follow_up", "call", "email", "meeting", "review", "other", NULL };

const char *const record_priorities[] = { "low", "medium", "high", "urgent", NULL };

static const struct field find_in[] = {
	{ "status",            F_ENUM, F_RARE, .values = states },
	{ "priority",          F_ENUM, F_RARE, .values = record_priorities },
	{ "include_completed", F_BOOL, F_RARE, .def = "false", .about = "and those that are cancelled" },
	FIELD_END
};

const struct field record_task[] = {
	{ "id",              F_UUID,     OUT, .example = "task" },
	{ "record_id",       F_UUID,     OUT },
	{ "recordset_id",    F_UUID,     OUT },
	{ "title",           F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 500, .example = "Send the offer" },
	{ "description",     F_TEXT,     OUT | NEW | SET | F_NULL, .max = 10000, .example = "With the light, and without" },
	{ "task_type",       F_ENUM,     OUT | NEW | SET, .values = types, .def = "follow_up" },
	{ "status",          F_ENUM,     OUT | SET, .values = states },
	{ "priority",        F_ENUM,     OUT | NEW | SET, .values = record_priorities, .def = "medium" },
	{ "due_date",        F_DATETIME, OUT | NEW | SET | F_NULL, .example = "2027-05-31T12:00:00Z" },
	{ "is_overdue",      F_BOOL,     OUT },
	{ "assigned_to_id",  F_UUID,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .about = "a member; of a new one the caller, unless given", .example = "member theo" },
	{ "assigned_to",     F_OBJECT,   OUT | F_NULL, .fields = member_ref },
	{ "outcome",         F_TEXT,     OUT | F_NULL, .example = "Accepted" },
	{ "outcome_notes",   F_TEXT,     OUT | F_NULL, .example = "They want it before June" },
	{ "completed_at",    F_DATETIME, OUT | F_NULL },
	{ "completed_by_id", F_UUID,     OUT | F_NULL },
	{ "created_by_id",   F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left" },
	{ "created_at",      F_DATETIME, OUT },
	{ "updated_at",      F_DATETIME, OUT },
	FIELD_END
};

static const struct field outcome_in[] = {
	{ "outcome",       F_TEXT, F_NULL, .max = 255, .example = "Accepted" },
	{ "outcome_notes", F_TEXT, F_NULL, .max = 5000, .example = "They want it before June" },
	FIELD_END
};

static const struct shape task_shape = { "RecordTask", record_task, "Task" };

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define BASE "/api/v1/record-tracking/{record_id}/tasks"
#define ONE  "/api/v1/record-tracking/tasks/{task_id}"

const struct route record_task_routes[] = {
	{ GET,    BASE,            "workspace.records.list_record_tasks",    &by_member, "List a record's tasks", "What is due first, then the most urgent; what is completed or cancelled where it is asked for. Needs can_view on its recordset.",
	  .query = find_in, .out = &task_shape, .list = &numbered, .size = { 50, 200 }, .errors = refused, .sql = &q_record_task_list },
	{ POST,   BASE,            "workspace.records.create_record_task",   &by_member, "Make a task about a record", "Needs can_edit on the recordset, or can_edit_own of who made or owns the record. Who gets it is notified.",
	  .body = record_task, .as = NEW, .out = &task_shape, .errors = refused, .sql = &q_record_task_create, .status = 200 },
	{ PUT,    ONE,             "workspace.records.update_record_task",   &by_member, "Change a task", "For who made it, whose it is, and with can_edit on the recordset.",
	  .body = record_task, .as = SET, .out = &task_shape, .errors = refused, .sql = &q_record_task_update },
	{ POST,   ONE "/complete", "workspace.records.complete_record_task", &by_member, "Complete a task", "For whose it is, and who may change the record.",
	  .body = outcome_in, .out = &task_shape, .errors = refused, .sql = &q_record_task_complete, .status = 200 },
	{ DELETE, ONE,             "workspace.records.delete_record_task",   &by_member, "Delete a task", "For who made it, and with can_edit on the recordset.",
	  .out = &record_tracking_deleted, .errors = refused, .sql = &q_record_task_delete },
	ROUTE_END
};
/* clang-format on */
