/*
 * Invitations to organizations, and to teams of a tenant.
 *
 * The token is in the mail only; we keep its hash, and only the newest one's.  It
 * is looked for in the key's tenant, whatever it says of tenants; what is no token
 * at all has a hash too, and is nowhere.
 */
#include "build/sql/tenancy/invitations.h"
#include "build/sql/tenancy/operations_organizations.h"
#include "build/sql/tenancy/operations_teams.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/mail.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

/* clang-format off */
static const struct field token_in[] = {
	{ "token", F_TEXT, F_REQUIRED, .min = 1, .max = 512, .about = "from the mail",
	  .example = "AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk" },
	FIELD_END
};

static const struct field token_path[] = {
	{ "invitation_token", F_TEXT, 0, .min = 1, .max = 512, .about = "from the mail" },
	FIELD_END
};

static const struct field pending_in[] = {
	{ "email", F_TEXT, F_REQUIRED, .min = 1, .max = 254, .example = "grace@example.com" },
	FIELD_END
};

static const char *const statuses[] = { "pending", "accepted", "rejected", "cancelled", "expired", NULL };

static const struct field invitation[] = {
	{ "id",                F_UUID,     OUT },
	{ "organization_id",   F_UUID,     OUT },
	{ "organization_name", F_TEXT,     OUT, .example = "Acme Inc." },
	{ "email",             F_EMAIL,    OUT | NEW | NEEDED, .example = "grace@example.com" },
	{ "role",              F_ENUM,     OUT, .values = platform_roles, .example = "developer" },
	{ "role",              F_ENUM,     NEW | NEEDED, .values = member_roles_given, .example = "developer" },
	{ "status",            F_ENUM,     OUT, .values = statuses },
	{ "invited_by",        F_UUID,     OUT | F_NULL, .about = "a user's id" },
	{ "expires_at",        F_DATETIME, OUT },
	{ "created_at",        F_DATETIME, OUT },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "invitations_pending_unique", ERR_CONFLICT, "email", "this address has a pending invitation already" },
	{ "invitations_pending_key_unique", ERR_CONFLICT, "email", "this address has a pending invitation already" },
	{ NULL },
};

static const enum err not_pending[] = { ERR_CONFLICT, ERR_OK };
static const enum err not_accepted[] = { ERR_TICKET, ERR_AUTHORIZATION, ERR_CONFLICT, ERR_OK };
static const enum err not_rejected[] = { ERR_TICKET, ERR_OK };

const struct shape invitation_shape = { "OrganizationInvitation", invitation, "Invitation" };
/* clang-format on */

/* Find out by a query where the mail goes, make its token, and have the row's query write both. */
static enum err send_by(struct req *rq, const struct query *prepare)
{
	const char *page, *ticket;
	PGresult *res;
	long long wait_s;
	enum err rc = tx_call(&rq->tx, prepare, false, &res);

	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "invitation_id"));
	wait_s = column_int(res, 0, "retry_s");
	if (wait_s)
		return req_retry_after(rq, wait_s);
	page = column_text(res, 0, "invitation_url");
	ticket = ticket_new(&rq->tx.arena, column_text(res, 0, "tenant"));
	rc = mail_prepare(
		rq,
		&(struct mail){
			.template = "invitation",
			.tenant = column_text(res, 0, "tenant"),
			.to = column_text(res, 0, "email"),
			.locale = column_text(res, 0, "locale"),
			.link = page ? page : arena_fmt(&rq->tx.arena, "%s/invitation.html", cfg.public_url),
			.ticket = ticket,
			.data = column_text(res, 0, "data"),
		});
	if (rc)
		return rc;
	req_set(rq, "token_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	return answer_rows(rq, rq->asked.route->sql);
}

static enum err invitation_send(struct req *rq)
{
	bool again = req_path_text(rq, "invitation_id") != NULL;

	return send_by(rq, again ? &q_invitation_prepare_again : &q_invitation_prepare);
}

