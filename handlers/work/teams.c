/*
 * Teams of a workspace, as a tree, and who is in them.  (The dashboard's team is
 * handlers/tenancy/team.c.)
 */
#include "build/sql/work/teams.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"
#include "handlers/tenancy/member_ref.h"

/* clang-format off */
static const char *const team_roles[] = { "lead", "member", NULL };

static const struct field find_in[] = {
	{ "search",         F_TEXT, 0, .max = 255, .about = "only those whose name or description contains this" },
	{ "is_active",      F_BOOL, 0 },
	{ "parent_team_id", F_UUID, 0, .about = "only the teams right below this one" },
	FIELD_END
};

static const struct field team[] = {
	{ "id",             F_UUID,     OUT },
	{ "name",           F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Sales" },
	{ "description",    F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000, .example = "Who sells" },
	{ "color",          F_COLOR,    OUT | NEW | SET | F_NULL, .example = "#1a2b3c" },
	{ "icon",           F_TEXT,     OUT | NEW | SET | F_NULL, .max = 50, .example = "star" },
	{ "parent_team_id", F_UUID,     OUT | NEW | SET | F_NULL, .about = "null: at the top", .example = "team fleet" },
	{ "lead_member_id", F_UUID,     OUT | NEW | SET | F_NULL, .about = "becomes a lead of the team; the one before, a member", .example = "member theo" },
	{ "member_ids",     F_LIST,     NEW, .item = F_UUID, .max = 500, .about = "who is in it beside the lead" },
	{ "is_active",      F_BOOL,     OUT | NEW | SET, .def = "true" },
	{ "member_count",   F_INT,      OUT },
	{ "created_by_id",  F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left" },
	{ "created_at",     F_DATETIME, OUT },
	{ "updated_at",     F_DATETIME, OUT },
	FIELD_END
};

static const struct field team_member[] = {
	{ "id",        F_UUID,     OUT },
	{ "team_id",   F_UUID,     OUT },
	{ "member_id", F_UUID,     OUT | NEW | NEEDED, .about = "of the membership", .example = "member vera" },
	{ "role",      F_ENUM,     OUT | NEW, .values = team_roles, .def = "member", .about = "a lead may change the team, and who is in it" },
	{ "member",    F_OBJECT,   OUT, .fields = member_ref },
	{ "joined_at", F_DATETIME, OUT },
	FIELD_END
};

static const struct field role_in[] = {
	{ "role", F_ENUM, F_REQUIRED, .values = team_roles },
	FIELD_END
};

static const struct field team_detail[] = {
	FIELDS_OF(team),
	{ "lead",        F_OBJECT, OUT | F_NULL, .fields = member_ref },
	{ "members",     F_LIST,   OUT, .fields = team_member },
	{ "child_teams", F_LIST,   OUT, .fields = team },
	FIELD_END
};

static const struct shape team_shape = { "Team", team };
static const struct shape detail_shape = { "TeamDetail", team_detail, "Team" };
static const struct shape member_shape = { "TeamMember", team_member };

static const struct child family[] = {
	{ "members",     &q_workspace_team_member_list },
	{ "child_teams", &q_workspace_team_children },
	{ NULL }
};

static const struct constraint constraints[] = {
	{ "workspace_teams_name_unique",    ERR_CONFLICT,  "name", "there is a team of this name already" },
	{ "workspace_teams_parent",         ERR_NOT_FOUND, "parent_team_id", "Team not found" },
	{ "workspace_team_members_member",  ERR_NOT_FOUND, NULL, "Member not found" },
	{ NULL }
};

static const struct constraint member_constraints[] = {
	{ "workspace_team_members_pkey",    ERR_CONFLICT,  "member_id", "this member is in the team already" },
	{ "workspace_team_members_member",  ERR_NOT_FOUND, "member_id", "Member not found" },
	{ NULL }
};

#define BASE "/api/v1/teams"
#define MEMBERS BASE "/{team_id}/members"
#define LEADS "For who has can_edit_team, or leads the team."

const struct route workspace_team_routes[] = {
	{ GET,    BASE,                    "workspace.teams.list_teams",         &by_member, "List teams", .about = "By name.",
	  .may = &can_view_team, .query = find_in, .out = &team_shape, .list = &counted, .items = "teams", .sql = &q_workspace_team_list },
	{ GET,    BASE "/{team_id}",       "workspace.teams.get_team",           &by_member, "Get a team, its members, and the teams below it",
	  .may = &can_view_team, .out = &detail_shape, .children = family, .sql = &q_workspace_team_get },
	{ POST,   BASE,                    "workspace.teams.create_team",        &by_member, "Create a team",
	  .may = &can_create_team, .body = team, .as = NEW, .out = &team_shape, .constraints = constraints, .sql = &q_workspace_team_create },
	{ PUT,    BASE "/{team_id}",       "workspace.teams.update_team",        &by_member, "Change a team", .about = LEADS,
	  .may = &can_view_team, .body = team, .as = SET, .out = &team_shape, .constraints = constraints, .sql = &q_workspace_team_update },
	{ DELETE, BASE "/{team_id}",       "workspace.teams.delete_team",        &by_member, "Delete a team", .about = "The teams below it move to the top.",
	  .may = &can_delete_team, .out = &team_shape, .sql = &q_workspace_team_delete, .status = 204 },
	{ GET,    MEMBERS,                 "workspace.teams.list_team_members",  &by_member, "List a team's members", .about = "Leads first, then by name.",
	  .may = &can_view_team, .out = &member_shape, .list = &counted, .items = "members", .sql = &q_workspace_team_member_list },
	{ POST,   MEMBERS,                 "workspace.teams.add_team_member",    &by_member, "Put a member into a team", .about = LEADS " Who is added is notified.",
	  .may = &can_view_team, .body = team_member, .as = NEW, .out = &member_shape, .constraints = member_constraints, .sql = &q_workspace_team_member_add },
	{ PUT,    MEMBERS "/{member_id}",  "workspace.teams.update_team_member", &by_member, "Change a member's role in a team", .about = LEADS,
	  .may = &can_view_team, .body = role_in, .out = &member_shape, .sql = &q_workspace_team_member_update },
	{ DELETE, MEMBERS "/{member_id}",  "workspace.teams.remove_team_member", &by_member, "Take a member out of a team", .about = LEADS " Everybody may leave.",
	  .may = &can_view_team, .out = &member_shape, .sql = &q_workspace_team_member_remove, .status = 204 },
	ROUTE_END
};
/* clang-format on */
