/*
 * Accounts that were made for somebody (handlers/tenancy/workspace_provision.c), and how they come into them.
 *
 * A mailed token proves the address, one that was passed on proves nothing; both begin a session in the
 * workspace that they are for.
 */
#include "build/sql/identity/activation.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/identity/session.h"
#include "handlers/mail.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/workspaces.h"
#include "lib/base/jx.h"
#include "lib/crypto/password.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

static enum err activation_get(struct req *rq), activation_use(struct req *rq),
	activation_resend(struct req *rq);

/* clang-format off */
static const char *const bearer[] = { "Bearer", NULL };

#define TOKEN_AND_WORKSPACE \
	{ "workspace_id", F_UUID, F_REQUIRED, .example = "organization" }, \
	{ "token", F_TEXT, F_REQUIRED, .min = 1, .max = 512, .about = "the one that the link brought", \
	  .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" }

static const struct field look_in[] = { TOKEN_AND_WORKSPACE, FIELD_END };

static const struct field use_in[] = {
	TOKEN_AND_WORKSPACE,
	PASSWORD_FIELD("password", "Correct-Horse-7"),
	{ "name", F_TEXT, F_NULL, .min = 1, .max = 255, .example = "Ada Lovelace" },
	FIELD_END
};

static const struct field resend_in[] = {
	{ "email",        F_EMAIL, F_KNOWN | F_REQUIRED, .example = "ada@example.com" },
	{ "workspace_id", F_UUID,  F_NULL | F_RARE, .about = "only where it was made for this one" },
	FIELD_END
};

static const struct field look_out[] = {
	{ "valid",        F_BOOL,     0, .about = "true: else it is refused", .example = "true" },
	{ "user",         F_OBJECT,   0, .fields = user_brief_fields },
	{ "workspace",    F_OBJECT,   0, .fields = workspace_brief_fields },
	{ "has_password", F_BOOL,     0 },
	{ "expires_at",   F_DATETIME, 0 },
	FIELD_END
};

static const struct field use_out[] = {
	{ "access_token",  F_TEXT,   0, .example = "eyJhbGciOiJIUzI1NiJ9.e30.4nL5c0t", .about = "good for expires_in seconds; it names the workspace" },
	{ "refresh_token", F_TEXT,   0, .example = "AAAAAAAAcACAAAAAAAAAAQ" },
	{ "token_type",    F_ENUM,   0, .values = bearer },
	{ "expires_in",    F_INT,    0, .example = "3600", .about = "seconds" },
	{ "user",          F_OBJECT, 0, .fields = auth_user_fields },
	{ "workspace",     F_OBJECT, 0, .fields = workspace_brief_fields },
	FIELD_END
};

static const struct field resend_out[] = {
	{ "message", F_TEXT, 0, .about = "for people" },
	{ "success", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct shape look_shape = { "Activation", look_out };
static const struct shape use_shape = { "Activated", use_out, "Activation" };
static const struct shape resend_shape = { "ActivationSent", resend_out, "Activation" };
static const enum err not_open[] = { ERR_TICKET, ERR_GONE, ERR_OK };

#define BASE "/api/v1/auth/activate"

const struct route activation_routes[] = {
	{ GET,  BASE "/validate", "workspace.identity.validate_activation", &by_anyone, "Is a link to activate an account good?", "Looks only, and uses nothing up. 410: it has run out.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .query = look_in, .out = &look_shape, .errors = not_open, .sql = &q_activation_get, .run = activation_get, .flags = PRIVATE },
	{ POST, BASE,             "workspace.identity.activate_account",    &by_anyone, "Activate an account", "Of whom somebody else has made one. Sets its password and signs in, to the workspace. A mailed link "
	  "verifies the address; one that was passed on does not, and is good only while the account is the workspace's.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = use_in, .out = &use_shape, .errors = not_open, .run = activation_use, .flags = PRIVATE | HASHES, .status = 200 },
	{ POST, BASE "/resend",   "workspace.identity.resend_activation",   &by_anyone_with_key, "Ask for the mail again that activates an account", "Good for 7 days; the link before it stops working. Answers the "
	  "same whether there is such an account or not. Limited as /auth/forgot-password is.",
	  .body = resend_in, .out = &resend_shape, .sql = &q_activation_resend, .run = activation_resend, .flags = PRIVATE, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* The token, as token_hash, in the tenant that it names. */
static enum err take_token(struct req *rq)
{
	const char *tenant, *hash;

	if (!ticket_parse(&rq->tx.arena, req_text(rq, "token"), &tenant, &hash))
		return req_fail(rq, ERR_TICKET, NULL);
	auth_act_for(rq, tenant);
	req_set(rq, "token_hash", hash);
	return ERR_OK;
}

static enum err activation_get(struct req *rq)
{
	enum err rc = take_token(rq);

	return rc ? rc : answer_rows(rq, &q_activation_get);
}

static enum err activation_use(struct req *rq)
{
	const char *password = req_text(rq, "password"), *workspace, *problem, *hash;
	PGresult *res;
	struct tokens t;
	struct buf *b;
	enum err rc = take_token(rq);

	if (!rc)
		rc = tx_call(&rq->tx, &q_activation_find, true, &res);
	if (rc)
		return rc;
	workspace = arena_dup(&rq->tx.arena, column_text(res, 0, "workspace"));
	problem = password_check(&rq->tx.arena, password, column_text(res, 0, "email"));
	if (problem)
		return req_fail_field(rq, ERR_VALIDATION, "password", "%s", problem);
	rc = password_hash(&rq->tx, password, &hash);
	if (rc)
		return rc;
	req_set(rq, "password_hash", hash);
	rc = tx_call(&rq->tx, &q_activation_use, false, &res);
	if (rc)
		return rc;
	rc = session_open(rq, &(struct signin){ .user = column_text(res, 0, "id"), .method = "password" },
			  &t);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	session_members(b, rq, &t);
	jx_key(b, "workspace"), buf_text(b, workspace);
	buf_char(b, '}');
	return answer_close(rq);
}

/* The same work and the same answer whether somebody waits for it or not. */
static enum err activation_resend(struct req *rq)
{
	const char *email, *ticket, *tenant;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_activation_resend_begin, false, &res);

	if (rc)
		return rc;
	if (column_int(res, 0, "wait_s"))
		return req_retry_after(rq, column_int(res, 0, "wait_s"));
	tenant = column_text(res, 0, "tenant_id");
	email = column_text(res, 0, "email");
	ticket = ticket_new(&rq->tx.arena, tenant);
	req_set(rq, "id", column_text(res, 0, "id"));
	req_set(rq, "workspace", column_text(res, 0, "workspace"));
	req_set(rq, "address", email ? email : req_text(rq, "email"));
	req_set(rq, "token_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	rc = mail_prepare(rq,
			  &(struct mail){ .template = "activation",
					  .tenant = tenant,
					  .to = req_text(rq, "address"),
					  .locale = column_text(res, 0, "locale"),
					  .link = arena_fmt(&rq->tx.arena, "%s/activate.html?workspace_id=%s",
							    cfg.public_url, column_text(res, 0, "workspace")),
					  .ticket = ticket,
					  .data = column_text(res, 0, "data") });
	return rc ? rc : answer_rows(rq, &q_activation_resend);
}
