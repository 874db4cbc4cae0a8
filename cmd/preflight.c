/*
 * What must be true of the database and of its roles before anything is put
 * into them, and what the superuser does about it where it is not.
 *
 * What would put data at risk ends the command.  What works, but for what is
 * said, is a warning.
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"

/* What a database is made with; its owner is the one thing to fill in. */
#define CREATEDB "createdb --owner=%s --template=template0 --encoding=UTF8 --locale=C.UTF-8"

static const char *text(const PGresult *res, const char *column)
{
	return PQgetvalue(res, 0, PQfnumber(res, column));
}

static bool is(const PGresult *res, const char *column)
{
	return *text(res, column) == 't';
}

/* lower() is asked and not the locale's name: of Turkish alone there are a dozen spellings. */
static void check_letters(PGconn *db, const char *database, const char *owner, bool is_new)
{
	const PGresult *res = cmd_query(db, &q_owner_letters, NULL);

	if (is(res, "are_known"))
		return;
	fprintf(stderr,
		"ashlar: %sin the database %s, with the locale %s, lower('I') or lower('É') is not what "
		"Unicode "
		"says: what is looked up by a name is not found.  Make another one: " CREATEDB " NAME\n",
		is_new ? "" : "warning: ", database, text(res, "locale"), owner);
	if (is_new)
		exit(1);
	fprintf(stderr, "ashlar: \"ashlar backup\" and \"ashlar restore\" bring what is there into it\n");
}

void cmd_preflight(PGconn *db, bool is_new)
{
	const PGresult *res = cmd_query(db, &q_owner_preflight, NULL);
	const char *database = text(res, "database"), *owner = text(res, "owner");

	if (strcmp(text(res, "encoding"), "UTF8") != 0)
		cmd_die("the database %s has the encoding %s, and Ashlar needs UTF8.  Make another "
			"one: " CREATEDB " NAME%s",
			database, text(res, "encoding"), owner,
			is_new ? ""
			       : "; \"ashlar backup\" and \"ashlar restore\" bring what is there into it");
	check_letters(db, database, owner, is_new);
	if (is(res, "api_is_more"))
		cmd_die("ashlar_api is the owner %s, or a member of it or of ashlar_backup, and so past the "
			"isolation of tenants: DATABASE_OWNER_URL must connect as another role, which the "
			"superuser takes from it (REVOKE … FROM ashlar_api)",
			owner);
	if (is(res, "api_bypasses"))
		cmd_die("ashlar_api must not be past row-level security; as the superuser: psql -c \"ALTER "
			"ROLE "
			"ashlar_api NOSUPERUSER NOBYPASSRLS\"");
	if (!is_new && strcmp(text(res, "tables_of"), owner) != 0)
		cmd_die("the tables of the database %s belong to %s, and this connects as %s: "
			"DATABASE_OWNER_URL must connect as %s",
			database, text(res, "tables_of"), owner, text(res, "tables_of"));
}

/* By hand: it is not one of the extensions that the owner of a database may create. */
#define POSTGIS                                                                          \
	"CREATE SCHEMA IF NOT EXISTS postgis; GRANT USAGE ON SCHEMA postgis TO PUBLIC; " \
	"CREATE EXTENSION IF NOT EXISTS postgis SCHEMA postgis"

void cmd_postgis(PGconn *db, bool may_change)
{
	const PGresult *res = cmd_query(db, &q_owner_postgis, NULL);
	const char *schema = text(res, "schema");
	bool may_create = may_change && is(res, "may_create") && is(res, "is_installed");

	if (*schema && strcmp(schema, "postgis") != 0)
		cmd_die("PostGIS is in the schema %s of the database %s, and Ashlar asks for it in a schema "
			"of its "
			"own; where nothing else uses it, as the superuser: psql -d %s -c \"DROP EXTENSION "
			"postgis; " POSTGIS "\"",
			schema, PQdb(db), PQdb(db));
	if (*schema && is(res, "is_open"))
		return;
	if (!may_create) {
		char package[64] = "";

		if (!is(res, "is_installed"))
			snprintf(package, sizeof(package),
				 "on Debian: apt-get install postgresql-%d-postgis-3, and ",
				 PQserverVersion(db) / 10000);
		cmd_die("the database %s has no PostGIS, by which records are found on maps; %sas the "
			"superuser: "
			"psql -d %s -c \"" POSTGIS "\"",
			PQdb(db), package, PQdb(db));
	}
	cmd_exec(db, "SET client_min_messages = warning");
	cmd_exec(db, POSTGIS);
	cmd_exec(db, "RESET client_min_messages");
}

bool cmd_backup_role(PGconn *db)
{
	const PGresult *res = cmd_query(db, &q_owner_backup_role, NULL);
	const char *owner = text(res, "owner"), *others = text(res, "others");

	if (*others)
		fprintf(stderr,
			"ashlar: warning: %s may read every tenant of every database here, as a member of "
			"ashlar_backup; as the superuser: psql -c \"REVOKE ashlar_backup FROM %s\"\n",
			others, others);
	if (is(res, "is_usable"))
		return true;
	fprintf(stderr,
		"ashlar: backups read as the role ashlar_backup, which %s; as the superuser: psql -c ",
		is(res, "is_there") ? "is not what they need" : "is not there");
	if (is(res, "is_there"))
		fprintf(stderr,
			"\"ALTER ROLE ashlar_backup NOLOGIN BYPASSRLS; GRANT pg_read_all_data TO "
			"ashlar_backup; "
			"GRANT ashlar_backup TO %s\"\n",
			owner);
	else
		fprintf(stderr,
			"\"CREATE ROLE ashlar_backup NOLOGIN BYPASSRLS IN ROLE pg_read_all_data ROLE %s\"\n",
			owner);
	return false;
}

void cmd_search_role(PGconn *db)
{
	const PGresult *res = cmd_query(db, &q_owner_search_role, NULL);

	if (!is(res, "is_ready"))
		fprintf(stderr,
			"ashlar: warning: searches test one row after the other, until %s may make the role "
			"ashlar_search; as the superuser: psql -c \"ALTER ROLE %s CREATEROLE\", and then "
			"\"ashlar migrate\" again\n",
			text(res, "owner"), text(res, "owner"));
}
