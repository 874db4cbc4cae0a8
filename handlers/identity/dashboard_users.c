/*
 * Users as the team of their tenant sees and manages them: who they are, where
 * they are signed in, and by what.
 *
 * Pages end where looking further costs more than it shows; who wants all of them
 * has the lists of a tenant's own server.  To act as one of them is in
 * impersonation.c.
 */
#include <stdlib.h>
#include <string.h>

#include "build/sql/identity/dashboard_users.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/mail.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"

enum { MOST_SHOWN = 10000 };

/* clang-format off */
static const char *const roles[] = { "user", "admin", "superadmin", "editor", "builder", "agent", "viewer", "demo", "member", NULL };
static const char *const orders[] = { "created_at", "email", NULL };
static const char *const directions[] = { "asc", "desc", NULL };
static const char *const methods[] = { "token", "password", "google", "passkey", "impersonation", NULL };
static const char *const kinds[] = { "password", "identity", "passkey", "second_factor", NULL };

static const struct field list_in[] = {
	{ "search",     F_TEXT, 0, .max = 255,
	  .about = "only users whose e-mail address, its domain, name or last name begins with this; up to 200 of them" },
	{ "role",       F_ENUM, 0, .values = roles },
	{ "is_active",  F_BOOL, 0 },
	{ "sort_by",    F_ENUM, 0, .values = orders, .about = "created_at, when left out" },
	{ "sort_order", F_ENUM, 0, .values = directions, .about = "the newest first, or addresses from a to z, when left out" },
	FIELD_END
};

static const struct field organization_out[] = {
	{ "id",   F_UUID, 0 },
	{ "name", F_TEXT, 0, .example = "Harbour Works" },
	{ "role", F_TEXT, 0, .example = "owner" },
	FIELD_END
};

static const struct field user[] = {
	{ "id",                      F_UUID,     OUT },
	{ "sub",                     F_TEXT,     OUT, .about = "what the user is known by in tokens and on the app surface", .example = "user_demo" },
	{ "email",                   F_EMAIL,    OUT | F_NULL, .example = "ada@example.com" },
	{ "display_name",            F_TEXT,     OUT | F_NULL, .example = "Ada Lovelace" },
	{ "avatar_url",              F_URL,      OUT | F_NULL, .example = "https://example.com/ada.png" },
	{ "role",                    F_ENUM,     OUT, .values = roles },
	{ "is_active",               F_BOOL,     OUT },
	{ "is_email_verified",       F_BOOL,     OUT },
	{ "status",                  F_TEXT,     OUT, .about = "yours to use; is_active decides", .example = "active" },
	{ "locale",                  F_TEXT,     OUT, .example = "en" },
	{ "current_plan_id",         F_UUID,     OUT | F_NULL },
	{ "default_organization_id", F_UUID,     OUT | F_NULL },
	{ "last_login_at",           F_DATETIME, OUT | F_NULL },
	{ "created_at",              F_DATETIME, OUT },
	{ "updated_at",              F_DATETIME, OUT },
	{ "organizations",           F_LIST,     DETAIL, .fields = organization_out, .about = "at most 100" },
	{ "session_count",           F_INT,      DETAIL, .about = "where the user is signed in now", .example = "2" },
	FIELD_END
};

static const struct field session_out[] = {
	{ "id",           F_UUID,     0 },
	{ "method",       F_ENUM,     0, .values = methods, .about = "how it began; token: by an operator" },
	{ "device",       F_TEXT,     F_NULL, .example = "Mozilla/5.0 (X11; Linux x86_64)", .about = "User-Agent at that time" },
	{ "ip",           F_TEXT,     F_NULL, .example = "192.0.2.10" },
	{ "last_seen_at", F_DATETIME, 0, .about = "the last refresh" },
	{ "created_at",   F_DATETIME, 0 },
	{ "expires_at",   F_DATETIME, 0 },
	{ "impersonator", F_TEXT,     F_NULL, .example = "user_admin", .about = "who acts as the user: an administrator, or team: and the id of a member" },
	{ "reason",       F_TEXT,     F_NULL, .example = "ticket 4711", .about = "what a member of the team does that for" },
	FIELD_END
};

static const struct field method_out[] = {
	{ "id",             F_TEXT,     0, .example = "second_factor", .about = "password, second_factor, or a UUID" },
	{ "kind",           F_ENUM,     0, .values = kinds },
	{ "name",           F_TEXT,     F_NULL, .example = "Harbour phone", .about = "of a passkey as the user calls it, of an identity its issuer" },
	{ "recovery_codes", F_INT,      F_NULL, .example = "8", .about = "of the second factor, how many are left" },
	{ "created_at",     F_DATETIME, F_NULL },
	{ "last_used_at",   F_DATETIME, F_NULL, .about = "of a passkey" },
	FIELD_END
};

static const struct field session_params[] = {
	{ "user_id",    F_UUID, F_REQUIRED, .example = "user theo" },
	{ "session_id", F_UUID, F_REQUIRED, .example = "session theo" },
	FIELD_END
};

static const struct field method_params[] = {
	{ "user_id",        F_UUID, F_REQUIRED, .example = "user theo" },
	{ "sign_in_method", F_TEXT, F_REQUIRED, .min = 1, .max = 36, .example = "second_factor" },
	FIELD_END
};