/* clang-format off */
const struct route invitation_routes[] = {
	{ POST,   "/api/v1/organizations/{organization_id}/invite", "platform.organizations.invite", &by_organization_member,
	  "Invite somebody", "A mail goes to the address, with a link that is good for 7 days. An organization has at most 100 pending invitations (409), and sends "
	  "50 such mails an hour; a sender too, and an address gets 10 a day from one and 30 from all, a tenth where the sender is not "
	  "verified (429). Where the tenant asks for verified addresses, the sender must have one (403).",
	  .may = &org_manage, .body = invitation, .as = NEW, .out = &invitation_shape, .constraints = constraints, .sql = &q_invitation_create, .run = invitation_send },
	{ POST,   "/api/v1/organizations/{organization_id}/invitations/{invitation_id}/resend", "platform.organizations.resend_invitation", &by_organization_member,
	  "Send an invitation again", "With a fresh link for another 7 days; the old one stops working. One that has expired is not pending any more: invite again.",
	  .may = &org_manage, .out = &invitation_shape, .errors = not_pending, .sql = &q_invitation_resend, .run = invitation_send, .status = 200 },
	{ DELETE, "/api/v1/organizations/{organization_id}/invitations/{invitation_id}", "platform.organizations.cancel_invitation", &by_organization_member,
	  "Cancel an invitation", "Its link stops working.",
	  .may = &org_manage, .out = &message_shape, .sql = &q_invitation_cancel },
	{ POST,   "/api/v1/organizations/accept-invitation", "platform.organizations.accept_invitation", &by_key_and_user,
	  "Accept an invitation", "The caller's address must be the invited one, and is verified by that. If it was not until now, "
	  "other sessions end, and what opened none or others than this one: passkeys, second factor, password.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = token_in, .out = &organization_shape, .errors = not_accepted, .sql = &q_invitation_accept, .status = 200 },
	{ POST,   "/api/v1/organizations/reject-invitation", "platform.organizations.reject_invitation", &by_key,
	  "Reject an invitation", "The token is enough.",
	  .needs = { "the token of a mail of ours", ERR_TICKET }, .body = token_in, .out = &message_shape, .errors = not_rejected, .sql = &q_invitation_reject, .status = 200 },
	{ GET,    "/api/v1/organizations/invitations/pending", "platform.organizations.list_pending_invitations", &by_key,
	  "List the pending invitations of an address", "Newest first, over all organizations; for an unknown address there are none.",
	  .query = pending_in, .out = &invitation_shape, .list = &sliced, .sql = &q_invitation_list_pending },
	{ GET,    "/api/v1/organizations/invitations/{invitation_token}", "platform.organizations.get_invitation", &by_key,
	  "Get an invitation by its token", "To look at it uses nothing up.",
	  .needs = { "the token of a mail of ours", ERR_NOT_FOUND }, .params = token_path, .out = &invitation_shape, .sql = &q_invitation_get },
	ROUTE_END
};
/* clang-format on */

/* On the operations surface; see operations_organizations.c. */

/* Who may invite is asked before the mail is counted. */
static enum err operations_invite(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_operations_org_manager, false, &res);

	return rc ? rc : invitation_send(rq);
}

static enum err operations_team_invite(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_operations_team_manager, false, &res);

	return rc ? rc : send_by(rq, &q_operations_team_invite_prepare);
}

/* clang-format off */
static const char *const operations_statuses[] = { "pending", "accepted", "expired", NULL };
static const char *const operations_kinds[] = { "organization", "team", NULL };

static const struct field operations_invitation[] = {
	{ "id",              F_UUID,     OUT },
	{ "organization_id", F_UUID,     OUT },
	{ "email",           F_EMAIL,    OUT | NEW | NEEDED, .example = "lin@example.com" },
	{ "role",            F_ENUM,     OUT, .values = workspace_roles },
	{ "role",            F_ENUM,     NEW, .values = workspace_roles_given, .def = "member" },
	{ "status",          F_ENUM,     OUT, .values = operations_statuses },
	{ "invited_by",      F_TEXT,     OUT | F_NULL, .about = "a user's id, as text; null: who has been erased", .example = "3" },
	{ "expires_at",      F_DATETIME, OUT },
	{ "created_at",      F_DATETIME, OUT },
	FIELD_END
};

static const char *const operations_team_roles[] = { "owner", "admin", "member", NULL };

static const struct field operations_team_params[] = {
	{ "team_number", F_INT, F_REQUIRED, .min = 1, .about = "the team's id", .example = "1" },
	FIELD_END
};

