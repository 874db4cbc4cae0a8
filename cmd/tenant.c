/*
 * ashlar tenant: tenants, for whoever runs the installation.
 */
#include "cmd/cmd.h"

#include "fcgi/arena.h"
#include "fcgi/config.h"
#include "fcgi/ticket.h"

static const char *slug, *name, *owner;

static const struct cmd_option options[] = {
	{ "--slug", "SLUG", &slug,
	  "create: what it is called in commands; made from the name when left out" },
	{ "--name", "NAME", &name, "create: the name" },
	{ "--owner", "EMAIL", &owner, "create: who is to run it" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"tenant list | create --name NAME --owner EMAIL [--slug SLUG] | suspend SLUG | resume SLUG",
	"list prints a line for each: slug, id, active or suspended, name and owners.\n"
	"create makes one and prints its id, and the link by which the owner sets a password:\n"
	"good once, for 7 days.\n"
	"suspend ends all of its sessions, and its API keys let nobody in until resume.",
	options,
};

static void list(PGconn *db)
{
	const PGresult *res = cmd_query(db, Q_owner_tenant_list, NULL);

	for (int i = 0; i < PQntuples(res); i++)
		for (int k = 0; k < PQnfields(res); k++)
			printf("%s%c", PQgetvalue(res, i, k), k + 1 < PQnfields(res) ? '\t' : '\n');
}

static void create(PGconn *db)
{
	bool has_dashboard = *cfg.dashboard_url;
	const char *hash, *tenant, *ticket;
	const PGresult *made;
	struct arena a;

	if (!name || !owner)
		cmd_misuse(&usage, "create needs --name and --owner");
	if (!strcmp(PQgetvalue(cmd_query(db, Q_owner_team_known, &owner), 0, 0), "t"))
		cmd_die("%s is in a team already", owner);
	arena_init(&a, 1024);
	cmd_exec(db, "BEGIN");
	const char *const row[] = { slug, name, owner };

	made = cmd_query(db, Q_owner_tenant_create, row);
	ticket = ticket_new(&a, PQgetvalue(made, 0, 0));
	ticket_parse(&a, ticket, &tenant, &hash);
	const char *const invited[] = { PQgetvalue(made, 0, 1), hash };

	cmd_query(db, Q_owner_team_invite, invited);
	cmd_exec(db, "COMMIT");
	printf("%s\n%s/%s?token=%s\n", tenant, has_dashboard ? cfg.dashboard_url : cfg.public_url,
	       has_dashboard ? "accept-invitation" : "team-accept-invitation.html", ticket);
	arena_release(&a);
}

static void set_active(PGconn *db, const char *which, const char *active)
{
	const char *const row[] = { which, active };

	if (!strcmp(which, "default"))
		cmd_die("the default tenant is that of all requests without a key; it cannot be suspended");
	if (!strcmp(PQgetvalue(cmd_query(db, Q_owner_tenant_set_active, row), 0, 0), "0"))
		cmd_die("there is no tenant \"%s\"", which);
}

int cmd_tenant_command(int argc, char **argv)
{
	/* The verb may stand before or behind the options. */
	bool is_first = argc > 1 && argv[1][0] != '-';
	const char *verb = is_first ? argv[1] : NULL, *which = NULL;
	int operand = cmd_options(&usage, argc - is_first, argv + is_first) + is_first;
	bool switches;
	PGconn *db;

	if (!verb && operand < argc)
		verb = argv[operand++];
	if (!verb)
		cmd_misuse(&usage, "list, create, suspend or resume?");
	switches = !strcmp(verb, "suspend") || !strcmp(verb, "resume");
	if (!switches && strcmp(verb, "list") != 0 && strcmp(verb, "create") != 0)
		cmd_misuse(&usage, "\"%s\" is not among list, create, suspend and resume", verb);
	if (switches && operand < argc)
		which = argv[operand++];
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (switches && !which)
		cmd_misuse(&usage, "%s needs the tenant's slug", verb);

	cmd_config();
	db = cmd_owner();
	if (switches)
		set_active(db, which, *verb == 's' ? "false" : "true");
	else if (*verb == 'c')
		create(db);
	else
		list(db);
	return 0;
}
