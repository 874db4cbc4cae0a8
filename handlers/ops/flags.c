/*
 * Feature flags: what is switched on for whom.  How a flag decides is
 * flag_reason()'s to say (sql/functions/ops/flags.sql).
 *
 * A tenant's team has them, too, and sees who gets what; its pages of users end
 * where looking further costs more than it shows.
 */
#include <stdlib.h>

#include "build/sql/ops/flags.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"

enum { MOST_SHOWN = 10000 };

/* clang-format off */
static const char *const types[] = { "boolean", "percentage", "user_list", "plan_based", NULL };

static const char *const reasons[] = { "disabled", "boolean", "percentage_rollout", "not_in_percentage", "user_list",
				       "not_in_user_list", "plan", "not_in_plans", NULL };

static const struct field check_in[] = {
	{ "user_id", F_TEXT, F_REQUIRED, .min = 1, .max = 255, .example = "user_demo" },
	FIELD_END
};

static const struct field flag_key[] = {
	{ "flag", F_TEXT, F_REQUIRED, .min = 1, .max = 100, .about = "the flag's key" },
	FIELD_END
};

static const struct pattern key_pattern = { "^[A-Za-z0-9][A-Za-z0-9_.:-]*$", "letters, digits, and _ . : - behind the first," };

static const struct field flag[] = {
	{ "id",          F_UUID,     OUT },
	{ "key",         F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 100, .fits = &key_pattern, .example = "new-editor",
	  .about = "letters, digits, and _ . : - behind the first" },
	{ "name",        F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "New editor" },
	{ "description", F_TEXT,     OUT | NEW | SET | F_NULL_OUT | F_NULL_SET, .max = 2000, .example = "The editor with blocks" },
	{ "flag_type",   F_ENUM,     OUT | NEW | SET | NEEDED, .values = types },
	{ "is_enabled",  F_BOOL,     OUT | NEW | SET, .example = "true", .about = "off, the flag is off for everybody" },
	{ "percentage",  F_INT,      OUT | NEW | SET | F_NULL_OUT, .min = 0, .max = 100, .example = "25", .about = "needed for percentage" },
	{ "user_ids",    F_LIST,     OUT | NEW | SET, .max = 10000, .item = F_TEXT, .about = "needed for user_list", .example = "[\"user_theo\"]" },
	{ "plans",       F_LIST,     OUT | NEW | SET, .max = 100, .item = F_TEXT, .about = "needed for plan_based; \"free\" is the plan of who has none", .example = "[\"pro\"]" },
	{ "created_at",  F_DATETIME, OUT },
	FIELD_END
};

const struct shape flag_shape = { "FeatureFlag", flag };

static const struct field check_out[] = {
	{ "flag_key",   F_TEXT, 0, .example = "new-editor" },
	{ "is_enabled", F_BOOL, 0, .about = "for this user" },
	{ "reason",     F_ENUM, 0, .values = reasons },
	FIELD_END
};

static const struct field users_in[] = {
	{ "search",     F_TEXT, 0, .max = 255, .about = "only users whose e-mail address, its domain, name or last name begins with this; up to 200 of them" },
	{ "as_enabled", F_BOOL, 0, .about = "as if the flag were switched on" },
	FIELD_END
};

static const struct field flag_user[] = {
	{ "id",           F_UUID,  0 },
	{ "sub",          F_TEXT,  0, .about = "what user_ids of a flag name the user by", .example = "user_demo" },
	{ "email",        F_EMAIL, F_NULL, .example = "ada@example.com" },
	{ "display_name", F_TEXT,  F_NULL, .example = "Ada Lovelace" },
	{ "is_enabled",   F_BOOL,  0, .about = "for this user" },
	{ "reason",       F_ENUM,  0, .values = reasons },
	FIELD_END
};

static const struct shape flag_user_shape = { "FeatureFlagUser", flag_user, .resource = "FeatureFlag" };
static const struct shape check_shape = { "FeatureFlagCheck", check_out, .resource = "FeatureFlag" };

static const struct constraint constraints[] = {
	{ "feature_flags_key_unique",       ERR_CONFLICT,   "key",        "a flag with this key exists" },
	{ "feature_flags_percentage_given", ERR_VALIDATION, "percentage", "this type needs a percentage" },
	{ "feature_flags_user_ids_given",   ERR_VALIDATION, "user_ids",   "this type needs user_ids, at least one" },
	{ "feature_flags_plans_given",      ERR_VALIDATION, "plans",      "this type needs plans, at least one" },
	{ NULL },
};
/* clang-format on */

