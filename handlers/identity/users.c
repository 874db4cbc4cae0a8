/*
 * The caller's own profile.
 */
#include "build/sql/identity/users.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

const char *const user_roles[] = { "user",  "admin",  "superadmin", "editor", "builder",
				   "agent", "viewer", "demo",       "member", NULL };
const char *const user_roles_of_issuers[] = { "user", "admin", "superadmin", NULL };

/* clang-format off */
static const struct field user[] = {
	{ "id",                  F_TEXT,     OUT, .about = "the \"sub\" of the user's tokens", .example = "user_123abc" },
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
/* clang-format on */
