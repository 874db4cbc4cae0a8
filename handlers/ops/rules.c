/*
 * Rules for the agents of the installation: what each of them is told, or all.  A permanent one
 * is an administrator's.
 */
#include "build/sql/ops/rules.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const bits[] = { "0", "1", NULL };

static const struct field find_in[] = {
	{ "scope",     F_TEXT, 0, .about = "all, or an agent's name: those of just this", .example = "all" },
	{ "agent",     F_TEXT, 0, .about = "those of this agent, and those of all", .example = "pilot" },
	{ "category",  F_TEXT, 0, .example = "workflow" },
	{ "permanent", F_ENUM, 0, .values = bits },
	FIELD_END
};

static const struct field rule[] = {
	{ "id",         F_INT,      OUT, .example = "2" },
	{ "rule",       F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 5000, .example = "Read the tide table before you plan a berth." },
	{ "scope",      F_TEXT,     OUT | NEW | SET, .min = 1, .max = 100, .def = "all", .about = "all, or an agent's name", .example = "all" },
	{ "category",   F_TEXT,     OUT | NEW | SET, .min = 1, .max = 100, .def = "general", .example = "workflow" },
	{ "permanent",  F_BOOL,     OUT | NEW | SET, .def = "false", .about = "only an administrator changes it, and nobody deletes it", .example = "false" },
	{ "created_at", F_DATETIME, OUT },
	{ "updated_at", F_DATETIME, OUT },
	FIELD_END
};

static const struct field rule_params[] = {
	{ "rule_number", F_INT, F_REQUIRED, .min = 1, .about = "the rule's id", .example = "2" },
	FIELD_END
};

static const struct field gone[] = {
	{ "id",      F_INT,  0, .example = "2" },
	{ "deleted", F_BOOL, 0, .example = "true" },
	FIELD_END
};

static const struct choice something = { CHOICE_ANY, { WAY("rule"), WAY("scope"), WAY("category"), WAY("permanent") } };

static const struct shape
	rule_shape      = { "OperationsRule", rule, "Rule" },
	rule_gone_shape = { "OperationsRuleDeleted", gone, "Rule" };

#define BASE "/api/rules"

const struct route rule_routes[] = {
	{ GET,    BASE, "operations.ops.list_rules", &by_operator, "List rules for agents", .about = "Permanent ones first, each in the order in which they were made; at most 1,000.",
	  .may = &operator_read, .query = find_in, .out = &rule_shape, .list = &unpaged, .sql = &q_rule_list },
	{ POST,   BASE, "operations.ops.create_rule", &by_operator, "Make a rule for agents",
	  .may = &operator_edit, .body = rule, .as = NEW, .out = &rule_shape, .sql = &q_rule_create },
	{ PATCH,  BASE "/{rule_number}", "operations.ops.update_rule", &by_operator, "Change a rule for agents", .about = "A permanent one is changed by an administrator alone.",
	  .may = &operator_edit, .params = rule_params, .body = rule, .as = SET, .choice = &something, .out = &rule_shape, .sql = &q_rule_update },
	{ DELETE, BASE "/{rule_number}", "operations.ops.delete_rule", &by_operator, "Delete a rule for agents", .about = "A permanent one by nobody: an administrator changes that first.",
	  .may = &operator_edit, .params = rule_params, .out = &rule_gone_shape, .done = "Rule deleted", .sql = &q_rule_delete },
	ROUTE_END
};
/* clang-format on */
