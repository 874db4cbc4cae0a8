/*
 * Users as administrators see them.
 */
#include "fcgi/req.h"
#include "handlers/routes.h"

/* clang-format off */
static const struct field list_in[] = {
	PAGE_FIELDS,
	{ "search",    F_TEXT, 0, .max = 255, .about = "only users whose e-mail address or name contains this" },
	{ "role",      F_ENUM, 0, .values = user_roles },
	{ "is_active", F_BOOL, 0 },
	FIELD_END
};

const struct route admin_user_routes[] = {
	{ GET, "/api/v1/admin/users",        "app.admin.list_users", ADMIN, "List users",
	  .query = list_in, .out = &user_shape, .sql = Q_admin_user_list },
	{ GET, "/api/v1/admin/users/{user}", "app.admin.get_user",   ADMIN, "Get a user",
	  .out = &user_shape, .sql = Q_admin_user_get },
	ROUTE_END
};
/* clang-format on */
