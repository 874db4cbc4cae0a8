/*
 * Users on the operations surface: known by a number, of the caller's tenant, and of
 * all tenants for an administrator of the default one, who operates the installation.
 * Who may change what about whom is operations_user_change()'s to say
 * (sql/functions/identity/operations_users.sql).
 */
#include "build/sql/identity/operations_users.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const roles[] = { "admin", "editor", "member", "viewer", "builder", "agent", "demo", NULL };
static const char *const roles_given[] = { "admin", "editor", "viewer", "builder", "agent", "demo", NULL };

static const struct field user_params[] = {
	{ "user_number", F_INT, F_REQUIRED, .min = 1, .about = "the user's id", .example = "3" },
	FIELD_END
};

static const struct field user[] = {
	{ "id",         F_INT,      OUT, .example = "3" },
	{ "username",   F_TEXT,     OUT, .example = "theo", .about = "the one that was chosen, else the name, or what stands before the @ of the address" },
	{ "username",   F_TEXT,     SET, .min = 3, .max = 40, .example = "theo", .about = "unique within the tenant, whatever its case" },
	{ "email",      F_EMAIL,    OUT | SET | F_NULL_OUT, .example = "theo.tidewater@example.com", .about = "null for who signed in elsewhere and has told no address" },
	{ "role",       F_ENUM,     OUT, .values = roles, .about = "member is who has only signed up" },
	{ "role",       F_ENUM,     SET, .values = roles_given, .example = "editor" },
	{ "avatar_url", F_URL,      OUT | F_NULL, .example = "https://example.com/theo.png" },
	{ "created_at", F_DATETIME, OUT },
	{ "updated_at", F_DATETIME, OUT },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",      F_INT,  0, .example = "3" },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const enum err refused[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err own[] = { ERR_AUTHORIZATION, ERR_OK };

static const struct choice something = { CHOICE_ANY, { WAY("username"), WAY("email"), WAY("role") } };

static const struct constraint constraints[] = {
	{ "user_accounts_username_unique", ERR_CONFLICT, "username", "this username is taken" },
	{ "users_email_unique",            ERR_CONFLICT, "email", "this address is another user's" },
	{ "users_email_key_unique",        ERR_CONFLICT, "email", "this address is another user's" },
	{ NULL }
};

static const struct shape gone_shape = { "OperationsUserDeleted", gone, "User" };
static const struct shape user_shape_here = { "OperationsUser", user, "User" };

#define SEEN "An administrator of the default tenant sees the users of all tenants."

const struct route operations_user_routes[] = {
	{ GET,   "/api/users", "operations.users.list", &by_user_or_key, "List users", .about = "Those of the caller's tenant, by id; at most 1,000. " SEEN,
	  .out = &user_shape_here, .list = &unpaged, .sql = &q_operations_user_list },
	{ GET,   "/api/users/{user_number}", "operations.users.get", &by_user_or_key, "Get a user", .about = SEEN,
	  .params = user_params, .out = &user_shape_here, .sql = &q_operations_user_get },
	{ PATCH, "/api/users/{user_number}", "operations.users.update", &by_person, "Change a user",
	  .about = "A role counts from the user's next request on. Only a superadmin makes an administrator or changes one, nobody changes their own role, and "
		   "the last active superadmin stays one. Another address has to be verified again.",
	  .may = &operator_admin, .params = user_params, .body = user, .as = SET, .choice = &something, .out = &user_shape_here, .constraints = constraints,
	  .sql = &q_operations_user_update },
	{ DELETE, "/api/users/me", "operations.users.delete_me", &by_signed_in, "Erase one's own account",
	  .about = "For good: see the guide. An organization whose only owner leaves passes to the admin who has been there longest, else to the member, and ends where nobody is left. Administrators are erased by another one.",
	  .out = &gone_shape, .done = "Account erased", .errors = own, .sql = &q_operations_user_delete_me },
	{ DELETE, "/api/users/{user_number}", "operations.users.delete", &by_person, "Erase a user",
	  .about = "The same for another user. Only a superadmin erases an administrator, and the last active superadmin stays. " SEEN,
	  .may = &operator_admin, .params = user_params, .out = &gone_shape, .done = "User erased", .errors = refused, .sql = &q_operations_user_delete },
	ROUTE_END
};
/* clang-format on */
