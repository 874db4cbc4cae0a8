/* Insights: what was found out about a record, mostly by a model (record_ai.c), and what became of it. */
#include "build/sql/records/record_insights.h"
#include "fcgi/route.h"
#include "handlers/records/record_tracking.h"

/* clang-format off */
const char *const record_insight_types[] = { "follow_up", "risk", "opportunity", "relationship", "data_quality", "trend", NULL };

static const char *const sources[] = { "ai", "manual", NULL };

static const struct field find_in[] = {
	{ "insight_type",      F_ENUM, F_RARE, .values = record_insight_types },
	{ "include_dismissed", F_BOOL, F_RARE, .def = "false" },
	FIELD_END
};

const struct field record_insight[] = {
	{ "id",               F_UUID,     0, .example = "insight" },
	{ "record_id",        F_UUID,     0 },
	{ "recordset_id",     F_UUID,     0 },
	{ "insight_type",     F_ENUM,     0, .values = record_insight_types },
	{ "title",            F_TEXT,     0, .example = "They wait for the offer" },
	{ "description",      F_TEXT,     0, .example = "The last call was about the offer, and nothing has been sent since." },
	{ "priority",         F_ENUM,     0, .values = record_priorities },
	{ "confidence",       F_NUMBER,   0, .example = "0.8", .about = "from 0 to 1" },
	{ "suggested_action", F_TEXT,     F_NULL, .example = "Send the offer" },
	{ "source",           F_ENUM,     0, .values = sources },
	{ "is_dismissed",     F_BOOL,     0 },
	{ "dismissed_at",     F_DATETIME, F_NULL },
	{ "dismiss_reason",   F_TEXT,     F_NULL, .example = "It was sent by post" },
	{ "is_actioned",      F_BOOL,     0 },
	{ "actioned_at",      F_DATETIME, F_NULL },
	{ "action_taken",     F_TEXT,     F_NULL, .example = "Sent" },
	{ "created_at",       F_DATETIME, 0 },
	FIELD_END
};

static const struct field action_in[] = {
	{ "action_taken", F_TEXT, F_NULL, .max = 2000, .example = "Sent" },
	{ "create_task",  F_BOOL, 0, .def = "false", .about = "the caller gets a task of it, once" },
	FIELD_END
};

static const struct field dismiss_in[] = { { "reason", F_TEXT, F_NULL, .max = 500, .example = "It was sent by post" }, FIELD_END };

static const struct shape insight_shape = { "RecordInsight", record_insight, "Insight" };

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define ONE  "/api/v1/record-tracking/insights/{insight_id}"
#define EDIT "Needs can_edit on the recordset, or can_edit_own of who made or owns the record."

const struct route record_insight_routes[] = {
	{ GET,  "/api/v1/record-tracking/{record_id}/insights", "workspace.records.list_insights", &by_member, "List what was found out about a record", "The newest first. Needs can_view on its recordset.",
	  .query = find_in, .out = &insight_shape, .list = &numbered, .size = { 50, 200 }, .errors = refused, .sql = &q_record_insight_list },
	{ POST, ONE "/action",  "workspace.records.action_insight",  &by_member, "Say what was done about an insight", EDIT,
	  .body = action_in, .out = &insight_shape, .errors = refused, .sql = &q_record_insight_action, .status = 200 },
	{ POST, ONE "/dismiss", "workspace.records.dismiss_insight", &by_member, "Dismiss an insight", EDIT " Once: the first reason stays.",
	  .body = dismiss_in, .out = &insight_shape, .errors = refused, .sql = &q_record_insight_dismiss, .status = 200 },
	ROUTE_END
};
/* clang-format on */
