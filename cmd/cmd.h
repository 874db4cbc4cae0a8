/*
 * The subcommands of ashlar, and what they share: options, --help, and a
 * connection as the owner of the schema.
 *
 * A subcommand is a function here and a row in main.c.  argv[0] is its own
 * name; what it returns is the exit status: 0, 1 when it failed, 2 when it was
 * called wrongly.  Commands are run by people and scripts: answers go to
 * stdout, all else to stderr, and a helper that cannot go on ends the process.
 */
#ifndef ASHLAR_CMD_H
#define ASHLAR_CMD_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/db/query.h"
#include "lib/base/email.h"

int cmd_api(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_billing(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_check_config(int argc, char **argv);
int cmd_host(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_listen(int argc, char **argv);
int cmd_login(int argc, char **argv);
int cmd_logout(int argc, char **argv);
int cmd_mails(int argc, char **argv);
int cmd_mcp(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_openapi(int argc, char **argv);
int cmd_realtime(int argc, char **argv);
int cmd_request(int argc, char **argv); /* ashlar api METHOD PATH */
int cmd_restore(int argc, char **argv);
int cmd_routes(int argc, char **argv);
int cmd_sdk(int argc, char **argv);
int cmd_seed(int argc, char **argv);
int cmd_tenant_command(int argc, char **argv); /* cmd_tenant is a helper, below */
int cmd_token(int argc, char **argv);
int cmd_user(int argc, char **argv);
int cmd_user_import(int argc, char **argv); /* ashlar user import */
int cmd_version(int argc, char **argv);
int cmd_worker(int argc, char **argv);

/* The i-th command; NULL: there are no more. */
struct cmd_entry {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about; /* in a few words */
};
const struct cmd_entry *cmd_at(int i);

struct cmd_option {
	const char *name;   /* "--ttl" */
	const char *arg;    /* "SECONDS"; NULL: a flag */
	const char **value; /* set to the argument, to "" for a flag; left alone when not given */
	const char *about;
};

struct cmd_usage {
	const char *synopsis;             /* "token --user EMAIL [--ttl SECONDS]" */
	const char *about;                /* one paragraph or more */
	const struct cmd_option *options; /* ends with a NULL name; NULL: only --help */
};

/*
 * Read the options; returns the index in argv of the first operand, argc when
 * there is none.  Options may stand before, between and behind the operands,
 * which are moved behind them; both "--ttl 5" and "--ttl=5" are understood; "--"
 * ends the options.  --help prints the usage and exits 0; an unknown option or a missing
 * argument exits 2.
 */
int cmd_options(const struct cmd_usage *usage, int argc, char **argv);

/* "ashlar token: message" on stderr, and exit 2: called wrongly. */
_Noreturn void cmd_misuse(const struct cmd_usage *usage, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "ashlar: message" on stderr, and exit 1. */
_Noreturn void cmd_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A whole number from min to max, or cmd_misuse. */
long cmd_number(const struct cmd_usage *usage, const char *option, const char *text, long min, long max);

/*
 * The same for "user create --email …": *verb is the first operand, NULL when
 * there is none; returns the index of the next one.
 */
int cmd_verb(const struct cmd_usage *usage, int argc, char **argv, const char **verb);

/*
 * Put the settings of the file that holds for this command (--env-file, else its
 * own; see settings.c) into the environment, behind what is there; or die.
 */
void cmd_settings(void);

/* What --env-file named. */
void cmd_set_env_file(const char *path);

/* For people: where the settings came from that name the database. */
const char *cmd_settings_from(void);

/* Who runs this command, for the audit log: "cli:ann", the one behind sudo. */
const char *cmd_actor(void);

/* Read settings and configuration as far as an offline command needs them, or die. */
void cmd_config(void);

/* The same for a server, which needs more of them. */
void cmd_config_server(void);

/*
 * Connect as the owner (DATABASE_OWNER_URL, else DATABASE_URL), or die.  The
 * connection and the results of its queries are released when the process ends.
 */
PGconn *cmd_owner(void);

/* The same for a command that changes something: it says on stderr which database that is. */
PGconn *cmd_owner_to_write(void);

/* Run one statement without parameters, or die.  BEGIN, COMMIT and the like. */
void cmd_exec(PGconn *db, const char *sql);

/*
 * Run a named query; its parameters by position, as text, NULL for null.  Dies
 * when it fails, with what PostgreSQL says about it and without its text.
 * Results are text.
 */
const PGresult *cmd_query(PGconn *db, const struct query *q, const char *const *params);

/* The same for one of many: the result is released with the arena, and not when the process ends. */
const PGresult *cmd_query_in(struct arena *a, PGconn *db, const struct query *q, const char *const *params);

/*
 * Read an e-mail address that is to be kept, or cmd_misuse.  The strings live as
 * long as the process.
 */
void cmd_read_email(const struct cmd_usage *usage, const char *option, const char *text, struct email *out);

/* The same of one that is looked for, whatever its form: see email_find(). */
void cmd_find_email(const struct cmd_usage *usage, const char *option, const char *text, struct email *out);

/* UTF-8 of 1 to max characters without control characters, or cmd_misuse. */
void cmd_check_text(const struct cmd_usage *usage, const char *option, const char *text, size_t max);

/* What a tenant may be called in commands and URLs, or cmd_misuse. */
void cmd_check_slug(const struct cmd_usage *usage, const char *option, const char *text);

/*
 * Make a plan of each product in the payment provider's account of that key that is sold by the month or the
 * year, and bring the prices of those that are plans up to date; in the tenant that db is in.  A line for
 * each difference (slug, product, what, ours, theirs), and one for each price that cannot be a plan's.
 *
 * Returns how many differences there were.  Dies where the provider fails: what was said to be imported is.
 */
long cmd_billing_import(PGconn *db, const char *slug, const char *key, bool is_dry);

/*
 * Give addresses that have no key theirs, as far as they can have one, and print
 * whose it is where several are one.  Behind the migrations and the functions.
 */
void cmd_email_keys(PGconn *db);

/* Text of a stranger for a terminal, which is to obey none of its bytes.  The arena's. */
const char *cmd_shown(struct arena *a, const char *text);

/* A line for each row, its columns with tabs between them. */
void cmd_print_rows(const PGresult *res);

/* Put this connection into a tenant by its slug (NULL: the default tenant), or die. */
void cmd_tenant(PGconn *db, const char *slug);

/*
 * Die of what would put data at risk: an encoding that is not UTF8, letters that
 * do not fold as Unicode says (of a database that has data already: a warning),
 * an owner who is not that of the tables, an api's role that sees every tenant.
 * is_new: nothing of Ashlar is there yet.
 */
void cmd_preflight(PGconn *db, bool is_new);

/*
 * Die unless the database has PostGIS where the schema asks for it, with what puts it
 * there.  may_change: where this role may, it is put there at once.
 */
void cmd_postgis(PGconn *db, bool may_change);

/*
 * Can backups be read as ashlar_backup?  False is said on stderr, with what the
 * superuser runs about it.
 */
bool cmd_backup_role(PGconn *db);

/* Say on stderr where searches have no index: ashlar_search does not own their functions (sql/search). */
void cmd_search_role(PGconn *db);

/* A file of sql/, compiled into the binary by tools/embed. */
struct cmd_file {
	const char *name; /* "0001_core.sql" */
	const char *text;
};

/* In the order of their names, or of what they say (tools/embed), ending with a NULL name. */
extern const struct cmd_file sql_migrations[], sql_functions[], sql_search[], sql_sample[], sql_scale[],
	sql_setup[];

/* Run a file of sql/<dir> in the open transaction, or die with PostgreSQL's message and the line it means. */
void cmd_run_file(PGconn *db, const char *dir, const struct cmd_file *f);

/* The same; false: it did not get a lock in lock_timeout, or only by a deadlock, and ROLLBACK is due. */
bool cmd_try_file(PGconn *db, const char *dir, const struct cmd_file *f);

#endif
