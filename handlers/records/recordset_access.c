/* Who may do what with a recordset: grants for members and teams. */
#include "build/sql/records/recordset_access.h"
#include "fcgi/route.h"
#include "handlers/records/recordsets.h"
#include "handlers/tenancy/member_ref.h"

/* clang-format off */
static const struct field team[] = {
	{ "id",           F_UUID, 0 },
	{ "name",         F_TEXT, 0, .example = "Navigation" },
	{ "member_count", F_INT,  0 },
	FIELD_END
};

static const struct field grant[] = {
	{ "id",             F_UUID,     OUT },
	{ "recordset_id",   F_UUID,     OUT },
	{ "member_id",      F_UUID,     OUT | NEW | F_NULL_OUT, .example = "member vera" },
	{ "team_id",        F_UUID,     OUT | NEW | F_NULL_OUT | F_RARE },
	{ "member",         F_OBJECT,   OUT | F_NULL, .fields = member_ref },
	{ "team",           F_OBJECT,   OUT | F_NULL, .fields = team },
	{ "can_view",       F_BOOL,     OUT | NEW, .def = "true", .about = "with any other right, too" },
	{ "can_create",     F_BOOL,     OUT | NEW, .def = "false" },
	{ "can_edit",       F_BOOL,     OUT | NEW, .def = "false", .about = "and can_edit_own with it" },
	{ "can_edit_own",   F_BOOL,     OUT | NEW, .def = "false", .about = "records that one has made or owns" },
	{ "can_delete",     F_BOOL,     OUT | NEW, .def = "false", .about = "and can_delete_own with it" },
	{ "can_delete_own", F_BOOL,     OUT | NEW, .def = "false" },
	{ "can_admin",      F_BOOL,     OUT | NEW, .def = "false", .about = "all of them, and the recordset itself" },
	{ "granted_by_id",  F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left" },
	{ "created_at",     F_DATETIME, OUT },
	{ "updated_at",     F_DATETIME, OUT },
	FIELD_END
};

static const struct field access_out[] = {
	{ "grants", F_LIST,   0, .fields = grant },
	{ "total",  F_INT,    0 },
	{ "owner",  F_OBJECT, F_NULL, .fields = member_ref, .about = "who may everything without a grant" },
	FIELD_END
};

static const struct shape grant_shape = { "RecordsetGrant", grant };
static const struct shape access_shape = { "RecordsetAccess", access_out, "Recordset" };

static const struct child grants[] = { { "grants", &q_recordset_grant_list }, { NULL } };

static const struct choice to_one = { CHOICE_ONE, { WAY("member_id"), WAY("team_id") } };

static const struct constraint constraints[] = {
	{ "recordset_grants_member", ERR_NOT_FOUND, "member_id", "Member not found" },
	{ "recordset_grants_team",   ERR_NOT_FOUND, "team_id",   "Team not found" },
	{ NULL }
};

static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define BASE "/api/v1/recordsets/{recordset_slug}/access"
#define ADMIN "Needs can_admin on the recordset."

const struct route recordset_access_routes[] = {
	{ GET,    BASE,                          "workspace.records.list_recordset_access",  &by_member, "List a recordset's grants", ADMIN,
	  .params = recordset_path, .out = &access_shape, .children = grants, .sql = &q_recordset_access },
	{ POST,   BASE,                          "workspace.records.grant_recordset_access", &by_member, "Share a recordset with a member or a team",
	  ADMIN " A second grant takes the first one's place. Who may see the recordset now is notified.",
	  .params = recordset_path, .body = grant, .as = NEW, .choice = &to_one, .out = &grant_shape, .constraints = constraints, .sql = &q_recordset_grant },
	{ DELETE, BASE "/members/{member_id}",   "workspace.records.revoke_member_access",   &by_member, "Take a member's grant away", ADMIN " What teams give stays.",
	  .params = recordset_path, .out = &grant_shape, .errors = refused, .sql = &q_recordset_revoke_member, .status = 204 },
	{ DELETE, BASE "/teams/{team_id}",       "workspace.records.revoke_team_access",     &by_member, "Take a team's grant away", ADMIN,
	  .params = recordset_path, .out = &grant_shape, .errors = refused, .sql = &q_recordset_revoke_team, .status = 204 },
	ROUTE_END
};
/* clang-format on */
