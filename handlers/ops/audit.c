/*
 * The audit log, as administrators and a tenant's team read it, and whether it is
 * what was written.
 */
#include "build/sql/ops/audit.h"
#include "handlers/shapes.h"

/* clang-format off */
#define FILTERS \
	{ "actor_id",      F_TEXT, 0, .min = 1, .max = 255, .about = "who did it", .example = "user_demo" }, \
	{ "action",        F_TEXT, 0, .min = 1, .max = 100, .example = "impersonate.start" }, \
	{ "resource_type", F_TEXT, 0, .min = 1, .max = 100, .example = "user" }

static const struct field list_in[] = {
	FILTERS,
	FIELD_END
};

static const struct field team_list_in[] = {
	FILTERS,
	{ "before_seq", F_INT, F_RARE, .min = 1, .about = "only older ones: the last seq of the page before", .example = "4711" },
	FIELD_END
};

static const struct field verify_in[] = {
	{ "after_seq", F_INT, 0, .def = "0", .about = "where to begin: next_seq of the part before" },
	{ "limit",     F_INT, 0, .min = 1, .max = 10000, .def = "10000", .about = "how many events to check" },
	FIELD_END
};

static const struct field verified_out[] = {
	{ "event_count", F_INT,  0, .about = "in the whole log", .example = "1250" },
	{ "checked",     F_INT,  0, .about = "in this part", .example = "1250" },
	{ "is_unbroken", F_BOOL, 0, .about = "no event of this part was changed, removed, added or moved", .example = "true" },
	{ "problem_seq", F_INT,  F_NULL, .about = "the first where something is wrong" },
	{ "problem",     F_TEXT, F_NULL, .example = "row 17 was changed" },
	{ "next_seq",    F_INT,  F_NULL, .about = "there is more: send it as after_seq" },
	{ "hash",        F_TEXT, F_NULL, .about = "of the last event: kept elsewhere, it shows later that all up to there is as it was",
	  .example = "7d1a2f0e4c3b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1" },
	FIELD_END
};

static const struct field audit_out[] = {
	{ "id",            F_UUID,     0 },
	{ "actor_id",      F_TEXT,     0, .example = "user_demo" },
	{ "action",        F_TEXT,     0, .example = "impersonate.start" },
	{ "resource_type", F_TEXT,     0, .example = "user" },
	{ "resource_id",   F_TEXT,     F_NULL, .example = "user_theo" },
	{ "details",       F_OBJECT,   0, .about = "of the event; and actor_type, on_behalf_of, user_agent, request_id where known" },
	{ "ip_address",    F_TEXT,     F_NULL, .example = "192.0.2.1" },
	{ "created_at",    F_DATETIME, 0 },
	FIELD_END
};

static const struct field team_audit_out[] = {
	{ "seq", F_INT, 0, .about = "its place in the log, from 1", .example = "4711" },
	FIELDS_OF(audit_out),
	FIELD_END
};

static const struct shape team_audit_shape = { "AuditEvent", team_audit_out };
static const struct shape verified_shape = { "AuditVerification", verified_out };
static const struct shape audit_shape = { "AuditLog", audit_out };

static const struct list audit_page = { "items", NULL, { "total" }, { "limit" }, { 50, 1000 } };
/* clang-format on */

/* clang-format off */
const struct route audit_routes[] = {
	{ GET, "/api/v1/admin/dashboard/audit-logs", "app.admin.list_audit_logs", &by_admin, "Read the audit log",
	  .about = "Filters are exact, and combine. With one, total counts up to 10,001.",
	  .query = list_in, .out = &audit_shape, .list = &audit_page, .sql = &q_audit_list, .outputs = AS_CSV | AS_NDJSON },
	ROUTE_END
};

const struct route dashboard_audit_routes[] = {
	{ GET, "/api/v1/dashboard/audit-log", "platform.admin.list_audit_events", &by_team_admin, "Read the audit log",
	  .about = "Newest first. Filters are exact, and combine. With one, total counts up to 10,001.",
	  .query = team_list_in, .out = &team_audit_shape, .list = &audit_page, .items = "events", .sql = &q_dashboard_audit_list, .outputs = AS_CSV | AS_NDJSON },
	{ GET, "/api/v1/dashboard/audit-log/verification", "platform.admin.get_audit_verification", &by_team_admin, "Check the audit log",
	  .about = "Each event carries a hash over itself and the one before it. A part of the log is checked at a time, from the first event on; a "
		   "log is whole where each part is.",
	  .query = verify_in, .out = &verified_shape, .sql = &q_dashboard_audit_verify },
	ROUTE_END
};
/* clang-format on */
