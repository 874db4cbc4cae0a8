/*
 * Limits of single organizations and users, which the tenant sets: with a secret
 * key, or on the dashboard.
 */
#include "build/sql/usage/usage_set_limits.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

static const char *const metrics[] = {
	"ai_tokens",       "ai_requests",      "storage_bytes", "file_uploads", "file_downloads",
	"ai_input_tokens", "ai_output_tokens", "messages",      "cost_usd",     NULL
};

/* clang-format off */
static const struct field limit[] = {
	{ "metric",          F_ENUM,     OUT, .values = metrics },
	{ "organization_id", F_UUID,     OUT | F_NULL, .about = "null: of a user, outside of organizations" },
	{ "user_id",         F_UUID,     OUT | F_NULL, .about = "null: of the organization as a whole" },
	{ "max",             F_INT,      OUT | SET | F_REQUIRED, .min = 0, .max = 1000000000000000, .about = "in the plan's period; of cost_usd in millionths of a dollar", .example = "5000" },
	{ "created_at",      F_DATETIME, OUT },
	{ "updated_at",      F_DATETIME, OUT },
	FIELD_END
};

static const struct field limit_path[] = {
	{ "subject", F_TEXT, F_REQUIRED, .min = 1, .max = 255, .about = "an organization's id, or a user's", .example = "user_demo" },
	{ "metric",  F_ENUM, F_REQUIRED, .values = metrics, .example = "messages" },
	FIELD_END
};

static const struct field within[] = {
	{ "organization_id", F_UUID, 0, .about = "of a user: in this organization, and not outside of all" },
	FIELD_END
};

static const struct field find_in[] = {
	{ "organization_id", F_UUID, 0, .about = "only of this organization, and of users in it" },
	{ "user_id",         F_UUID, 0, .about = "only of this user" },
	FIELD_END
};

static const struct shape limit_shape = { "UsageLimit", limit, "Limit" };

#define KEY "/api/v1/usage/limits"
#define TEAM "/api/v1/dashboard/usage-limits"
#define ONE "/{subject}/{metric}"
#define COMES "It comes before what a plan says, and counts from the next use on; where the organization and the user have one, both hold."

const struct route usage_set_limit_routes[] = {
	{ GET,    KEY,      "platform.usage.list_limits",  &by_secret_key, "List limits of organizations and users",
	  .about = "Those that were set for one of them, not those of plans.",
	  .query = find_in, .out = &limit_shape, .list = &skipped, .sql = &q_usage_limit_list },
	{ GET,    KEY ONE,  "platform.usage.get_limit",    &by_secret_key, "Get the limit of an organization or a user",
	  .params = limit_path, .query = within, .out = &limit_shape, .sql = &q_usage_limit_get },
	{ PUT,    KEY ONE,  "platform.usage.put_limit",    &by_secret_key, "Limit an organization or a user", COMES,
	  .params = limit_path, .query = within, .body = limit, .as = SET, .out = &limit_shape, .sql = &q_usage_limit_put },
	{ DELETE, KEY ONE,  "platform.usage.delete_limit", &by_secret_key, "Delete the limit of an organization or a user",
	  .about = "What the plan says counts again.",
	  .params = limit_path, .query = within, .out = &message_shape, .sql = &q_usage_limit_delete },

	{ GET,    TEAM,     "platform.usage.list_dashboard_limits",  &by_team, "List limits of organizations and users",
	  .about = "Those that were set for one of them, not those of plans.",
	  .query = find_in, .out = &limit_shape, .list = &skipped, .sql = &q_usage_limit_list },
	{ GET,    TEAM ONE, "platform.usage.get_dashboard_limit",    &by_team, "Get the limit of an organization or a user",
	  .params = limit_path, .query = within, .out = &limit_shape, .sql = &q_usage_limit_get },
	{ PUT,    TEAM ONE, "platform.usage.put_dashboard_limit",    &by_team_admin, "Limit an organization or a user", COMES,
	  .params = limit_path, .query = within, .body = limit, .as = SET, .out = &limit_shape, .sql = &q_usage_limit_put },
	{ DELETE, TEAM ONE, "platform.usage.delete_dashboard_limit", &by_team_admin, "Delete the limit of an organization or a user",
	  .about = "What the plan says counts again.",
	  .params = limit_path, .query = within, .out = &message_shape, .sql = &q_usage_limit_delete },
	ROUTE_END
};
/* clang-format on */
