/*
 * ashlar user: create users from the command line, the first one above all,
 * and give them passwords.
 */
#include "cmd/cmd.h"
#include "fcgi/arena.h"
#include "fcgi/password.h"
#include "handlers/routes.h"

static const char *email, *role, *name, *tenant, *password;

static const struct cmd_option options[] = {
	{ "--email", "EMAIL", &email, "the address; one user per tenant has it" },
	{ "--password", "PASSWORD", &password,
	  "to sign in with; - reads it from standard input, where no list of "
	  "processes shows it" },
	{ "--role", "ROLE", &role,
	  "user (when left out), admin or superadmin; on the operations surface also editor, builder, "
	  "agent, viewer, demo or member" },
	{ "--name", "NAME", &name, "the full name" },
	{ "--tenant", "SLUG", &tenant, "the user's tenant; \"default\" when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"user create --email EMAIL [--password PASSWORD|-] [--role ROLE] [--name NAME] [--tenant SLUG]\n"
	"       ashlar user password --email EMAIL --password PASSWORD|- [--tenant SLUG]",
	"Create a user and print its id, or give a user another password, which ends all\n"
	"of its sessions.  Without a password only \"ashlar token\" signs it in, or a\n"
	"password that it sets by mail (forgot-password).",
	options,
};

static bool is_role(const char *text)
{
	const char *const *known = user_roles;

	while (*known && strcmp(*known, text) != 0)
		known++;
	return *known;
}

/* The hash of --password, or NULL without one. */
static const char *hashed(struct arena *a)
{
	static char line[PASSWORD_MAX_BYTES + 3];
	const char *problem;

	if (!password)
		return NULL;
	if (!strcmp(password, "-")) {
		if (!fgets(line, sizeof(line), stdin))
			cmd_die("there is no password on standard input");
		line[strcspn(line, "\r\n")] = '\0';
		password = line;
	}
	problem = password_check(password, email);
	if (problem)
		cmd_die("%s", problem);
	return password_make(a, password);
}

static void set_password(PGconn *db, const char *hash)
{
	const char *const row[] = { email, hash };

	if (PQntuples(cmd_query(db, Q_owner_user_password, row)) == 0)
		cmd_die("there is no user %s in this tenant", email);
}

static void create(PGconn *db, const char *hash)
{
	const char *const row[] = { email, name, role, hash };
	const PGresult *res = cmd_query(db, Q_owner_user_create, row);

	if (PQntuples(res) == 0)
		cmd_die("there is a user %s already", email);
	printf("%s\n", PQgetvalue(res, 0, 1));
}

int cmd_user(int argc, char **argv)
{
	/* The verb may stand before or behind the options. */
	bool is_first = argc > 1 && argv[1][0] != '-', creates;
	const char *verb = is_first ? argv[1] : NULL, *hash;
	int operand = cmd_options(&usage, argc - is_first, argv + is_first) + is_first;
	struct arena a;
	PGconn *db;

	if (!verb && operand < argc)
		verb = argv[operand++];
	creates = verb && !strcmp(verb, "create");
	if (!creates && (!verb || strcmp(verb, "password") != 0))
		cmd_misuse(&usage, "say \"create\" or \"password\"");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (!email)
		cmd_misuse(&usage, "--email is missing");
	if (!creates && !password)
		cmd_misuse(&usage, "--password is missing");
	if (!role)
		role = "user";
	if (!is_role(role))
		cmd_misuse(&usage,
			   "--role must be user, admin, superadmin, editor, builder, agent, viewer, demo or "
			   "member, "
			   "is \"%s\"",
			   role);

	cmd_config();
	arena_init(&a, 4096);
	hash = hashed(&a);
	db = cmd_owner();
	cmd_tenant(db, tenant);
	if (creates)
		create(db, hash);
	else
		set_password(db, hash);
	arena_release(&a);
	return 0;
}
