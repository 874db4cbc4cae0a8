/*
 * Tasks of a tenant on the operations surface: internal rows, whose words are P0 to P3 and
 * done, and public ones for keys with the scopes tasks:read and tasks:write, whose words
 * are critical to low, and cancelled also for what is archived.  The rows are one; the
 * words are sql/functions/work/tenant_tasks.sql's.
 */
#include "build/sql/work/tenant_tasks.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"
#include "lib/db/column.h"

/* clang-format off */
static const char *const statuses[]        = { "todo", "in_progress", "review", "done", "blocked", "archived", "cancelled", NULL };
static const char *const made_statuses[]   = { "todo", "in_progress", "review", "done", "blocked", "archived", NULL };
static const char *const public_statuses[] = { "todo", "in_progress", "review", "done", "blocked", "cancelled", NULL };
static const char *const cancelled[]       = { "cancelled", NULL };
static const char *const priorities[]        = { "P0", "P1", "P2", "P3", NULL };
static const char *const public_priorities[] = { "low", "medium", "high", "critical", NULL };
static const char *const types[]           = { "feature", "bug", "research", "ops", "infra", "content", "other", NULL };

static const struct field task_params[] = {
	{ "task_number", F_INT, F_REQUIRED, .min = 1, .about = "the task's id", .example = "1" },
	FIELD_END
};

static const struct field find_in[] = {
	{ "status",   F_LIST, F_CSV, .item = F_ENUM, .values = statuses, .min = 1, .max = 7, .about = "one of these" },
	{ "q",        F_TEXT, 0, .min = 1, .max = 200, .about = "each of its words is in the title or the description, in any case", .example = "tide" },
	{ "assignee", F_TEXT, 0, .min = 1, .max = 100, .about = "exactly; me: the caller's username, with a key its maker's", .example = "theo" },
	{ "product",  F_TEXT, F_RARE, .min = 1, .max = 100, .about = "the product's slug", .example = "tide-tables" },
	{ "priority", F_LIST, F_CSV, .item = F_ENUM, .values = priorities, .min = 1, .max = 4, .about = "one of these" },
	{ "next",     F_BOOL, F_RARE, .def = "false", .about = "only what the assignee is to do next: todo, the most urgent, the oldest of these. Nothing else is looked at", .example = "true" },
	FIELD_END
};

static const struct field task[] = {
	{ "id",                F_INT,      OUT, .example = "1" },
	{ "title",             F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 300, .example = "Print the tide tables" },
	{ "description",       F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 20000, .example = "For each harbour, on one page." },
	{ "status",            F_ENUM,     NEW, .values = made_statuses, .def = "todo" },
	{ "status",            F_ENUM,     OUT, .values = statuses },
	{ "priority",          F_ENUM,     OUT | NEW, .values = priorities, .def = "P2" },
	{ "assignee",          F_TEXT,     OUT | NEW | F_NULL_OUT, .min = 1, .max = 100, .about = "a name, of a user or an agent; me: the caller's", .example = "theo" },
	{ "product_slug",      F_TEXT,     NEW, .min = 1, .max = 100, .example = "tide-tables" },
	{ "product",           F_TEXT,     OUT | F_NULL, .about = "its slug", .example = "tide-tables" },
	{ "category",          F_TEXT,     OUT | F_NULL, .example = "brand" },
	{ "tags",              F_TEXT,     OUT | F_NULL, .about = "separated by commas", .example = "print,harbour" },
	{ "estimated_minutes", F_INT,      OUT | F_NULL, .example = "30" },
	{ "due_date",          F_DATE,     OUT | F_NULL, .example = "2026-12-24" },
	{ "created_at",        F_DATETIME, OUT },
	{ "updated_at",        F_DATETIME, OUT },
	FIELD_END
};

static const struct field ref[] = {
	{ "id",     F_INT,  0, .example = "2" },
	{ "title",  F_TEXT, 0, .example = "Buy paper" },
	{ "status", F_ENUM, 0, .values = statuses },
	FIELD_END
};

static const struct field detail[] = {
	FIELDS_OF(task),
	{ "type",                 F_ENUM,     OUT, .values = types },
	{ "resolution",           F_TEXT,     OUT | F_NULL, .example = "Printed and bound" },
	{ "max_duration_seconds", F_INT,      OUT | F_NULL, .example = "3600" },
	{ "completed_at",         F_DATETIME, OUT | F_NULL },
	{ "is_blocked",           F_BOOL,     OUT, .about = "one that it waits for has not ended", .example = "false" },
	{ "blocked_by",           F_LIST,     OUT, .fields = ref, .about = "what it waits for" },
	{ "blocking",             F_LIST,     OUT, .fields = ref, .about = "what waits for it" },
	FIELD_END
};

static const struct field public_find_in[] = {
	{ "status",      F_ENUM, 0, .values = public_statuses },
	{ "priority",    F_ENUM, 0, .values = public_priorities },
	{ "assigned_to", F_TEXT, 0, .min = 1, .max = 100, .about = "exactly", .example = "theo" },
	{ "product_id",  F_INT,  F_RARE, .min = 1, .example = "1" },
	FIELD_END
};

