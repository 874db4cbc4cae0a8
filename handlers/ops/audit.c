/*
 * The audit log, as administrators read it.
 */
#include "build/sql/ops/audit.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field list_in[] = {
	{ "actor_id",      F_TEXT, 0, .min = 1, .max = 255, .about = "who did it", .example = "user_demo" },
	{ "action",        F_TEXT, 0, .min = 1, .max = 100, .example = "impersonate.start" },
	{ "resource_type", F_TEXT, 0, .min = 1, .max = 100, .example = "user" },
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
/* clang-format on */
