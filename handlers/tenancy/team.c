/*
 * The team of a tenant.  There is one for both modes, and always an owner in it.
 */
#include "handlers/tenancy/team.h"

#include "build/sql/tenancy/team.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/mail.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/host/config.h"

/* clang-format off */
static const char *const invited_roles[] = { "admin", "member", NULL };
static const char *const statuses[] = { "invited", "active", "deactivated", NULL };

static const struct field member[] = {
	{ "id",            F_UUID,     OUT },
	{ "email",         F_EMAIL,    OUT | NEW | NEEDED, .example = "bob@example.com" },
	{ "display_name",  F_TEXT,     OUT | F_NULL, .max = 100, .example = "Bob Example" },
	{ "role",          F_ENUM,     OUT | SET, .values = team_roles, .example = "admin" },
	{ "role",          F_ENUM,     NEW | NEEDED, .values = invited_roles },
	{ "is_active",     F_BOOL,     SET, .about = "false ends the member's sessions at once" },
	{ "status",        F_ENUM,     OUT, .values = statuses },
	{ "invited_by",    F_UUID,     OUT | F_NULL, .about = "the member who did" },
	{ "invited_at",    F_DATETIME, OUT | F_NULL },
	{ "joined_at",     F_DATETIME, OUT | F_NULL },
	{ "last_login_at", F_DATETIME, OUT | F_NULL },
	{ "has_second_factor", F_BOOL, OUT, .about = "signing in asks for a code" },
	FIELD_END
};

/* Of the demo, one who is not the last owner. */
static const struct field member_path[] = {
	{ "member_id", F_UUID, F_REQUIRED, .example = "dashboard member percy" },
	FIELD_END
};

static const struct shape member_shape = { "TeamMember", member };

static const enum err owner_stays[] = { ERR_CONFLICT, ERR_OK };

static const struct constraint invite_constraints[] = {
	{ "team_members_email_unique", ERR_CONFLICT, "email", "this address is already in a team, of this tenant or another" },
	{ "team_members_email_key_unique", ERR_CONFLICT, "email", "this address is already in a team, of this tenant or another" },
	{ NULL },
};
/* clang-format on */

char *team_dashboard_page(struct req *rq, const char *page)
{
	return *cfg.dashboard_url ? arena_fmt(&rq->tx.arena, "%s/%s", cfg.dashboard_url, page)
				  : arena_fmt(&rq->tx.arena, "%s/team-%s.html", cfg.public_url, page);
}

static enum err team_invite(struct req *rq)
{
	const char *tenant, *hash;
	char *ticket;
	PGresult *res;
	struct buf data;
	/* In a separate transaction, so that a refused invitation counts as well. */
	enum err rc = tx_call(&rq->tx, &q_team_invite_limit, true, &res);

	if (rc)
		return rc;
	if (column_int(res, 0, "retry_after"))
		return req_retry_after(rq, column_int(res, 0, "retry_after"));
	buf_init(&data, &rq->tx.arena, 256);
	buf_char(&data, '{');
	jx_key(&data, "tenant"), jx_str(&data, column_text(res, 0, "tenant"));
	jx_key(&data, "inviter"), jx_str(&data, column_text(res, 0, "inviter"));
	jx_key(&data, "role"), jx_str(&data, req_text(rq, "role"));
	buf_char(&data, '}');

	ticket = ticket_new(&rq->tx.arena, rq->who.tenant_id);
	ticket_parse(&rq->tx.arena, ticket, &tenant, &hash);
	req_set(rq, "token_hash", hash);
	rc = mail_prepare(rq, &(struct mail){ .template = "team_invitation",
					      .tenant = tenant,
					      .to = req_text(rq, "email"),
					      .link = team_dashboard_page(rq, "accept-invitation"),
					      .ticket = ticket,
					      .data = buf_str(&data) });
	return rc ? rc : answer_rows(rq, &q_team_invite);
}

/* Ask the guard, which keeps the owners locked until the change is made. */
static enum err team_change(struct req *rq)
{
	bool removes = rq->asked.route->method == DELETE;
	PGresult *res;
	enum err rc;

	if (removes) {
		req_set(rq, "role", NULL);
		req_set(rq, "is_active", NULL);
	}
	req_set(rq, "removes", removes ? "true" : "false");
	rc = tx_call(&rq->tx, &q_team_guard, false, &res);
	return rc ? rc : answer_rows(rq, rq->asked.route->sql);
}

/* The guard, too: who may not change a member takes nothing away from them. */
static enum err team_second_factor_remove(struct req *rq)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "role", NULL);
	req_set(rq, "is_active", NULL);
	req_set(rq, "removes", "false");
	rc = tx_call(&rq->tx, &q_team_guard, false, &res);
	return rc ? rc : answer_rows(rq, &q_team_second_factor_remove);
}

/* clang-format off */
const struct route team_routes[] = {
	{ GET,    "/api/v1/dashboard/team",             "platform.teams.list_team",          &by_team_any_mode, "List the team",
	  .about = "Owners first, then by when they joined; who is invited comes last. At most limit, 1000 when left out.",
	  .out = &member_shape, .list = &sliced, .items = "members", .sql = &q_team_list },
	{ POST,   "/api/v1/dashboard/team/invitations", "platform.teams.invite_team_member", &by_team_admin_any_mode, "Invite somebody to the team",
	  .about = "Mails a link that is good once, for 7 days. Whoever is still invited gets a fresh one, and the role of today. "
		   "20 an hour for each tenant; who is not verified has 5, and none where the tenant asks for verified addresses.",
	  .body = member, .as = NEW, .out = &member_shape, .constraints = invite_constraints, .run = team_invite },
	{ PUT,    "/api/v1/dashboard/team/{member_id}", "platform.teams.update_team_member", &by_team_admin_any_mode, "Change a member's role, or (de)activate",
	  .about = "Only an owner makes somebody an owner, and changes an owner; the last one stays.",
	  .params = member_path, .body = member, .as = SET, .out = &member_shape, .errors = owner_stays, .sql = &q_team_update, .run = team_change },
	{ DELETE, "/api/v1/dashboard/team/{member_id}", "platform.teams.remove_team_member", &by_team_admin_any_mode, "Remove a member, or withdraw an invitation",
	  .about = "Only an owner removes an owner; the last one stays.",
	  .params = member_path, .out = &member_shape, .errors = owner_stays, .sql = &q_team_remove, .run = team_change, .status = 204 },
	{ DELETE, "/api/v1/dashboard/team/{member_id}/second-factor", "platform.teams.remove_team_second_factor", &by_team_admin_any_mode,
	  "Take a member's second factor away",
	  .about = "For who has lost it. Only an owner takes an owner's; one's own is turned off with a code.",
	  .params = member_path, .out = &member_shape, .errors = owner_stays, .sql = &q_team_second_factor_remove, .run = team_second_factor_remove,
	  .flags = RECENT, .status = 204 },
	ROUTE_END
};
/* clang-format on */
