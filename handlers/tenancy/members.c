/*
 * Members of an organization.
 *
 * Who may act on whom is decided where the rows are locked, in
 * sql/functions/tenancy/organizations.sql: an owner's role never changes and no member
 * removes one, but all members may leave, save the last owner.
 */
#include "build/sql/tenancy/members.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field member_path[] = {
	{ "user", F_UUID, 0, .about = "a user's id", .example = "user theo" },
	FIELD_END
};

static const struct field member[] = {
	{ "user_id",      F_UUID,     OUT },
	{ "email",        F_EMAIL,    OUT | F_NULL, .about = "null for who signed in elsewhere and has told no address" },
	{ "display_name", F_TEXT,     OUT | F_NULL, .example = "Ada Lovelace" },
	{ "role",         F_ENUM,     OUT, .values = platform_roles },
	{ "role",         F_ENUM,     SET | F_REQUIRED, .values = member_roles_given, .example = "developer" },
	{ "joined_at",    F_DATETIME, OUT },
	FIELD_END
};

static const enum err owner_stays[] = { ERR_CONFLICT, ERR_OK };

static const struct shape member_shape = { "OrganizationMember", member, "Member" };

const struct route member_routes[] = {
	{ GET,    "/api/v1/organizations/{organization_id}/members", "platform.organizations.list_members", &by_organization_member,
	  "List an organization's members", "In the order in which they joined, without those who are deactivated.",
	  .may = &org_read, .out = &member_shape, .list = &sliced, .sql = &q_member_list },
	{ PUT,    "/api/v1/organizations/{organization_id}/members/{user}", "platform.organizations.update_member_role", &by_organization_member,
	  "Change a member's role", "An owner's role cannot be changed.",
	  .may = &org_manage, .params = member_path, .body = member, .as = SET, .out = &member_shape, .errors = owner_stays, .sql = &q_member_change_role },
	{ DELETE, "/api/v1/organizations/{organization_id}/members/{user}", "platform.organizations.remove_member", &by_organization_member,
	  "Remove a member, or leave", "Owners and admins remove others, but no owner; everybody may remove themselves, which is leaving, save the last owner.",
	  .may = &org_read, .params = member_path, .out = &message_shape, .errors = owner_stays, .sql = &q_member_remove },
	{ POST,   "/api/v1/organizations/{organization_id}/members/{user}/deactivate", "platform.organizations.deactivate_member", &by_organization_member,
	  "Deactivate a member", "The membership is suspended: to everything that asks for it the user is no member. To let them in again, remove and invite them.",
	  .may = &org_manage, .params = member_path, .out = &message_shape, .errors = owner_stays, .sql = &q_member_deactivate, .status = 200 },
	ROUTE_END
};
/* clang-format on */
