/*
 * Modules of a workspace: parts of the product that its pages show or not.
 *
 * The switch is for them: the server refuses no call because a module is off.
 */
#include "build/sql/tenancy/modules.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const modules[] = {
	"actions", "tasks", "goals", "documents", "records", "crm", "pipelines", "maps", "investment", "property_analysis", "underwriting", "operators",
	"public_data", "public_layers", "chat", "meetings", "integrations", "webhooks", "analytics", "reports", "dashboard", "brand", "onboarding", "lms",
	"artifacts", NULL
};

static const struct field module[] = {
	{ "id",            F_UUID,     OUT },
	{ "module",        F_ENUM,     NEW | NEEDED, .values = modules, .example = "crm" },
	{ "module",        F_TEXT,     OUT, .example = "crm" },
	{ "is_enabled",    F_BOOL,     OUT | NEW | SET, .def = "true" },
	{ "settings",      F_OBJECT,   OUT | NEW | SET, .about = "the module's own; in a change, members that are sent replace those of the same name", .example = "{\"view\":\"board\"}" },
	{ "updated_by_id", F_UUID,     OUT | F_NULL, .about = "the member who did; null: one who has left" },
	{ "created_at",    F_DATETIME, OUT },
	{ "updated_at",    F_DATETIME, OUT },
	FIELD_END
};

static const struct field module_path[] = {
	{ "module", F_TEXT, 0, .max = 50, .example = "tasks" },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "module_settings_module_unique", ERR_CONFLICT,   "module", "there are settings of this module already" },
	{ "module_settings_settings_size", ERR_VALIDATION, "settings", "settings may have 64 KiB" },
	{ NULL }
};

static const struct shape module_shape = { "ModuleSetting", module, "Module" };

#define BASE "/api/v1/modules"
#define ONE BASE "/{module}"

const struct route module_routes[] = {
	{ GET,  BASE,          "workspace.modules.list_modules",  &by_member, "List settings of modules", .about = "By name. A module that is not listed is on, as it comes.",
	  .out = &module_shape, .list = &unwrapped, .sql = &q_module_list },
	{ GET,  ONE,           "workspace.modules.get_module",    &by_member, "Get a module's settings",
	  .params = module_path, .out = &module_shape, .sql = &q_module_get },
	{ POST, BASE,          "workspace.modules.create_module", &by_member, "Set a module", .about = "For owners and admins.",
	  .may = &workspace_admin, .body = module, .as = NEW, .out = &module_shape, .constraints = constraints, .sql = &q_module_create },
	{ POST, ONE "/toggle", "workspace.modules.toggle_module", &by_member, "Switch a module on or off", .about = "For owners and admins.",
	  .may = &workspace_admin, .params = module_path, .out = &module_shape, .sql = &q_module_toggle, .status = 200 },
	{ PUT,  ONE,           "workspace.modules.update_module", &by_member, "Change a module's settings", .about = "For owners and admins.",
	  .may = &workspace_admin, .params = module_path, .body = module, .as = SET, .out = &module_shape, .constraints = constraints, .sql = &q_module_update },
	ROUTE_END
};
/* clang-format on */
