/*
 * What the subcommands share; see cmd.h.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <stdarg.h>

#include "build/sql/runtime/owner.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/utf8.h"
#include "lib/host/config.h"

/* The connection and its results, for the life of the process: every way out ends in release(). */
static struct arena memory;

static void release(void)
{
	arena_release(&memory);
}

static struct arena *kept(void)
{
	static bool has_begun;

	if (!has_begun) {
		arena_init(&memory, 4096);
		atexit(release);
		has_begun = true;
	}
	return &memory;
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
	printf("  %-23s  %s\n", "--env-file FILE", "settings that the environment does not have");
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

static const char *env_file;

/* What every command takes. */
static const struct cmd_option common[] = {
	{ "--env-file", "FILE", &env_file, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_option *option_find(const struct cmd_usage *usage, const char *name, size_t n)
{
	for (const struct cmd_option *o = usage->options; o && o->name; o++) {
		if (strlen(o->name) == n && !memcmp(o->name, name, n))
			return o;
	}
	for (const struct cmd_option *o = common; o->name; o++) {
		if (strlen(o->name) == n && !memcmp(o->name, name, n))
			return o;
	}
	return NULL;
}

/* The option at argv[i]; how many words it is. */
static int take_option(const struct cmd_usage *usage, int argc, char **argv, int i)
{
	size_t n = strcspn(argv[i], "=");
	const struct cmd_option *o = option_find(usage, argv[i], n);

	if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
		print_usage(usage);
		exit(0);
	}
	if (!o)
		cmd_misuse(usage, "unknown option \"%.*s\"", (int)n, argv[i]);
	if (!o->arg && argv[i][n])
		cmd_misuse(usage, "%s takes no argument", o->name);
	if (o->arg && !argv[i][n] && i + 1 == argc)
		cmd_misuse(usage, "%s needs an argument: %s", o->name, o->arg);
	*o->value = !o->arg ? "" : argv[i][n] ? argv[i] + n + 1 : argv[i + 1];
	if (o == common)
		cmd_set_env_file(env_file);
	return o->arg && !argv[i][n] ? 2 : 1;
}

int cmd_options(const struct cmd_usage *usage, int argc, char **argv)
{
	int first = 1;

	for (int i = 1, words; i < argc; i += words) {
		bool is_end = !strcmp(argv[i], "--");
		char *moved[2];

		words = 1;
		if (!is_end && (argv[i][0] != '-' || !argv[i][1]))
			continue;
		if (!is_end)
			words = take_option(usage, argc, argv, i);
		/* In front of the operands that were there before it. */
		memcpy(moved, argv + i, (size_t)words * sizeof(*argv));
		memmove(argv + first + words, argv + first, (size_t)(i - first) * sizeof(*argv));
		memcpy(argv + first, moved, (size_t)words * sizeof(*argv));
		first += words;
		if (is_end)
			break;
	}
	return first;
}

int cmd_verb(const struct cmd_usage *usage, int argc, char **argv, const char **verb)
{
	int operand = cmd_options(usage, argc, argv);

	*verb = operand < argc ? argv[operand++] : NULL;
	return operand;
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
	cmd_settings();
	if (config_load_offline(stderr))
		cmd_die("the configuration has mistakes");
}

void cmd_config_server(void)
{
	cmd_settings();
	if (config_load(stderr))
		cmd_die("the configuration has mistakes; see ashlar check-config");
}

/* libpq's messages end with a newline, and may have several lines. */
static int message_length(const char *message)
{
	size_t n = strlen(message);

	while (n && message[n - 1] == '\n')
		n--;
	return (int)n;
}

/*
 * A statement was refused.  What it said and where it stands in our text tells a
 * person nothing, and DETAIL may quote a whole row.
 */
static _Noreturn void die_of(PGconn *db, const PGresult *res)
{
	const char *message = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *hint = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_HINT) : NULL;
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;

	if (!message)
		cmd_die("PostgreSQL: %.*s", message_length(PQerrorMessage(db)), PQerrorMessage(db));
	/* Ours: they are written for people, and HINT is a field's name. */
	if (state && !strncmp(state, "AS", 2))
		cmd_die("%s", message);
	cmd_die("PostgreSQL refused it: %s%s%s", message, hint ? "; " : "", hint ? hint : "");
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
	db = PQconnectdbParams(keys, values, 1);
	arena_defer(kept(), finish, db);
	if (PQstatus(db) != CONNECTION_OK)
		cmd_die("cannot connect to PostgreSQL (by the settings in %s): %.*s", cmd_settings_from(),
			message_length(PQerrorMessage(db)), PQerrorMessage(db));
	return db;
}

PGconn *cmd_owner_to_write(void)
{
	PGconn *db = cmd_owner();
	const char *host = PQhost(db), *actor = cmd_actor();

	fprintf(stderr, "ashlar: database \"%s\" on %s, port %s, as %s (settings: %s)\n", PQdb(db),
		host && *host ? host : "this host", PQport(db), PQuser(db), cmd_settings_from());
	cmd_query(db, &q_owner_actor, &actor);
	return db;
}

static bool is_good(const PGresult *res)
{
	return PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;
}

void cmd_exec(PGconn *db, const char *sql)
{
	PGresult *res = PQexec(db, sql);

	if (!is_good(res)) {
		arena_defer(kept(), clear, res);
		die_of(db, res);
	}
	PQclear(res);
}

const PGresult *cmd_query(PGconn *db, const struct query *q, const char *const *params)
{
	return cmd_query_in(kept(), db, q, params);
}

const PGresult *cmd_query_in(struct arena *a, PGconn *db, const struct query *q, const char *const *params)
{
	PGresult *res = PQexecParams(db, q->text, q->nparams, NULL, params, NULL, NULL, 0);

	arena_defer(a, clear, res);
	if (!is_good(res))
		die_of(db, res);
	return res;
}

const char *cmd_shown(struct arena *a, const char *text)
{
	struct buf b;

	buf_init(&b, a, strlen(text) + 1);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		/* C1 controls in UTF-8 are U+0080 to U+009F. */
		if (*p < ' ' || *p == 127 || (*p == 0xc2 && p[1] < 0xa0))
			buf_fmt(&b, "\\x%02x", *p);
		else
			buf_char(&b, (char)*p);
	}
	return buf_str(&b);
}

