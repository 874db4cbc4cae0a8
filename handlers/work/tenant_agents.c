/*
 * Agents of a tenant, on the operations surface: programs that work by the clock on some host.  The public
 * rows register and describe them, and touch no host; what chats with users is ai/agents.c's.
 */
#include "build/sql/work/tenant_agents.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */

/* What is shown of the stored words is tenant_agents.public_status, by which the list is narrowed, too. */
static const char *const public_statuses[] = { "idle", "working", "blocked", "offline", "paused", NULL };

static const struct pattern name = { "^[a-z][a-z0-9_-]*$", "lower-case letters, digits, _ and -, the first a letter," };

static const struct field find_public_in[] = {
	{ "status", F_ENUM, 0, .values = public_statuses },
	{ "role",   F_TEXT, 0, .max = 100, .example = "planner" },
	FIELD_END
};

static const struct field public_agent[] = {
	{ "id",             F_INT,      OUT, .example = "12" },
	{ "name",           F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 63, .fits = &name, .about = "unique in the tenant, and for good", .example = "tide-watcher" },
	{ "emoji",          F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .min = 1, .max = 16, .example = "🌊" },
	{ "role",           F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 100, .example = "planner" },
	{ "status",         F_ENUM,     OUT | NEW | SET, .values = public_statuses, .def = "idle",
	  .about = "working: active, too; paused: also stopped; blocked: also in error" },
	{ "current_task",   F_TEXT,     OUT | SET | F_NULL, .max = 500, .example = "Reading the gauge" },
	{ "workspace_path", F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 500, .about = "only put down: nothing is made there", .example = "harbour/tides" },
	{ "last_heartbeat", F_DATETIME, OUT | F_NULL },
	{ "created_at",     F_DATETIME, OUT },
	{ "updated_at",     F_DATETIME, OUT },
	FIELD_END
};

static const struct field agent_params[] = {
	{ "agent_number", F_INT, F_REQUIRED, .min = 1, .about = "the agent's id", .example = "1" },
	FIELD_END
};

static const char *const gone_statuses[] = { "offline", NULL };
static const struct field gone[] = {
	{ "id",     F_INT,  0, .example = "12" },
	{ "status", F_ENUM, 0, .values = gone_statuses },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "tenant_agents_name_unique", ERR_CONFLICT, "name", "there is an agent with this name" },
	{ NULL }
};

static const struct shape
	public_agent_shape = { "PublicAgent", public_agent, "Agent" },
	gone_shape         = { "PublicAgentDeactivated", gone, "Agent" };

#define PUBLIC "/api/v1/public/agents"
#define ONE PUBLIC "/{agent_number}"

const struct route tenant_agent_routes[] = {
	{ GET,    PUBLIC, "operations.agents.list_public", &by_user_or_key, "List the agents of a tenant in public words", .about = "By id.",
	  .scope = "agents:read", .query = find_public_in, .out = &public_agent_shape, .list = &enveloped, .sql = &q_public_agent_list },
	{ POST,   PUBLIC, "operations.agents.create_public", &by_user_or_key, "Register an agent",
	  .about = "It is put down, and nothing of it is made on a host.",
	  .scope = "agents:write", .may = &tenant_write, .body = public_agent, .as = NEW, .out = &public_agent_shape, .constraints = constraints, .sql = &q_public_agent_create },
	{ GET,    ONE, "operations.agents.get_public", &by_user_or_key, "Get an agent in public words",
	  .scope = "agents:read", .params = agent_params, .out = &public_agent_shape, .sql = &q_public_agent_get },
	{ PATCH,  ONE, "operations.agents.update_public", &by_user_or_key, "Change an agent in public words",
	  .about = "What is left out stays, null clears. To set its status changes what is put down, and neither starts nor stops it.",
	  .scope = "agents:write", .may = &tenant_write, .params = agent_params, .body = public_agent, .as = SET, .out = &public_agent_shape, .sql = &q_public_agent_update },
	{ DELETE, ONE, "operations.agents.deactivate_public", &by_user_or_key, "Put an agent down as offline", .about = "It stays, and is shown as before; once more changes nothing.",
	  .scope = "agents:write", .may = &tenant_write, .params = agent_params, .out = &gone_shape, .done = "Agent deactivated", .sql = &q_public_agent_deactivate },
	ROUTE_END
};
/* clang-format on */
