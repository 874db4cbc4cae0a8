/*
 * Goals of a workspace and their key results.  How progress and status are found
 * out is sql/functions/work/goals.sql's.
 */
#include "build/sql/work/goals.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/member_ref.h"

#define AMOUNT 1000000000000000 /* of what is measured, either way */

/* clang-format off */
static const char *const levels[] = { "company", "team", "individual", NULL };
static const char *const states[] = { "on-track", "at-risk", "behind", "completed", NULL };
static const char *const metrics[] = { "number", "percentage", "currency", "boolean", NULL };

static const struct field find_in[] = {
	{ "level",          F_ENUM, 0, .values = levels },
	{ "status",         F_ENUM, 0, .values = states },
	{ "owner_id",       F_UUID, 0, .about = "a member" },
	{ "team_id",        F_UUID, 0 },
	{ "parent_goal_id", F_UUID, 0 },
	FIELD_END
};

static const struct field team_ref[] = {
	{ "id",   F_UUID, 0 },
	{ "name", F_TEXT, 0, .example = "Sales" },
	FIELD_END
};

static const struct field key_result[] = {
	{ "id",            F_UUID,     OUT | NEW | SET | F_RARE, .about = "of one that the goal has; without it one is added" },
	{ "goal_id",       F_UUID,     OUT },
	{ "title",         F_TEXT,     OUT | NEW | SET | F_REQUIRED, .min = 1, .max = 255, .example = "Ten new customers" },
	{ "description",   F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000, .example = "Signed, not only promised" },
	{ "metric_type",   F_ENUM,     OUT | NEW | SET, .values = metrics, .about = "number, unless another is given; boolean goes from 0 to 1" },
	{ "unit",          F_TEXT,     OUT | NEW | SET | F_NULL, .max = 20, .example = "customers" },
	{ "start_value",   F_NUMBER,   OUT | NEW | SET | F_SIGNED, .min = -AMOUNT, .max = AMOUNT, .example = "0", .about = "0, unless given" },
	{ "target_value",  F_NUMBER,   OUT | NEW | SET | F_SIGNED, .min = -AMOUNT, .max = AMOUNT, .example = "10",
	  .about = "needed for number and currency; of a percentage 100, unless given" },
	{ "current_value", F_NUMBER,   OUT | NEW | SET | F_SIGNED, .min = -AMOUNT, .max = AMOUNT, .example = "4", .about = "start_value, unless given" },
	{ "weight",        F_NUMBER,   OUT | NEW | SET, .max = 1000, .example = "1", .about = "in the goal's progress; 1, unless given" },
	{ "progress",      F_NUMBER,   OUT, .about = "percent, with two decimals" },
	{ "is_completed",  F_BOOL,     OUT },
	{ "due_date",      F_DATE,     OUT | NEW | SET | F_NULL, .example = "2027-03-31" },
	{ "owner_id",      F_UUID,     OUT | NEW | SET | F_NULL, .about = "a member", .example = "member theo" },
	{ "position",      F_INT,      OUT | NEW | SET, .max = 1000000, .about = "its place in the list, unless given" },
	{ "created_at",    F_DATETIME, OUT },
	{ "updated_at",    F_DATETIME, OUT },
	FIELD_END
};

