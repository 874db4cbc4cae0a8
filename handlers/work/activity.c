/*
 * What happened in a workspace. Who writes it are triggers, and what of it a member may see is one function:
 * sql/functions/work/workspace_activity.sql.
 */
#include "build/sql/work/activity.h"
#include "handlers/permissions.h"
#include "handlers/tenancy/member_ref.h"

/* clang-format off */
static const char *const types[] = { "action", "goal", "record", "integration", "user", NULL };
static const char *const whose[] = { "mine", "all", NULL };

static const struct pattern cursor_form = { "^[A-Za-z0-9_-]{32}$", "the next_cursor of an answer" };

#define WHICH \
	{ "types",      F_LIST, F_RARE | F_CSV, .item = F_ENUM, .values = types, .min = 1, .max = 5, .about = "left out: all" }, \
	{ "start_date", F_DATETIME, F_RARE | F_DAY, .about = "then or later; a date is its whole day in UTC", .example = "2026-01-01" }, \
	{ "end_date",   F_DATETIME, F_RARE | F_DAY, .about = "and not later", .example = "2026-12-31" }, \
	{ "scope",      F_ENUM, 0, .values = whose, .def = "all" }, \
	{ "user_ids",   F_LIST, F_RARE | F_CSV, .item = F_UUID, .min = 1, .max = 100, .about = "of these: users or members" }, \
	{ "team_ids",   F_LIST, F_RARE | F_CSV, .item = F_UUID, .min = 1, .max = 100, .about = "of who is in one of these teams" }

static const struct field feed_in[] = {
	{ "search", F_TEXT, F_RARE, .max = 255, .about = "in the description, in any case; blank: no filter", .example = "berlin" },
	WHICH,
	FIELD_END
};

static const struct field history_in[] = {
	WHICH,
	{ "cursor", F_TEXT, F_RARE, .fits = &cursor_form, .about = "next_cursor of the page before", .example = "AAAAAAAAAAABk2scL156EIw9W296jJ0O" },
	FIELD_END
};

static const struct field activity[] = {
	{ "id",          F_UUID,     0 },
	{ "type",        F_ENUM,     0, .values = types, .example = "goal" },
	{ "event",       F_TEXT,     0, .example = "goal.created" },
	{ "description", F_TEXT,     0, .example = "Goal created: Be known in Berlin" },
	{ "actor",       F_OBJECT,   F_NULL, .fields = member_ref, .about = "who did it; null: nobody, or one who has left" },
	{ "entity_type", F_TEXT,     F_NULL, .example = "goal" },
	{ "entity_id",   F_TEXT,     F_NULL },
	{ "entity_name", F_TEXT,     F_NULL, .about = "as it was called then", .example = "Be known in Berlin" },
	{ "link",        F_TEXT,     F_NULL, .about = "the page about it, without the host", .example = "/goals/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	{ "metadata",    F_OBJECT,   0, .about = "for programs" },
	{ "timestamp",   F_DATETIME, 0 },
	FIELD_END
};

static const struct field types_out[] = {
	{ "action",      F_INT, 0, .example = "0" },
	{ "goal",        F_INT, 0, .example = "12" },
	{ "record",      F_INT, 0, .example = "0" },
	{ "integration", F_INT, 0, .example = "0" },
	{ "user",        F_INT, 0, .example = "7" },
	FIELD_END
};

static const struct field day_out[] = {
	{ "date",  F_TEXT, 0, .example = "2026-01-31" },
	{ "count", F_INT,  0, .example = "3" },
	FIELD_END
};

static const struct field most_out[] = {
	{ "member", F_OBJECT, 0, .fields = member_ref },
	{ "count",  F_INT,    0, .example = "9" },
	FIELD_END
};

static const struct field stats_out[] = {
	{ "total",        F_INT,    0, .example = "19" },
	{ "today",        F_INT,    0, .about = "in UTC", .example = "3" },
	{ "last_7_days",  F_INT,    0, .about = "today is one of them", .example = "11" },
	{ "last_30_days", F_INT,    0, .example = "19" },
	{ "by_type",      F_OBJECT, 0, .fields = types_out },
	{ "by_day",       F_LIST,   0, .fields = day_out, .about = "the last 30, the oldest first" },
	{ "top_members",  F_LIST,   0, .fields = most_out, .about = "who did most in these, at most five" },
	FIELD_END
};

static const struct shape stats_shape = { "ActivityStats", stats_out };
static const struct shape activity_shape = { "Activity", activity };

static const struct list activities = { "activities", NULL, { "total", "limit", "offset", "has_more" }, { "limit", "offset" }, { 20, 100 } };

const struct route activity_routes[] = {
	{ GET, "/api/v1/activity/feed", "workspace.activity.get_feed", &by_member, "List what happened",
	  .about = "The newest first, of what the caller may see. All that is asked for has to be so. total is counted up to 10,001, that of a search up to 1,001.",
	  .may = &can_view_activity, .query = feed_in, .out = &activity_shape, .list = &activities, .sql = &q_activity_feed },
	{ GET, "/api/v1/activity/history", "workspace.activity.list_history", &by_member, "Read all that happened",
	  .about = "The newest first, page behind page: what comes meanwhile moves nothing. As CSV or NDJSON all of it, in one answer.",
	  .may = &can_view_activity, .query = history_in, .out = &activity_shape, .list = &followed, .items = "activities", .sql = &q_activity_history,
	  .outputs = AS_CSV | AS_NDJSON },
	{ GET, "/api/v1/activity/stats", "workspace.activity.get_stats", &by_member, "Count what happened",
	  .about = "Of what the caller may see: what is hidden is not counted.",
	  .may = &can_view_activity, .out = &stats_shape, .sql = &q_activity_stats },
	ROUTE_END
};
/* clang-format on */
