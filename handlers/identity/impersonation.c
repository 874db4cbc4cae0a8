/*
 * Impersonation: an administrator, or a member of the tenant's team, acts as a
 * user, to see what the user sees.
 *
 * The token is the user's, with who acts in "act" (RFC 8693 4.1).  Its session says
 * the same, and that is what counts: the door asks with each request whether they
 * still may, and puts down every request that changes something under both names.
 */
#include "build/sql/identity/impersonation.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/session.h"
#include "handlers/mail.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/crypto/issuer.h"
#include "lib/crypto/tok.h"
#include "lib/db/column.h"

/* clang-format off */
static const struct field start_in[] = {
	{ "user_id", F_TEXT, F_REQUIRED, .min = 1, .max = 255, .example = "user_demo" },
	{ "reason",  F_TEXT, 0, .max = 500, .example = "ticket 4711", .about = "for the audit log" },
	FIELD_END
};

static const struct field team_start_in[] = {
	{ "reason", F_TEXT, F_REQUIRED, .min = 1, .max = 500, .example = "ticket 4711", .about = "for the audit log, and for the user, who reads it in a mail" },
	FIELD_END
};

static const struct field impersonated_out[] = {
	{ "id",        F_TEXT,  0, .example = "user_demo" },
	{ "email",     F_EMAIL, F_NULL, .example = "ada@example.com" },
	{ "full_name", F_TEXT,  F_NULL, .example = "Ada Lovelace" },
	FIELD_END
};

