/*
 * Discovery engines, on the operations surface: what looks for work by the clock.  Each run is a job of the
 * queue "discovery", which a worker takes from the task queue and reports there.
 */
#include "build/sql/work/discovery.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const statuses[] = { "queued", "running", "completed", "failed", NULL };
static const char *const open_statuses[] = { "queued", "running", NULL };
static const char *const triggers[] = { "schedule", "manual", NULL };

static const struct field stats[] = {
	{ "total_runs",      F_INT,      0, .about = "that have ended", .example = "30" },
	{ "completed_runs",  F_INT,      0, .example = "29" },
	{ "failed_runs",     F_INT,      0, .example = "1" },
	{ "findings",        F_INT,      0, .example = "12" },
	{ "avg_duration_ms", F_INT,      F_NULL, .example = "42000" },
	{ "total_cost_usd",  F_NUMBER,   0, .example = "0.42" },
	{ "last_run_at",     F_DATETIME, F_NULL, .about = "when it began, or was queued" },
	{ "last_status",     F_ENUM,     F_NULL, .values = statuses },
	FIELD_END
};

static const struct field run[] = {
	{ "id",            F_INT,      0, .example = "77" },
	{ "engine_slug",   F_TEXT,     0, .example = "chart-scout" },
	{ "status",        F_ENUM,     0, .values = statuses },
	{ "trigger",       F_ENUM,     0, .values = triggers },
	{ "findings",      F_INT,      0, .about = "as its worker reports: findings of the job's result", .example = "3" },
	{ "tasks_created", F_INT,      0, .about = "of task_ids of the result, those that are there", .example = "2" },
	{ "cost_usd",      F_NUMBER,   0, .about = "cost_usd of the result", .example = "0.02" },
	{ "duration_ms",   F_INT,      F_NULL, .example = "42000" },
	{ "error",         F_TEXT,     F_NULL, .example = "lease expired" },
	{ "started_at",    F_DATETIME, F_NULL },
	{ "finished_at",   F_DATETIME, F_NULL },
	{ "created_at",    F_DATETIME, 0 },
	FIELD_END
};

