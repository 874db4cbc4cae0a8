/*
 * Organizations on the observability surface: who is in them, and who is invited.
 *
 * They are the same as on every surface; what is different is how they are shown, who may have how many
 * members, and that who comes or goes moves the seats that are paid for.
 */
#include "build/sql/traces/opsboard_orgs.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/mail.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "handlers/traces/opsboard_org.h"
#include "lib/base/email.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

static enum err org_answer(struct req *rq), invite_send(struct req *rq), invite_of_caller(struct req *rq);

/* clang-format off */
static const struct field path[] = {
	{ "org_id", F_UUID, 0, .about = "the organization's id", .example = "organization" },
	FIELD_END
};

static const struct field invite_path[] = {
	{ "org_id", F_UUID, 0, .about = "the organization's id", .example = "organization" },
	{ "email",  F_EMAIL, F_KNOWN, .about = "who was invited, in any case", .example = "guest@harbour.example" },
	FIELD_END
};

static const struct field member[] = {
	{ "user_id",    F_UUID,  0, .example = "user theo" },
	{ "org_id",     F_UUID,  0, .example = "organization" },
	{ "role",       F_ENUM,  0, .values = opsboard_roles },
	{ "user_email", F_EMAIL, F_NULL, .example = "ada@example.com" },
	{ "is_paid",    F_BOOL,  0, .about = "has one of the seats" },
	FIELD_END
};

static const struct field detail[] = {
	FIELDS_OF(opsboard_org),
	{ "users", F_LIST, OUT, .fields = member },
	FIELD_END
};

static const struct field invite_in[] = {
	{ "email", F_EMAIL, F_REQUIRED, .example = "grace@example.com" },
	{ "role",  F_ENUM,  F_REQUIRED, .values = opsboard_roles, .example = "developer" },
	FIELD_END
};

static const struct field remove_in[] = {
	{ "user_id", F_UUID, F_REQUIRED, .example = "user theo" },
	FIELD_END
};

static const struct field role_in[] = {
	{ "user_id", F_UUID, F_REQUIRED, .example = "user theo" },
	{ "role",    F_ENUM, F_REQUIRED, .values = opsboard_roles, .example = "admin" },
	FIELD_END
};

