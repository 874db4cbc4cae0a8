/*
 * Users on the observability surface, as they see themselves.
 */
#include "build/sql/traces/opsboard_users.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field user[] = {
	{ "id",                 F_UUID,   OUT },
	{ "full_name",          F_TEXT,   OUT | SET | F_NULL, .max = 255, .example = "Ada Lovelace" },
	{ "avatar_url",         F_URL,    OUT | SET | F_NULL, .max = 2048, .example = "https://example.com/ada.png" },
	{ "billing_address",    F_OBJECT, OUT | SET | F_NULL, .about = "any members", .example = "{\"country\":\"IE\"}" },
	{ "payment_method",     F_OBJECT, OUT | SET | F_NULL, .about = "any members", .example = "{\"type\":\"card\"}" },
	{ "email",              F_EMAIL,  OUT | SET | F_NULL, .about = "changed, it is shown where who signs the user in knows none", .example = "ada@example.com" },
	{ "survey_is_complete", F_BOOL,   OUT | SET | F_NULL },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "opsboard_profiles_billing_address_size", ERR_VALIDATION, "billing_address", "billing_address must be at most 16 KiB" },
	{ "opsboard_profiles_payment_method_size", ERR_VALIDATION, "payment_method", "payment_method must be at most 16 KiB" },
	{ NULL },
};

static const struct shape user_shape_of_opsboard = { "User", user };

const struct route opsboard_user_routes[] = {
	{ GET,  "/api/opsboard/users/me",                 "observability.users.get_me",               &by_opsboard, "Get my profile",
	  .out = &user_shape_of_opsboard, .sql = &q_opsboard_user_get },
	{ PUT,  "/api/opsboard/users/me",                 "observability.users.update_me",            &by_opsboard, "Change my profile",
	  .about = "What is left out or null stays as it is.",
	  .body = user, .as = SET, .out = &user_shape_of_opsboard, .constraints = constraints, .sql = &q_opsboard_user_update, .status = 200 },
	{ PUT,  "/api/opsboard/users/me/survey-complete", "observability.users.complete_survey",      &by_opsboard, "Say that I have answered the survey",
	  .out = &opsboard_status_shape, .sql = &q_opsboard_user_survey, .status = 200 },
	{ POST, "/api/opsboard/users/update",             "observability.users.update_me_post",       .alias_of = "observability.users.update_me" },
	{ POST, "/api/opsboard/users/complete_survey",    "observability.users.complete_survey_post", .alias_of = "observability.users.complete_survey" },
	ROUTE_END
};
/* clang-format on */
