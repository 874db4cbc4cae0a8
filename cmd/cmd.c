/*
 * What the subcommands share; see cmd.h.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <stdarg.h>

#include "fcgi/arena.h"
#include "fcgi/config.h"
#include "fcgi/db.h"

/* The connection and its results, for the life of the process: every way out ends in release(). */
static struct arena memory;

static void release(void)
{
	arena_release(&memory);
}

static void finish(void *db)
{
	PQfinish(db);
}

static void clear(void *res)
{
	PQclear(res);
}

static void print_usage(const struct cmd_usage *usage)
{
	printf("usage: ashlar %s\n\n%s\n\n", usage->synopsis, usage->about);
	for (const struct cmd_option *o = usage->options; o && o->name; o++)
		printf("  %s %-*s  %s\n", o->name, (int)(22 - strlen(o->name)), o->arg ? o->arg : "",
		       o->about);
	printf("  %-23s  %s\n", "--help", "print this");
}

void cmd_misuse(const struct cmd_usage *usage, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "ashlar %.*s: ", (int)strcspn(usage->synopsis, " "), usage->synopsis);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: ashlar %s\n", usage->synopsis);
	exit(2);
}

void cmd_die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "ashlar: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static const struct cmd_option *option_find(const struct cmd_usage *usage, const char *name, size_t n)
{
	for (const struct cmd_option *o = usage->options; o && o->name; o++) {
		if (strlen(o->name) == n && !memcmp(o->name, name, n))
			return o;
	}
	return NULL;
}

int cmd_options(const struct cmd_usage *usage, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		size_t n = strcspn(argv[i], "=");
		const struct cmd_option *o = option_find(usage, argv[i], n);

		if (!strcmp(argv[i], "--"))
			return i + 1;
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			print_usage(usage);
			exit(0);
		}
		if (!o)
			cmd_misuse(usage, "unknown option \"%.*s\"", (int)n, argv[i]);
		if (!o->arg && argv[i][n])
			cmd_misuse(usage, "%s takes no argument", o->name);
		if (!o->arg)
			*o->value = "";
		else if (argv[i][n])
			*o->value = argv[i] + n + 1;
		else if (i + 1 < argc)
			*o->value = argv[++i];
		else
			cmd_misuse(usage, "%s needs an argument: %s", o->name, o->arg);
	}
	return i;
}

long cmd_number(const struct cmd_usage *usage, const char *option, const char *text, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max)
		cmd_misuse(usage, "%s must be a whole number from %ld to %ld, is \"%s\"", option, min, max,
			   text);
	return n;
}

void cmd_config(void)
{
	if (config_load_offline(stderr))
		cmd_die("the configuration has mistakes");
}

/* libpq's messages end with a newline, and may have several lines. */
static int message_length(const char *message)
{
	size_t n = strlen(message);

	while (n && message[n - 1] == '\n')
		n--;
	return (int)n;
}

static _Noreturn void die_of(PGconn *db, const char *doing)
{
	const char *message = PQerrorMessage(db);

	cmd_die("%s: %.*s", doing, message_length(message), message);
}

PGconn *cmd_owner(void)
{
	const char *url = *cfg.database_owner_url ? cfg.database_owner_url : cfg.database_url;
	const char *const keys[] = { "dbname", "fallback_application_name", "client_encoding", "options",
				     NULL };
	/* A notice per "IF NOT EXISTS" would drown what matters. */
	const char *const values[] = { url, "ashlar", "UTF8", "-c client_min_messages=warning", NULL };
	PGconn *db;

	if (!*url)
		cmd_die("DATABASE_OWNER_URL or DATABASE_URL must say where PostgreSQL is");
	arena_init(&memory, 4096);
	atexit(release);
	db = PQconnectdbParams(keys, values, 1);
	arena_defer(&memory, finish, db);
	if (PQstatus(db) != CONNECTION_OK)
		die_of(db, "cannot connect to PostgreSQL");
	return db;
}

void cmd_exec(PGconn *db, const char *sql)
{
	PGresult *res = PQexec(db, sql);

	arena_defer(&memory, clear, res);
	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		die_of(db, sql);
}

const PGresult *cmd_query(PGconn *db, enum query_id q, const char *const *params)
{
	const struct query *query = &queries[q];
	PGresult *res = PQexecParams(db, query->text, query->nparams, NULL, params, NULL, NULL, 0);

	arena_defer(&memory, clear, res);
	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		die_of(db, query->name);
	return res;
}

void cmd_tenant(PGconn *db, const char *slug)
{
	const char *wanted = slug ? slug : "default";

	if (PQntuples(cmd_query(db, Q_owner_tenant_enter, &wanted)) == 0)
		cmd_die("there is no tenant \"%s\"", wanted);
}

void cmd_run_file(PGconn *db, const char *dir, const struct cmd_file *f)
{
	PGresult *res = PQexec(db, f->text);
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *at = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	const char *end = f->text;
	int line = 1;

	arena_defer(&memory, clear, res);
	if (PQresultStatus(res) != PGRES_FATAL_ERROR) {
		/* A file that commits could fail halfway and be found half done. */
		if (PQtransactionStatus(db) != PQTRANS_INTRANS)
			cmd_die("sql/%s/%s: must leave BEGIN and COMMIT to ashlar", dir, f->name);
		return;
	}
	/* The position counts characters, from 1; bytes 10xxxxxx go on with one. */
	for (long n = at ? strtol(at, NULL, 10) : 0; *end && n > 1; end++) {
		line += *end == '\n';
		n -= (end[1] & 0xc0) != 0x80;
	}
	fprintf(stderr, "ashlar: sql/%s/%s", dir, f->name);
	if (at)
		fprintf(stderr, ":%d", line);
	fprintf(stderr, ": %s", PQresultErrorMessage(res));
	if (state && !strcmp(state, "42501"))
		cmd_die("the role must own the database and may need CREATEROLE, or the role ashlar_api must "
			"be there "
			"already");
	exit(1);
}