static const struct field engine[] = {
	{ "id",                   F_INT,      OUT, .example = "4" },
	{ "name",                 F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Chart scout" },
	{ "slug",                 F_TEXT,     OUT, .about = "made of the name, with -2 and so on where that is taken; for good", .example = "chart-scout" },
	{ "description",          F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 2000, .example = "Looks for charts that are out of date" },
	{ "layer",                F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "content" },
	{ "schedule_interval_ms", F_INT,      OUT | NEW | SET, .min = 60000, .max = 2592000000LL, .def = "86400000" },
	{ "model",                F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 100, .example = "standard" },
	{ "enabled",              F_BOOL,     OUT | NEW | SET, .def = "true" },
	{ "schedule_id",          F_UUID,     OUT | F_NULL, .about = "of what makes its jobs; null: it is off" },
	{ "next_run_at",          F_DATETIME, OUT | F_NULL },
	{ "stats",                F_OBJECT,   OUT, .fields = stats },
	{ "linked_tasks",         F_INT,      OUT, .about = "tasks that it gave rise to", .example = "9" },
	{ "created_at",           F_DATETIME, OUT },
	{ "updated_at",           F_DATETIME, OUT },
	{ "recent_runs",          F_LIST,     DETAIL, .fields = run, .about = "the latest 20, the newest first" },
	FIELD_END
};

static const struct field efficiency[] = {
	{ "slug",              F_TEXT,   0, .example = "chart-scout" },
	{ "name",              F_TEXT,   0, .example = "Chart scout" },
	{ "runs",              F_INT,    0, .example = "30" },
	{ "compute_minutes",   F_NUMBER, 0, .example = "21.5" },
	{ "cost_usd",          F_NUMBER, 0, .example = "0.42" },
	{ "tasks_created",     F_INT,    0, .example = "9" },
	{ "tasks_done",        F_INT,    0, .example = "7" },
	{ "wasted_runs",       F_INT,    0, .about = "completed, and no task came of them", .example = "20" },
	{ "waste_percent",     F_NUMBER, 0, .about = "of all runs", .example = "66.67" },
	{ "cost_per_task_usd", F_NUMBER, F_NULL, .about = "of tasks created", .example = "0.046667" },
	FIELD_END
};

static const struct field queued[] = {
	{ "run_id",         F_INT,      0, .example = "77" },
	{ "engine_slug",    F_TEXT,     0, .example = "chart-scout" },
	{ "status",         F_ENUM,     0, .values = open_statuses },
	{ "job_id",         F_TEXT,     0, .about = "of the queue discovery", .example = "01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f" },
	{ "already_queued", F_BOOL,     0, .about = "it waited or ran before", .example = "false" },
	{ "queued_at",      F_DATETIME, 0 },
	FIELD_END
};

static const struct field engine_params[] = {
	{ "engine_slug", F_TEXT, F_REQUIRED, .about = "the engine's slug", .example = "chart-scout" },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",      F_INT,  0, .example = "4" },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct child runs[] = {
	{ "recent_runs", &q_discovery_engine_of_recent_runs },
	{ NULL }
};

static const struct shape
	engine_shape     = { "DiscoveryEngine", engine, "Engine" },
	detail_shape     = { "DiscoveryEngineDetail", engine, "Engine", .as = DETAIL },
	efficiency_shape = { "DiscoveryEfficiency", efficiency },
	queued_shape     = { "DiscoveryRunQueued", queued, "Engine" },
	gone_shape       = { "DiscoveryEngineDeleted", gone, "Engine" };

#define BASE "/api/discovery-engines"
#define ONE BASE "/{engine_slug}"

const struct route discovery_routes[] = {
	{ GET,    BASE, "operations.agents.list_discovery_engines", &by_operator, "List the discovery engines", .about = "By name; at most 1,000.",
	  .may = &operator_read, .out = &engine_shape, .list = &unpaged, .sql = &q_discovery_engine_list },
	{ POST,   BASE, "operations.agents.create_discovery_engine", &by_operator, "Make a discovery engine",
	  .about = "While it is enabled, a schedule makes a job of the queue discovery each time that it is due.",
	  .may = &operator_edit, .body = engine, .as = NEW, .out = &engine_shape, .sql = &q_discovery_engine_create },
	{ GET,    BASE "/efficiency", "operations.agents.get_discovery_efficiency", &by_operator, "Show what discovery engines cost and bring",
	  .about = "In the last 30 days; who wastes most of its runs first.",
	  .may = &operator_read, .out = &efficiency_shape, .list = &unpaged, .sql = &q_discovery_efficiency_list },
	{ GET,    ONE, "operations.agents.get_discovery_engine", &by_operator, "Get a discovery engine, and its latest runs",
	  .may = &operator_read, .params = engine_params, .out = &detail_shape, .children = runs, .sql = &q_discovery_engine_get },
	{ PATCH,  ONE, "operations.agents.update_discovery_engine", &by_operator, "Change a discovery engine",
	  .about = "Its schedule follows at once: another interval moves the next run.",
	  .may = &operator_edit, .params = engine_params, .body = engine, .as = SET, .out = &engine_shape, .sql = &q_discovery_engine_update },
	{ DELETE, ONE, "operations.agents.delete_discovery_engine", &by_operator, "Delete a discovery engine",
	  .about = "Its schedule, jobs that wait and its runs go with it; tasks that it made stay.",
	  .may = &operator_edit, .params = engine_params, .out = &gone_shape, .done = "Engine deleted", .sql = &q_discovery_engine_delete },
	{ POST,   ONE "/run", "operations.agents.run_discovery_engine", &by_operator, "Run a discovery engine now",
	  .about = "Beside its schedule, and also one that is off. A run that waits or runs already is that run.",
	  .may = &operator_write, .params = engine_params, .out = &queued_shape, .sql = &q_discovery_engine_run, .status = 200 },
	ROUTE_END
};
/* clang-format on */
