/*
 * A tenant's agents: what its team defines, and what of it users see.
 *
 * The addresses of tools are looked up before they are stored, which takes time, so who may not
 * call is turned away in a separate transaction before that.
 */
#include "handlers/ai/agents.h"

#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "build/sql/ai/agents.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/ai/model_choice.h"
#include "handlers/shapes.h"
#include "lib/base/array.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/net/header.h"
#include "lib/net/http.h"

enum { MAX_SERVERS = 20, MAX_HEADERS = 10, MAX_TOOLS = 100, MAX_FILES = 20, MAX_PROMPT = 100000 };

#define KEEP "***" /* a header's value that is to stay */

static enum err agent_write(struct req *rq);

static const char *const response_types[] = { "text", "audio", "video", NULL };
static const char *const rag_providers[] = { "NONE", "GOOGLE_FILE_SEARCH", NULL };
static const char *const transports[] = { "http", "sse", NULL };

/* clang-format off */
static const struct field server[] = {
	{ "name",          F_TEXT,   F_REQUIRED, .min = 1, .max = 100, .example = "tides" },
	{ "url",           F_URL,    F_REQUIRED, .max = 2048, .about = "https, and leading to public addresses only", .example = "https://tools.acme.example/mcp" },
	{ "transport",     F_ENUM,   F_OPTIONAL, .values = transports, .def = "http", .about = "http: streamable HTTP; sse: the older one" },
	{ "headers",       F_OBJECT, F_OPTIONAL, .item = F_TEXT, .about = "at most 10, kept sealed and shown as ***; *** keeps the value that is there", .example = "{\"Authorization\":\"Bearer …\"}" },
	{ "allowed_tools", F_LIST,   F_OPTIONAL | F_NULL, .item = F_TEXT, .max = MAX_TOOLS, .about = "null: all" },
	{ "is_enabled",    F_BOOL,   F_OPTIONAL, .def = "true" },
	FIELD_END
};

static const struct field rag[] = {
	{ "file_ids", F_LIST, F_REQUIRED, .item = F_UUID, .max = MAX_FILES, .about = "of the tenant's files" },
	{ "top_k",    F_INT,  F_OPTIONAL, .min = 1, .max = 20, .def = "5", .about = "how many passages go into a prompt" },
	FIELD_END
};

