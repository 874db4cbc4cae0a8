/*
 * Invitations to workspaces.
 *
 * The token leaves by mail, or is shown to who invites, to be passed on; which of the two decides what it
 * proves (sql/functions/tenancy/workspace_invitations.sql).  It tells the tenant, and is the credential: a
 * user's token beside it says who accepts, and none is needed.
 */
#include "build/sql/tenancy/workspace_invitations.h"
#include "build/sql/tenancy/workspace_members.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/choice.h"
#include "fcgi/req.h"
#include "handlers/mail.h"
#include "handlers/permissions.h"
#include "handlers/tenancy/workspaces.h"
#include "lib/crypto/password.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

static enum err workspace_invitation_create(struct req *rq), workspace_invitation_member(struct req *rq),
	workspace_invitation_resend(struct req *rq), workspace_invitation_show(struct req *rq),
	workspace_invitation_get(struct req *rq), workspace_invitation_accept(struct req *rq);

/* clang-format off */
#define TOKEN(flags, ...) \
	{ "token", F_TEXT, flags, .min = 1, .max = 512, .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk", __VA_ARGS__ }

static const struct field invite_in[] = {
	{ "email",   F_EMAIL, F_REQUIRED, .example = "admin@example.com" },
	{ "role",    F_ENUM,  0, .values = workspace_roles_given, .def = "member", .example = "member" },
	{ "message", F_TEXT,  F_NULL, .max = 1000, .about = "stands in the mail", .example = "Come and build boats with us." },
	{ "ends_at", F_DATETIME, F_NULL | F_RARE, .about = "when the membership is to end; left out: it has no end", .example = "2031-01-31T17:00:00Z" },
	FIELD_END
};

static const struct field member_in[] = {
	{ "email",      F_EMAIL, F_REQUIRED, .example = "grace@example.com" },
	{ "full_name",  F_TEXT,  F_NULL, .min = 1, .max = 255, .example = "Grace Hopper" },
	{ "role",       F_ENUM,  0, .values = workspace_roles_given, .def = "member", .example = "member" },
	{ "title",      F_TEXT,  F_NULL, .max = 255, .example = "Rigger" },
	{ "department", F_TEXT,  F_NULL, .max = 255, .example = "Boatyard" },
	{ "ends_at",    F_DATETIME, F_NULL | F_RARE, .about = "when the membership is to end; left out: it has no end", .example = "2031-01-31T17:00:00Z" },
	{ "send_email", F_BOOL,  0, .def = "true", .about = "false: no mail; send it later, or pass a link on" },
	FIELD_END
};

static const struct field whose_in[] = {
	{ "member_id", F_UUID, 0, .about = "the invitation's, or that of the member who had left", .example = "invitation" },
	{ "user_id",   F_UUID, F_RARE, .about = "without member_id: of the user with the address" },
	FIELD_END
};

static const struct choice whose = { CHOICE_ANY, { WAY("member_id"), WAY("user_id") } };

static const struct field cancel_in[] = {
	{ "workspace_id", F_UUID, F_REQUIRED, .example = "organization" },
	FIELDS_OF(whose_in),
	FIELD_END
};

static const struct field link_out[] = {
	{ "invite_url", F_URL,      0, .example = "https://localhost:8443/invitation.html?token=AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	TOKEN(0),
	{ "expires_at", F_DATETIME, 0 },
	{ "member_id",  F_UUID,     0, .about = "the invitation's" },
	{ "user_id",    F_UUID,     F_NULL, .about = "of who had left, and is to come back" },
	FIELD_END
};

static const struct field resent_out[] = {
	{ "message",    F_TEXT,     0, .about = "for people" },
	{ "member_id",  F_UUID,     0, .about = "the invitation's" },
	{ "email",      F_EMAIL,    0, .example = "guest@harbour.example" },
	{ "expires_at", F_DATETIME, 0 },
	{ "email_sent", F_BOOL,     0 },
	FIELD_END
};

static const struct field cancelled_out[] = {
	{ "message",   F_TEXT, 0, .about = "for people" },
	{ "member_id", F_UUID, 0, .about = "the invitation's" },
	FIELD_END
};

static const struct field look_in[] = { TOKEN(F_REQUIRED, .about = "the one that the link brought"), FIELD_END };

static const char *const pending[] = { "pending", NULL };
static const struct field look_out[] = {
	{ "status",            F_ENUM,     0, .values = pending },
	{ "email",             F_EMAIL,    0, .about = "who is invited", .example = "ada@example.com" },
	{ "name",              F_TEXT,     F_NULL, .example = "Ada Lovelace" },
	{ "role",              F_ENUM,     0, .values = workspace_roles_given },
	{ "workspace",         F_OBJECT,   0, .fields = workspace_brief_fields },
	{ "invited_by",        F_OBJECT,   F_NULL, .fields = user_brief_fields },
	{ "requires_password", F_BOOL,     0, .about = "who accepts without signing in has to choose one" },
	{ "expires_at",        F_DATETIME, 0 },
	FIELD_END
};

static const struct field accept_in[] = {
	TOKEN(F_REQUIRED, .about = "the one that the link brought"),
	{ "password", F_TEXT, F_NULL | F_NFC, .min = PASSWORD_MIN, .max = PASSWORD_MAX, .about = "where requires_password; else it stays as it is", .example = "Correct-Horse-7" },
	{ "name",     F_TEXT, F_NULL, .min = 1, .max = 255, .about = "of an account that is made", .example = "Ada Lovelace" },
	FIELD_END
};

static const struct field accepted_out[] = {
	{ "message",   F_TEXT,   0, .about = "for people" },
	{ "workspace", F_OBJECT, 0, .fields = workspace_brief_fields },
	{ "user_id",   F_UUID,   0 },
	{ "member_id", F_UUID,   0 },
	{ "email",     F_EMAIL,  F_NULL, .example = "ada@example.com" },
	{ "role",      F_ENUM,   0, .values = workspace_roles },
	FIELD_END
};

static const struct shape link_shape = { "InvitationLink", link_out, "Invitation" };
static const struct shape resent_shape = { "InvitationSent", resent_out, "Invitation" };
static const struct shape cancelled_shape = { "InvitationCancelled", cancelled_out, "Invitation" };
static const struct shape look_shape = { "InvitationDetails", look_out, "Invitation" };
static const struct shape accepted_shape = { "InvitationAccepted", accepted_out, "Workspace" };

static const struct constraint constraints[] = {
	{ "invitations_pending_unique",     ERR_CONFLICT, "email", "this address has a pending invitation already" },
	{ "invitations_pending_key_unique", ERR_CONFLICT, "email", "this address has a pending invitation already" },
	{ NULL },
};

static const enum err not_invited[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err not_sent[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err not_open[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_OK };
static const enum err not_accepted[] = { ERR_BAD_REQUEST, ERR_AUTHENTICATION, ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_OK };

static const struct field workspace_path[] = { { "workspace_id", F_UUID, F_REQUIRED, .example = "organization" }, FIELD_END };

#define BASE "/api/v1/workspaces"
#define ONE BASE "/{workspace_id}"

const struct route workspace_invitation_routes[] = {
	{ POST, "/api/v1/members", "workspace.organizations.create_member", &by_member, "Add a member", .about = "By an invitation: they are nobody here until they accept it, and no account is made "
	  "for an address that has none. Nobody gives a higher role than their own. Mails count as those of /invite do (429).",
	  .may = &can_create_member, .body = member_in, .out = &workspace_member_shape, .constraints = constraints, .errors = not_invited, .sql = &q_workspace_member_or_invited,
	  .run = workspace_invitation_member },
	{ POST, ONE "/invite", "workspace.organizations.invite_user", &by_workspace_member, "Invite somebody who has an account", .about = "By a mail, whose link is good for 7 days; others by "
	  "POST /members. Who had been switched off comes back by it. At most 100 are pending (409), and mails are limited as those of organizations are (429).",
	  .may = &org_manage, .params = workspace_path, .body = invite_in, .out = &workspace_person_shape, .constraints = constraints, .errors = not_invited,
	  .sql = &q_workspace_invitation_create, .run = workspace_invitation_create },
	{ POST, ONE "/invite-link", "workspace.organizations.create_invite_link", &by_workspace_member, "Get an invitation's link, to pass it on", .about = "No mail is sent, and the link before it "
	  "stops working. It proves nobody's address, and so is refused where that has an account which is not this workspace's own (403): send those by mail.",
	  .may = &org_manage, .params = workspace_path, .body = whose_in, .choice = &whose, .out = &link_shape, .errors = not_sent, .sql = &q_workspace_invitation_show, .run = workspace_invitation_show,
	  .flags = PRIVATE, .status = 200 },
	{ POST, ONE "/resend-invitation", "workspace.organizations.resend_invitation", &by_workspace_member, "Mail an invitation again", .about = "With a fresh link for another 7 days; the one before "
	  "stops working. It may have run out.",
	  .may = &org_manage, .params = workspace_path, .body = whose_in, .choice = &whose, .out = &resent_shape, .errors = not_sent, .sql = &q_workspace_invitation_resend, .run = workspace_invitation_resend,
	  .status = 200 },
	{ POST, BASE "/cancel-invitation", "workspace.organizations.cancel_invitation", &by_user, "Cancel an invitation", .about = "Its link answers 410. For owners and admins.",
	  .body = cancel_in, .choice = &whose, .out = &cancelled_shape, .errors = not_sent, .sql = &q_workspace_invitation_cancel, .status = 200 },
	{ GET,  BASE "/invitation-details", "workspace.organizations.get_invitation_details", &by_anyone, "What is an invitation about?", .about = "Looks only, and uses nothing up. 410: it was cancelled, "
	  "or has run out.",
	  .needs = { "the token of a mail of ours", ERR_NOT_FOUND }, .query = look_in, .out = &look_shape, .errors = not_open, .sql = &q_workspace_invitation_get, .run = workspace_invitation_get, .flags = PRIVATE },
	{ POST, BASE "/accept-invitation", "workspace.organizations.accept_invitation", &by_guest, "Accept an invitation", .about = "The token is enough; with a user's token the address must be that user's (403). "
	  "A mailed one verifies the address, and where that was not verified until now, ends what opened the account before; one that was passed on verifies nothing, and is refused "
	  "where the address has an account of its user's own (403): sign in to it. No tokens are answered: sign in.",
	  .needs = { "the token of a mail of ours", ERR_NOT_FOUND }, .body = accept_in, .out = &accepted_shape, .errors = not_accepted, .sql = &q_workspace_invitation_accept, .run = workspace_invitation_accept,
	  .flags = PRIVATE | HASHES, .status = 200 },
	ROUTE_END
};
/* clang-format on */

static const char *page_of(struct req *rq, PGresult *res)
{
	const char *page = column_text(res, 0, "page");

	return page ? page : arena_fmt(&rq->tx.arena, "%s/invitation.html", cfg.public_url);
}

/* Find out where the mail goes, by this query, and make it with its token: token_hash and mail_payload. */
static enum err prepare(struct req *rq, const struct query *q)
{
	const char *ticket;
	PGresult *res;
	long long wait_s;
	enum err rc = tx_call(&rq->tx, q, false, &res);

	if (rc)
		return rc;
	wait_s = column_int(res, 0, "retry_s");
	if (wait_s)
		return req_retry_after(rq, wait_s);
	ticket = ticket_new(&rq->tx.arena, column_text(res, 0, "tenant"));
	req_set(rq, "token_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	return mail_prepare(rq, &(struct mail){ .template = "invitation",
						.tenant = column_text(res, 0, "tenant"),
						.to = column_text(res, 0, "email"),
						.locale = column_text(res, 0, "locale"),
						.link = page_of(rq, res),
						.ticket = ticket,
						.data = column_text(res, 0, "data") });
}

static enum err workspace_invitation_create(struct req *rq)
{
	enum err rc = prepare(rq, &q_workspace_invitation_prepare);

	return rc ? rc : answer_rows(rq, &q_workspace_invitation_create);
}

/* A token that goes nowhere is a secret that nobody has: the next one is sent, or shown. */
static enum err workspace_invitation_member(struct req *rq)
{
	const char *mailed = req_text(rq, "send_email");
	PGresult *res;
	enum err rc = ERR_OK;

	req_set(rq, "message", NULL);
	if (mailed && *mailed == 'f') {
		req_set(rq, "mail_payload", NULL);
		req_set(rq, "token_hash",
			secret_sha256_hex(&rq->tx.arena, ticket_new(&rq->tx.arena, rq->who.tenant_id)));
	} else {
		rc = prepare(rq, &q_workspace_invitation_prepare);
	}
	if (!rc)
		rc = tx_call(&rq->tx, &q_workspace_invitation_member, false, &res);
	if (rc)
		return rc;
	req_set(rq, "member_id", column_text(res, 0, "id"));
	return answer_rows(rq, &q_workspace_member_or_invited);
}

static enum err workspace_invitation_resend(struct req *rq)
{
	enum err rc = prepare(rq, &q_workspace_invitation_prepare_again);

	return rc ? rc : answer_rows(rq, &q_workspace_invitation_resend);
}

static enum err workspace_invitation_show(struct req *rq)
{
	const char *ticket;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_workspace_invitation_page, false, &res);

	if (rc)
		return rc;
	ticket = ticket_new(&rq->tx.arena, column_text(res, 0, "tenant"));
	req_set(rq, "token", ticket);
	req_set(rq, "token_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	req_set(rq, "invite_url", mail_link(&rq->tx.arena, page_of(rq, res), ticket));
	return answer_rows(rq, &q_workspace_invitation_show);
}

/* The token, as token_hash, in the tenant that it names; a user looks in their own. */
static enum err take_token(struct req *rq)
{
	const char *tenant, *hash;

	if (!ticket_parse(&rq->tx.arena, req_text(rq, "token"), &tenant, &hash))
		return req_fail(rq, ERR_NOT_FOUND, "Invitation not found");
	if (rq->who.kind != BEARER)
		auth_act_for(rq, tenant);
	req_set(rq, "token_hash", hash);
	return ERR_OK;
}

static enum err workspace_invitation_get(struct req *rq)
{
	enum err rc = take_token(rq);

	return rc ? rc : answer_rows(rq, &q_workspace_invitation_get);
}

/* A password is taken where there is none, and else left alone: it takes more than an invitation to change
 * one. */
static enum err workspace_invitation_accept(struct req *rq)
{
	const char *password = req_text(rq, "password"), *problem, *hash;
	PGresult *res;
	enum err rc = take_token(rq);

	req_set(rq, "password_hash", NULL);
	if (!rc)
		rc = tx_call(&rq->tx, &q_workspace_invitation_find, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_NOT_FOUND, "Invitation not found");
	if (rq->who.kind == BEARER || !column_bool(res, 0, "needs_password"))
		return answer_rows(rq, &q_workspace_invitation_accept);
	if (!password)
		return req_fail_field(rq, ERR_BAD_REQUEST, "password",
				      "choose a password: there is none yet");
	problem = password_check(&rq->tx.arena, password, column_text(res, 0, "email"));
	if (problem)
		return req_fail_field(rq, ERR_VALIDATION, "password", "%s", problem);
	rc = password_hash(&rq->tx, password, &hash);
	if (rc)
		return rc;
	req_set(rq, "password_hash", hash);
	return answer_rows(rq, &q_workspace_invitation_accept);
}
