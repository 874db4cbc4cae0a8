/*
 * Tokens of projects: what a program that sends traces carries, in the place of its project's API key.
 *
 * A token is good while the project has the key that it was made with.  What it says of the organization's
 * plan may be older than the plan: whoever wants to know asks.
 */
#include <json-c/json.h>
#include <time.h>

#include "build/sql/traces/tokens.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/crypto/project_token.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"

static enum err token_create(struct req *rq), token_get(struct req *rq);

/* clang-format off */
static const char *const plans[] = { "free", "pro", "enterprise", NULL };

static const struct field create_in[] = {
	{ "api_key", F_TEXT, F_REQUIRED, .max = 128, .about = "a project's: a UUID, else 400", .example = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff" },
	FIELD_END
};

static const struct field created_out[] = {
	{ "token",               F_TEXT, 0, .about = "good for 30 days, unless the project gets another key", .example = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.sig" },
	{ "project_id",          F_UUID, 0, .example = "trace project" },
	{ "project_prem_status", F_ENUM, 0, .values = plans, .about = "the organization's plan" },
	FIELD_END
};

static const struct field payload_out[] = {
	{ "project_id",          F_UUID, 0, .example = "trace project" },
	{ "project_prem_status", F_ENUM, 0, .values = plans },
	{ "key_id",              F_TEXT, 0, .about = "which key it was made with: the beginning of that one's SHA-256", .example = "9f86d081884c7d65" },
	{ "aud",                 F_TEXT, 0, .example = "project" },
	{ "iat",                 F_INT,  0, .example = "1767268800" },
	{ "exp",                 F_INT,  0, .example = "1769860800" },
	FIELD_END
};

static const struct field checked_out[] = {
	{ "message",    F_TEXT,     0 },
	{ "payload",    F_OBJECT,   0, .fields = payload_out },
	{ "expires_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct shape created_shape = { "ProjectToken", created_out, "Project" };
static const struct shape checked_shape = { "ProjectTokenPayload", checked_out, "Project" };
static const enum err create_errors[] = { ERR_BAD_REQUEST, ERR_AUTHORIZATION, ERR_OK };

const struct route project_token_routes[] = {
	{ POST, "/api/v3/auth/token", "observability.auth.create_token", &by_anyone, "Make a project's token of its API key",
	  .about = "What programs send traces with. 403 for a key that no project has.",
	  .needs = { "a project's API key", ERR_AUTHORIZATION },
	  .body = create_in, .out = &created_shape, .errors = create_errors, .budget = &budget_tokens, .run = token_create, .status = 200, .flags = PRIVATE },
	{ GET,  "/api/v3/auth/token", "observability.auth.get_token",    &by_project, "See what a project's token says",
	  .about = "401 once the organization's plan is another than the token says, and for an API key.",
	  .needs = { "a project's token", ERR_AUTHENTICATION },
	  .out = &checked_shape, .budget = &budget_project, .run = token_get },
	ROUTE_END
};
/* clang-format on */

static enum err token_create(struct req *rq)
{
	const char *key = req_text(rq, "api_key"), *token;
	struct project_token t = { .iat = time(NULL) };
	PGresult *res;
	struct buf *b;
	enum err rc;

	if (!field_is_uuid(key))
		return req_fail_field(rq, ERR_BAD_REQUEST, "api_key", "an API key of a project is a UUID");
	req_set(rq, "key_hash", secret_sha256_hex(&rq->tx.arena, arena_lower(&rq->tx.arena, key)));
	rc = tx_call(&rq->tx, &q_project_token_create, false, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail_field(rq, ERR_AUTHORIZATION, "api_key", "no project has this API key");
	t.tenant_id = column_text(res, 0, "tenant_id");
	t.project_id = column_text(res, 0, "project_id");
	t.plan = column_text(res, 0, "plan");
	t.key_id = column_text(res, 0, "key_id");
	t.exp = t.iat + PROJECT_TOKEN_TTL_S;
	token = project_token_sign(&rq->tx.arena, &t);
	if (!token)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "tokens cannot be signed without JWT_SECRET");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "token", token);
	jx_key_str(b, "project_id", t.project_id);
	jx_key_str(b, "project_prem_status", t.plan);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err token_get(struct req *rq)
{
	const struct principal *who = &rq->who;
	PGresult *res;
	struct buf *b;
	enum err rc;

	rc = tx_call(&rq->tx, &q_project_token_plan, false, &res);
	if (rc)
		return rc;
	if (who->project_key)
		return req_fail(rq, ERR_AUTHENTICATION, "this is the project's API key, and no token");
	if (!PQntuples(res) || strcmp(column_text(res, 0, "plan"), who->project_plan) != 0)
		return req_fail(rq, ERR_AUTHENTICATION,
				"the organization's plan is another one since: ask for a new token");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "message", "the token is good");
	jx_key_open(b, "payload", '{');
	jx_key_str(b, "project_id", who->project);
	jx_key_str(b, "project_prem_status", who->project_plan);
	jx_key_str(b, "key_id", who->project_key_id);
	jx_key_str(b, "aud", PROJECT_TOKEN_AUDIENCE);
	jx_key_int(b, "iat", who->signed_in_s), jx_key_int(b, "exp", who->expires_s);
	buf_char(b, '}');
	jx_key(b, "expires_at"), jx_timestamptz(b, who->expires_s * 1000000 - CLOCK_PG_EPOCH_US);
	buf_char(b, '}');
	return answer_close(rq);
}
