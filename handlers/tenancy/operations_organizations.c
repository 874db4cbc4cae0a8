/*
 * Organizations and their members on the operations surface, where members are named
 * by the numbers of their accounts.  Who may act on whom is decided behind the
 * organization's lock, in sql/functions/tenancy/operations_organizations.sql: who is no
 * member does not find it, and owners are touched by owners alone.  Invitations are in
 * invitations.c.
 */
#include "build/sql/tenancy/operations_organizations.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const struct pattern digits = { "^[0-9]+$", "digits, as a user's id," };

static const struct field organization[] = {
	{ "id",           F_UUID,     OUT },
	{ "tenant_id",    F_INT,      OUT, .about = "the tenant's number", .example = "1" },
	{ "name",         F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Acme Inc." },
	{ "slug",         F_SLUG,     OUT | NEW | SET, .max = 60, .about = "unique within the tenant; made of the name where it is left out", .example = "acme-inc" },
	{ "avatar_url",   F_URL,      OUT | SET | F_NULL, .max = 2048, .example = "https://example.com/logo.png" },
	{ "owner_id",     F_TEXT,     OUT, .about = "of several, who has been there longest", .example = "3" },
	{ "member_count", F_INT,      OUT, .example = "4" },
	{ "role",         F_ENUM,     OUT, .values = workspace_roles, .about = "the caller's; a developer reads as a member" },
	{ "created_at",   F_DATETIME, OUT },
	{ "updated_at",   F_DATETIME, OUT },
	FIELD_END
};

static const struct field member_params[] = {
	{ "user_number", F_INT, F_REQUIRED, .min = 1, .about = "the member's user_id", .example = "3" },
	FIELD_END
};

static const struct field member[] = {
	{ "user_id",    F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 18, .fits = &digits, .about = "the user's id, as text", .example = "2" },
	{ "username",   F_TEXT,     OUT, .example = "theo" },
	{ "email",      F_EMAIL,    OUT | F_NULL, .about = "null for who signed in elsewhere and has told no address" },
	{ "avatar_url", F_URL,      OUT | F_NULL, .example = "https://example.com/theo.png" },
	{ "role",       F_ENUM,     OUT | NEW, .values = workspace_roles, .def = "member" },
	{ "role",       F_ENUM,     SET | F_REQUIRED, .values = workspace_roles, .example = "admin" },
	{ "joined_at",  F_DATETIME, OUT },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",      F_UUID, 0 },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct field member_gone[] = {
	{ "id",      F_TEXT, 0, .about = "the user's", .example = "3" },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "organizations_slug_unique", ERR_CONFLICT, "slug", "this slug is taken" },
	{ NULL },
};

/* It is a member already, is the last owner, or still has what has to end first. */
static const enum err conflicts[] = { ERR_CONFLICT, ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err hidden[] = { ERR_NOT_FOUND, ERR_OK };

static const struct shape
	org_shape         = { "OperationsOrganization", organization, "Organization" },
	org_gone_shape    = { "OrganizationDeleted", gone, "Organization" },
	member_shape      = { "OperationsMember", member, "Member" },
	member_gone_shape = { "OrganizationMemberDeleted", member_gone, "Member" };

#define BASE "/api/organizations"
#define ONE BASE "/{organization_id}"

const struct route operations_organization_routes[] = {
	{ GET,    BASE, "operations.organizations.list", &by_person, "List organizations", .about = "Those that the caller is in, by name.",
	  .out = &org_shape, .list = &enveloped, .sql = &q_operations_org_list },
	{ POST,   BASE, "operations.organizations.create", &by_person, "Make an organization", .about = "The caller becomes its owner.",
	  .may = &tenant_write, .body = organization, .as = NEW, .out = &org_shape, .constraints = constraints, .sql = &q_operations_org_create },
	{ GET,    ONE, "operations.organizations.get", &by_person, "Get an organization", .about = "For its members; to others there is none.",
	  .out = &org_shape, .sql = &q_operations_org_get },
	{ PATCH,  ONE, "operations.organizations.update", &by_person, "Change an organization", .about = "For its owners and admins.",
	  .body = organization, .as = SET, .out = &org_shape, .constraints = constraints, .errors = refused, .sql = &q_operations_org_update },
	{ DELETE, ONE, "operations.organizations.delete", &by_person, "Delete an organization",
	  .about = "For its owners. Its keys stop working, its pending invitations lapse. It must not have projects of traces or a paid subscription any more (409).",
	  .needs = { "an organization without projects of traces", ERR_CONFLICT }, .out = &org_gone_shape, .done = "Organization deleted", .errors = conflicts, .sql = &q_operations_org_delete },
	{ GET,    ONE "/members", "operations.organizations.list_members", &by_person, "List the members of an organization",
	  .about = "Owners first, then in the order in which they joined; at most 1,000.",
	  .out = &member_shape, .list = &unpaged, .errors = hidden, .sql = &q_operations_member_list },
	{ POST,   ONE "/members", "operations.organizations.add_member", &by_person, "Put a user of the tenant into an organization",
	  .about = "For its owners and admins; only an owner adds an owner. Who is of another tenant is invited.",
	  .body = member, .as = NEW, .out = &member_shape, .errors = conflicts, .sql = &q_operations_member_add },
	{ PATCH,  ONE "/members/{user_number}", "operations.organizations.update_member", &by_person, "Change a member's role",
	  .about = "For owners and admins; only an owner makes an owner or takes that away, and the last one stays.",
	  .params = member_params, .body = member, .as = SET, .out = &member_shape, .errors = conflicts, .sql = &q_operations_member_update },
	{ DELETE, ONE "/members/{user_number}", "operations.organizations.remove_member", &by_person, "Take a member out of an organization",
	  .about = "For owners and admins; an owner only for owners, and the last one stays. Keys that the member has made there are revoked.",
	  .params = member_params, .out = &member_gone_shape, .done = "Member removed", .errors = conflicts, .sql = &q_operations_member_remove },
	ROUTE_END
};
/* clang-format on */
