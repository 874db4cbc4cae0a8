/*
 * ashlar seed: something to look at.
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"
#include "fcgi/config.h"

static const char *scale;

static const struct cmd_option options[] = {
	{ "--scale", "USERS", &scale,
	  "instead, so many users with a tenth as many organizations, for measuring" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"seed [--scale USERS]",
	"Add the demo data to the default tenant: demo@example.com with 40 projects, and\n"
	"admin@example.com, a superadmin.  What is there already is left as it is.",
	options,
};

static void run_all(PGconn *db, const char *dir, const struct cmd_file *files)
{
	cmd_exec(db, "BEGIN");
	for (const struct cmd_file *f = files; f->name; f++)
		cmd_run_file(db, dir, f);
	cmd_query(db, &q_owner_seed_note, &scale);
	cmd_exec(db, "COMMIT");
}

int cmd_seed(int argc, char **argv)
{
	PGconn *db;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	if (scale)
		cmd_number(&usage, "--scale", scale, 10, 10000000);
	cmd_config();
	db = cmd_owner_to_write();
	cmd_tenant(db, NULL);
	if (scale) {
		cmd_query(db, &q_owner_seed_scale, &scale);
		run_all(db, "scale", sql_scale);
		printf("%s users: scale_0, scale_1, …\n", scale);
		return 0;
	}
	run_all(db, "seed", sql_seed);
	printf("demo user: demo@example.com\nsuperadmin: admin@example.com\n");
	return 0;
}
