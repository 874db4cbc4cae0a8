/*
 * ashlar seed: something to look at.
 */
#include <string.h>

#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"
#include "lib/host/config.h"

static const char *scale;

static const struct cmd_option options[] = {
	{ "--scale", "USERS", &scale,
	  "instead, so many users with a tenth as many organizations, for measuring" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"seed [--scale USERS]",
	"Add the demo data to the default tenant, unless they were added before: demo@example.com,\n"
	"who owns 40 projects and a workspace with one of everything, and admin@example.com, a\n"
	"superadmin.",
	options,
};

/* What the runtime keeps for a while is for tests: in a server that runs, it would be about nothing. */
static bool is_for_tests(const char *name)
{
	return !strncmp(name, "runtime/", strlen("runtime/"));
}

static void run_all(PGconn *db, const char *dir, const struct cmd_file *files)
{
	cmd_exec(db, "BEGIN");
	for (const struct cmd_file *f = files; f->name; f++) {
		if (!is_for_tests(f->name))
			cmd_run_file(db, dir, f);
	}
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
	if (PQntuples(cmd_query(db, &q_owner_seeded, NULL)) == 0)
		run_all(db, "sample", sql_sample);
	printf("demo user: demo@example.com\nsuperadmin: admin@example.com\n");
	return 0;
}
