/*
 * The home screen of the operations surface.  What it shows is kept as it happens: balances, and what
 * agents' runs of a day came to.
 */
#include "build/sql/insight/operations_dashboard.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const run_statuses[]      = { "running", "completed", "failed", "skipped", NULL };
static const char *const protocol_statuses[] = { "active", "inactive", "disabled", NULL };

static const struct field balance[] = {
	{ "balance",            F_INT,      0, .example = "993" },
	{ "lifetime_purchased", F_INT,      0, .example = "0" },
	{ "lifetime_bonus",     F_INT,      0, .example = "1000" },
	{ "lifetime_consumed",  F_INT,      0, .example = "7" },
	{ "held",               F_INT,      0, .about = "of the balance, what holds have set aside", .example = "0" },
	{ "company_id",         F_INT,      F_NULL, .about = "null: the wallet is the caller's own" },
	{ "updated_at",         F_DATETIME, 0 },
	FIELD_END
};

static const struct field run[] = {
	{ "id",            F_INT,      0, .example = "41" },
	{ "agent_name",    F_TEXT,     0, .example = "tide-watcher" },
	{ "run_mode",      F_TEXT,     0, .example = "task" },
	{ "status",        F_ENUM,     0, .values = run_statuses },
	{ "model",         F_TEXT,     F_NULL },
	{ "task_id",       F_INT,      F_NULL, .example = "7" },
	{ "input_tokens",  F_INT,      0, .example = "1200" },
	{ "output_tokens", F_INT,      0, .example = "300" },
	{ "cost_usd",      F_NUMBER,   0, .example = "0.0045" },
	{ "duration_ms",   F_INT,      F_NULL, .example = "60000" },
	{ "summary",       F_TEXT,     F_NULL, .example = "Two ships have new berths." },
	{ "started_at",    F_DATETIME, 0 },
	{ "finished_at",   F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field protocol[] = {
	{ "id",         F_INT,  0, .example = "3" },
	{ "name",       F_TEXT, 0, .example = "Morning tides" },
	{ "agent_name", F_TEXT, 0, .example = "tide-watcher" },
	{ "status",     F_ENUM, 0, .values = protocol_statuses },
	FIELD_END
};

static const struct field day[] = {
	{ "date",     F_DATE,   0, .about = "in UTC" },
	{ "runs",     F_INT,    0, .about = "that ended", .example = "4" },
	{ "tokens",   F_INT,    0, .about = "of these, in and out", .example = "6000" },
	{ "cost_usd", F_NUMBER, 0, .example = "0.018" },
	FIELD_END
};

static const struct field overview[] = {
	{ "token_balance", F_OBJECT, 0, .fields = balance, .about = "of the caller's own wallet" },
	{ "recent_runs",   F_LIST,   0, .fields = run, .about = "of the tenant's agents, the latest ten, the newest first" },
	{ "protocols",     F_LIST,   0, .fields = protocol, .about = "active automations of the tenant; none are there yet" },
	{ "usage_7d",      F_LIST,   0, .fields = day, .about = "seven days, today last" },
	FIELD_END
};

static const struct child parts[] = {
	{ "recent_runs", &q_overview_of_recent_runs },
	{ "usage_7d",    &q_overview_of_usage_7d },
	{ NULL }
};

static const struct shape overview_shape = { "DashboardOverview", overview };

const struct route operations_dashboard_routes[] = {
	{ GET, "/api/dashboard/overview", "operations.analytics.get_dashboard_overview", &by_person, "Show the home screen",
	  .about = "How many tokens the caller has, and what the tenant's agents did lately.",
	  .out = &overview_shape, .children = parts, .sql = &q_dashboard_overview },
	ROUTE_END
};
/* clang-format on */
