/*
 * Workspaces that administrators of the tenant make for others.
 */
#include "build/sql/identity/activation.h"
#include "build/sql/tenancy/workspaces.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/mail.h"
#include "handlers/tenancy/workspaces.h"
#include "lib/base/jx.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"
#include "lib/host/config.h"

static enum err workspace_provision(struct req *rq);

/* clang-format off */
static const struct field provision_in[] = {
	{ "workspace_name", F_TEXT,  F_REQUIRED, .min = 1, .max = 255, .example = "Dockyard" },
	{ "owner_email",    F_EMAIL, F_REQUIRED, .example = "olga@example.com" },
	{ "owner_name",     F_TEXT,  F_REQUIRED, .min = 1, .max = 255, .about = "of an account that is made", .example = "Olga Owner" },
	{ "slug",           F_SLUG,  F_NULL | F_RARE, .max = 60, .about = "left out: made of the name", .example = "dockyard" },
	{ "tier",           F_TEXT,  F_NULL | F_RARE, .min = 1, .max = 255, .about = "the name of a plan; one that costs something waits for a payment", .example = "Starter" },
	{ "send_activation_email", F_BOOL, 0, .def = "true", .about = "false: the link is in the answer, to be passed on, and verifies no address" },
	FIELD_END
};

static const struct field provision_out[] = {
	{ "workspace",             F_OBJECT, 0, .fields = workspace_fields },
	{ "owner",                 F_OBJECT, 0, .fields = user_brief_fields },
	{ "user_created",          F_BOOL,   0, .about = "false: the address had an account" },
	{ "member_id",             F_UUID,   0 },
	{ "activation_email_sent", F_BOOL,   0 },
	{ "activation_url",        F_URL,    F_NULL, .about = "of an account that was made, where no mail went" },
	FIELD_END
};

static const struct shape provision_shape = { "WorkspaceProvisioned", provision_out, "Workspace" };
static const struct constraint constraints[] = {
	{ "organizations_slug_unique", ERR_CONFLICT, "slug", "this slug is taken" },
	{ NULL }
};
static const enum err not_made[] = { ERR_VALIDATION, ERR_CONFLICT, ERR_OK };
static const struct child made[] = { { "workspace", &q_workspace_get }, { NULL } };

const struct route workspace_provision_routes[] = {
	{ POST, "/api/v1/workspaces/provision", "workspace.organizations.provision_workspace", &by_admin, "Make a workspace for somebody", "For administrators of the tenant. The owner's account is made where the address has "
	  "none: it has no password, and a mail with a link to activate it goes (7 days). Those mails count as invitations do (429).",
	  .body = provision_in, .out = &provision_shape, .constraints = constraints, .errors = not_made, .run = workspace_provision, .flags = PRIVATE, .status = 200 },
	ROUTE_END
};
/* clang-format on */

/* The answer; the workspace is shown as whoever reads it sees it. */
static enum err answer(struct req *rq)
{
	const struct rows_form form = { .has_micros = true };
	PGresult *res;
	struct buf *b;
	enum err rc = tx_call_family(&rq->tx, &q_workspace_provisioned, made, true, &res);

	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, made[0].member);
	rows_object(b, rows_open(&rq->tx.arena, rq->tx.children[0], 0, &form), 0);
	jx_key(b, "owner"), buf_text(b, column_text(res, 0, "owner"));
	jx_key(b, "user_created"), jx_bool(b, column_bool(res, 0, "user_created"));
	jx_key_str(b, "member_id", column_text(res, 0, "member_id"));
	jx_key(b, "activation_email_sent"), jx_bool(b, column_bool(res, 0, "activation_email_sent"));
	jx_key(b, "activation_url"), jx_str(b, column_text(res, 0, "activation_url"));
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err workspace_provision(struct req *rq)
{
	const char *mailed = req_text(rq, "send_activation_email"), *ticket, *page;
	PGresult *res;
	enum err rc;

	req_set(rq, "email", req_text(rq, "owner_email"));
	rc = tx_call(&rq->tx, &q_provision_prepare, false, &res);
	if (rc)
		return rc;
	if (column_int(res, 0, "retry_s"))
		return req_retry_after(rq, column_int(res, 0, "retry_s"));
	ticket = ticket_new(&rq->tx.arena, column_text(res, 0, "tenant"));
	page = arena_fmt(&rq->tx.arena, "%s/activate.html?workspace_id=%s", cfg.public_url,
			 column_text(res, 0, "workspace_id"));
	req_set(rq, "workspace_id", arena_dup(&rq->tx.arena, column_text(res, 0, "workspace_id")));
	req_set(rq, "token_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	req_set(rq, "activation_url", mail_link(&rq->tx.arena, page, ticket));
	req_set(rq, "mail_payload", NULL);
	if (*mailed == 't')
		rc = mail_prepare(rq, &(struct mail){ .template = "activation",
						      .tenant = column_text(res, 0, "tenant"),
						      .to = req_text(rq, "owner_email"),
						      .link = page,
						      .ticket = ticket,
						      .data = column_text(res, 0, "data") });
	if (!rc)
		rc = tx_call(&rq->tx, &q_workspace_provision, false, &res);
	if (rc)
		return rc;
	req_set(rq, "owner_id", arena_dup(&rq->tx.arena, column_text(res, 0, "owner_id")));
	req_set(rq, "made_member", arena_dup(&rq->tx.arena, column_text(res, 0, "member_id")));
	req_set(rq, "is_new", column_bool(res, 0, "is_new") ? "true" : "false");
	return answer(rq);
}