static const struct field agent[] = {
	{ "id",                     F_UUID,     OUT },
	{ "tenant_id",              F_UUID,     OUT },
	{ "name",                   F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Harbour master" },
	{ "description",            F_TEXT,     OUT | NEW | SET | F_NULL_OUT, .max = 2000, .example = "Knows the tides" },
	{ "system_prompt",          F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = MAX_PROMPT, .example = "You answer questions about the harbour." },
	{ "response_type",          F_ENUM,     OUT | NEW | SET | F_RARE, .values = response_types, .def = "text" },
	{ "rag_provider",           F_ENUM,     OUT | NEW | SET, .values = rag_providers, .def = "NONE", .about = "whether it looks things up in files; needs rag_config" },
	{ "is_active",              F_BOOL,     OUT | NEW | SET, .def = "true" },
	{ "rag_config",             F_OBJECT,   OUT | NEW | SET | F_NULL | F_RARE, .fields = rag },
	{ "mcp_servers",            F_LIST,     OUT | NEW | SET | F_RARE, .fields = server, .max = MAX_SERVERS, .about = "whose tools it may use; a change replaces all of them" },
	{ "created_by",             F_UUID,     OUT, .about = "the team user" },
	{ "created_at",             F_DATETIME, OUT },
	{ "updated_at",             F_DATETIME, OUT },
	{ "model",                  F_TEXT,     DETAIL | NEW | SET | F_NULL_OUT | F_RARE, .min = 1, .max = 100, .about = "null: the installation's" },
	{ "temperature",            F_NUMBER,   DETAIL | NEW | SET | F_NULL_OUT, .max = 2, .example = "0.2" },
	{ "max_tokens",             F_INT,      DETAIL | NEW | SET | F_NULL_OUT, .min = 1, .max = 1000000, .about = "of an answer", .example = "800" },
	{ "available_to_end_users", F_BOOL,     DETAIL | NEW | SET, .def = "false", .about = "users see it while it is active, too", .example = "true" },
	FIELD_END
};

static const struct field team_list_in[] = {
	{ "include_inactive", F_BOOL, 0, .def = "true", .about = "also those that are switched off" },
	FIELD_END
};

static const struct shape agent_shape = { "AgentResponse", agent, "Agent" };
static const struct shape team_agent_shape = { "TenantAgent", agent, "Agent", .as = DETAIL };

static const struct list sliced_50 = { NULL, NULL, { NULL }, { "limit", "skip" }, { 50, 100 } };

static const struct constraint constraints[] = {
	{ "agents_rag_config_files", ERR_VALIDATION, "rag_config", "a provider of knowledge needs rag_config with file_ids" },
	{ NULL }
};

#define USER "/api/v1/user/agents"
#define TEAM "/api/v1/dashboard/agents"

const struct route agent_routes[] = {
	{ GET,    USER "/available",    "platform.agents.list_available", &by_key_and_user, "List agents",
	  .about = "Those that the tenant has made available, the newest first.",
	  .out = &agent_shape, .list = &sliced_50, .sql = &q_agent_list },
	{ GET,    USER "/{agent_id}",   "platform.agents.get_agent",      &by_key_and_user, "Get an agent",
	  .out = &agent_shape, .sql = &q_agent_get },

	{ GET,    TEAM,                 "platform.agents.dashboard_list_agents",  &by_team, "List the tenant's agents",
	  .query = team_list_in, .out = &team_agent_shape, .list = &sliced_50, .sql = &q_agent_team_list },
	{ POST,   TEAM,                 "platform.agents.dashboard_create_agent", &by_team_admin, "Make an agent",
	  .about = "model, temperature and max_tokens are what a chat has unless it says otherwise.",
	  .body = agent, .as = NEW, .out = &team_agent_shape, .constraints = constraints, .sql = &q_agent_create, .run = agent_write, .flags = SLOW },
	{ PUT,    TEAM "/{agent_id}",   "platform.agents.dashboard_update_agent", &by_team_admin, "Change an agent",
	  .about = "Fields that are left out keep their value.",
	  .body = agent, .as = SET, .out = &team_agent_shape, .constraints = constraints, .sql = &q_agent_update, .run = agent_write, .flags = SLOW },
	{ DELETE, TEAM "/{agent_id}",   "platform.agents.dashboard_delete_agent", &by_team_admin, "Delete an agent",
	  .about = "What it has done, and what was said to it, stays for usage and analytics.",
	  .out = &team_agent_shape, .sql = &q_agent_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */

/* A server's headers as a member of b, their values sealed. */
static enum err seal_headers(struct req *rq, struct buf *b, const char *tenant, const char *name,
			     struct json_object *headers)
{
	int n = 0;

	jx_key_open(b, "headers", '{');
	if (headers) {
		json_object_object_foreach(headers, header, value)
		{
			const char *text = json_object_get_string(value), *sealed = text;
			const char *problem = json_object_is_type(value, json_type_string)
						      ? header_problem(header, text, strlen(text))
						      : "its value is no string";

			if (!problem && ++n > MAX_HEADERS)
				problem = "this is the eleventh header, and 10 are the most";
			json_object_object_foreach(headers, other, ignored)
			{
				(void)ignored;
				if (other != header && !strcasecmp(other, header))
					problem = "it is given twice";
			}
			if (problem)
				return req_fail_field(rq, ERR_VALIDATION, "mcp_servers", "%s, %.*s: %s", name,
						      HEADER_MAX_NAME, header, problem);
			if (strcmp(text, KEEP))
				sealed = seal_text(&rq->tx.arena, AGENTS_SEAL, tenant, text);
			if (!sealed)
				return req_fail(rq, ERR_UNAVAILABLE,
						"secrets cannot be kept: ENCRYPTION_KEYS is not set");
			jx_key_str(b, header, sealed);
		}
	}
	buf_char(b, '}');
	return ERR_OK;
}

static enum err check_server(struct req *rq, const char *name, const char *url)
{
	const char *reason;

	if (strncasecmp(url, "https://", 8) && !config_is_development())
		return req_fail_field(rq, ERR_VALIDATION, "mcp_servers", "%s: url must be an https:// URL",
				      name);
	if (http_check_url(&rq->tx.arena, url, &reason))
		return req_fail_field(rq, ERR_VALIDATION, "mcp_servers", "%s: url cannot be used: %s", name,
				      reason);
	return ERR_OK;
}

static const char *text_of(struct json_object *object, const char *name)
{
	return json_object_get_string(json_object_object_get(object, name));
}

/* The servers that were sent, as they are stored: the value "servers". */
static enum err read_servers(struct req *rq, const char *tenant)
{
	const struct value *v = req_value(rq, "mcp_servers");
	size_t n = v->json ? json_object_array_length(v->json) : 0;
	enum err rc = ERR_OK;
	struct buf b;

	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '[');
	for (size_t i = 0; !rc && i < n; i++) {
		struct json_object *s = json_object_array_get_idx(v->json, i), *tools, *enabled;
		const char *name = text_of(s, "name"), *transport = text_of(s, "transport");

		for (size_t k = 0; k < i; k++)
			if (!strcmp(name, text_of(json_object_array_get_idx(v->json, k), "name")))
				return req_fail_field(rq, ERR_VALIDATION, "mcp_servers",
						      "%s: two servers have this name", name);
		rc = check_server(rq, name, text_of(s, "url"));
		if (rc)
			break;
		tools = json_object_object_get(s, "allowed_tools");
		enabled = json_object_object_get(s, "is_enabled");
		jx_next(&b), buf_char(&b, '{');
		jx_key_str(&b, "name", name);
		jx_key_str(&b, "url", text_of(s, "url"));
		jx_key_str(&b, "transport", transport ? transport : "http");
		jx_key(&b, "allowed_tools");
		buf_text(&b, tools ? json_object_to_json_string(tools) : "null");
		jx_key(&b, "is_enabled"), jx_bool(&b, !enabled || json_object_get_boolean(enabled));
		rc = seal_headers(rq, &b, tenant, name, json_object_object_get(s, "headers"));
		buf_char(&b, '}');
	}
	buf_char(&b, ']');
	req_set(rq, "servers", v->json ? buf_str(&b) : NULL);
	return rc;
}

/* The files that it is to know: the value "files". */
static void read_files(struct req *rq)
{
	struct json_object *list = json_at(req_value(rq, "rag_config")->json, "file_ids", NULL);
	size_t n = list ? json_object_array_length(list) : 0;
	struct buf b;

	buf_init(&b, &rq->tx.arena, 64);
	buf_char(&b, '{');
	for (size_t i = 0; i < n; i++)
		array_add(&b, json_object_get_string(json_object_array_get_idx(list, i)));
	buf_char(&b, '}');
	req_set(rq, "files", buf_str(&b));
}

/* One that the installation has; whether its provider has a key is for the day when it is asked. */
static enum err check_model(struct req *rq)
{
	const char *id = req_text(rq, "model");

	return !id || ai_model_find(id) ? ERR_OK : model_choice_refuse(rq, "model", id);
}

static enum err agent_write(struct req *rq)
{
	bool is_new = rq->asked.route->method == POST;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, is_new ? &q_agent_place : &q_agent_found, true, &res);

	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_text(rq, "agent_id"));
	rc = check_model(rq);
	if (!rc)
		read_files(rq);
	if (!rc)
		rc = read_servers(rq, column_text(res, 0, "tenant"));
	return rc ? rc : answer_rows(rq, rq->asked.route->sql);
}
