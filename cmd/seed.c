/*
 * ashlar seed: something to look at.
 */
#include "cmd/cmd.h"
#include "fcgi/config.h"

int cmd_seed(int argc, char **argv)
{
	static const struct cmd_usage usage = {
		"seed",
		"Add the demo data to the default tenant: demo@example.com with 40 projects, and\n"
		"admin@example.com, a superadmin.  What is there already is left as it is.",
		NULL,
	};
	PGconn *db;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	cmd_config();
	db = cmd_owner();
	cmd_tenant(db, NULL);
	cmd_exec(db, "BEGIN");
	for (const struct cmd_file *f = sql_seed; f->name; f++)
		cmd_run_file(db, "seed", f);
	cmd_exec(db, "COMMIT");
	printf("demo user: demo@example.com\nsuperadmin: admin@example.com\n");
	return 0;
}
