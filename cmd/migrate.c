/*
 * ashlar migrate: bring the schema to what this binary was built with.
 *
 * Migrations only go forward.  Each is one transaction and is remembered with
 * the SHA-256 of its file; a file that changed after it was applied, or an
 * applied one that this binary does not have, stops everything before anything
 * is done.  Functions are replaced whenever their files change, all in one
 * transaction behind the migrations.  One migration runs at a time.
 */
#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"

#include <openssl/sha.h>
#include <signal.h>
#include <time.h>

#include "handlers/permissions.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "providers/clickhouse.h"

enum { HEX_SIZE = 2 * SHA256_DIGEST_LENGTH + 1 };

static const char *dry_run, *status;

static const struct cmd_option options[] = {
	{ "--dry-run", NULL, &dry_run, "list what would be applied, and change nothing" },
	{ "--status", NULL, &status, "list all migrations and when they were applied" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"migrate [--dry-run | --status]",
	"Apply the migrations that this database does not have yet, then the functions\n"
	"that changed, and look at encoding, letters and roles.  Addresses that were\n"
	"there before they had keys get theirs; accounts whose addresses are one are\n"
	"listed, and stay apart.  Connects with\n"
	"DATABASE_OWNER_URL (else DATABASE_URL): a superuser, or a role that may create\n"
	"roles and that owns the database.",
	options,
};

static void checksum(const char *text, char out[HEX_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text, strlen(text), digest);
	for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* "0001_core.sql" is version 1. */
static int version_of(const struct cmd_file *f)
{
	return (int)strtol(f->name, NULL, 10);
}

/* The row of a result whose column is text; -1: there is none. */
static int find_row(const PGresult *res, const char *column, const char *text)
{
	int c = PQfnumber(res, column);

	for (int i = 0; i < PQntuples(res); i++) {
		if (!strcmp(PQgetvalue(res, i, c), text))
			return i;
	}
	return -1;
}

static const struct cmd_file *find_file(const struct cmd_file *files, const char *name)
{
	for (const struct cmd_file *f = files; f->name; f++) {
		if (!strcmp(f->name, name))
			return f;
	}
	return NULL;
}

static void lock(PGconn *db)
{
	const PGresult *res = cmd_query(db, &q_owner_migrate_lock, NULL);

	if (*PQgetvalue(res, 0, 0) == 'f') {
		fprintf(stderr, "ashlar: waiting for another migration of this database\n");
		cmd_query(db, &q_owner_migrate_wait, NULL);
	}
}

/* What was applied, and that it is what this binary would have applied; or die.  NULL: nothing was, ever. */
static const PGresult *read_applied(PGconn *db)
{
	const PGresult *res = cmd_query(db, &q_owner_migrate_is_new, NULL);
	char sum[HEX_SIZE];

	if (*PQgetvalue(res, 0, 0) == 't')
		return NULL;
	res = cmd_query(db, &q_owner_migration_list, NULL);
	for (int i = 0; i < PQntuples(res); i++) {
		const char *name = PQgetvalue(res, i, 1);
		const struct cmd_file *f = find_file(sql_migrations, name);

		if (!f)
			cmd_die("%s was applied, but this binary does not have it: the database is newer",
				name);
		checksum(f->text, sum);
		if (strcmp(sum, PQgetvalue(res, i, 2)) != 0)
			cmd_die("%s was changed after it was applied: restore it, and put the change into a "
				"new migration",
				name);
	}
	return res;
}

static bool is_applied(const PGresult *applied, const struct cmd_file *f)
{
	return applied && find_row(applied, "name", f->name) >= 0;
}

/* A migration that is older than one applied would run on a schema that it was not written for. */
static void check_order(const PGresult *applied)
{
	int n = applied ? PQntuples(applied) : 0;
	int newest = n ? (int)strtol(PQgetvalue(applied, n - 1, 0), NULL, 10) : 0;

	for (const struct cmd_file *f = sql_migrations; f->name; f++) {
		if (!is_applied(applied, f) && version_of(f) <= newest)
			cmd_die("%s is not applied, but a newer one is: give it a number above %04d", f->name,
				newest);
	}
}

static void print_status(const PGresult *applied)
{
	for (const struct cmd_file *f = sql_migrations; f->name; f++) {
		int row = applied ? find_row(applied, "name", f->name) : -1;

		printf("%-40s %s\n", f->name, row < 0 ? "pending" : PQgetvalue(applied, row, 3));
	}
}

/*
 * A session that waits for a table's lock holds up all that come later, readers too: behind
 * a backup or a long report a migration would stop the service that it runs under.
 * So it waits for a moment, gives way to them, and tries again for as long as it takes.
 * The moment is well below PostgreSQL's deadlock_timeout, a second: of two that wait
 * for each other it would end the one that has waited for longer, which is a request.
 */
static void begin(PGconn *db)
{
	cmd_exec(db, "BEGIN");
	cmd_exec(db, "SET LOCAL lock_timeout = '200ms'");
}

static void give_way(PGconn *db, const char *dir, const char *name)
{
	static bool is_told;
	const struct timespec pause = { .tv_sec = 2 };

	cmd_exec(db, "ROLLBACK");
	if (!is_told)
		fprintf(stderr, "ashlar: sql/%s/%s: a table that it changes is in use; trying again\n", dir,
			name);
	is_told = true;
	nanosleep(&pause, NULL);
}

static void apply_migrations(PGconn *db, const PGresult *applied)
{
	for (const struct cmd_file *f = sql_migrations; f->name; f++) {
		char number[16], sum[HEX_SIZE];
		const char *const row[] = { number, f->name, sum };

		if (is_applied(applied, f))
			continue;
		printf("%s sql/migrations/%s\n", dry_run ? "would apply" : "applying", f->name);
		if (dry_run)
			continue;
		fflush(stdout);
		snprintf(number, sizeof(number), "%d", version_of(f));
		checksum(f->text, sum);
		begin(db);
		while (!cmd_try_file(db, "migrations", f)) {
			give_way(db, "migrations", f->name);
			begin(db);
		}
		cmd_query(db, &q_owner_migration_record, row);
		cmd_exec(db, "COMMIT");
	}
}

/* What the database knows a file of functions by, in whichever area it is. */
static const char *base_name(const struct cmd_file *f)
{
	const char *slash = strrchr(f->name, '/');

	return slash ? slash + 1 : f->name;
}

/*
 * What a file of functions is remembered by.  One that says so is run again behind
 * every migration: what it makes depends on the tables.
 */
static void function_checksum(const struct cmd_file *f, char out[HEX_SIZE])
{
	const struct cmd_file *last = sql_migrations;
	char *text;

	while (last[1].name)
		last++;
	if (!strstr(f->text, "\n-- Runs again behind every migration")) {
		checksum(f->text, out);
	} else if (asprintf(&text, "%s%s", f->text, last->name) >= 0) {
		checksum(text, out);
		free(text);
	} else {
		cmd_die("out of memory");
	}
}

/* Is a file of functions another one than the database has? */
static bool is_new(const PGresult *known, const struct cmd_file *f, const char *sum)
{
	int i = known ? find_row(known, "name", base_name(f)) : -1;

	return i < 0 || strcmp(PQgetvalue(known, i, 1), sum) != 0;
}

/* All of them or none, and who they belong to; false: one could not get a lock, and they are to be tried
 * again. */
static bool try_functions(PGconn *db, const PGresult *known, bool is_again)
{
	bool any = false;

	if (!dry_run)
		begin(db);
	for (const struct cmd_file *f = sql_functions; f->name; f++) {
		char sum[HEX_SIZE];
		const char *const row[] = { base_name(f), sum };

		function_checksum(f, sum);
		if (!is_new(known, f, sum))
			continue;
		if (!is_again)
			printf("%s sql/functions/%s\n", dry_run ? "would apply" : "applying", f->name);
		if (dry_run)
			continue;
		if ((!any && !cmd_try_file(db, "search", find_file(sql_search, "open.sql"))) ||
		    !cmd_try_file(db, "functions", f)) {
			give_way(db, "functions", f->name);
			return false;
		}
		any = true;
		cmd_query(db, &q_owner_function_record, row);
	}
	if (dry_run)
		return true;
	if ((any || *PQgetvalue(cmd_query(db, &q_owner_search_role, NULL), 0, 0) == 'f') &&
	    !cmd_try_file(db, "search", find_file(sql_search, "close.sql"))) {
		give_way(db, "search", "close.sql");
		return false;
	}
	cmd_exec(db, "COMMIT");
	return true;
}

/*
 * The policies of what is searched, of new tables, too: by themselves, before the functions.  A policy locks
 * its table against everybody; with the triggers of the functions behind it, each of which locks a table
 * against writers, it and a busy service would wait for each other nearly every time.
 */
static void apply_policies(PGconn *db)
{
	begin(db);
	while (!cmd_try_file(db, "search", find_file(sql_search, "close.sql"))) {
		give_way(db, "search", "close.sql");
		begin(db);
	}
	cmd_exec(db, "COMMIT");
}

static void apply_functions(PGconn *db, bool is_first)
{
	const PGresult *known = is_first ? NULL : cmd_query(db, &q_owner_function_list, NULL);
	bool any = false;

	for (const struct cmd_file *f = sql_functions; f->name && !any; f++) {
		char sum[HEX_SIZE];

		function_checksum(f, sum);
		any = is_new(known, f, sum);
	}
	if (any && !dry_run)
		apply_policies(db);
	for (int tries = 0; !try_functions(db, known, tries > 0); tries++)
		;
}

/* A schema that was in use has changed; of a new one there are no subscribers to tell. */
static void note(PGconn *db, const PGresult *applied)
{
	const struct cmd_file *last = sql_migrations;

	while (last[1].name)
		last++;
	if (is_applied(applied, last))
		return;
	cmd_exec(db, "BEGIN");
	cmd_query(db, &q_owner_migrate_note, &last->name);
	cmd_exec(db, "COMMIT");
}

/* Where the doors read them. */
static void put_permissions(PGconn *db)
{
	const char *params[1];
	struct arena a;
	struct buf b;

	arena_init(&a, 65536);
	buf_init(&b, &a, 32768);
	buf_char(&b, '[');
	for (int i = 0; permissions[i]; i++) {
		static const char *const places[] = { "tenant", "organization", "workspace" };
		const struct permission *p = permissions[i];

		jx_next(&b);
		buf_char(&b, '{');
		jx_key_str(&b, "name", p->name);
		jx_key_str(&b, "place", places[p->place]);
		jx_key_str(&b, "roles", p->roles);
		jx_key_str(&b, "own_name", p->own ? p->own->name : NULL);
		jx_key_str(&b, "own_roles", p->own ? p->own->roles : NULL);
		jx_key_int(&b, "number", i + 1);
		buf_char(&b, '}');
	}
	buf_char(&b, ']');
	params[0] = buf_str(&b);
	cmd_query(db, &q_owner_permissions_put, params);
	arena_release(&a);
}

/* Where traces are kept, if that is not here. */
static void migrate_clickhouse(void)
{
	struct failure why = { ERR_OK };
	struct arena a;
	bool made;

	if (!clickhouse_is_configured())
		return;
	signal(SIGPIPE, SIG_IGN);
	arena_init(&a, 65536);
	if (clickhouse_migrate(&a, &made, &why))
		cmd_die("%s", failure_reason(&why));
	if (made)
		printf("ClickHouse: the tables of traces in %s\n", cfg.clickhouse_database);
	arena_release(&a);
}

int cmd_migrate(int argc, char **argv)
{
	const PGresult *applied;
	PGconn *db;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	if (dry_run && status)
		cmd_misuse(&usage, "--dry-run and --status exclude each other");
	cmd_config();
	setvbuf(stdout, NULL, _IOLBF,
		0); /* what stderr says belongs between two lines, where both are one file */
	db = dry_run || status ? cmd_owner() : cmd_owner_to_write();
	if (!dry_run && !status)
		lock(db);

	if (!status) {
		cmd_preflight(db, *PQgetvalue(cmd_query(db, &q_owner_migrate_is_new, NULL), 0, 0) == 't');
		cmd_postgis(db, !dry_run);
	}
	applied = read_applied(db);
	check_order(applied);
	if (status) {
		print_status(applied);
	} else {
		if (!dry_run && !applied) {
			cmd_exec(db, "BEGIN");
			for (const struct cmd_file *f = sql_setup; f->name; f++)
				cmd_run_file(db, "setup", f);
			cmd_exec(db, "COMMIT");
		}
		apply_migrations(db, applied);
		apply_functions(db, dry_run && !applied);
		if (!dry_run) {
			put_permissions(db);
			cmd_email_keys(db);
		}
		if (!dry_run && applied)
			note(db, applied);
		cmd_backup_role(db);
		if (!dry_run) {
			cmd_search_role(db);
			migrate_clickhouse();
		}
	}
	return 0;
}
