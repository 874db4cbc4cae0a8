/*
 * How a workspace is: what of it has been set up, and whether its data are those that this release is built
 * for.
 */
#include <string.h>

#include "build/sql/tenancy/workspace_health.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"

static enum err health_show(struct req *rq), migration_start(struct req *rq);

/* clang-format off */
static const char *const begun[] = { "QUEUED", "RUNNING", NULL };

static const struct field health[] = {
	{ "workspace_id",                 F_UUID,     0, .example = "organization" },
	{ "brand",                        F_BOOL,     0, .about = "there is a brand profile" },
	{ "migration_required",           F_BOOL,     0 },
	{ "personal_onboarding_complete", F_BOOL,     0, .about = "the caller's own" },
	{ "company_onboarding_complete",  F_BOOL,     0, .about = "the workspace's" },
	{ "current_version",              F_TEXT,     0, .about = "of its data", .example = "1" },
	{ "target_version",               F_TEXT,     0, .about = "that this server is built for", .example = "1" },
	{ "active_job_id",                F_UUID,     F_NULL, .about = "the migration that runs" },
	{ "checked_at",                   F_DATETIME, 0 },
	FIELD_END
};

static const struct field start_out[] = {
	{ "job_id",     F_UUID, 0 },
	{ "status",     F_ENUM, 0, .values = begun },
	{ "stream_url", F_TEXT, 0, .about = "where it tells how far it is", .example = "/api/v1/workspace-health/migrations/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f/stream" },
	FIELD_END
};

static const struct field job_path[] = { { "job_id", F_UUID, F_REQUIRED, .example = "workspace run" }, FIELD_END };

static const struct field stream_in[] = {
	{ "workspace_id", F_UUID, 0, .about = "for EventSource, which can set no header; X-Workspace-Id goes before it" },
	{ "ticket",       F_TEXT, 0, .max = 255,  .about = "of POST /api/v1/app/ws/ticket" },
	{ "token",        F_TEXT, 0, .max = 8192, .about = "a bearer token, where there is no other way; it is in no log of this server" },
	FIELD_END
};

static const struct shape health_shape = { "WorkspaceHealth", health };
static const struct shape start_shape = { "WorkspaceMigrationStart", start_out };

static const enum err not_followed[] = { ERR_ORIGIN, ERR_NOT_FOUND, ERR_OK };
static const enum err is_running[] = { ERR_CONFLICT, ERR_OK };

#define BASE "/api/v1/workspace-health"

const struct route workspace_health_routes[] = {
	{ GET,  BASE, "workspace.health.get_workspace_health", &by_member, "How is the workspace?",
	  .about = "503 with the same body while its data are older than the server: POST /api/v1/workspace-health/migrate.",
	  .out = &health_shape, .sql = &q_workspace_health, .run = health_show, .flags = PROBE },
	{ POST, BASE "/migrate", "workspace.health.trigger_migration", &by_member, "Bring the workspace's data to this version",
	  .about = "Any member may. Where there is nothing to do it is completed at once; of one that runs, 409 has job_id and stream_url in details.",
	  .out = &start_shape, .errors = is_running, .sql = &q_workspace_run_start, .run = migration_start, .status = 200 },
	{ GET,  BASE "/migrations/{job_id}/stream", "workspace.health.stream_migration", &by_member, "Follow a migration by server-sent events",
	  .about = "Messages without a name: {job_id, status, progress, current_step, error_message, timestamp}. The first one tells how it stands, and behind COMPLETED or "
		   "FAILED there is no other; it ends after five minutes, too.",
	  .params = job_path, .query = stream_in, .errors = not_followed, .sql = &q_workspace_run_stream, .flags = REALTIME | BARE, .status = 200,
	  .content_type = "text/event-stream" },
	ROUTE_END
};
/* clang-format on */

static enum err health_show(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_workspace_health, true, &res);

	if (rc)
		return rc;
	rows_object(answer_open(rq), answer_form(rq, res), 0);
	answer_close(rq);
	if (column_bool(res, 0, "migration_required"))
		rq->answer.status = 503;
	return ERR_OK;
}

static enum err migration_start(struct req *rq)
{
	PGresult *res;
	struct buf b;
	enum err rc = tx_call(&rq->tx, &q_workspace_run_start, true, &res);

	if (rc)
		return rc;
	if (column_bool(res, 0, "_is_new")) {
		rows_object(answer_open(rq), answer_form(rq, res), 0);
		return answer_close(rq);
	}
	buf_init(&b, &rq->tx.arena, 256);
	jx_key_str(&b, "job_id", column_text(res, 0, "_job_id"));
	jx_key_str(&b, "stream_url", column_text(res, 0, "stream_url"));
	rc = req_fail(rq, ERR_CONFLICT, "a migration of this workspace is already running");
	rq->tx.fail.details = buf_str(&b);
	return rc;
}
