/*
 * Users: as they see themselves, as administrators see them, and on the platform
 * surface.  There a tenant's own server, with its secret key, manages all of them; a
 * page, with a public key and a user's token, only that user.  "sub" is there what
 * the app surface calls their id.
 *
 * Who may change what about whom is admin_user_change()'s to say
 * (sql/functions/identity/users.sql).
 */
#include "build/sql/identity/users.h"
#include "handlers/shapes.h"

const char *const user_roles[] = { "user",  "admin",  "superadmin", "editor", "builder",
				   "agent", "viewer", "demo",       "member", NULL };
const char *const user_roles_of_issuers[] = { "user", "admin", "superadmin", NULL };

/* clang-format off */
static const struct field user[] = {
	{ "id",                  F_TEXT,     OUT, .about = "the \"sub\" of the user's tokens", .example = "user_demo" },
	{ "email",               F_EMAIL,    OUT | F_NULL, .example = "ada@example.com" },
	{ "full_name",           F_TEXT,     OUT | SET | F_NULL, .max = 255, .example = "Ada Lovelace" },
	{ "avatar_url",          F_URL,      OUT | SET | F_NULL, .max = 2048, .example = "https://example.com/ada.png" },
	{ "role",                F_ENUM,     OUT, .values = user_roles },
	{ "is_active",           F_BOOL,     OUT },
	{ "subscription_plan",   F_TEXT,     OUT | F_NULL, .example = "pro" },
	{ "subscription_status", F_TEXT,     OUT | F_NULL, .example = "active" },
	{ "created_at",          F_DATETIME, OUT },
	{ "is_premium",          F_BOOL,     OUT | F_V2, .about = "has a paid plan that is active or on trial" },
	{ "days_since_joined",   F_INT,      OUT | F_V2, .example = "42" },
	FIELD_END
};

const struct shape user_shape = { "User", user };

const struct route user_routes[] = {
	{ GET,   "/api/v1/app/users/me", "app.users.get_me",    &by_user, "Get my profile",
	  .out = &user_shape, .sql = &q_user_me },
	{ PATCH, "/api/v1/app/users/me", "app.users.update_me", &by_user, "Change my profile",
	  .body = user, .as = SET, .out = &user_shape, .sql = &q_user_update },
	ROUTE_END
};

/* As administrators see them. */

static const struct field find_in[] = {
	{ "search",    F_TEXT, 0, .max = 255,
	  .about = "only users whose e-mail address, its domain, name or last name begins with this; up to 200 of them" },
	{ "role",      F_ENUM, 0, .values = user_roles },
	{ "is_active", F_BOOL, 0 },
	FIELD_END
};

static const struct field standing_in[] = {
	{ "role",      F_ENUM, 0, .values = user_roles, .example = "user" },
	{ "is_active", F_BOOL, 0, .example = "true" },
	FIELD_END
};

/* The last active superadmin stays one. */
static const enum err change_errors[] = { ERR_CONFLICT, ERR_OK };

const struct route admin_user_routes[] = {
	{ GET,   "/api/v1/admin/users",                   "app.admin.list_users",      &by_admin, "List users",
	  .query = find_in, .out = &user_shape, .list = &skipped, .sql = &q_admin_user_list, .outputs = AS_CSV | AS_NDJSON },
	{ GET,   "/api/v1/admin/users/{user}",            "app.admin.get_user",        &by_admin, "Get a user",
	  .out = &user_shape, .sql = &q_admin_user_get },
	{ PATCH, "/api/v1/admin/users/{user}",            "app.admin.update_user",     &by_admin, "Change a user's role, or let the user in or not",
	  .about = "Making an administrator, and changing one, needs the role superadmin. Nobody changes their own role or "
		   "deactivates themself, and the last active superadmin stays one.",
	  .body = standing_in, .out = &user_shape, .errors = change_errors, .sql = &q_admin_user_update },
	{ POST,  "/api/v1/admin/users/{user}/deactivate", "app.admin.deactivate_user", &by_admin, "Deactivate a user",
	  .about = "All of the user's sessions end.", .out = &user_shape, .errors = change_errors, .sql = &q_admin_user_deactivate, .status = 200 },
	{ POST,  "/api/v1/admin/users/{user}/activate",   "app.admin.activate_user",   &by_admin, "Activate a user",
	  .out = &user_shape, .sql = &q_admin_user_activate, .status = 200 },
	ROUTE_END
};

/* On the platform surface. */

static const struct field user_id[] = {
	{ "user", F_UUID, F_REQUIRED, .about = "the user's id", .example = "user vera" },
	FIELD_END
};

static const struct field list_in[] = {
	{ "include_inactive", F_BOOL, 0, .def = "false", .about = "also those who are deactivated" },
	FIELD_END
};

static const struct field get_in[] = {
	{ "include_settings", F_BOOL, 0, .def = "false", .about = "without it settings is null" },
	FIELD_END
};

static const struct field settings_in[] = {
	{ "settings", F_OBJECT, F_WHOLE, .about = "any members; those sent replace those of the same name", .example = "{\"theme\":\"dark\"}" },
	FIELD_END
};

