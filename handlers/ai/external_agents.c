/*
 * Agents that run elsewhere, in a workflow engine for example: a tenant names
 * them, and its servers tell of each of their calls, which analytics shows.
 */
#include "build/sql/ai/external_agents.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

#define MAX_TOKENS 1000000000000
#define MAX_USD 1000000
#define MAX_MS 86400000

static const char *const outcomes[] = { "SUCCESS", "ERROR", NULL };

/* clang-format off */
static const struct field agent[] = {
	{ "id",           F_UUID,     OUT },
	{ "tenant_id",    F_UUID,     OUT },
	{ "name",         F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Invoice reader" },
	{ "description",  F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 2000, .example = "Reads what suppliers send" },
	{ "platform",     F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 50, .about = "where it runs", .example = "n8n" },
	{ "is_active",    F_BOOL,     OUT | SET, .about = "false: its calls are refused", .example = "true" },
	{ "calls_count",  F_INT,      OUT },
	{ "last_call_at", F_DATETIME, OUT | F_NULL },
	{ "created_by",   F_UUID,     OUT, .about = "the team user" },
	{ "created_at",   F_DATETIME, OUT },
	{ "updated_at",   F_DATETIME, OUT },
	FIELD_END
};

static const struct field call[] = {
	{ "id",                F_UUID,     OUT },
	{ "external_agent_id", F_UUID,     OUT },
	{ "tenant_id",         F_UUID,     OUT },
	{ "user_id",           F_UUID,     OUT | NEW | F_NULL_OUT | F_RARE, .about = "whose call it was; of the token, when left out" },
	{ "organization_id",   F_UUID,     OUT | NEW | F_NULL_OUT | F_RARE, .about = "the user's default one, when left out" },
	{ "input_tokens",      F_INT,      OUT | NEW, .max = MAX_TOKENS, .def = "0", .example = "812" },
	{ "output_tokens",     F_INT,      OUT | NEW, .max = MAX_TOKENS, .def = "0", .example = "164" },
	{ "total_tokens",      F_INT,      OUT | NEW | F_RARE, .max = MAX_TOKENS, .about = "the sum of both, when left out" },
	{ "cost_usd",          F_NUMBER,   OUT | NEW, .max = MAX_USD, .def = "0", .about = "kept to the millionth", .example = "0.00412" },
	{ "duration_ms",       F_INT,      OUT | NEW, .max = MAX_MS, .def = "0", .example = "2310" },
	{ "status",            F_ENUM,     OUT | NEW, .values = outcomes, .def = "SUCCESS" },
	{ "error_message",     F_TEXT,     OUT | NEW | F_NULL_OUT | F_RARE, .max = 2000, .about = "of a call that failed" },
	{ "call_metadata",     F_OBJECT,   OUT | NEW | F_NULL_OUT, .about = "whatever belongs to it", .example = "{\"workflow\":\"invoices\"}" },
	{ "created_at",        F_DATETIME, OUT },
	FIELD_END
};

static const struct shape agent_shape = { "ExternalAgent", agent, "External agent" };
static const struct shape call_shape = { "ExternalAgentCall", call, "External agent" };

static const struct constraint constraints[] = {
	{ "external_agents_name_unique", ERR_CONFLICT, "name", "another external agent has this name" },
	{ NULL }
};

#define TEAM "/api/v1/dashboard/external-agents"

const struct route external_agent_routes[] = {
	{ POST, "/api/v1/external-agents/{agent_id}/calls", "platform.agents.report_external_call", &by_secret_key_and_user, "Tell of a call",
	  .about = "For agents that run elsewhere. It shows in analytics, and counts against no plan: who runs the agent pays its provider.",
	  .body = call, .as = NEW, .out = &call_shape, .budget = &budget_reports, .sql = &q_external_agent_report },

	{ GET,  TEAM,                        "platform.agents.dashboard_list_external_agents",  &by_team, "List agents that run elsewhere",
	  .out = &agent_shape, .list = &unwrapped, .sql = &q_external_agent_list },
	{ POST, TEAM,                        "platform.agents.dashboard_create_external_agent", &by_team_admin, "Name an agent that runs elsewhere",
	  .about = "Its id is what its calls are told of with.",
	  .body = agent, .as = NEW, .out = &agent_shape, .constraints = constraints, .sql = &q_external_agent_create },
	{ PUT,  TEAM "/{external_agent_id}", "platform.agents.dashboard_update_external_agent", &by_team_admin, "Change an agent that runs elsewhere",
	  .about = "Fields that are left out keep their value. With is_active: false its calls are refused; those that were told of stay.",
	  .body = agent, .as = SET, .out = &agent_shape, .constraints = constraints, .sql = &q_external_agent_update },
	ROUTE_END
};
/* clang-format on */
