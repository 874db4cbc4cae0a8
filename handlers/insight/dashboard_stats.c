/*
 * The numbers on an administrator's first page.
 */
#include "build/sql/insight/dashboard_stats.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field users_out[] = {
	{ "total",            F_INT, 0, .example = "1250" },
	{ "active",           F_INT, 0, .example = "1180" },
	{ "new_last_7_days",  F_INT, 0, .example = "45", .about = "today and the six days before, in UTC" },
	{ "new_last_30_days", F_INT, 0, .example = "180" },
	FIELD_END
};

static const struct field by_plan_out[] = {
	{ "free",       F_INT, 0, .example = "800", .about = "whoever pays for nothing" },
	{ "pro",        F_INT, 0, .example = "380" },
	{ "enterprise", F_INT, 0, .example = "70" },
	FIELD_END
};

static const struct field subscriptions_out[] = {
	{ "active",  F_INT,    0, .example = "450", .about = "running or on trial" },
	{ "by_plan", F_OBJECT, 0, .fields = by_plan_out, .item = F_INT, .about = "and other plans, where there are any" },
	FIELD_END
};

static const struct field webhooks_out[] = {
	{ "total",   F_INT, 0, .example = "2100", .about = "received in the last 90 days, from any provider" },
	{ "failed",  F_INT, 0, .example = "3", .about = "of these: what they are about could not be done" },
	{ "pending", F_INT, 0, .example = "1", .about = "of these: not processed yet" },
	FIELD_END
};

static const struct field jobs_out[] = {
	{ "queued",             F_INT, 0, .example = "12", .about = "counted up to 10,001, as the others are" },
	{ "completed_last_24h", F_INT, 0, .example = "340" },
	{ "failed_last_24h",    F_INT, 0, .example = "2" },
	FIELD_END
};

static const struct field stats_out[] = {
	{ "users",         F_OBJECT, 0, .fields = users_out },
	{ "subscriptions", F_OBJECT, 0, .fields = subscriptions_out },
	{ "webhooks",      F_OBJECT, 0, .fields = webhooks_out },
	{ "jobs",          F_OBJECT, 0, .fields = jobs_out },
	FIELD_END
};

static const struct shape stats_shape = { "DashboardStats", stats_out };

const struct route dashboard_stats_routes[] = {
	{ GET, "/api/v1/admin/dashboard/stats", "app.admin.get_dashboard_stats", &by_admin, "Count users, subscriptions, webhooks and jobs",
	  .out = &stats_shape, .sql = &q_dashboard_stats },
	ROUTE_END
};
/* clang-format on */
