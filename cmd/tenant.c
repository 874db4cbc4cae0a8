/*
 * ashlar tenant: tenants, for the installation's operator.
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"

#include "lib/base/arena.h"
#include "lib/crypto/ticket.h"
#include "lib/host/config.h"

static struct email address; /* --owner or --email */
static const char *slug, *name, *owner, *tenant, *email;

static const struct cmd_option options[] = {
	{ "--slug", "SLUG", &slug,
	  "create: what it is called in commands; made from the name when left out" },
	{ "--name", "NAME", &name, "create: the name" },
	{ "--owner", "EMAIL", &owner, "create: who is to run it" },
	{ "--tenant", "SLUG", &tenant, "owner: which one; \"default\" when left out" },
	{ "--email", "EMAIL", &email, "owner: who is to run it, too" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"tenant list | create --name NAME --owner EMAIL [--slug SLUG]\n"
	"       ashlar tenant owner --email EMAIL [--tenant SLUG]\n"
	"       ashlar tenant suspend SLUG | resume SLUG",
	"list prints a line for each: slug, id, active or suspended, name and owners.\n"
	"create makes one and prints its id, and the link by which the owner sets a password:\n"
	"good once, for 7 days.\n"
	"owner gives a tenant that is there one more, who then signs in to the dashboard and\n"
	"makes its API keys; it prints the link in the same way, or nothing for who is in\n"
	"the team already.  The default tenant begins without any.\n"
	"suspend ends all of its sessions, and its API keys let nobody in until resume.",
	options,
};

/* Print the link that lets a member of this tenant's team in, once. */
static void invite(PGconn *db, const char *tenant_id, const char *member_id)
{
	bool has_dashboard = *cfg.dashboard_url;
	const char *hash, *id, *ticket;
	struct arena a;

	arena_init(&a, 1024);
	ticket = ticket_new(&a, tenant_id);
	ticket_parse(&a, ticket, &id, &hash);
	const char *const invited[] = { member_id, hash };

	cmd_query(db, &q_owner_team_invite, invited);
	cmd_exec(db, "COMMIT");
	printf("%s/%s?token=%s\n", has_dashboard ? cfg.dashboard_url : cfg.public_url,
	       has_dashboard ? "accept-invitation" : "team-accept-invitation.html", ticket);
	arena_release(&a);
}

static void create(PGconn *db)
{
	const PGresult *made;

	const char *const named[] = { address.key, owner };

	if (PQntuples(cmd_query(db, &q_owner_team_of, named)))
		cmd_die("%s is in a team already", owner);
	if (slug && *PQgetvalue(cmd_query(db, &q_owner_tenant_known, &slug), 0, 0) == 't')
		cmd_die("there is a tenant \"%s\" already", slug);
	cmd_exec(db, "BEGIN");
	const char *const row[] = { slug, name, address.key, address.address };

	made = cmd_query(db, &q_owner_tenant_create, row);
	printf("%s\n", PQgetvalue(made, 0, 0));
	invite(db, PQgetvalue(made, 0, 0), PQgetvalue(made, 0, 1));
}

static void add_owner(PGconn *db)
{
	const char *wanted = tenant ? tenant : "default";
	const char *const row[] = { address.key, email, address.address };
	const PGresult *team = cmd_query(db, &q_owner_team_of, row), *member;

	if (PQntuples(team) && strcmp(PQgetvalue(team, 0, 0), wanted) != 0)
		cmd_die("%s is in the team of \"%s\"; an address is in one team", email,
			PQgetvalue(team, 0, 0));
	if (!PQntuples(team))
		cmd_read_email(&usage, "--email", email, &address);
	cmd_tenant(db, tenant);
	cmd_exec(db, "BEGIN");
	member = cmd_query(db, &q_owner_team_owner, row);
	if (*PQgetvalue(member, 0, 2) == 't')
		cmd_exec(db, "COMMIT");
	else
		invite(db, PQgetvalue(member, 0, 0), PQgetvalue(member, 0, 1));
}

static void set_active(PGconn *db, const char *which, const char *active)
{
	const char *const row[] = { which, active };

	if (!strcmp(which, "default"))
		cmd_die("the default tenant is that of all requests without a key; it cannot be suspended");
	if (!strcmp(PQgetvalue(cmd_query(db, &q_owner_tenant_set_active, row), 0, 0), "0"))
		cmd_die("there is no tenant \"%s\"", which);
}

int cmd_tenant_command(int argc, char **argv)
{
	const char *verb, *which = NULL;
	int operand = cmd_verb(&usage, argc, argv, &verb);
	bool switches, lists, creates;
	PGconn *db;

	if (!verb)
		cmd_misuse(&usage, "list, create, owner, suspend or resume?");
	lists = !strcmp(verb, "list");
	creates = !strcmp(verb, "create");
	switches = !strcmp(verb, "suspend") || !strcmp(verb, "resume");
	if (!switches && !lists && !creates && strcmp(verb, "owner") != 0)
		cmd_misuse(&usage, "\"%s\" is not among list, create, owner, suspend and resume", verb);
	if (switches && operand < argc)
		which = argv[operand++];
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (switches && !which)
		cmd_misuse(&usage, "%s needs the tenant's slug", verb);
	if (creates && (!name || !owner))
		cmd_misuse(&usage, "create needs --name and --owner");
	if (*verb == 'o' && !email)
		cmd_misuse(&usage, "owner needs --email");
	if (name)
		cmd_check_text(&usage, "--name", name, 255);
	if (slug)
		cmd_check_slug(&usage, "--slug", slug);
	if (owner)
		cmd_read_email(&usage, "--owner", owner, &address);
	if (email)
		cmd_find_email(&usage, "--email", email, &address);

	cmd_config();
	db = lists ? cmd_owner() : cmd_owner_to_write();
	if (lists)
		cmd_print_rows(cmd_query(db, &q_owner_tenant_list, NULL));
	else if (creates)
		create(db);
	else if (switches)
		set_active(db, which, *verb == 's' ? "false" : "true");
	else
		add_owner(db);
	return 0;
}
