/*
 * Agents on this host, for the operators of the installation: made, started, stopped.
 *
 * What is wanted is a row, committed before the host is asked and whatever it says.  It is asked without a
 * connection, and by the wish's number it tells an earlier one from a later one.
 */
#include "build/sql/work/agent_control.h"

#include <string.h>

#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "providers/host_ask.h"

static enum err agent_create(struct req *rq), agent_stop(struct req *rq), agent_start(struct req *rq),
	agent_restart(struct req *rq);

enum { APPLY_MS = 6000 }; /* a restart has a second of rest in it, and may wait for the one before */

/* clang-format off */
static const char *const statuses[] = { "active", "idle", "working", "blocked", "paused", "offline", "stopped", "error", NULL };
static const char *const step_names[] = { "validate", "db_registration", "workspace", "soul_md", "run_script", "automations", "unit_files", "load_agent", "heartbeat", "log", NULL };
static const char *const step_statuses[] = { "ok", "skipped", "failed", NULL };

static const struct pattern name = { "^[a-z][a-z0-9_-]*$", "lower-case letters, digits, _ and -, the first a letter," };
static const struct pattern color = { "^#[0-9a-fA-F]{6}$", "a colour as #rrggbb," };

static const struct field create_in[] = {
	{ "name",         F_TEXT, F_REQUIRED, .min = 1, .max = 63, .fits = &name, .about = "unique in the tenant, and for good", .example = "lighthouse-keeper" },
	{ "display_name", F_TEXT, 0, .min = 1, .max = 100, .about = "else the name with a capital", .example = "Lighthouse keeper" },
	{ "model",        F_TEXT, 0, .min = 1, .max = 100, .about = "else AI_DEFAULT_MODEL", .example = "standard" },
	{ "interval_sec", F_INT,  0, .min = 60, .max = 604800, .def = "3600" },
	{ "emoji",        F_TEXT, 0, .min = 1, .max = 16, .example = "🗼" },
	{ "color",        F_TEXT, 0, .min = 7, .max = 7, .fits = &color, .example = "#1b6ca8" },
	FIELD_END
};

static const struct field note_in[] = {
	{ "note", F_TEXT, F_NULL, .max = 500, .about = "why; it stands in the activity log", .example = "Maintenance of the lamp" },
	FIELD_END
};

static const struct field agent_params[] = {
	{ "agent_name", F_TEXT, F_REQUIRED, .min = 1, .max = 63, .fits = &name, .about = "the agent's name", .example = "pilot" },
	FIELD_END
};

static const struct field agent[] = {
	{ "id",             F_INT,      0, .example = "12" },
	{ "name",           F_TEXT,     0, .example = "lighthouse-keeper" },
	{ "display_name",   F_TEXT,     0, .example = "Lighthouse keeper" },
	{ "role",           F_TEXT,     0, .example = "agent" },
	{ "status",         F_ENUM,     0, .values = statuses },
	{ "model",          F_TEXT,     0, .example = "standard" },
	{ "last_heartbeat", F_DATETIME, F_NULL },
	{ "created_at",     F_DATETIME, 0 },
	FIELD_END
};

static const struct field step[] = {
	{ "step",    F_INT,  0, .about = "1 to 10", .example = "3" },
	{ "name",    F_ENUM, 0, .values = step_names },
	{ "status",  F_ENUM, 0, .values = step_statuses },
	{ "message", F_TEXT, F_NULL, .about = "why it failed or was skipped" },
	FIELD_END
};

static const struct field created[] = {
	{ "success", F_BOOL,   0, .about = "no step failed", .example = "true" },
	{ "agent",   F_OBJECT, 0, .fields = agent },
	{ "steps",   F_LIST,   0, .fields = step },
	FIELD_END
};

#define CONTROLLED(when) { \
	{ "success", F_BOOL,     0, .example = "true" }, \
	{ "name",    F_TEXT,     0, .example = "pilot" }, \
	{ "status",  F_ENUM,     0, .values = statuses }, \
	{ "note",    F_TEXT,     F_NULL, .example = "Maintenance of the lamp" }, \
	{ when,      F_DATETIME, 0 }, \
	FIELD_END \
}
static const struct field
	stopped[]   = CONTROLLED("stopped_at"),
	started[]   = CONTROLLED("started_at"),
	restarted[] = CONTROLLED("restarted_at");

static const struct constraint constraints[] = {
	{ "tenant_agents_name_unique", ERR_CONFLICT, "name", "there is an agent with this name" },
	{ NULL }
};

static const enum err away[] = { ERR_UNAVAILABLE, ERR_OK };

