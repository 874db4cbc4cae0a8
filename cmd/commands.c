/*
 * The subcommands, by their first word.
 */
#include "cmd/cmd.h"

/* clang-format off */
static const struct cmd_entry commands[] = {
	{ "api",          cmd_api,          "serve the API; or, with a method and a path, ask a server" },
	{ "audit",        cmd_audit,        "check that the audit log is what was written" },
	{ "backup",       cmd_backup,       "write all of the database into a file" },
	{ "billing",      cmd_billing,      "compare subscriptions with the payment provider" },
	{ "check-config", cmd_check_config, "print the configuration and explain its mistakes" },
	{ "completion",   cmd_completion,   "print what bash or zsh completes words with" },
	{ "host",         cmd_host,         "read this host's logs for the api" },
	{ "key",          cmd_key,          "make an API key" },
	{ "listen",       cmd_listen,       "send events to a server on this machine, as webhooks" },
	{ "login",        cmd_login,        "sign in at a server, and keep that as a profile" },
	{ "logout",       cmd_logout,       "end a profile's session, and forget it" },
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

const struct cmd_entry *cmd_at(int i)
{
	return commands[i].name ? &commands[i] : NULL;
}
