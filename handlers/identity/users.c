/*
 * The caller's own profile.
 */
#include "build/sql/identity/users.h"
#include "fcgi/req.h"
#include "handlers/routes.h"

const char *const user_roles[] = { "user",  "admin",  "superadmin", "editor", "builder",
				   "agent", "viewer", "demo",       "member", NULL };
const char *const user_roles_of_issuers[] = { "user", "admin", "superadmin", NULL };

/* clang-format off */
static const struct field update_in[] = {
	{ "full_name",  F_TEXT, F_NULL, .max = 255, .example = "Ada Lovelace" },
	{ "avatar_url", F_URL,  F_NULL, .max = 2048, .example = "https://example.com/ada.png" },
	FIELD_END
};

static const struct field user_out[] = {
	{ "id",                  F_TEXT,     0, .about = "the \"sub\" of the user's tokens", .example = "user_123abc" },
	{ "email",               F_EMAIL,    F_NULL, .example = "ada@example.com" },
	{ "full_name",           F_TEXT,     F_NULL, .max = 255, .example = "Ada Lovelace" },
	{ "avatar_url",          F_URL,      F_NULL, .max = 2048 },
	{ "role",                F_ENUM,     0, .values = user_roles },
	{ "is_active",           F_BOOL,     0 },
	{ "subscription_plan",   F_TEXT,     F_NULL, .example = "pro" },
	{ "subscription_status", F_TEXT,     F_NULL, .example = "active" },
	{ "created_at",          F_DATETIME, 0 },
	{ "is_premium",          F_BOOL,     F_V2, .about = "has a paid plan that is active or on trial" },
	{ "days_since_joined",   F_INT,      F_V2, .example = "42" },
	FIELD_END
};

const struct shape user_shape = { "User", user_out };

const struct route user_routes[] = {
	{ GET,   "/api/v1/app/users/me", "app.users.get_me",    USER, "Get my profile",
	  .out = &user_shape, .sql = &q_user_me },
	{ PATCH, "/api/v1/app/users/me", "app.users.update_me", USER, "Change my profile",
	  .body = update_in, .out = &user_shape, .sql = &q_user_update },
	ROUTE_END
};
/* clang-format on */