static const struct field operations_team_invitation[] = {
	{ "id",         F_UUID,     OUT },
	{ "team_id",    F_INT,      OUT, .example = "5" },
	{ "email",      F_EMAIL,    OUT | NEW | NEEDED, .example = "lin@example.com" },
	{ "role",       F_ENUM,     OUT | NEW, .values = operations_team_roles, .def = "member" },
	{ "status",     F_ENUM,     OUT, .values = operations_statuses },
	{ "invited_by", F_INT,      OUT | F_NULL, .about = "a user's id; null: who has been erased", .example = "3" },
	{ "expires_at", F_DATETIME, OUT },
	{ "created_at", F_DATETIME, OUT },
	FIELD_END
};

static const struct field operations_org_ref[] = {
	{ "id",   F_UUID, 0 },
	{ "name", F_TEXT, 0, .example = "Acme Inc." },
	{ "slug", F_SLUG, 0, .example = "acme-inc" },
	{ "role", F_ENUM, 0, .values = workspace_roles },
	FIELD_END
};

static const struct field operations_team_ref[] = {
	{ "id",   F_INT,  0, .example = "5" },
	{ "name", F_TEXT, 0, .example = "Sales" },
	{ "role", F_ENUM, 0, .values = workspace_roles },
	FIELD_END
};

static const struct field operations_accepted[] = {
	{ "kind",         F_ENUM,     0, .values = operations_kinds },
	{ "organization", F_OBJECT,   F_NULL, .fields = operations_org_ref },
	{ "team",         F_OBJECT,   F_NULL, .fields = operations_team_ref },
	{ "role",         F_ENUM,     0, .values = workspace_roles },
	{ "joined_at",    F_DATETIME, 0 },
	FIELD_END
};

static const enum err operations_hidden[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_CONFLICT, ERR_OK };
static const enum err operations_refused[] = { ERR_NOT_FOUND, ERR_AUTHORIZATION, ERR_OK };

static const struct shape
	operations_invite_shape   = { "OperationsInvite", operations_invitation, "Invitation" },
	operations_team_invite_shape = { "OperationsTeamInvite", operations_team_invitation, "Invitation" },
	operations_accepted_shape = { "OperationsInviteAccepted", operations_accepted, "Invitation" };

const struct route operations_invite_routes[] = {
	{ GET,  "/api/organizations/{organization_id}/invites", "operations.organizations.list_invites", &by_person,
	  "List the pending invitations of an organization", .about = "Newest first; for its owners and admins.",
	  .out = &operations_invite_shape, .list = &unpaged, .errors = operations_refused, .sql = &q_operations_invite_list },
	{ POST, "/api/organizations/{organization_id}/invites", "operations.organizations.create_invite", &by_person,
	  "Invite somebody into an organization", .about = "For its owners and admins. A mail goes to the address, with a link that is good for 7 days; "
	  "mails are counted as those of platform.organizations.invite.",
	  .body = operations_invitation, .as = NEW, .out = &operations_invite_shape, .constraints = constraints, .errors = operations_hidden,
	  .sql = &q_operations_invite_create, .run = operations_invite },
	{ POST, "/api/organizations/invites/{invitation_token}/accept", "operations.organizations.accept_invite", &by_person,
	  "Accept an invitation", .about = "To an organization, or to a team of the tenant. The caller's address must be the invited one, and is verified by that.",
	  .needs = { "the token of a mail of ours", ERR_NOT_FOUND }, .params = token_path, .out = &operations_accepted_shape, .errors = operations_hidden,
	  .sql = &q_operations_invite_accept, .status = 200 },
	{ GET,  "/api/teams/{team_number}/invites", "operations.teams.list_invites", &by_person,
	  "List the pending invitations of a team of a tenant", .about = "Newest first; for the team's owners and admins, and administrators of the tenant.",
	  .params = operations_team_params, .out = &operations_team_invite_shape, .list = &unpaged, .errors = operations_refused, .sql = &q_operations_team_invite_list },
	{ POST, "/api/teams/{team_number}/invites", "operations.teams.create_invite", &by_person,
	  "Invite somebody into a team of a tenant", .about = "For the team's owners and admins, and administrators of the tenant; only an owner invites an owner. "
	  "A mail goes to the address, with a token that is good for 7 days at operations.organizations.accept_invite; mails are counted as those of platform.organizations.invite.",
	  .params = operations_team_params, .body = operations_team_invitation, .as = NEW, .out = &operations_team_invite_shape, .errors = operations_hidden,
	  .sql = &q_operations_team_invite_create, .run = operations_team_invite },
	ROUTE_END
};
/* clang-format on */