static const struct field invite_out[] = {
	{ "inviter_id",    F_UUID,     F_NULL, .example = "user" },
	{ "invitee_email", F_EMAIL,    0, .example = "grace@example.com" },
	{ "org_id",        F_UUID,     0, .example = "organization" },
	{ "role",          F_ENUM,     0, .values = opsboard_roles },
	{ "org_name",      F_TEXT,     0, .example = "Harbour Works" },
	{ "created_at",    F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field invited_out[] = {
	{ "invitee_email", F_EMAIL,    0, .example = "grace@example.com" },
	{ "inviter_email", F_TEXT,     0, .about = "Unknown where there is none any more", .example = "ada@example.com" },
	{ "role",          F_ENUM,     0, .values = opsboard_roles },
	{ "org_id",        F_UUID,     0, .example = "organization" },
	{ "org_name",      F_TEXT,     0, .example = "Harbour Works" },
	{ "created_at",    F_DATETIME, F_NULL },
	{ "user_exists",   F_BOOL,     0, .about = "the address has an account" },
	FIELD_END
};

static const struct shape org_shape = { "Org", opsboard_org, "Organization" };
static const struct shape detail_shape = { "OrgDetail", detail, "Organization" };
static const struct shape invite_shape = { "OrgInvite", invite_out, "Invitation" };
static const struct shape invited_shape = { "OrgInviteDetail", invited_out, "Invitation" };

static const enum err invite_errors[] = { ERR_BAD_REQUEST, ERR_CONFLICT, ERR_OK };
static const enum err accept_errors[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err remove_errors[] = { ERR_BAD_REQUEST, ERR_OK };
static const enum err delete_errors[] = { ERR_BAD_REQUEST, ERR_OK };

#define BASE   "/api/opsboard/orgs"
#define OF_ORG BASE "/{org_id}"

const struct route opsboard_org_routes[] = {
	{ GET,    BASE,                      "observability.organizations.list",               &by_opsboard,   "List my organizations",
	  .about = "All of them, the oldest first, but for the Demo Org. Of one that pays for seats with the dates that its subscription has.",
	  .out = &org_shape, .list = &unwrapped, .sql = &q_opsboard_org_list, .run = org_answer },
	{ GET,    BASE "/invites",           "observability.organizations.list_my_invites",    &by_opsboard,   "List who has invited me",
	  .about = "To an address that is verified to be the caller's.",
	  .out = &invite_shape, .list = &unwrapped, .sql = &q_opsboard_invite_mine, .run = invite_of_caller },
	{ GET,    OF_ORG,                    "observability.organizations.get",                &by_org_member, "Get an organization and its members",
	  .may = &org_read, .params = path, .out = &detail_shape, .sql = &q_opsboard_org_get, .run = org_answer },
	{ POST,   BASE,                      "observability.organizations.create",             &by_opsboard,   "Create an organization",
	  .about = "The caller owns it.",
	  .body = opsboard_org, .as = NEW, .out = &org_shape, .sql = &q_opsboard_org_create, .run = org_answer, .status = 200 },
	{ PUT,    OF_ORG,                    "observability.organizations.update",             &by_org_member, "Rename an organization",
	  .may = &org_manage, .params = path, .body = opsboard_org, .as = NEW, .out = &org_shape, .sql = &q_opsboard_org_update, .run = org_answer, .status = 200 },
	{ DELETE, OF_ORG,                    "observability.organizations.delete",             &by_org_member, "Delete an organization",
	  .about = "On every surface, with its memberships and invitations. 400 while it has projects, or a subscription.",
	  .needs = { "an organization without projects", ERR_BAD_REQUEST },
	  .may = &org_own, .params = path, .out = &opsboard_status_shape, .errors = delete_errors, .sql = &q_opsboard_org_delete, .status = 200 },
	{ POST,   OF_ORG "/invite",          "observability.organizations.invite",             &by_org_member, "Invite somebody",
	  .about = "A mail goes to the address; who has an account finds the invitation in their list, too. A free organization has as many members, with those who "
		   "are invited, as FREEPLAN_MAX_USERS says: 400. Mails are limited as on the platform surface.",
	  .needs = { "an organization that pays", ERR_BAD_REQUEST },
	  .may = &org_manage, .params = path, .body = invite_in, .out = &opsboard_status_shape, .errors = invite_errors, .sql = &q_opsboard_invite_create,
	  .run = invite_send, .status = 200 },
	{ POST,   OF_ORG "/accept-invite",   "observability.organizations.accept_invite",      &by_opsboard,   "Accept an invitation",
	  .about = "By who has the address that was invited. It takes one more seat, where the organization pays for seats.",
	  .needs = { "an invitation to the caller", ERR_NOT_FOUND },
	  .params = path, .out = &opsboard_status_shape, .errors = accept_errors, .sql = &q_opsboard_invite_accept, .run = invite_of_caller, .status = 200 },
	{ POST,   OF_ORG "/remove-member",   "observability.organizations.remove_member",      &by_org_member, "Remove a member",
	  .about = "Not oneself, and an owner by another owner only: 400. It takes one seat less.",
	  .may = &org_manage, .params = path, .body = remove_in, .out = &opsboard_status_shape, .errors = remove_errors, .sql = &q_opsboard_member_remove, .status = 200 },
	{ POST,   OF_ORG "/change-role",     "observability.organizations.change_member_role", &by_org_member, "Change a member's role",
	  .about = "Not one's own. Owners are made, and made something else, by owners, and the last one stays one: 400.",
	  .may = &org_manage, .params = path, .body = role_in, .out = &opsboard_status_shape, .errors = remove_errors, .sql = &q_opsboard_member_role, .status = 200 },
	{ GET,    OF_ORG "/invites",         "observability.organizations.list_org_invites",   &by_org_member, "List who is invited",
	  .about = "Newest first, without those who have become members.",
	  .may = &org_manage, .params = path, .out = &invited_shape, .list = &unwrapped, .sql = &q_opsboard_invite_list },
	{ DELETE, OF_ORG "/invites/{email}", "observability.organizations.revoke_invite",      &by_org_member, "Revoke an invitation",
	  .may = &org_manage, .params = invite_path, .out = &opsboard_status_shape, .sql = &q_opsboard_invite_revoke, .status = 200 },
	{ POST,   BASE "/create",            "observability.organizations.create_post",        .alias_of = "observability.organizations.create" },
	{ POST,   OF_ORG "/update",          "observability.organizations.update_post",        .alias_of = "observability.organizations.update" },
	{ POST,   OF_ORG "/accept",          "observability.organizations.accept_invite_post", .alias_of = "observability.organizations.accept_invite" },
	{ POST,   OF_ORG "/members/remove",  "observability.organizations.remove_member_post", .alias_of = "observability.organizations.remove_member" },
	{ POST,   OF_ORG "/members/update",  "observability.organizations.change_member_role_post", .alias_of = "observability.organizations.change_member_role" },
	ROUTE_END
};
/* clang-format on */

static enum err org_answer(struct req *rq)
{
	opsboard_org_limits(rq);
	return answer_rows(rq, rq->asked.route->sql);
}

/* Whose address is it?  The account's, once that is verified, or the one that another issuer's token says is
 * the caller's: an issuer that is believed about who somebody is. */
static enum err invite_of_caller(struct req *rq)
{
	struct email email = { NULL };

	if (!rq->who.session && rq->who.email)
		email_find(&rq->tx.arena, rq->who.email, &email);
	req_set(rq, "token_email", email.address);
	req_set(rq, "token_key", email.key);
	return answer_rows(rq, rq->asked.route->sql);
}

/* The page that the mail's link leads to: the tenant's, else the front end's. */
static const char *page_of(struct req *rq, const char *own)
{
	if (own)
		return own;
	if (*cfg.app_url)
		return arena_fmt(&rq->tx.arena, "%s/auth/callback?invited_to_org=%s", cfg.app_url,
				 req_path_text(rq, "org_id"));
	return arena_fmt(&rq->tx.arena, "%s/invitation.html", cfg.public_url);
}

static enum err invite_send(struct req *rq)
{
	const char *ticket;
	PGresult *res;
	long long wait_s;
	enum err rc = tx_call(&rq->tx, &q_opsboard_invite_prepare, false, &res);

	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "org_id"));
	wait_s = column_int(res, 0, "retry_s");
	if (wait_s)
		return req_retry_after(rq, wait_s);
	ticket = ticket_new(&rq->tx.arena, column_text(res, 0, "tenant"));
	rc = mail_prepare(rq, &(struct mail){
				      .template = "invitation",
				      .tenant = column_text(res, 0, "tenant"),
				      .to = column_text(res, 0, "email"),
				      .locale = column_text(res, 0, "locale"),
				      .link = page_of(rq, column_text(res, 0, "invitation_url")),
				      .ticket = ticket,
				      .data = column_text(res, 0, "data"),
			      });
	if (rc)
		return rc;
	req_set(rq, "token_hash", secret_sha256_hex(&rq->tx.arena, ticket));
	opsboard_org_limits(rq);
	return answer_rows(rq, rq->asked.route->sql);
}
