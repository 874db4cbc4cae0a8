/*
 * ashlar user: users, before anybody can sign in to make them.
 */
#include "cmd/cmd.h"

static const char *email, *role, *name, *tenant;

static const struct cmd_option options[] = {
	{ "--email", "EMAIL", &email, "the address; one user per tenant has it" },
	{ "--role", "ROLE", &role, "user, admin or superadmin; \"user\" when left out" },
	{ "--name", "NAME", &name, "the full name" },
	{ "--tenant", "SLUG", &tenant, "the user's tenant; \"default\" when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"user create --email EMAIL [--role ROLE] [--name NAME] [--tenant SLUG]",
	"Create a user and print its id.  ashlar token then signs it in.",
	options,
};

int cmd_user(int argc, char **argv)
{
	/* "create" may stand before or behind the options. */
	bool is_first = argc > 1 && argv[1][0] != '-';
	const char *verb = is_first ? argv[1] : NULL;
	int operand = cmd_options(&usage, argc - is_first, argv + is_first) + is_first;
	const PGresult *res;
	PGconn *db;

	if (!verb && operand < argc)
		verb = argv[operand++];
	if (!verb || strcmp(verb, "create") != 0)
		cmd_misuse(&usage, "the one thing it can do is \"create\"");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (!email)
		cmd_misuse(&usage, "--email is missing");
	if (!role)
		role = "user";
	if (strcmp(role, "user") != 0 && strcmp(role, "admin") != 0 && strcmp(role, "superadmin") != 0)
		cmd_misuse(&usage, "--role must be user, admin or superadmin, is \"%s\"", role);

	cmd_config();
	db = cmd_owner();
	cmd_tenant(db, tenant);
	const char *const row[] = { email, name, role };

	res = cmd_query(db, Q_owner_user_create, row);
	if (PQntuples(res) == 0)
		cmd_die("there is a user %s already", email);
	printf("%s\n", PQgetvalue(res, 0, 1));
	return 0;
}
