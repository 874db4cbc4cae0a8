/*
 * Sessions: traces of one conversation, as their spans say (session.id, gen_ai.conversation.id). A session's
 * traces are those that the list of traces has with session_id.
 */
#include "fcgi/req.h"
#include "handlers/traces/store.h"
#include "lib/host/config.h"

static enum err session_list(struct req *rq);

/* clang-format off */
static const struct field list_in[] = {
	{ "project_id", F_UUID, F_REQUIRED, .example = "trace project" },
	FIELD_END
};

static const struct field session_out[] = {
	{ "session_id",   F_TEXT,     0, .example = "demo-session" },
	{ "start_time",   F_DATETIME, 0, .about = "when its first trace began" },
	{ "last_time",    F_DATETIME, 0, .about = "when its last one did" },
	{ "trace_count",  F_INT,      0, .about = "up to 1,000, of which the other figures are", .example = "1" },
	{ "error_count",  F_INT,      0, .about = "traces whose last span's status is ERROR", .example = "0" },
	{ "span_count",   F_INT,      0, .example = "2" },
	{ "total_tokens", F_INT,      0, .example = "916" },
	{ "total_cost",   F_NUMBER,   0, .about = "dollars", .example = "0.0001806" },
	FIELD_END
};

static const struct shape session_shape = { "TraceSession", session_out, "Project" };
static const enum err errors[] = { ERR_NOT_FOUND, ERR_OK };

const struct route trace_session_routes[] = {
	{ GET, "/api/v4/sessions", "observability.traces.list_sessions", &by_opsboard, "List sessions", .about = "The one that went on last first.",
	  .query = list_in, .out = &session_shape, .list = &windowed, .errors = errors, .slow_if = &cfg.clickhouse_url, .run = session_list },
	ROUTE_END
};
/* clang-format on */

static enum err session_list(struct req *rq)
{
	return store_configured()->sessions(rq);
}
