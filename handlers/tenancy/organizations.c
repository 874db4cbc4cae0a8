/*
 * Organizations, as their members see them.
 */
#include "build/sql/tenancy/organizations.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field organization[] = {
	{ "id",          F_UUID,     OUT },
	{ "name",        F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Acme Inc." },
	{ "slug",        F_SLUG,     OUT | NEW | NEEDED, .about = "unique within the tenant; it cannot be changed", .example = "acme" },
	{ "description", F_TEXT,     OUT | NEW | SET | F_NULL, .max = 2000, .example = "Anvils and more" },
	{ "logo_url",    F_URL,      OUT | SET | F_NULL, .max = 2048, .example = "https://example.com/logo.png" },
	{ "role",        F_ENUM,     OUT, .values = platform_roles, .about = "the caller's" },
	{ "created_at",  F_DATETIME, OUT },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "organizations_slug_unique", ERR_CONFLICT, "slug", "this slug is taken" },
	{ NULL },
};

const struct shape organization_shape = { "Organization", organization };

const struct route organization_routes[] = {
	{ GET,  "/api/v1/organizations/my-organizations", "platform.organizations.list_mine", &by_key_and_user,
	  "List my organizations", "With the caller's role in each, oldest first; those in which the caller is deactivated are left out.",
	  .out = &organization_shape, .list = &sliced, .items = "organizations", .sql = &q_organization_list },
	{ POST, "/api/v1/organizations", "platform.organizations.create", &by_key_and_user,
	  "Create an organization", "The caller becomes its owner. It has a default department, General, from the beginning, and becomes the "
	  "caller's default organization if there is none yet.",
	  .body = organization, .as = NEW, .out = &organization_shape, .constraints = constraints, .sql = &q_organization_create },
	{ GET,  "/api/v1/organizations/{organization_id}", "platform.organizations.get", &by_organization_member,
	  "Get an organization", .may = &org_read, .out = &organization_shape, .sql = &q_organization_get },
	{ PUT,  "/api/v1/organizations/{organization_id}", "platform.organizations.update", &by_organization_member,
	  "Change an organization", "Fields that are left out keep their value.",
	  .may = &org_manage, .body = organization, .as = SET, .out = &organization_shape, .sql = &q_organization_update },
	{ POST, "/api/v1/organizations/{organization_id}/set-default", "platform.organizations.set_default", &by_organization_member,
	  "Make an organization my default one", "It serves wherever none is named.",
	  .may = &org_read, .out = &message_shape, .sql = &q_organization_set_default, .status = 200 },
	ROUTE_END
};
/* clang-format on */