static const struct field start_out[] = {
	{ "message",           F_TEXT,     0, .example = "impersonation started" },
	{ "impersonated_user", F_OBJECT,   0, .fields = impersonated_out },
	{ "token",             F_TEXT,     0, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t", .about = "a bearer token of the user's" },
	{ "expires_at",        F_DATETIME, 0, .about = "an hour from now; the token cannot be refreshed" },
	FIELD_END
};

static const char *const bearer[] = { "Bearer", NULL };

static const struct field exchange_in[] = {
	{ "token", F_TEXT, F_REQUIRED, .min = 1, .max = 8192, .about = "of an impersonation that was started", .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t" },
	FIELD_END
};

static const struct field exchange_out[] = {
	{ "access_token",    F_TEXT,   0, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t", .about = "it says who acts: impersonated_by" },
	{ "refresh_token",   F_TEXT,   0, .example = "AAAAAAAAcACAAAAAAAAAAQ", .about = "good until the impersonation ends" },
	{ "token_type",      F_ENUM,   0, .values = bearer },
	{ "expires_in",      F_INT,    0, .example = "3600", .about = "seconds" },
	{ "user",            F_OBJECT, 0, .fields = auth_user_fields },
	{ "workspace_id",    F_UUID,   F_NULL, .about = "the active workspace" },
	{ "impersonated_by", F_UUID,   0, .about = "the user, or the member of the team, who acts" },
	FIELD_END
};

static const struct shape exchange_shape = { "ImpersonationExchange", exchange_out };
static const enum err exchange_errors[] = { ERR_AUTHENTICATION, ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_OK };

static const struct shape start_shape = { "ImpersonationStart", start_out };

static const enum err start_errors[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err team_start_errors[] = { ERR_CONFLICT, ERR_UNAVAILABLE, ERR_OK };
static const enum err stop_errors[] = { ERR_CONFLICT, ERR_OK };
/* clang-format on */

/* JSON members of a text that may be NULL. */
static void member(struct buf *b, const char *key, const char *text)
{
	jx_key(b, key);
	if (text)
		jx_str(b, text);
	else
		jx_null(b);
}

/* Open the session by a query that answers as session_claims() does, and tell of its token. */
static enum err impersonation_open(struct req *rq, const struct query *q)
{
	const int64_t epoch_us = INT64_C(946684800000000); /* PostgreSQL's 2000-01-01, in Unix time */
	PGresult *res;
	struct tokens t;
	struct buf *b;
	enum err rc;

	rc = tx_call(&rq->tx, q, true, &res);
	if (!rc)
		rc = session_read(rq, res, &t);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	member(b, "message", "impersonation started");
	jx_key(b, "impersonated_user");
	buf_char(b, '{');
	member(b, "id", column_text(res, 0, "_subject"));
	member(b, "email", column_text(res, 0, "email"));
	member(b, "full_name", column_text(res, 0, "display_name"));
	buf_char(b, '}');
	member(b, "token", t.access);
	jx_key(b, "expires_at");
	jx_timestamptz(b, (column_int(res, 0, "_iat_s") + t.expires_in) * 1000000 - epoch_us);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err impersonation_start(struct req *rq)
{
	req_set(rq, "target", req_text(rq, "user_id"));
	return impersonation_open(rq, &q_impersonation_start);
}

/* By a member of the team: the user is told. */
static enum err impersonation_start_of_team(struct req *rq)
{
	PGresult *res;
	struct buf data;
	enum err rc = tx_call(&rq->tx, &q_impersonation_mail, false, &res);

	if (rc)
		return rc;
	buf_init(&data, &rq->tx.arena, 1024);
	buf_char(&data, '{');
	jx_key_str(&data, "tenant", column_text(res, 0, "tenant_name"));
	jx_key_str(&data, "member", column_text(res, 0, "member"));
	jx_key_str(&data, "reason", req_text(rq, "reason"));
	buf_char(&data, '}');
	rc = mail_prepare(rq, &(struct mail){ .template = "impersonated",
					      .tenant = column_text(res, 0, "tenant"),
					      .to = "",
					      .data = buf_str(&data) });
	return rc ? rc : impersonation_open(rq, &q_impersonation_start_of_team);
}

/* The token's session becomes another one, which can be refreshed, and ends when that would have. */
static enum err impersonation_exchange(struct req *rq)
{
	struct failure why = { ERR_OK };
	struct claims c;
	struct tokens t;
	PGresult *res;
	struct buf *b;
	enum err rc =
		tok_verify(&rq->tx.arena, &(struct whose){ NULL, NULL }, req_text(rq, "token"), &c, &why);

	if (rc == ERR_UNAVAILABLE)
		return req_fail(rq, rc, NULL);
	if (rc || !c.own || !c.impersonates)
		return req_fail(rq, ERR_AUTHENTICATION,
				"the token is not valid, or none of an impersonation");
	auth_act_for(rq, c.tenant_id);
	req_set(rq, "session", c.session);
	rc = tx_call(&rq->tx, &q_impersonation_exchange, true, &res);
	if (!rc)
		rc = session_read(rq, res, &t);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	session_members(b, rq, &t);
	jx_key(b, "workspace_id"), jx_str(b, column_text(res, 0, "_active_workspace"));
	jx_key(b, "impersonated_by"), jx_str(b, column_text(res, 0, "_impersonator"));
	buf_char(b, '}');
	return answer_close(rq);
}

/* The caller's own session, which is the token's. */
static enum err impersonation_stop(struct req *rq)
{
	PGresult *res;
	struct buf *b;
	enum err rc;

	req_set(rq, "session", rq->who.session);
	rc = tx_call(&rq->tx, &q_impersonation_stop, true, &res);
	if (rc)
		return rc;
	if (PQntuples(res) == 0)
		return req_fail(rq, ERR_CONFLICT,
				"this token is nobody else's: there is no impersonation to stop");
	b = answer_open(rq);
	buf_text(b, "{\"message\":\"impersonation stopped\"}");
	return answer_close(rq);
}

/* clang-format off */
const struct route impersonation_routes[] = {
	{ POST, "/api/v1/admin/impersonate/start", "app.admin.start_impersonation", &by_admin, "Act as a user",
	  .about = "Answers a token of the user's that is good for an hour. Administrators cannot be impersonated. The start, and "
		   "each change that is made with the token, is in the audit log under both names.",
	  .body = start_in, .out = &start_shape, .errors = start_errors, .run = impersonation_start, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/dashboard/users/{user_id}/impersonate", "platform.users.start_dashboard_impersonation", &by_team_admin, "Act as a user",
	  .about = "Answers a token of the user's that is good for an hour, and ends with the member's rights. The user gets a mail with the reason, and "
		   "sees the session. Administrators and members of the team cannot be impersonated. The start, and each change that is made with "
		   "the token, is in the audit log under both names; POST /api/v1/admin/impersonate/stop with the token ends it.",
	  .body = team_start_in, .out = &start_shape, .errors = team_start_errors, .run = impersonation_start_of_team, .flags = PRIVATE | RECENT },
	{ POST, "/api/v1/auth/impersonation/exchange", "workspace.identity.exchange_impersonation_token", &by_anyone, "Exchange the token of an impersonation",
	  .about = "For a session that can be refreshed, of the same user, until the impersonation would have ended. Once: the token is then good for nothing. "
		   "401: it is none of an impersonation; 403, 404: the user is not active, or gone.",
	  .needs = { "the token of an impersonation", ERR_AUTHENTICATION }, .body = exchange_in, .out = &exchange_shape, .errors = exchange_errors, .run = impersonation_exchange, .flags = PRIVATE, .status = 200 },
	{ POST, "/api/v1/admin/impersonate/stop",  "app.admin.stop_impersonation",  &by_user,  "Stop acting as a user",
	  .about = "Called with the impersonation token itself, which is good for nothing afterwards.",
	  .needs = { "the token of an impersonation", ERR_CONFLICT }, .out = &message_shape, .errors = stop_errors, .run = impersonation_stop, .status = 200 },
	ROUTE_END
};
/* clang-format on */