static const struct field public_task[] = {
	{ "id",                   F_INT,      OUT, .example = "1" },
	{ "title",                F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 300, .example = "Print the tide tables" },
	{ "description",          F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 20000, .example = "For each harbour, on one page." },
	{ "type",                 F_ENUM,     OUT | NEW | SET, .values = types, .def = "other" },
	{ "priority",             F_ENUM,     OUT | NEW | SET, .values = public_priorities, .def = "medium" },
	{ "status",               F_ENUM,     OUT | NEW | SET, .values = public_statuses, .def = "todo" },
	{ "assigned_to",          F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .min = 1, .max = 100, .example = "theo" },
	{ "product_id",           F_INT,      OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .min = 1, .example = "1" },
	{ "resolution",           F_TEXT,     OUT | SET | F_NULL_OUT | F_NULL_SET, .max = 5000, .example = "Printed and bound" },
	{ "max_duration_seconds", F_INT,      OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .min = 1, .max = 604800, .example = "3600" },
	{ "created_at",           F_DATETIME, OUT },
	{ "updated_at",           F_DATETIME, OUT },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",      F_INT,  0, .example = "1" },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct field stopped[] = {
	{ "id",     F_INT,  0, .example = "1" },
	{ "status", F_ENUM, 0, .values = cancelled },
	FIELD_END
};

static const struct child links[] = {
	{ "blocked_by", &q_tenant_task_blocked_by },
	{ "blocking", &q_tenant_task_blocking },
	{ NULL }
};

static const struct constraint constraints[] = {
	{ "tasks_product", ERR_VALIDATION, "product_id", "there is no such product" },
	{ NULL }
};

static const struct shape
	task_shape      = { "Task", task },
	detail_shape    = { "TaskDetail", detail, "Task" },
	public_shape    = { "PublicTask", public_task, "Task" },
	gone_shape      = { "TaskDeleted", gone, "Task" },
	stopped_shape   = { "TaskCancelled", stopped, "Task" };
/* clang-format on */

/* What the function has made is seen by the next statement. */
static enum err make(struct req *rq, const struct query *add, const struct query *show)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, add, false, &res);

	if (rc)
		return rc;
	tx_set(&rq->tx, "made_task", arena_dup(&rq->tx.arena, column_text(res, 0, "task_id")));
	tx_set(&rq->tx, "is_old", column_bool(res, 0, "is_old") ? "true" : "false");
	tx_set(&rq->tx, "reason",
	       column_text(res, 0, "reason") ? arena_dup(&rq->tx.arena, column_text(res, 0, "reason"))
					     : NULL);
	return answer_rows(rq, show);
}

static enum err task_create(struct req *rq)
{
	return make(rq, &q_tenant_task_create, &q_tenant_task_made);
}

static enum err public_task_create(struct req *rq)
{
	return make(rq, &q_public_task_create, &q_public_task_made);
}

/* clang-format off */
#define BASE "/api/tasks"
#define PUBLIC "/api/v1/public/tasks"

const struct route operations_task_routes[] = {
	{ GET,    BASE, "operations.tasks.list", &by_person, "List the tasks of a tenant",
	  .about = "By priority, the newest of each first. total counts what matches; of a search up to 1,001, which are the newest.",
	  .query = find_in, .out = &task_shape, .list = &enveloped, .sql = &q_tenant_task_list },
	{ POST,   BASE, "operations.tasks.create", &by_person, "Make a task",
	  .about = "An open one of the same title, product and assignee that was made within 24 hours is answered in its place: meta.deduplicated says so, and meta.reason why.",
	  .may = &tenant_write, .body = task, .as = NEW, .out = &task_shape, .says = "deduplicated", .because = "reason", .budget = &budget_tasks,
	  .sql = &q_tenant_task_made, .run = task_create },
	{ GET,    BASE "/{task_number}", "operations.tasks.get", &by_person, "Get a task, what it waits for, and what waits for it",
	  .params = task_params, .out = &detail_shape, .children = links, .sql = &q_tenant_task_get },
	{ DELETE, BASE "/{task_number}", "operations.tasks.delete", &by_person, "Delete a task",
	  .about = "For good; to keep it, cancel it (DELETE /api/v1/public/tasks/{task_number}).",
	  .may = &operator_admin, .params = task_params, .out = &gone_shape, .done = "Task deleted", .sql = &q_tenant_task_delete },
	{ GET,    PUBLIC, "operations.tasks.list_public", &by_person, "List tasks", .about = "The newest first.", .scope = "tasks:read",
	  .query = public_find_in, .out = &public_shape, .list = &enveloped, .sql = &q_public_task_list },
	{ POST,   PUBLIC, "operations.tasks.create_public", &by_person, "Make a task for a program", .scope = "tasks:write",
	  .about = "Two of the same title are two.",
	  .may = &tenant_write, .body = public_task, .as = NEW, .out = &public_shape, .sql = &q_public_task_made, .run = public_task_create },
	{ GET,    PUBLIC "/{task_number}", "operations.tasks.get_public", &by_person, "Get a task as programs see it", .scope = "tasks:read",
	  .params = task_params, .out = &public_shape, .sql = &q_public_task_get },
	{ PATCH,  PUBLIC "/{task_number}", "operations.tasks.update_public", &by_person, "Change a task", .scope = "tasks:write",
	  .about = "Any status may follow any other one: with done it stands in the changelog, and without it does not.",
	  .may = &tenant_write, .params = task_params, .body = public_task, .as = SET, .out = &public_shape, .constraints = constraints, .sql = &q_public_task_update },
	{ DELETE, PUBLIC "/{task_number}", "operations.tasks.cancel_public", &by_person, "Cancel a task", .scope = "tasks:write",
	  .about = "It stays readable; once more is the same.",
	  .may = &tenant_write, .params = task_params, .out = &stopped_shape, .done = "Task cancelled", .sql = &q_public_task_cancel },
	ROUTE_END
};
/* clang-format on */
