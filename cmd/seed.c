/*
 * ashlar seed: something to look at.
 */
#include <string.h>

#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"
#include "lib/host/config.h"

static const char *scale, *usage_events, *workspace;

static const struct cmd_option options[] = {
	{ "--scale", "USERS", &scale,
	  "instead, so many users with a tenth as many organizations, for measuring" },
	{ "--usage", "EVENTS", &usage_events,
	  "instead, what 1,000 such users used in a year, as sums of so many events" },
	{ "--workspaces", "MEMBERS", &workspace,
	  "instead, such users in one workspace, with teams and notifications, and in many small ones" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"seed [--scale USERS | --usage EVENTS | --workspaces MEMBERS]",
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

/* only: the file that is meant; NULL: all of them. */
static void run_all(PGconn *db, const char *dir, const struct cmd_file *files, const char *only)
{
	cmd_exec(db, "BEGIN");
	for (const struct cmd_file *f = files; f->name; f++) {
		if (!is_for_tests(f->name) && (!only || !strcmp(f->name, only)))
			cmd_run_file(db, dir, f);
	}
	cmd_query(db, &q_owner_seed_note, &scale);
	cmd_exec(db, "COMMIT");
}

static int seed_scale(PGconn *db)
{
	cmd_query(db, &q_owner_seed_scale, (const char *const[]){ scale, usage_events });
	run_all(db, "scale", sql_scale, "scale.sql");
	printf("%s users: scale_0, scale_1, …\n", scale);
	if (usage_events) {
		run_all(db, "scale", sql_scale, "usage.sql");
		printf("%s events of theirs\n", usage_events);
	}
	if (workspace) {
		run_all(db, "scale", sql_scale, "workspaces.sql");
		printf("workspace-scale, with all of them\n");
	}
	return 0;
}

int cmd_seed(int argc, char **argv)
{
	PGconn *db;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	if (scale)
		cmd_number(&usage, "--scale", scale, 10, 10000000);
	if (!!scale + !!usage_events + !!workspace > 1)
		cmd_misuse(&usage, "takes one of --scale, --usage and --workspaces");
	if (usage_events) {
		cmd_number(&usage, "--usage", usage_events, 1, 1000000000000);
		scale = "1000";
	}
	if (workspace) {
		cmd_number(&usage, "--workspaces", workspace, 1000, 1000000);
		scale = workspace;
	}
	cmd_config();
	db = cmd_owner_to_write();
	cmd_tenant(db, NULL);
	if (scale)
		return seed_scale(db);
	if (PQntuples(cmd_query(db, &q_owner_seeded, NULL)) == 0)
		run_all(db, "sample", sql_sample, NULL);
	printf("demo user: demo@example.com\nsuperadmin: admin@example.com\n");
	return 0;
}