static const struct field goal[] = {
	{ "id",             F_UUID,     OUT },
	{ "goal_id",        F_UUID,     SET | F_REQUIRED },
	{ "workspace_id",   F_UUID,     OUT },
	{ "title",          F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Be known in Berlin" },
	{ "description",    F_TEXT,     OUT | NEW | SET | F_NULL, .max = 5000, .example = "Where our next customers are" },
	{ "level",          F_ENUM,     OUT | NEW | SET, .values = levels, .def = "individual" },
	{ "status",         F_ENUM,     OUT | NEW | SET, .values = states, .about = "found out by progress and dates, unless given" },
	{ "progress",       F_NUMBER,   OUT | NEW | SET | F_RARE, .max = 100, .def = "0", .about = "percent; that of the key results, if there are any" },
	{ "owner_id",       F_UUID,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .about = "a member; of a new one the caller, unless given", .example = "member theo" },
	{ "owner",          F_OBJECT,   OUT | F_NULL, .fields = member_ref },
	{ "team_id",        F_UUID,     OUT | NEW | SET | F_NULL, .about = "needed where the level is team" },
	{ "team",           F_OBJECT,   OUT | F_NULL, .fields = team_ref },
	{ "parent_goal_id", F_UUID,     OUT | NEW | SET | F_NULL, .example = "goal company" },
	{ "start_date",     F_DATE,     OUT | NEW | SET | F_NULL, .about = "of a new one today, in UTC, unless given" },
	{ "due_date",       F_DATE,     OUT | NEW | SET | F_NULL, .example = "2027-03-31" },
	{ "key_results",    F_LIST,     OUT | NEW | SET, .fields = key_result, .max = 50, .about = "in an update all that there are to be: those left out go" },
	{ "created_by",     F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left" },
	{ "completed_at",   F_DATETIME, OUT | F_NULL },
	{ "created_at",     F_DATETIME, OUT },
	{ "updated_at",     F_DATETIME, OUT },
	{ "note",           F_TEXT,     DETAIL | F_NULL, .about = "of a report" },
	FIELD_END
};

static const struct field report[] = {
	{ "id",            F_UUID,   F_REQUIRED, .example = "key_result" },
	{ "current_value", F_NUMBER, F_SIGNED, .min = -AMOUNT, .max = AMOUNT, .example = "60" },
	{ "is_completed",  F_BOOL,   F_RARE, .about = "true: as if the target was given; false: the start, if it was reached" },
	FIELD_END
};

static const struct field progress_in[] = {
	{ "goal_id",     F_UUID, F_REQUIRED },
	{ "key_results", F_LIST, F_REQUIRED, .fields = report, .min = 1, .max = 50 },
	{ "note",        F_TEXT, 0, .max = 1000, .about = "for the event", .example = "The third chart is dated" },
	FIELD_END
};

static const struct shape goal_shape = { "Goal", goal };
const struct shape goal_event_shape = { "EventGoal", goal, .as = DETAIL };

static const struct constraint constraints[] = {
	{ "goals_owner",       ERR_VALIDATION, "owner_id",       "owner_id is no member of this workspace" },
	{ "goals_team",        ERR_VALIDATION, "team_id",        "team_id is no team of this workspace" },
	{ "goals_parent",      ERR_VALIDATION, "parent_goal_id", "parent_goal_id is no goal of this workspace" },
	{ "goals_dates_order", ERR_VALIDATION, "due_date",       "due_date must not be before start_date" },
	{ "key_results_owner", ERR_VALIDATION, "key_results",    "the owner_id of a key result is no member of this workspace" },
	{ NULL }
};

static const enum err not_there[] = { ERR_NOT_FOUND, ERR_OK };

#define BASE "/api/v1/goals"

const struct route goal_routes[] = {
	{ GET,    BASE,              "workspace.goals.list_goals",      &by_member, "List goals", .about = "The company's, the teams', then those of one; the newest first.",
	  .may = &can_view_goal, .query = find_in, .out = &goal_shape, .list = &counted, .sql = &q_goal_list },
	{ POST,   BASE,              "workspace.goals.create_goal",     &by_member, "Create a goal",
	  .may = &can_create_goal, .body = goal, .as = NEW, .out = &goal_shape, .constraints = constraints, .sql = &q_goal_create },
	{ PUT,    BASE "/progress",  "workspace.goals.update_progress", &by_member, "Report progress on key results",
	  .may = &can_edit_goal, .body = progress_in, .out = &goal_shape, .errors = not_there, .sql = &q_goal_progress },
	{ PATCH,  BASE,              "workspace.goals.update_goal",     &by_member, "Change a goal",
	  .may = &can_edit_goal, .body = goal, .as = SET, .out = &goal_shape, .errors = not_there, .constraints = constraints, .sql = &q_goal_update },
	{ DELETE, BASE "/{goal_id}", "workspace.goals.delete_goal",     &by_member, "Delete a goal", .about = "Goals below it move to the top.",
	  .may = &can_delete_goal, .out = &goal_shape, .sql = &q_goal_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
