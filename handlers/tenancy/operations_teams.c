/*
 * Teams of a tenant on the operations surface: everybody in the tenant sees them, their
 * owners and admins change them, and only owners touch owners.  Who may do what to whom is
 * decided behind the team's lock, in sql/functions/tenancy/tenant_teams.sql; invitations are
 * in invitations.c.  Teams of a workspace are handlers/work/teams.c's, the people who run a
 * tenant team.c's.
 */
#include "build/sql/tenancy/operations_teams.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const roles[] = { "owner", "admin", "member", NULL };

static const struct field find_in[] = {
	{ "name", F_TEXT, 0, .max = 255, .about = "only those whose name contains this, whatever its case", .example = "crew" },
	FIELD_END
};

static const struct field team[] = {
	{ "id",           F_INT,      OUT, .example = "5" },
	{ "name",         F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Night crew" },
	{ "description",  F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 1000, .example = "Who is up while the others sleep" },
	{ "owner_id",     F_INT,      OUT, .about = "of several, who has owned it longest", .example = "3" },
	{ "member_count", F_INT,      OUT, .example = "4" },
	{ "role",         F_ENUM,     OUT | F_NULL, .values = roles, .about = "the caller's; null: is not in it" },
	{ "created_at",   F_DATETIME, OUT },
	{ "updated_at",   F_DATETIME, OUT },
	FIELD_END
};

static const struct field member[] = {
	{ "user_id",    F_INT,      OUT | NEW | NEEDED, .min = 1, .example = "2" },
	{ "username",   F_TEXT,     OUT, .example = "theo" },
	{ "email",      F_EMAIL,    OUT | F_NULL, .about = "null for who signed in elsewhere and has told no address" },
	{ "avatar_url", F_URL,      OUT | F_NULL, .example = "https://example.com/theo.png" },
	{ "role",       F_ENUM,     OUT | NEW, .values = roles, .def = "member" },
	{ "role",       F_ENUM,     SET | F_REQUIRED, .values = roles, .example = "admin" },
	{ "joined_at",  F_DATETIME, OUT },
	FIELD_END
};

static const struct field team_detail[] = {
	FIELDS_OF(team),
	{ "members", F_LIST, OUT, .fields = member, .about = "owners first, then in the order in which they joined; at most 1,000" },
	FIELD_END
};

#define TEAM { "team_number", F_INT, F_REQUIRED, .min = 1, .about = "the team's id", .example = "1" }
static const struct field team_params[] = { TEAM, FIELD_END };

static const struct field member_params[] = {
	TEAM,
	{ "user_number", F_INT, F_REQUIRED, .min = 1, .about = "the member's user_id", .example = "3" },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",      F_INT,  0, .example = "5" },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct child members[] = {
	{ "members", &q_operations_team_of_members },
	{ NULL }
};

static const enum err hidden[] = { ERR_NOT_FOUND, ERR_OK };
static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err conflicts[] = { ERR_CONFLICT, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

static const struct shape
	team_shape        = { "OperationsTeam", team, "Team" },
	team_detail_shape = { "OperationsTeamDetail", team_detail, "Team" },
	team_gone_shape   = { "OperationsTeamDeleted", gone, "Team" },
	member_shape      = { "OperationsTeamMember", member, "Member" },
	member_gone_shape = { "OperationsTeamMemberDeleted", gone, "Member" };

#define BASE "/api/teams"
#define ONE BASE "/{team_number}"
#define MANAGED "For the team's owners and admins, and administrators of the tenant"

const struct route operations_team_routes[] = {
	{ GET,    BASE, "operations.teams.list", &by_person, "List the teams of a tenant", .about = "By name.",
	  .query = find_in, .out = &team_shape, .list = &enveloped, .sql = &q_operations_team_list },
	{ POST,   BASE, "operations.teams.create", &by_person, "Make a team of a tenant", .about = "The caller becomes its owner.",
	  .may = &tenant_write, .body = team, .as = NEW, .out = &team_shape, .sql = &q_operations_team_create },
	{ GET,    ONE, "operations.teams.get", &by_person, "Get a team of a tenant, and who is in it",
	  .params = team_params, .out = &team_detail_shape, .children = members, .sql = &q_operations_team_get },
	{ PATCH,  ONE, "operations.teams.update", &by_person, "Change a team of a tenant", .about = MANAGED ".",
	  .params = team_params, .body = team, .as = SET, .out = &team_shape, .errors = refused, .sql = &q_operations_team_update },
	{ DELETE, ONE, "operations.teams.delete", &by_person, "Delete a team of a tenant", .about = MANAGED ". Its memberships and invitations go with it.",
	  .params = team_params, .out = &team_gone_shape, .done = "Team deleted", .errors = refused, .sql = &q_operations_team_delete },
	{ GET,    ONE "/members", "operations.teams.list_members", &by_person, "List who is in a team of a tenant",
	  .about = "Owners first, then in the order in which they joined; at most 1,000.",
	  .params = team_params, .out = &member_shape, .list = &unpaged, .errors = hidden, .sql = &q_operations_team_member_list },
	{ POST,   ONE "/members", "operations.teams.add_member", &by_person, "Put a user into a team of a tenant",
	  .about = MANAGED "; only an owner adds an owner.",
	  .params = team_params, .body = member, .as = NEW, .out = &member_shape, .errors = conflicts, .sql = &q_operations_team_member_add },
	{ PATCH,  ONE "/members/{user_number}", "operations.teams.update_member", &by_person, "Change somebody's role in a team of a tenant",
	  .about = MANAGED "; only an owner makes an owner or takes that away, and the last one stays.",
	  .params = member_params, .body = member, .as = SET, .out = &member_shape, .errors = conflicts, .sql = &q_operations_team_member_update },
	{ DELETE, ONE "/members/{user_number}", "operations.teams.remove_member", &by_person, "Take somebody out of a team of a tenant",
	  .about = MANAGED ", and for everybody who leaves; an owner only for owners, and the last one stays.",
	  .params = member_params, .out = &member_gone_shape, .done = "Member removed", .errors = conflicts, .sql = &q_operations_team_member_remove },
	ROUTE_END
};
/* clang-format on */
