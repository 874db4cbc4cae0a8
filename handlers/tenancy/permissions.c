/*
 * Permissions of a workspace: which there are, and which of its roles has them.
 *
 * What there is, and who has it by default, is handlers/permissions.def's; a workspace's own settings stand
 * beside (role_permissions), and the door asks both with each request.  Who may set them is the role's to
 * say, which no setting gives.
 */
#include "handlers/permissions.h"

#include "build/sql/tenancy/permissions.h"
#include "fcgi/route.h"

/* clang-format off */
static const struct field find_in[] = {
	{ "resource", F_TEXT, 0, .max = 50, .about = "only those about this", .example = "goal" },
	FIELD_END
};

static const struct field permission[] = {
	{ "name",          F_TEXT, 0, .example = "can_edit_own_goal" },
	{ "resource",      F_TEXT, 0, .example = "goal" },
	{ "action",        F_TEXT, 0, .example = "edit_own" },
	{ "label",         F_TEXT, 0, .example = "Edit own goals" },
	{ "description",   F_TEXT, 0, .example = "May edit goals that are their own" },
	{ "default_roles", F_LIST, 0, .item = F_TEXT, .about = "who has it where nothing is set" },
	FIELD_END
};

static const struct field group[] = {
	{ "resource",    F_TEXT, 0, .example = "goal" },
	{ "label",       F_TEXT, 0, .example = "Goals" },
	{ "permissions", F_LIST, 0, .fields = permission },
	FIELD_END
};

static const struct field name_path[] = {
	{ "permission", F_TEXT, 0, .max = 100, .example = "can_create_team" },
	FIELD_END
};

static const struct field check_out[] = {
	{ "permission",     F_TEXT, 0, .example = "can_create_team" },
	{ "has_permission", F_BOOL, 0 },
	{ "role",           F_ENUM, 0, .values = workspace_roles, .about = "the caller's" },
	FIELD_END
};

static const char *const reasons[] = { "owner", "inactive", "setting", "default", NULL };

static const struct field explain_in[] = {
	{ "permission", F_TEXT, F_REQUIRED, .min = 1, .max = 100, .example = "can_edit_own_goal" },
	{ "member_id",  F_UUID, 0, .about = "left out: the caller; of others it is for owners and admins", .example = "member theo" },
	FIELD_END
};

static const struct field explain_out[] = {
	{ "permission",     F_TEXT,     0, .example = "can_edit_own_goal" },
	{ "member_id",      F_UUID,     0 },
	{ "role",           F_ENUM,     0, .values = workspace_roles },
	{ "has_permission", F_BOOL,     0, .about = "of this name alone" },
	{ "reason",         F_ENUM,     0, .values = reasons, .about = "what decides it: owners have all, who is not active has none, and of the others the workspace's setting for the role, or else the default" },
	{ "default",        F_BOOL,     0, .about = "the role has it where nothing is set" },
	{ "setting",        F_BOOL,     F_NULL, .about = "what the workspace has set for the role; null: nothing" },
	{ "set_at",         F_DATETIME, F_NULL },
	{ "wider",          F_TEXT,     F_NULL, .about = "a permission that the member has, too, and that includes this one", .example = "can_edit_goal" },
	{ "is_allowed",     F_BOOL,     0, .about = "by this name or the wider one" },
	FIELD_END
};

#define MAP(name) { name, F_OBJECT, 0, .item = F_BOOL, .about = "permission: whether the role has it" }
static const struct field mine_out[] = {
	{ "member_id",   F_UUID, 0 },
	{ "role",        F_ENUM, 0, .values = workspace_roles },
	{ "permissions", F_LIST, 0, .item = F_TEXT, .about = "those that the caller has" },
	MAP("permission_map"),
	FIELD_END
};

static const struct field roles_out[] = { MAP("owner"), MAP("admin"), MAP("member"), MAP("viewer"), FIELD_END };

static const struct field role_path[] = {
	{ "role", F_TEXT, 0, .max = 50, .example = "viewer" },
	FIELD_END
};

static const struct field role_permissions[] = {
	{ "role",        F_ENUM,   0, .values = workspace_roles },
	MAP("permissions"),
	{ "overrides",   F_OBJECT, 0, .item = F_BOOL, .about = "of these, what the workspace has set" },
	{ "is_default",  F_BOOL,   0, .about = "nothing is set" },
	{ "editable",    F_BOOL,   0, .about = "not the owner's, which are all" },
	FIELD_END
};