static const struct shape team_user_shape = { "TeamUser", user, "User" };
static const struct shape detail_shape = { "TeamUserDetail", user, "User", .as = DETAIL };
static const struct shape session_shape = { "UserSession", session_out, "Session" };
static const struct shape method_shape = { "SignInMethod", method_out };

static const enum err switch_errors[] = { ERR_CONFLICT, ERR_OK };
static const enum err remove_errors[] = { ERR_CONFLICT, ERR_UNAVAILABLE, ERR_OK };
/* clang-format on */

static enum err dashboard_user_list(struct req *rq)
{
	const char *by = req_text(rq, "sort_by");

	if (atoll(req_text(rq, "skip")) + atoll(req_text(rq, "limit")) > MOST_SHOWN)
		return req_fail_field(rq, ERR_VALIDATION, "page",
				      "pages end at %d users: search, or narrow the list", MOST_SHOWN);
	if (req_text(rq, "search"))
		return answer_rows(rq, &q_dashboard_user_search);
	return answer_rows(rq, by && !strcmp(by, "email") ? &q_dashboard_user_list_by_email
							  : &q_dashboard_user_list);
}

static enum err dashboard_user_switch(struct req *rq, bool active)
{
	req_set(rq, "active", active ? "true" : "false");
	return answer_rows(rq, &q_dashboard_user_switch);
}

static enum err dashboard_user_activate(struct req *rq)
{
	return dashboard_user_switch(rq, true);
}

static enum err dashboard_user_deactivate(struct req *rq)
{
	return dashboard_user_switch(rq, false);
}

/* The user reads of it, in a mail that their tenant's product sends. */
static enum err dashboard_user_sign_in_method_remove(struct req *rq)
{
	PGresult *res;
	struct buf data;
	enum err rc = tx_call(&rq->tx, &q_dashboard_user_mail, false, &res);

	if (rc)
		return rc;
	buf_init(&data, &rq->tx.arena, 128);
	buf_char(&data, '{');
	jx_key_str(&data, "tenant", column_text(res, 0, "name"));
	buf_char(&data, '}');
	rc = mail_prepare(rq, &(struct mail){ .template = "way_in_removed",
					      .tenant = column_text(res, 0, "tenant"),
					      .to = "",
					      .data = buf_str(&data) });
	return rc ? rc : answer_rows(rq, &q_dashboard_user_sign_in_method_remove);
}

/* clang-format off */
#define BASE "/api/v1/dashboard/users"
#define ONE  BASE "/{user_id}"

const struct route dashboard_user_routes[] = {
	{ GET,    BASE, "platform.users.list_dashboard_users", &by_team, "List the users",
	  .about = "Pages end at 10,000 users, so that none takes longer than another.",
	  .query = list_in, .out = &team_user_shape, .list = &turned, .items = "users", .sql = &q_dashboard_user_list, .run = dashboard_user_list },
	{ GET,    ONE, "platform.users.get_dashboard_user", &by_team, "Get a user",
	  .out = &detail_shape, .sql = &q_dashboard_user_get },
	{ POST,   ONE "/deactivate", "platform.users.deactivate_dashboard_user", &by_team_admin, "Deactivate a user",
	  .about = "All of the user's sessions end.",
	  .out = &team_user_shape, .errors = switch_errors, .sql = &q_dashboard_user_switch, .run = dashboard_user_deactivate, .status = 200 },
	{ POST,   ONE "/activate", "platform.users.activate_dashboard_user", &by_team_admin, "Activate a user",
	  .out = &team_user_shape, .sql = &q_dashboard_user_switch, .run = dashboard_user_activate, .status = 200 },
	{ GET,    ONE "/sessions", "platform.users.list_dashboard_user_sessions", &by_team_admin, "List a user's sessions",
	  .about = "Newest first, those that can still be used; at most 100.",
	  .out = &session_shape, .list = &unwrapped, .items = "sessions", .sql = &q_dashboard_user_session_list },
	{ DELETE, ONE "/sessions", "platform.users.revoke_dashboard_user_sessions", &by_team_admin, "End all of a user's sessions",
	  .out = &message_shape, .sql = &q_dashboard_user_session_revoke_all },
	{ DELETE, ONE "/sessions/{session_id}", "platform.users.revoke_dashboard_user_session", &by_team_admin, "End one of a user's sessions",
	  .params = session_params, .out = &session_shape, .sql = &q_dashboard_user_session_revoke, .status = 204 },
	{ GET,    ONE "/sign-in-methods", "platform.users.list_dashboard_user_sign_in_methods", &by_team_admin, "List what lets a user in",
	  .about = "A password, other issuers' tokens, passkeys, and the second factor, which is none by itself.",
	  .out = &method_shape, .list = &unwrapped, .items = "sign_in_methods", .sql = &q_dashboard_user_sign_in_method_list },
	{ DELETE, ONE "/sign-in-methods/{sign_in_method}", "platform.users.remove_dashboard_user_sign_in_method", &by_team_admin, "Take a way to sign in from a user",
	  .about = "For who has lost a phone: with the second factor go the recovery codes. Sessions go on. The user gets a mail. Identities at other "
		   "issuers stay, and only an owner takes something from an administrator.",
	  .params = method_params, .out = &method_shape, .errors = remove_errors, .sql = &q_dashboard_user_sign_in_method_remove,
	  .run = dashboard_user_sign_in_method_remove, .flags = RECENT, .status = 204 },
	ROUTE_END
};
/* clang-format on */