static const struct field settings_out[] = {
	{ "user_id",    F_UUID,     0 },
	{ "settings",   F_OBJECT,   0 },
	{ "created_at", F_DATETIME, 0 },
	{ "updated_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field platform_user[] = {
	{ "id",                      F_UUID,     OUT },
	{ "email",                   F_EMAIL,    OUT | NEW | F_NULL_OUT, .example = "ada@example.com", .about = "null when none was given" },
	{ "display_name",            F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 100, .example = "Ada Lovelace" },
	{ "avatar_url",              F_URL,      OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 2048, .example = "https://example.com/ada.png" },
	{ "locale",                  F_TEXT,     OUT | NEW | SET, .min = 1, .max = 35, .def = "en", .example = "en" },
	{ "is_active",               F_BOOL,     OUT | NEW, .def = "true" },
	{ "tenant_id",               F_UUID,     OUT | NEW | F_RARE, .about = "may be left out; no other than the key's" },
	{ "sub",                     F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 255, .example = "user_ada",
	  .about = "what the user is known by in tokens and on the app surface" },
	{ "is_email_verified",       F_BOOL,     OUT | NEW, .def = "false" },
	{ "status",                  F_TEXT,     OUT | NEW, .min = 1, .max = 50, .def = "pending", .about = "yours to use; is_active decides", .example = "active" },
	{ "current_plan_id",         F_UUID,     OUT | F_NULL },
	{ "default_organization_id", F_UUID,     OUT | F_NULL },
	{ "created_at",              F_DATETIME, OUT },
	{ "updated_at",              F_DATETIME, OUT },
	{ "settings",                F_OBJECT,   OUT | F_NULL, .fields = settings_out },
	FIELD_END
};

static const struct shape platform_user_shape = { "UserResponse", platform_user, "User" };

static const struct field stats_out[] = {
	{ "total_users",    F_INT, 0, .example = "1250" },
	{ "active_users",   F_INT, 0, .example = "1180" },
	{ "inactive_users", F_INT, 0, .example = "70" },
	FIELD_END
};

static const struct shape stats_shape = { "UserStats", stats_out };

static const struct constraint create_constraints[] = {
	{ "users_public_id_unique", ERR_CONFLICT, "sub",   "a user of this tenant has this sub" },
	{ "users_email_unique",     ERR_CONFLICT, "email", "User already exists" },
	{ "users_email_key_unique", ERR_CONFLICT, "email", "User already exists" },
	{ NULL },
};

static const struct constraint settings_constraints[] = {
	{ "user_settings_size", ERR_PAYLOAD_TOO_LARGE, NULL, "a user's settings may have 16 KiB in all" },
	{ NULL },
};

/* Of those who end an account: the last active superadmin stays. */
static const enum err end_errors[] = { ERR_CONFLICT, ERR_OK };

const struct route platform_user_routes[] = {
	{ GET,    "/api/v1/users",                   "platform.users.list",            &by_secret_key,  "List users",
	  .query = list_in, .out = &platform_user_shape, .list = &turned, .items = "users", .sql = &q_platform_user_list },
	{ POST,   "/api/v1/users",                   "platform.users.create",          &by_secret_key_and_user, "Create a user",
	  .about = "The user has no password yet, and chooses one through forgot-password.",
	  .body = platform_user, .as = NEW, .out = &platform_user_shape, .constraints = create_constraints,
	  .sql = &q_platform_user_create },
	{ GET,    "/api/v1/users/stats",             "platform.users.stats",           &by_secret_key,  "Count users",
	  .out = &stats_shape, .sql = &q_platform_user_stats },
	{ GET,    "/api/v1/users/{user}",            "platform.users.get",             &by_key_or_user, "Get a user",
	  .params = user_id, .query = get_in, .out = &platform_user_shape, .sql = &q_platform_user_get },
	{ PUT,    "/api/v1/users/{user}",            "platform.users.update",          &by_key_or_user, "Change a user's profile",
	  .params = user_id, .body = platform_user, .as = SET, .out = &platform_user_shape, .sql = &q_platform_user_update },
	{ PUT,    "/api/v1/users/{user}/settings",   "platform.users.update_settings", &by_key_or_user, "Change a user's settings",
	  .about = "The body is the settings themselves: each member replaces the one of its name, the others stay; 16 KiB in all.",
	  .params = user_id, .body = settings_in, .out = &platform_user_shape, .constraints = settings_constraints,
	  .sql = &q_platform_user_settings_put },
	{ POST,   "/api/v1/users/{user}/deactivate", "platform.users.deactivate",      &by_key_or_user, "Deactivate a user",
	  .about = "All of the user's sessions end. Only a secret key lets the user in again.",
	  .params = user_id, .out = &platform_user_shape, .errors = end_errors, .sql = &q_platform_user_deactivate, .status = 200 },
	{ POST,   "/api/v1/users/{user}/activate",   "platform.users.activate",        &by_secret_key,  "Activate a user",
	  .params = user_id, .out = &platform_user_shape, .sql = &q_platform_user_activate, .status = 200 },
	{ DELETE, "/api/v1/users/{user}",            "platform.users.delete",          &by_secret_key,  "Delete a user",
	  .about = "Deactivates the user; the data stays.",
	  .params = user_id, .out = &platform_user_shape, .errors = end_errors, .sql = &q_platform_user_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */
