/*
 * Users on the platform surface: a tenant's own server, with its secret key,
 * manages all of them; a page, with a public key and a user's token, only that
 * user.  The same users as everywhere else: "sub" is what the app surface calls
 * their id.
 */
#include "build/sql/identity/platform_users.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field user_id[] = {
	{ "user", F_UUID, F_REQUIRED, .about = "the user's id" },
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
	{ "settings", F_OBJECT, F_WHOLE, .about = "any members; those sent replace those of the same name" },
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
	{ "tenant_id",               F_UUID,     OUT | NEW, .about = "may be left out; no other than the key's" },
	{ "sub",                     F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 255, .example = "user_123abc",
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
/* clang-format on */

/* clang-format off */
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