/* A user who is not there would get an answer, too, and a wrong one: more likely the id is mistyped. */
static enum err flag_check(struct req *rq)
{
	PGresult *res;
	struct buf *b;
	enum err rc;

	rc = tx_call(&rq->tx, &q_flag_check, true, &res);
	if (rc)
		return rc;
	if (PQntuples(res) == 0)
		return answer_not_found(rq, req_text(rq, "flag"));
	if (!column_bool(res, 0, "_has_user"))
		return req_fail_field(rq, ERR_NOT_FOUND, "user_id", "User not found");
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "flag_key"), jx_str(b, column_text(res, 0, "flag_key"));
	jx_key(b, "is_enabled"), jx_bool(b, column_bool(res, 0, "is_enabled"));
	jx_key(b, "reason"), jx_str(b, column_text(res, 0, "reason"));
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err flag_users(struct req *rq)
{
	if (atoll(req_text(rq, "skip")) + atoll(req_text(rq, "limit")) > MOST_SHOWN)
		return req_fail_field(rq, ERR_VALIDATION, "page", "pages end at %d users: search for one",
				      MOST_SHOWN);
	return answer_rows(rq, req_text(rq, "search") ? &q_flag_user_search : &q_flag_user_list);
}

/* clang-format off */
#define TEAMS "/api/v1/dashboard/feature-flags"

const struct route flag_routes[] = {
	{ GET,    "/api/v1/admin/feature-flags",              "app.flags.list",   &by_admin, "List feature flags",
	  .about = "All of them: a tenant has at most 1,000.", .out = &flag_shape, .list = &counted, .sql = &q_flag_list },
	{ POST,   "/api/v1/admin/feature-flags",              "app.flags.create", &by_admin, "Create a feature flag",
	  .body = flag, .as = NEW, .out = &flag_shape, .constraints = constraints, .sql = &q_flag_create },
	{ PATCH,  "/api/v1/admin/feature-flags/{flag_id}",    "app.flags.update", &by_admin, "Change a feature flag",
	  .body = flag, .as = SET, .out = &flag_shape, .constraints = constraints, .sql = &q_flag_update },
	{ DELETE, "/api/v1/admin/feature-flags/{flag_id}",    "app.flags.delete", &by_admin, "Delete a feature flag",
	  .out = &flag_shape, .sql = &q_flag_delete, .status = 204 },
	{ GET,    "/api/v1/admin/feature-flags/{flag}/check", "app.flags.check",  &by_admin, "Is a flag on for a user, and why?",
	  .about = "A percentage is that of all users whose first 32 bits of SHA-256(key:user_id), modulo 10,000, are below a "
		   "hundred times it: the same user always gets the same answer, and stays in when the percentage grows.",
	  .params = flag_key, .query = check_in, .out = &check_shape, .sql = &q_flag_check, .run = flag_check },
	{ GET,    TEAMS, "platform.flags.list_dashboard_flags", &by_team, "List feature flags",
	  .about = "All of them: a tenant has at most 1,000.", .out = &flag_shape, .list = &counted, .sql = &q_flag_list },
	{ POST,   TEAMS, "platform.flags.create_dashboard_flag", &by_team_admin, "Create a feature flag",
	  .body = flag, .as = NEW, .out = &flag_shape, .constraints = constraints, .sql = &q_flag_create },
	{ PATCH,  TEAMS "/{flag_id}", "platform.flags.update_dashboard_flag", &by_team_admin, "Change a feature flag",
	  .body = flag, .as = SET, .out = &flag_shape, .constraints = constraints, .sql = &q_flag_update },
	{ DELETE, TEAMS "/{flag_id}", "platform.flags.delete_dashboard_flag", &by_team_admin, "Delete a feature flag",
	  .out = &flag_shape, .sql = &q_flag_delete, .status = 204 },
	{ GET,    TEAMS "/{flag_id}/users", "platform.flags.list_dashboard_flag_users", &by_team, "For whom is a flag on, and why?",
	  .about = "Users with what the flag decides for each, the newest first; pages end at 10,000.",
	  .query = users_in, .out = &flag_user_shape, .list = &turned, .items = "users", .sql = &q_flag_user_list, .run = flag_users },
	ROUTE_END
};
/* clang-format on */
