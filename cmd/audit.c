/*
 * ashlar audit: is the audit log what was written?
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"

static const char *tenant;

static const struct cmd_option options[] = {
	{ "--tenant", "SLUG", &tenant, "only this tenant's log; all of them when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"audit verify [--tenant SLUG]",
	"Check that no event of the audit log was changed, removed or added behind its\n"
	"back.  Prints a line for each tenant; exits 1 when a log is broken, and says where.",
	options,
};

int cmd_audit(int argc, char **argv)
{
	const char *verb;
	int operand = cmd_verb(&usage, argc, argv, &verb);
	const PGresult *tenants;
	bool is_broken = false;
	PGconn *db;

	if (!verb || strcmp(verb, "verify") != 0)
		cmd_misuse(&usage, "the one thing it can do is \"verify\"");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);

	cmd_config();
	db = cmd_owner();
	tenants = cmd_query(db, &q_owner_audit_tenant_list, &tenant);
	if (PQntuples(tenants) == 0)
		cmd_die("there is no tenant \"%s\"", tenant);
	for (int i = 0; i < PQntuples(tenants); i++) {
		const char *id = PQgetvalue(tenants, i, 0), *name = PQgetvalue(tenants, i, 1);
		const PGresult *problem;

		/* One transaction: what is appended meanwhile is behind both the rows and the head. */
		cmd_exec(db, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ");
		problem = cmd_query(db, &q_owner_audit_verify, &id);
		if (PQntuples(problem) > 0)
			printf("%s: broken: %s\n", name, PQgetvalue(problem, 0, 1));
		else
			printf("%s: %s events, unbroken\n", name,
			       PQgetvalue(cmd_query(db, &q_owner_audit_count, NULL), 0, 0));
		cmd_exec(db, "COMMIT");
		is_broken = is_broken || PQntuples(problem) > 0;
	}
	return is_broken;
}
