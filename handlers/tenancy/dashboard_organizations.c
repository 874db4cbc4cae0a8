/*
 * Organizations as the team of their tenant looks after them: who is in one, as
 * what, and who is invited.  An organization's own people have organizations.c,
 * members.c and invitations.c.
 *
 * Pages end where looking further costs more than it shows.
 */
#include <stdlib.h>

#include "build/sql/tenancy/dashboard_organizations.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/mail.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

enum { MOST_SHOWN = 10000 };

/* clang-format off */
static const char *const standings[] = { "active", "provisioning", "migrating", "suspended", NULL };
static const char *const statuses[] = { "pending", "expired", NULL };

static const struct field list_in[] = {
	{ "search", F_TEXT, 0, .max = 255, .about = "only organizations whose name begins with this, or whose slug it is; up to 200 of them" },
	FIELD_END
};

static const struct field organization[] = {
	{ "id",           F_UUID,     OUT },
	{ "name",         F_TEXT,     OUT | SET, .min = 1, .max = 255, .example = "Acme Inc." },
	{ "slug",         F_SLUG,     OUT, .example = "acme" },
	{ "description",  F_TEXT,     OUT | SET | F_NULL, .max = 2000, .example = "Anvils and more" },
	{ "logo_url",     F_URL,      OUT | SET | F_NULL, .max = 2048, .example = "https://example.com/logo.png" },
	{ "status",       F_ENUM,     OUT, .values = standings },
	{ "member_count", F_INT,      OUT, .about = "those who are active" },
	{ "owner_count",  F_INT,      OUT },
	{ "created_at",   F_DATETIME, OUT },
	{ "updated_at",   F_DATETIME, OUT },
	FIELD_END
};

static const struct field members_in[] = {
	{ "include_inactive", F_BOOL, 0, .def = "false", .about = "those who are deactivated, too; total is without them" },
	FIELD_END
};

static const struct field member_params[] = {
	{ "organization_id", F_UUID, F_REQUIRED },
	{ "user_id",         F_UUID, F_REQUIRED, .example = "user theo" },
	FIELD_END
};

static const struct field member[] = {
	{ "user_id",      F_UUID,     OUT },
	{ "sub",          F_TEXT,     OUT, .about = "what the user is known by in tokens and on the app surface", .example = "user_demo" },
	{ "email",        F_EMAIL,    OUT | F_NULL, .about = "null for who signed in elsewhere and has told no address" },
	{ "display_name", F_TEXT,     OUT | F_NULL, .example = "Ada Lovelace" },
	{ "role",         F_ENUM,     OUT | SET, .values = member_roles, .example = "developer" },
	{ "is_active",    F_BOOL,     OUT | SET, .about = "false: to everything that asks for the membership the user is no member" },
	{ "joined_at",    F_DATETIME, OUT },
	FIELD_END
};

static const struct field invitation[] = {
	{ "id",              F_UUID,     OUT },
	{ "organization_id",   F_UUID,     OUT },
	{ "email",             F_EMAIL,    OUT | NEW | NEEDED, .example = "grace@example.com" },
	{ "role",              F_ENUM,     OUT, .values = member_roles, .example = "developer" },
	{ "role",              F_ENUM,     NEW | NEEDED, .values = member_roles_given, .example = "developer" },
	{ "status",            F_ENUM,     OUT, .values = statuses },
	{ "invited_by",        F_UUID,     OUT | F_NULL, .about = "a user's id; null of the team's" },
	{ "expires_at",        F_DATETIME, OUT },
	{ "created_at",        F_DATETIME, OUT },
	FIELD_END
};

static const struct constraint invite_constraints[] = {
	{ "invitations_pending_unique", ERR_CONFLICT, "email", "this address has a pending invitation already" },
	{ "invitations_pending_key_unique", ERR_CONFLICT, "email", "this address has a pending invitation already" },
	{ NULL },
};

static const enum err not_pending[] = { ERR_CONFLICT, ERR_OK };

static const struct shape organization_shape_of_team = { "TeamOrganization", organization, "Organization" };
static const struct shape member_shape = { "TeamOrganizationMember", member, "Member" };
static const struct shape invitation_shape_of_team = { "TeamOrganizationInvitation", invitation, "Invitation" };
/* clang-format on */

static enum err page_ends(struct req *rq)
{
	if (atoll(req_text(rq, "skip")) + atoll(req_text(rq, "limit")) > MOST_SHOWN)
		return req_fail_field(rq, ERR_VALIDATION, "page", "pages end at %d rows: search for one",
				      MOST_SHOWN);
	return ERR_OK;
}

static enum err dashboard_organization_list(struct req *rq)
{
	enum err rc = page_ends(rq);

	return rc ? rc
		  : answer_rows(rq, req_text(rq, "search") ? &q_dashboard_organization_search
							   : &q_dashboard_organization_list);
}

/* What an organization has, which is to be there. */
static enum err list_of_one(struct req *rq, const struct query *q)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_dashboard_organization_known, false, &res);

	if (rc)
		return rc;
	return PQntuples(res) ? answer_rows(rq, q) : req_fail(rq, ERR_NOT_FOUND, "Organization not found");
}

static enum err dashboard_member_list(struct req *rq)
{
	enum err rc = page_ends(rq);

	return rc ? rc : list_of_one(rq, &q_dashboard_member_list);
}

static enum err dashboard_invitation_list(struct req *rq)
{
	return list_of_one(rq, &q_dashboard_invitation_list);
}

/* The mail with the only copy of the token, and the row with its hash. */
static enum err dashboard_invitation_send(struct req *rq)
{
	bool again = req_path_text(rq, "invitation_id") != NULL;
	const char *page, *ticket;
	PGresult *res;
	enum err rc = tx_call(&rq->tx,
			      again ? &q_dashboard_invitation_prepare_again : &q_dashboard_invitation_prepare,
			      false, &res);

	if (rc)
		return rc;
	if (!PQntuples(res))
		return req_fail(rq, ERR_NOT_FOUND, again ? "Invitation not found" : "Organization not found");
	if (column_int(res, 0, "retry_s"))
		return req_retry_after(rq, column_int(res, 0, "retry_s"));
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

/* clang-format off */
#define BASE    "/api/v1/dashboard/organizations"
#define ONE     BASE "/{organization_id}"
#define MEMBER  ONE "/members/{user_id}"
#define INVITED ONE "/invitations"

const struct route dashboard_organization_routes[] = {
	{ GET,    BASE, "platform.organizations.list_dashboard_organizations", &by_team, "List the organizations",
	  .about = "Newest first; pages end at 10,000.",
	  .query = list_in, .out = &organization_shape_of_team, .list = &turned, .items = "organizations", .sql = &q_dashboard_organization_list,
	  .run = dashboard_organization_list },
	{ GET,    ONE, "platform.organizations.get_dashboard_organization", &by_team, "Get an organization",
	  .out = &organization_shape_of_team, .sql = &q_dashboard_organization_get },
	{ PUT,    ONE, "platform.organizations.update_dashboard_organization", &by_team_admin, "Change an organization",
	  .about = "Fields that are left out keep their value.",
	  .body = organization, .as = SET, .out = &organization_shape_of_team, .sql = &q_dashboard_organization_update },
	{ GET,    ONE "/members", "platform.organizations.list_dashboard_organization_members", &by_team, "List an organization's members",
	  .about = "In the order in which they joined, with include_inactive in that of their ids; pages end at 10,000.",
	  .query = members_in, .out = &member_shape, .list = &turned, .items = "members", .sql = &q_dashboard_member_list, .run = dashboard_member_list },
	{ PUT,    MEMBER, "platform.organizations.update_dashboard_organization_member", &by_team_admin, "Change a member's role or standing",
	  .about = "Whatever the role, the owner's too; an organization that has an owner keeps one.",
	  .params = member_params, .body = member, .as = SET, .out = &member_shape, .sql = &q_dashboard_member_change },
	{ DELETE, MEMBER, "platform.organizations.remove_dashboard_organization_member", &by_team_admin, "Remove a member",
	  .about = "An organization that has an owner keeps one.",
	  .params = member_params, .out = &member_shape, .sql = &q_dashboard_member_remove, .status = 204 },
	{ GET,    INVITED, "platform.organizations.list_dashboard_organization_invitations", &by_team_admin, "List an organization's invitations",
	  .about = "Those that are pending, or have expired since; newest first, at most 100.",
	  .out = &invitation_shape_of_team, .list = &unwrapped, .items = "invitations", .sql = &q_dashboard_invitation_list,
	  .run = dashboard_invitation_list },
	{ POST,   INVITED, "platform.organizations.invite_dashboard_organization_member", &by_team_admin, "Invite somebody to an organization",
	  .about = "As its owner does, in the name of the member of the team; the same limits.",
	  .body = invitation, .as = NEW, .out = &invitation_shape_of_team, .constraints = invite_constraints, .sql = &q_dashboard_invitation_create,
	  .run = dashboard_invitation_send },
	{ POST,   INVITED "/{invitation_id}/resend", "platform.organizations.resend_dashboard_organization_invitation", &by_team_admin, "Send an invitation again",
	  .about = "With a fresh link for another 7 days; the old one stops working. One that has expired is not pending any more: invite again.",
	  .out = &invitation_shape_of_team, .errors = not_pending, .sql = &q_dashboard_invitation_resend, .run = dashboard_invitation_send, .status = 200 },
	{ DELETE, INVITED "/{invitation_id}", "platform.organizations.cancel_dashboard_organization_invitation", &by_team_admin, "Cancel an invitation",
	  .about = "Its link stops working.", .out = &invitation_shape_of_team, .sql = &q_dashboard_invitation_cancel, .status = 204 },
	ROUTE_END
};
/* clang-format on */
