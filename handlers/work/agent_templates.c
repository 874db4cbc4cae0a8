/*
 * Templates of a tenant's agents, on the operations surface: what an agent can be made from.  One that is
 * archived stays, so that its slug is not another one's, and is seen no more.
 */
#include "build/sql/work/agent_templates.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const struct pattern slug = { "^[a-z0-9-]+$", "lower-case letters, digits and hyphens," };

static const struct field each_word = { "", F_TEXT, 0, .min = 1, .max = 100 };

static const struct field find_in[] = {
	{ "category", F_TEXT, 0, .max = 100, .example = "research" },
	{ "featured", F_BOOL, 0, .about = "true: only those that are; false is as if it were left out", .example = "false" },
	FIELD_END
};

static const struct field template[] = {
	{ "id",           F_INT,      OUT, .example = "7" },
	{ "name",         F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "Tide watcher" },
	{ "slug",         F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 100, .fits = &slug, .about = "unique in the tenant, archived ones included", .example = "tide-watcher" },
	{ "description",  F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 2000, .example = "Says when to moor with longer lines" },
	{ "icon",         F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 100, .example = "wave" },
	{ "category",     F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 100, .example = "research" },
	{ "model",        F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 100, .example = "standard" },
	{ "interval_sec", F_INT,      OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .min = 60, .max = 604800, .about = "seconds between two runs", .example = "3600" },
	{ "identity",     F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 65536, .about = "what the agent is told that it is", .example = "You watch the tides of one harbour." },
	{ "tools",        F_LIST,     OUT | NEW | SET, .item = F_TEXT, .each = &each_word, .max = 100, .example = "[\"search\"]" },
	{ "capabilities", F_LIST,     OUT | NEW | SET, .item = F_TEXT, .each = &each_word, .max = 100, .example = "[\"reports\"]" },
	{ "config",       F_OBJECT,   OUT | NEW | SET, .about = "whatever its program needs, up to 64 KiB; replaced whole", .example = "{\"harbour\":\"east\"}" },
	{ "is_featured",  F_BOOL,     OUT | NEW | SET, .def = "false" },
	{ "sort_order",   F_INT,      OUT | NEW | SET | F_SIGNED, .min = -2147483648LL, .max = 2147483647, .def = "0" },
	{ "created_at",   F_DATETIME, OUT },
	{ "updated_at",   F_DATETIME, OUT },
	FIELD_END
};

static const struct field template_params[] = {
	{ "template_number", F_INT, F_REQUIRED, .min = 1, .about = "the template's id", .example = "1" },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",       F_INT,  0, .example = "7" },
	{ "archived", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "agent_templates_slug_unique", ERR_CONFLICT, "slug", "there is a template with this slug, which may be archived" },
	{ "agent_templates_config_size", ERR_VALIDATION, "config", "config may have 64 KiB" },
	{ NULL }
};

static const struct shape
	template_shape = { "AgentTemplate", template, "Template" },
	gone_shape     = { "AgentTemplateArchived", gone, "Template" };

#define BASE "/api/v1/public/templates"
#define ONE BASE "/{template_number}"

const struct route agent_template_routes[] = {
	{ GET,    BASE, "operations.agents.list_templates", &by_user_or_key, "List the templates of a tenant's agents",
	  .about = "By sort_order, then by name; without those that are archived.",
	  .scope = "templates:read", .query = find_in, .out = &template_shape, .list = &enveloped, .sql = &q_agent_template_list },
	{ POST,   BASE, "operations.agents.create_template", &by_user_or_key, "Make a template of agents",
	  .scope = "templates:write", .may = &tenant_write, .body = template, .as = NEW, .out = &template_shape, .constraints = constraints, .sql = &q_agent_template_create },
	{ GET,    ONE, "operations.agents.get_template", &by_user_or_key, "Get a template of agents",
	  .scope = "templates:read", .params = template_params, .out = &template_shape, .sql = &q_agent_template_get },
	{ PATCH,  ONE, "operations.agents.update_template", &by_user_or_key, "Change a template of agents",
	  .about = "What is left out stays, null clears; tools, capabilities and config are replaced whole.",
	  .scope = "templates:write", .may = &tenant_write, .params = template_params, .body = template, .as = SET, .out = &template_shape, .constraints = constraints, .sql = &q_agent_template_update },
	{ DELETE, ONE, "operations.agents.archive_template", &by_user_or_key, "Archive a template of agents",
	  .about = "It is neither listed nor shown from then on, and its slug stays taken.",
	  .scope = "templates:write", .may = &tenant_write, .params = template_params, .out = &gone_shape, .done = "Template archived", .sql = &q_agent_template_archive },
	ROUTE_END
};
/* clang-format on */
