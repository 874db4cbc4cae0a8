/*
 * ashlar: one binary, dispatched by its first word.
 */
#include "cmd/cmd.h"
#include "lib/host/sandbox.h"
#include "worker/extract.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
};

/* clang-format off */
static const struct command commands[] = {
	{ "api",          cmd_api,          "serve the API" },
	{ "audit",        cmd_audit,        "check that the audit log is what was written" },
	{ "backup",       cmd_backup,       "write all of the database into a file" },
	{ "billing",      cmd_billing,      "compare subscriptions with the payment provider" },
	{ "check-config", cmd_check_config, "print the configuration and explain its mistakes" },
	{ "key",          cmd_key,          "make an API key" },
	{ "mails",        cmd_mails,        "print mails, with their links and codes" },
	{ "mcp",          cmd_mcp,          "tell assistants about the API (Model Context Protocol)" },
	{ "migrate",      cmd_migrate,      "bring the database's schema up to date" },
	{ "openapi",      cmd_openapi,      "print the API reference (OpenAPI 3.1)" },
	{ "realtime",     cmd_realtime,     "serve WebSockets and event streams" },
	{ "restore",      cmd_restore,      "put a backup into an empty database" },
	{ "routes",       cmd_routes,       "print the route tables, or nginx's map of slow routes" },
	{ "sdk",          cmd_sdk,          "print a client in one file" },
	{ "seed",         cmd_seed,         "add the demo users and projects" },
	{ "tenant",       cmd_tenant_command, "list, create, suspend and resume tenants, and give them owners" },
	{ "token",        cmd_token,        "sign a user in and print the token" },
	{ "user",         cmd_user,         "create, import, list and deactivate users, and set passwords" },
	{ "version",      cmd_version,      "print the version" },
	{ "worker",       cmd_worker,       "run jobs: mail, webhooks, schedules" },
	{ NULL,           NULL,             NULL },
};
/* clang-format on */

static void print_commands(FILE *out)
{
	fprintf(out, "usage: ashlar COMMAND [OPTIONS]\n\n");
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-14s%s\n", c->name, c->about);
	fprintf(out,
		"\nashlar COMMAND --help says more.  Settings come from the environment, then from\n"
		"--env-file FILE, else from .run/env beside build/ and from /etc/ashlar/ashlar.env for the\n"
		"installed program.\n");
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : NULL;

	sandbox_main(argc, argv, extract_tasks);
	if (!word) {
		print_commands(stderr);
		return 2;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
		print_commands(stdout);
		return 0;
	}
	if (!strcmp(word, "--version"))
		word = "version";
	for (const struct command *c = commands; c->name; c++) {
		if (!strcmp(c->name, word))
			return c->run(argc - 1, argv + 1);
	}
	fprintf(stderr, "ashlar: there is no command \"%s\"; ashlar --help lists them\n", word);
	return 2;
}