void cmd_read_email(const struct cmd_usage *usage, const char *option, const char *text, struct email *out)
{
	const char *problem = email_read(kept(), text, out);

	if (problem)
		cmd_misuse(usage, "%s must be %s, such as ann@example.com, is \"%s\"", option, problem, text);
}

void cmd_find_email(const struct cmd_usage *usage, const char *option, const char *text, struct email *out)
{
	const char *at = strchr(text, '@');

	if (!at || at == text || !at[1] || !utf8_valid(text, strlen(text)))
		cmd_misuse(usage, "%s must be an e-mail address, such as ann@example.com, is \"%s\"", option,
			   text);
	email_find(kept(), text, out);
}

void cmd_check_text(const struct cmd_usage *usage, const char *option, const char *text, size_t max)
{
	size_t n = strlen(text);
	bool is_good = n && utf8_valid(text, n) && utf8_length(text, n) <= max;

	for (size_t i = 0; i < n; i++)
		is_good = is_good && (unsigned char)text[i] >= ' ' && text[i] != 127;
	if (!is_good)
		cmd_misuse(usage, "%s must be 1 to %zu characters on one line", option, max);
}

void cmd_check_slug(const struct cmd_usage *usage, const char *option, const char *text)
{
	size_t n = strlen(text);

	if (!n || n > 63 || text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] || *text == '-' ||
	    text[n - 1] == '-')
		cmd_misuse(usage, "%s must be 1 to 63 of a-z, 0-9 and -, with no - at either end, is \"%s\"",
			   option, text);
}

void cmd_print_rows(const PGresult *res)
{
	for (int i = 0; i < PQntuples(res); i++)
		for (int k = 0; k < PQnfields(res); k++)
			printf("%s%c", PQgetvalue(res, i, k), k + 1 < PQnfields(res) ? '\t' : '\n');
}

void cmd_tenant(PGconn *db, const char *slug)
{
	const char *wanted = slug ? slug : "default";

	if (PQntuples(cmd_query(db, &q_owner_tenant_enter, &wanted)) == 0)
		cmd_die("there is no tenant \"%s\"", wanted);
}

bool cmd_try_file(PGconn *db, const char *dir, const struct cmd_file *f)
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
		return true;
	}
	/* lock_not_available, deadlock_detected */
	if (state && (!strcmp(state, "55P03") || !strcmp(state, "40P01")))
		return false;
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

void cmd_run_file(PGconn *db, const char *dir, const struct cmd_file *f)
{
	if (!cmd_try_file(db, dir, f))
		cmd_die("sql/%s/%s: somebody else has a lock that it needs", dir, f->name);
}
