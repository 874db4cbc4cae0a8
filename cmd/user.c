/*
 * ashlar user: users from the command line, the first one above all: make them,
 * list them, give them passwords, shut them out.  A tenant's team gets passwords here, too.
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"
#include "handlers/shapes.h"
#include "lib/base/arena.h"
#include "lib/base/nfc.h"
#include "lib/crypto/password.h"

static struct email address; /* as it is to be kept, or looked for */
static const char *email, *role, *name, *tenant, *password, *team, *limit = "1000";

static const struct cmd_option options[] = {
	{ "--email", "EMAIL", &email, "the address; one user per tenant has it" },
	{ "--password", "PASSWORD", &password,
	  "to sign in with; - reads it from standard input, where no list of "
	  "processes shows it" },
	{ "--role", "ROLE", &role,
	  "user (when left out), admin or superadmin; on the operations surface also editor, builder, "
	  "agent, viewer, demo or member; list: only those" },
	{ "--name", "NAME", &name, "the full name" },
	{ "--team", NULL, &team, "password: of a member of the tenant's team, who signs in to the console" },
	{ "--tenant", "SLUG", &tenant, "the user's tenant; \"default\" when left out" },
	{ "--limit", "N", &limit, "list: the newest N, 1000 when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"user create --email EMAIL [--password PASSWORD|-] [--role ROLE] [--name NAME] [--tenant SLUG]\n"
	"       ashlar user password --email EMAIL --password PASSWORD|- [--team] [--tenant SLUG]\n"
	"       ashlar user deactivate|activate --email EMAIL [--tenant SLUG]\n"
	"       ashlar user list [--role ROLE] [--limit N] [--tenant SLUG]\n"
	"       ashlar user import --from FORMAT … FILE",
	"create makes a user and prints its id; without a password only \"ashlar token\"\n"
	"signs it in, or a password that it sets by mail (forgot-password).  password gives\n"
	"a user another one, and deactivate shuts it out; both end all of its sessions.\n"
	"list prints a line for each: id, address, role, active or not, verified or not,\n"
	"when it was made and when it last signed in.  import takes the users of Supabase,\n"
	"Firebase or Clerk; ashlar user import --help says more.",
	options,
};

static void check_role(void)
{
	const char *const *known = user_roles;

	while (*known && strcmp(*known, role) != 0)
		known++;
	if (!*known)
		cmd_misuse(&usage,
			   "--role must be user, admin, superadmin, editor, builder, agent, viewer, demo or "
			   "member, is \"%s\"",
			   role);
}

/* The hash of --password, or NULL without one. */
static const char *hashed(struct arena *a)
{
	static char line[NFC_MAX_SPELLING * PASSWORD_MAX_BYTES + 3];
	const char *problem;

	if (!password)
		return NULL;
	if (!strcmp(password, "-")) {
		if (!fgets(line, sizeof(line), stdin))
			cmd_die("there is no password on standard input");
		line[strcspn(line, "\r\n")] = '\0';
		password = line;
	}
	problem = password_check(a, password, email);
	if (problem)
		cmd_die("%s", problem);
	return password_make(a, password);
}

static void set_password(PGconn *db, const char *hash)
{
	const char *const row[] = { address.key, email, hash };

	if (PQntuples(cmd_query(db, team ? &q_owner_team_password : &q_owner_user_password, row)) == 0)
		cmd_die("there is no %s %s in this tenant", team ? "member of the team" : "user", email);
}

static void create(PGconn *db, const char *hash)
{
	const char *const row[] = { address.address, address.key, name, role, hash };
	const PGresult *res = cmd_query(db, &q_owner_user_create, row);

	if (PQntuples(res) == 0)
		cmd_die("there is a user %s already", email);
	printf("%s\n", PQgetvalue(res, 0, 1));
}

static void set_active(PGconn *db, const char *active)
{
	const char *const row[] = { address.key, email, active };

	if (PQntuples(cmd_query(db, &q_owner_user_set_active, row)) == 0)
		cmd_die("there is no user %s in this tenant", email);
}

static void list(PGconn *db)
{
	const char *const row[] = { role, limit };

	cmd_print_rows(cmd_query(db, &q_owner_user_list, row));
}

int cmd_user(int argc, char **argv)
{
	static const struct {
		const char *verb;
		bool needs_password;
	} verbs[] = {
		{ "create", false }, { "password", true }, { "deactivate", false }, { "activate", false }
	};
	const char *verb, *hash;

	if (argc > 1 && !strcmp(argv[1], "import"))
		return cmd_user_import(argc - 1, argv + 1);

	int operand = cmd_verb(&usage, argc, argv, &verb);
	bool lists = verb && !strcmp(verb, "list");
	size_t which = 0;
	struct arena a;
	PGconn *db;

	while (!lists && which < 4 && (!verb || strcmp(verb, verbs[which].verb) != 0))
		which++;
	if (which == 4)
		cmd_misuse(&usage, "say create, password, deactivate, activate, list or import");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	if (!lists && !email)
		cmd_misuse(&usage, "--email is missing");
	if (email && which == 0 && !lists)
		cmd_read_email(&usage, "--email", email, &address);
	else if (email)
		cmd_find_email(&usage, "--email", email, &address);
	if (name)
		cmd_check_text(&usage, "--name", name, 255);
	if (!lists && verbs[which].needs_password && !password)
		cmd_misuse(&usage, "--password is missing");
	if (team && (lists || which != 1))
		cmd_misuse(&usage, "--team goes with password");
	cmd_number(&usage, "--limit", limit, 1, 1000000);
	if (!role && !lists)
		role = "user";
	if (role)
		check_role();

	cmd_config();
	arena_init(&a, 4096);
	hash = lists || which > 1 ? NULL : hashed(&a);
	db = lists ? cmd_owner() : cmd_owner_to_write();
	cmd_tenant(db, tenant);
	if (lists)
		list(db);
	else if (which == 0)
		create(db, hash);
	else if (which == 1)
		set_password(db, hash);
	else
		set_active(db, which == 2 ? "false" : "true");
	arena_release(&a);
	return 0;
}
