/*
 * Projects on the observability surface: what spans are sent to.
 *
 * Their keys are shown again, so they are sealed, and a project is written here rather than by the runtime.
 * A key that cannot be opened is shown as zeros: the Demo Org's, which nobody has, and one whose key of ours
 * is lost.
 */
#include "build/sql/traces/opsboard_projects.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "handlers/traces/opsboard_org.h"
#include "handlers/traces/store.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

static enum err project_list(struct req *rq), project_get(struct req *rq), project_create(struct req *rq),
	project_update(struct req *rq), project_regenerate_key(struct req *rq);

/* clang-format off */
static const char *const environments[] = { "production", "staging", "development", "community", NULL };

static const struct field project[] = {
	{ "id",          F_UUID,   OUT, .example = "trace project" },
	{ "org_id",      F_UUID,   OUT | NEW | NEEDED, .example = "organization" },
	{ "name",        F_TEXT,   OUT | NEW | SET | NEEDED | F_NULL_SET, .min = 1, .max = 255, .example = "Support assistant" },
	{ "environment", F_ENUM,   OUT | NEW | SET | F_NULL_SET, .values = environments, .def = "development" },
	{ "api_key",     F_UUID,   OUT, .about = "what spans are sent with; zeros where it cannot be shown", .example = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff" },
	{ "org",         F_OBJECT, OUT, .fields = opsboard_org },
	FIELD_END
};

static const struct field org_summary[] = {
	{ "id",                F_UUID, 0, .example = "organization" },
	{ "name",              F_TEXT, 0, .example = "Harbour Works" },
	{ "prem_status",       F_ENUM, 0, .values = opsboard_plans },
	{ "current_user_role", F_ENUM, 0, .values = opsboard_roles },
	FIELD_END
};

static const struct field summary[] = {
	{ "id",          F_UUID,   0, .example = "trace project" },
	{ "name",        F_TEXT,   0, .example = "Support assistant" },
	{ "api_key",     F_UUID,   0, .example = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff" },
	{ "org",         F_OBJECT, 0, .fields = org_summary },
	{ "span_count",  F_INT,    0, .example = "5210" },
	{ "trace_count", F_INT,    0, .example = "840" },
	FIELD_END
};

static const struct shape project_shape_of_opsboard = { "Project", project };
static const struct shape summary_shape = { "ProjectSummary", summary, "Project" };
static const enum err create_errors[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };
static const enum err change_errors[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

#define BASE "/api/opsboard/projects"

const struct route opsboard_project_routes[] = {
	{ GET,    BASE,                               "observability.projects.list",           &by_opsboard, "List the projects of my organizations",
	  .about = "All of them, by organization, but for the Demo Org's.",
	  .out = &summary_shape, .list = &unwrapped, .slow_if = &cfg.clickhouse_url, .run = project_list, .flags = PRIVATE },
	{ GET,    BASE "/{project_id}",               "observability.projects.get",            &by_opsboard, "Get a project",
	  .about = "Each member sees its API key.",
	  .params = opsboard_project_path, .out = &project_shape_of_opsboard, .run = project_get, .flags = PRIVATE },
	{ POST,   BASE,                               "observability.projects.create",         &by_opsboard, "Create a project",
	  .about = "By an owner or admin. A free organization has as many as FREEPLAN_MAX_PROJECTS says.",
	  .needs = { "an organization that pays", ERR_AUTHORIZATION },
	  .body = project, .as = NEW, .out = &project_shape_of_opsboard, .errors = create_errors, .run = project_create,
	  .status = 200, .flags = PRIVATE },
	{ PUT,    BASE "/{project_id}",               "observability.projects.update",         &by_opsboard, "Change a project",
	  .about = "By an owner or admin. What is left out or null stays as it is.",
	  .params = opsboard_project_path, .body = project, .as = SET, .out = &project_shape_of_opsboard, .errors = change_errors, .run = project_update,
	  .status = 200, .flags = PRIVATE },
	{ DELETE, BASE "/{project_id}",               "observability.projects.delete",         &by_opsboard, "Delete a project",
	  .about = "By an owner. Its API key is none at once, and what was sent to it is removed.",
	  .params = opsboard_project_path, .out = &opsboard_status_shape, .errors = change_errors, .sql = &q_opsboard_project_delete, .status = 200 },
	{ POST,   BASE "/{project_id}/regenerate-key", "observability.projects.regenerate_key", &by_opsboard, "Give a project another API key",
	  .about = "By an owner or admin. The old one, and tokens that were made with it, are none at once.",
	  .params = opsboard_project_path, .out = &project_shape_of_opsboard, .errors = change_errors, .run = project_regenerate_key,
	  .status = 200, .flags = PRIVATE },
	{ POST,   BASE "/{project_id}/update",        "observability.projects.update_post",    .alias_of = "observability.projects.update" },
	{ POST,   BASE "/{project_id}/delete",        "observability.projects.delete_post",    .alias_of = "observability.projects.delete" },
	ROUTE_END
};
/* clang-format on */

static void write_key(struct req *rq, struct buf *b, const PGresult *res, int row)
{
	const char *sealed = column_text(res, row, "_key"), *key = NULL;

	if (*sealed)
		key = seal_open(&rq->tx.arena, "trace_project", column_text(res, row, "_tenant"), sealed);
	jx_key_str(b, "api_key", key ? key : "00000000-0000-0000-0000-000000000000");
}

static void write_org(struct buf *b, const PGresult *res, int row)
{
	const char *org = column_text(res, row, "org");

	jx_key(b, "org"), jx_json(b, org, strlen(org));
}

/* The project that a query answers with. */
static enum err answer_project(struct req *rq, const struct query *q)
{
	PGresult *res;
	struct buf *b;
	enum err rc;

	opsboard_org_limits(rq);
	rc = tx_call(&rq->tx, q, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "project_id"));
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "id", column_text(res, 0, "id"));
	jx_key_str(b, "org_id", column_text(res, 0, "org_id"));
	jx_key_str(b, "name", column_text(res, 0, "name"));
	jx_key_str(b, "environment", column_text(res, 0, "environment"));
	write_key(rq, b, res, 0);
	write_org(b, res, 0);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err project_list(struct req *rq)
{
	PGresult *res;
	int64_t *counts;
	struct buf *b;
	enum err rc = store_configured()->projects(rq, &res, &counts);

	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '[');
	for (int i = 0; i < PQntuples(res); i++) {
		jx_next(b);
		buf_char(b, '{');
		jx_key_str(b, "id", column_text(res, i, "id"));
		jx_key_str(b, "name", column_text(res, i, "name"));
		write_key(rq, b, res, i);
		write_org(b, res, i);
		jx_key_int(b, "span_count", counts[2 * i]);
		jx_key_int(b, "trace_count", counts[2 * i + 1]);
		buf_char(b, '}');
	}
	buf_char(b, ']');
	return answer_close(rq);
}

static enum err project_get(struct req *rq)
{
	return answer_project(rq, &q_opsboard_project_get);
}

/* A new key: for the queries its hash, by which it is found, and the key itself, sealed under its tenant. */
static enum err make_key(struct req *rq)
{
	const char *key = secret_uuid(&rq->tx.arena), *tenant = rq->who.tenant_id, *sealed;
	PGresult *res;
	enum err rc;

	if (!tenant) { /* another issuer's token beside a key, which alone tells it */
		rc = tx_call(&rq->tx, &q_opsboard_project_tenant, false, &res);
		if (rc)
			return rc;
		tenant = column_text(res, 0, "tenant");
	}
	sealed = seal_text(&rq->tx.arena, "trace_project", tenant, key);
	if (!sealed)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "there is nothing to seal with (JWT_SECRET)");
	req_set(rq, "key_hash", secret_sha256_hex(&rq->tx.arena, key));
	req_set(rq, "key_sealed", sealed);
	return ERR_OK;
}

static enum err project_create(struct req *rq)
{
	enum err rc = make_key(rq);

	return rc ? rc : answer_project(rq, &q_opsboard_project_create);
}

static enum err project_update(struct req *rq)
{
	return answer_project(rq, &q_opsboard_project_update);
}

static enum err project_regenerate_key(struct req *rq)
{
	enum err rc = make_key(rq);

	return rc ? rc : answer_project(rq, &q_opsboard_project_regenerate_key);
}
