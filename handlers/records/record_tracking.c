/* How work with the records of a recordset goes, in figures; and what several answers about it share. */
#include "handlers/records/record_tracking.h"

#include "build/sql/records/record_insights.h"
#include "build/sql/records/record_interactions.h"
#include "build/sql/records/record_tasks.h"
#include "fcgi/route.h"

/* clang-format off */
static const struct field deleted[] = {
	{ "message", F_TEXT, 0, .example = "Interaction deleted" },
	{ "id",      F_UUID, 0 },
	FIELD_END
};

const struct shape record_tracking_deleted = { "RecordPartDeleted", deleted, .is_note = true };

static const struct field interactions[] = {
	{ "total",        F_INT,    0 },
	{ "last_7_days",  F_INT,    0 },
	{ "last_30_days", F_INT,    0 },
	{ "by_type",      F_OBJECT, 0, .item = F_INT, .example = "{\"call\":3}" },
	FIELD_END
};

static const struct field tasks[] = {
	{ "open",                   F_INT,    0 },
	{ "overdue",                F_INT,    0 },
	{ "due_today",              F_INT,    0, .about = "of the day in UTC" },
	{ "due_this_week",          F_INT,    0, .about = "within seven days, of which today is one" },
	{ "completed_last_30_days", F_INT,    0 },
	{ "by_priority",            F_OBJECT, 0, .item = F_INT, .about = "of those that are open", .example = "{\"high\":1}" },
	FIELD_END
};

static const struct field insights[] = {
	{ "active",      F_INT,    0, .about = "neither dismissed nor done" },
	{ "by_type",     F_OBJECT, 0, .item = F_INT, .example = "{\"risk\":1}" },
	{ "by_priority", F_OBJECT, 0, .item = F_INT, .example = "{\"high\":1}" },
	FIELD_END
};

static const struct field neglected[] = {
	{ "record_id",              F_UUID, 0 },
	{ "title",                  F_TEXT, F_NULL, .example = "Off the mole" },
	{ "days_since_interaction", F_INT,  F_NULL },
	{ "overdue_tasks",          F_INT,  0 },
	FIELD_END
};

static const struct field dashboard[] = {
	{ "recordset_id",        F_UUID,   0 },
	{ "total_records",       F_INT,    0 },
	{ "tracked_records",     F_INT,    0, .about = "with an interaction or a task" },
	{ "interactions",        F_OBJECT, 0, .fields = interactions },
	{ "tasks",               F_OBJECT, 0, .fields = tasks },
	{ "insights",            F_OBJECT, 0, .fields = insights },
	{ "needs_attention",     F_LIST,   0, .fields = neglected, .max = 10, .about = "with tasks that are overdue, the most first; then where the last interaction was 14 days ago or longer, the longest first" },
	{ "recent_interactions", F_LIST,   0, .fields = record_interaction, .max = 10 },
	{ "upcoming_tasks",      F_LIST,   0, .fields = record_task, .max = 10, .about = "what is due next" },
	FIELD_END
};

static const struct shape dashboard_shape = { "TrackingDashboard", dashboard, "Recordset" };

static const struct child lists[] = {
	{ "recent_interactions", &q_record_interaction_recent },
	{ "upcoming_tasks",      &q_record_task_upcoming },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

const struct route record_tracking_routes[] = {
	{ GET, "/api/v1/record-tracking/{recordset_id}/dashboard", "workspace.records.get_tracking_dashboard", &by_member, "Show how work with a recordset's records goes", "Needs can_view on the recordset.",
	  .out = &dashboard_shape, .children = lists, .errors = refused, .sql = &q_record_dashboard },
	ROUTE_END
};
/* clang-format on */