static const struct field put_in[] = {
	{ "permissions", F_OBJECT, F_REQUIRED, .item = F_BOOL, .about = "those to set; others keep their value", .example = "{\"can_create_goal\":true}" },
	FIELD_END
};

static const struct field set_in[] = {
	{ "permission", F_TEXT, F_REQUIRED, .min = 1, .max = 100, .example = "can_create_goal" },
	{ "allowed",    F_BOOL, F_REQUIRED, .example = "true" },
	FIELD_END
};

static const struct field seed_out[] = {
	{ "created",  F_INT, 0, .example = "0" },
	{ "existing", F_INT, 0, .example = "80" },
	{ "total",    F_INT, 0, .example = "80" },
	FIELD_END
};

static const struct shape permission_shape = { "Permission", permission };
static const struct shape group_shape = { "PermissionGroup", group, "Permission" };
static const struct shape check_shape = { "PermissionCheck", check_out, "Permission" };
static const struct shape explain_shape = { "PermissionExplanation", explain_out, "Member" };
static const struct shape mine_shape = { "MyPermissions", mine_out, "Permission" };
static const struct shape roles_shape = { "PermissionsOfRoles", roles_out, "Role" };
static const struct shape role_shape = { "RolePermissions", role_permissions, "Role" };
static const struct shape seed_shape = { "PermissionsSeeded", seed_out, "Permission" };

static const enum err not_there[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_OK };
static const enum err not_set[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_VALIDATION, ERR_OK };

#define BASE "/api/v1/permissions"
#define ROLE BASE "/roles/{role}"
#define SAYS "For owners and admins. It holds from the next request on."

const struct route permission_routes[] = {
	{ GET,  BASE,                       "workspace.permissions.list_permissions",         &by_member, "List the permissions that there are",
	  .query = find_in, .out = &permission_shape, .list = &counted, .items = "permissions", .sql = &q_permission_list },
	{ GET,  BASE "/grouped",            "workspace.permissions.list_grouped_permissions", &by_member, "List them by what they are about",
	  .out = &group_shape, .list = &unwrapped, .items = "groups", .sql = &q_permission_list_grouped },
	{ GET,  BASE "/me",                 "workspace.permissions.get_my_permissions",       &by_member, "What may I?",
	  .out = &mine_shape, .sql = &q_permission_mine },
	{ GET,  BASE "/check/{permission}", "workspace.permissions.check_permission",         &by_member, "May I?",
	  .about = "Of this name alone: who may edit all goals may edit their own.", .params = name_path, .out = &check_shape, .sql = &q_permission_check },
	{ GET,  BASE "/explain",            "workspace.permissions.explain_permission",       &by_member, "Why may a member, or not?",
	  .about = "What says yes or no: the role, what the workspace has set for it, or a wider permission.",
	  .query = explain_in, .out = &explain_shape, .errors = not_there, .sql = &q_permission_explain },
	{ GET,  BASE "/roles",              "workspace.permissions.list_role_permissions",    &by_member, "What may each role?", .about = "For owners and admins.",
	  .may = &workspace_admin, .out = &roles_shape, .sql = &q_permission_roles },
	{ GET,  ROLE,                       "workspace.permissions.get_role_permissions",     &by_member, "What may a role?", .about = "One's own, or as owner or admin any.",
	  .params = role_path, .out = &role_shape, .sql = &q_permission_role },
	{ PUT,  ROLE,                       "workspace.permissions.update_role_permissions",  &by_member, "Set permissions of a role", .about = SAYS " All or none.",
	  .may = &workspace_admin, .params = role_path, .body = put_in, .out = &role_shape, .errors = not_set, .sql = &q_permission_role_put },
	{ PUT,  ROLE "/permission",         "workspace.permissions.set_role_permission",      &by_member, "Set one permission of a role", .about = SAYS,
	  .may = &workspace_admin, .params = role_path, .body = set_in, .out = &role_shape, .errors = not_set, .sql = &q_permission_role_set },
	{ POST, ROLE "/reset",              "workspace.permissions.reset_role_permissions",   &by_member, "Forget what is set for a role", .about = SAYS,
	  .may = &workspace_admin, .params = role_path, .out = &role_shape, .errors = not_set, .sql = &q_permission_role_reset, .status = 200 },
	{ POST, BASE "/seed",               "workspace.permissions.seed_permissions",         &by_member, "Have all standard permissions be there",
	  .about = "They are, with each workspace. For owners and admins.", .may = &workspace_admin, .out = &seed_shape, .sql = &q_permission_seed },
	ROUTE_END
};
/* clang-format on */
