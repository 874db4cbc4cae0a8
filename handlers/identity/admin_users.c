/*
 * Users as administrators see them.  Who may change what about whom is
 * admin_user_change()'s to say (sql/functions/identity/users.sql).
 */
#include "build/sql/identity/users.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field list_in[] = {
	{ "search",    F_TEXT, 0, .max = 255,
	  .about = "only users whose e-mail address, its domain, name or last name begins with this; up to 200 of them" },
	{ "role",      F_ENUM, 0, .values = user_roles },
	{ "is_active", F_BOOL, 0 },
	FIELD_END
};

static const struct field update_in[] = {
	{ "role",      F_ENUM, 0, .values = user_roles, .example = "admin" },
	{ "is_active", F_BOOL, 0, .example = "true" },
	FIELD_END
};

/* The last active superadmin stays one. */
static const enum err change_errors[] = { ERR_CONFLICT, ERR_OK };
/* clang-format on */

static enum err admin_user_list(struct req *rq)
{
	const char *search = req_text(rq, "search");

	if (search && *search)
		return req_answer(rq, &q_admin_user_search);
	if (req_text(rq, "role") || req_text(rq, "is_active"))
		return req_answer(rq, &q_admin_user_filter);
	return req_answer(rq, &q_admin_user_list);
}

/* clang-format off */
const struct route admin_user_routes[] = {
	{ GET,   "/api/v1/admin/users",                   "app.admin.list_users",      &by_admin, "List users",
	  .query = list_in, .out = &user_shape, .list = &skipped, .sql = &q_admin_user_list, .outputs = AS_CSV | AS_NDJSON, .run = admin_user_list },
	{ GET,   "/api/v1/admin/users/{user}",            "app.admin.get_user",        &by_admin, "Get a user",
	  .out = &user_shape, .sql = &q_admin_user_get },
	{ PATCH, "/api/v1/admin/users/{user}",            "app.admin.update_user",     &by_admin, "Change a user's role, or let the user in or not",
	  .about = "Making an administrator, and changing one, needs the role superadmin. Nobody changes their own role or "
		   "deactivates themself, and the last active superadmin stays one.",
	  .body = update_in, .out = &user_shape, .errors = change_errors, .sql = &q_admin_user_update },
	{ POST,  "/api/v1/admin/users/{user}/deactivate", "app.admin.deactivate_user", &by_admin, "Deactivate a user",
	  .about = "All of the user's sessions end.", .out = &user_shape, .errors = change_errors, .sql = &q_admin_user_deactivate, .status = 200 },
	{ POST,  "/api/v1/admin/users/{user}/activate",   "app.admin.activate_user",   &by_admin, "Activate a user",
	  .out = &user_shape, .sql = &q_admin_user_activate, .status = 200 },
	ROUTE_END
};
/* clang-format on */
