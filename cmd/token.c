/*
 * ashlar token: sign a user, or a member of a tenant's team, in from the command line.
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"

#include "lib/crypto/tok.h"
#include "lib/host/config.h"

static const char *user, *team, *ttl, *tenant;

static const struct cmd_option options[] = {
	{ "--user", "EMAIL", &user, "who signs in" },
	{ "--team", "EMAIL", &team, "instead, to the dashboard: a member of the tenant's team" },
	{ "--ttl", "SECONDS", &ttl, "how long the token is good; JWT_TTL_S when left out" },
	{ "--tenant", "SLUG", &tenant, "their tenant; \"default\" when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"token {--user | --team} EMAIL [--ttl SECONDS] [--tenant SLUG]",
	"Open a session for a user, or for a member of a tenant's team, and print its bearer\n"
	"token.  Whoever has the token is that one until it expires or the session is revoked.",
	options,
};

int cmd_token(int argc, char **argv)
{
	const PGresult *who, *session;
	struct email address;
	char seconds[24];
	struct arena a;
	const char *token;
	PGconn *db;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	if (!user && !team)
		cmd_misuse(&usage, "--user is missing");
	if (user && team)
		cmd_misuse(&usage, "--user and --team are two people");
	cmd_find_email(&usage, user ? "--user" : "--team", user ? user : team, &address);
	cmd_config();
	if (!*cfg.jwt_secret)
		cmd_die("JWT_SECRET must be set: it signs the token");
	snprintf(seconds, sizeof(seconds), "%ld",
		 ttl ? cmd_number(&usage, "--ttl", ttl, 1, 31536000) : cfg.jwt_ttl_s);

	db = cmd_owner_to_write();
	cmd_tenant(db, tenant);
	const char *const named[] = { address.key, user ? user : team };

	who = cmd_query(db, user ? &q_owner_user_find : &q_owner_team_find, named);
	if (PQntuples(who) == 0)
		cmd_die("there is no active %s %s in this tenant", user ? "user" : "member of the team",
			named[1]);
	const char *const row[] = { PQgetvalue(who, 0, 0), seconds };

	session = cmd_query(db, user ? &q_owner_session_create : &q_owner_team_session_create, row);
	const struct claims claims = {
		.subject = PQgetvalue(who, 0, 1),
		.session = PQgetvalue(session, 0, 0),
		.tenant_id = PQgetvalue(who, 0, 4),
		.email = PQgetvalue(who, 0, 2),
		.role = PQgetvalue(who, 0, 3),
		.iat = strtoll(PQgetvalue(session, 0, 1), NULL, 10),
		.exp = strtoll(PQgetvalue(session, 0, 2), NULL, 10),
		.own = true,
		.team = team != NULL,
	};

	arena_init(&a, 4096);
	token = tok_sign(&a, &claims);
	if (!token)
		cmd_die("the token could not be signed");
	puts(token);
	arena_release(&a);
	return 0;
}