static const struct shape
	created_shape   = { "AgentCreated", created, "Agent" },
	stopped_shape   = { "AgentStopped", stopped, "Agent" },
	started_shape   = { "AgentStarted", started, "Agent" },
	restarted_shape = { "AgentRestarted", restarted, "Agent" };

#define BASE "/api/agents"
#define ONE BASE "/{agent_name}"
#define AWAY "Where its host is away or its service manager does not answer, that is 503, and the wish stands: ask again."

const struct route agent_control_routes[] = {
	{ POST, BASE, "operations.agents.create", &by_operator, "Make an agent on this host",
	  .about = "Its row first, then its workspace, unit and the rest, a step each: one that fails is in steps with its reason, those behind it are skipped, and to start it makes what is missing.",
	  .may = &operator_edit, .body = create_in, .out = &created_shape, .done = "Agent created", .constraints = constraints, .status = 200, .sql = &q_tenant_agent_created, .run = agent_create, .flags = SLOW },
	{ POST, ONE "/stop", "operations.agents.stop", &by_operator, "Stop an agent", .about = "A run that is under way is asked to end, and none begins. Once more changes nothing. " AWAY,
	  .may = &operator_write, .params = agent_params, .body = note_in, .out = &stopped_shape, .done = "Agent stopped", .errors = away, .status = 200, .sql = &q_tenant_agent_stopped, .run = agent_stop, .flags = SLOW },
	{ POST, ONE "/start", "operations.agents.start", &by_operator, "Start an agent", .about = "What is missing of it on the host is made. Once more changes nothing. " AWAY,
	  .may = &operator_write, .params = agent_params, .body = note_in, .out = &started_shape, .done = "Agent started", .errors = away, .status = 200, .sql = &q_tenant_agent_started, .run = agent_start, .flags = SLOW },
	{ POST, ONE "/restart", "operations.agents.restart", &by_operator, "Stop an agent, and start it a second later", .about = AWAY,
	  .may = &operator_write, .params = agent_params, .body = note_in, .out = &restarted_shape, .done = "Agent restarted", .errors = away, .status = 200, .sql = &q_tenant_agent_restarted, .run = agent_restart, .flags = SLOW },
	ROUTE_END
};
/* clang-format on */

/* Put the wish down, and give the connection back: *question is what the host is to be asked. */
static enum err want(struct req *rq, const struct query *q, struct buf *question)
{
	const char *text;
	PGresult *res;
	enum err rc;

	req_set(rq, "default_model", cfg.ai_default_model);
	req_set(rq, "url", cfg.public_url);
	rc = tx_call(&rq->tx, q, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_text(rq, "agent_name"));
	text = column_text(res, 0, "question");
	buf_init(question, &rq->tx.arena, strlen(text));
	buf_text(question, text);
	req_set(rq, "wish", arena_fmt(&rq->tx.arena, "%lld", (long long)column_int(res, 0, "wish")));
	rc = tx_finish(&rq->tx, true);
	if (!rc)
		db_close();
	return rc;
}

static enum err agent_create(struct req *rq)
{
	const char *said = NULL;
	struct failure why = { 0 };
	struct buf question, b;
	enum err rc = want(rq, &q_tenant_agent_create, &question);

	if (rc)
		return rc;
	/* The row is there: a host that is away is a step that failed. */
	if (host_ask(&rq->tx.arena, &question, APPLY_MS, &said, &why)) {
		buf_init(&b, &rq->tx.arena, 256);
		buf_char(&b, '{');
		jx_key_str(&b, "error", why.message);
		buf_char(&b, '}');
		said = buf_str(&b);
	}
	req_set(rq, "said", said);
	return answer_rows(rq, &q_tenant_agent_created);
}

static enum err control(struct req *rq, const char *action, const struct query *applied)
{
	const char *said = NULL;
	struct buf question;
	enum err rc;

	req_set(rq, "action", action);
	rc = want(rq, &q_tenant_agent_want, &question);
	if (!rc)
		rc = host_ask(&rq->tx.arena, &question, APPLY_MS, &said, &rq->tx.fail);
	if (rc)
		return rc;
	req_set(rq, "said", said);
	return answer_rows(rq, applied);
}

static enum err agent_stop(struct req *rq)
{
	return control(rq, "stop", &q_tenant_agent_stopped);
}

static enum err agent_start(struct req *rq)
{
	return control(rq, "start", &q_tenant_agent_started);
}

static enum err agent_restart(struct req *rq)
{
	return control(rq, "restart", &q_tenant_agent_restarted);
}
