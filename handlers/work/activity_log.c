/*
 * The activity log of a tenant on the operations surface: what its people, its machine
 * users and programs did.  Our own parts write it with activity_log_put(), clients with
 * the POST; nobody changes what stands there (sql/functions/work/activity_log.sql).
 * What happened in a workspace is activity.c's.
 */
#include "build/sql/work/activity_log.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const actors[] = { "agent", "system", "user", NULL };

static const struct field find_in[] = {
	{ "actor_type", F_ENUM, 0, .values = actors },
	{ "actor_id",   F_TEXT, 0, .min = 1, .max = 200, .about = "exactly", .example = "3" },
	{ "action",     F_TEXT, 0, .min = 1, .max = 200, .about = "exactly", .example = "product.created" },
	FIELD_END
};

static const struct field activity[] = {
	{ "id",          F_INT,      OUT, .example = "41" },
	{ "actor_type",  F_ENUM,     OUT | NEW | NEEDED, .values = actors, .example = "system" },
	{ "actor_id",    F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 200, .about = "of a user, the user's id, as text", .example = "nightly-report" },
	{ "action",      F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 200, .example = "report.sent" },
	{ "entity_type", F_TEXT,     OUT | NEW | F_NULL_OUT, .min = 1, .max = 100, .example = "report" },
	{ "entity_id",   F_TEXT,     OUT | NEW | F_NULL_OUT, .min = 1, .max = 200, .example = "2026-11" },
	{ "metadata",    F_OBJECT,   OUT | NEW, .about = "anything that is to stand with it, up to 16 KiB", .example = "{\"pages\":3}" },
	{ "created_at",  F_DATETIME, OUT },
	FIELD_END
};

static const struct field types_out[] = {
	{ "agent",  F_INT, 0, .example = "12" },
	{ "system", F_INT, 0, .example = "4" },
	{ "user",   F_INT, 0, .example = "25" },
	FIELD_END
};

static const struct field action_out[] = {
	{ "action", F_TEXT, 0, .example = "user.login" },
	{ "count",  F_INT,  0, .example = "9" },
	FIELD_END
};

static const struct field actor_out[] = {
	{ "actor_type", F_ENUM, 0, .values = actors },
	{ "actor_id",   F_TEXT, 0, .example = "3" },
	{ "count",      F_INT,  0, .example = "9" },
	FIELD_END
};

static const struct field day_out[] = {
	{ "date",  F_DATE, 0, .example = "2026-01-31" },
	{ "count", F_INT,  0, .example = "3" },
	FIELD_END
};

static const struct field stats_out[] = {
	{ "total",         F_INT,    0, .example = "41" },
	{ "last_24h",      F_INT,    0, .example = "3" },
	{ "last_7d",       F_INT,    0, .example = "11" },
	{ "by_actor_type", F_OBJECT, 0, .fields = types_out },
	{ "top_actions",   F_LIST,   0, .fields = action_out, .about = "at most ten, the largest first" },
	{ "top_actors",    F_LIST,   0, .fields = actor_out, .about = "at most ten, the largest first" },
	{ "by_day",        F_LIST,   0, .fields = day_out, .about = "the last 30 days in UTC, the oldest first" },
	FIELD_END
};

static const struct constraint constraints[] = {
	{ "activity_log_metadata_size", ERR_VALIDATION, "metadata", "metadata may have 16 KiB" },
	{ NULL }
};

static const enum err foreign[] = { ERR_AUTHORIZATION, ERR_OK };

static const struct shape
	activity_log_shape       = { "ActivityLogEntry", activity },
	activity_log_stats_shape = { "ActivityLogStats", stats_out };

#define BASE "/api/activity-log"

const struct route activity_log_routes[] = {
	{ GET,  BASE, "operations.activity.list", &by_user_or_key, "List what happened in a tenant",
	  .about = "The newest first. total is exact without a filter, with one, and with actor_type and actor_id; of others together it is counted up to 10,001.",
	  .query = find_in, .out = &activity_log_shape, .list = &enveloped, .sql = &q_activity_log_list },
	{ POST, BASE, "operations.activity.create", &by_user_or_key, "Put down that something happened",
	  .about = "For good: it can be neither changed nor deleted. Only an administrator or a machine user says that a user other than themselves did something.",
	  .may = &tenant_write, .body = activity, .as = NEW, .out = &activity_log_shape, .constraints = constraints, .errors = foreign, .sql = &q_activity_log_create },
	{ GET,  BASE "/stats", "operations.activity.get_stats", &by_user_or_key, "Count what happened in a tenant",
	  .out = &activity_log_stats_shape, .sql = &q_activity_log_stats },
	ROUTE_END
};
/* clang-format on */
