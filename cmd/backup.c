/*
 * ashlar backup and ashlar restore: everything that is in the database, in one file.
 *
 * pg_dump and pg_restore do the work; what is here is the way round row-level
 * security.  It binds the owner too, so as the owner pg_dump refuses, and with
 * --enable-row-security it writes a file in which no tenant has a row.  It reads
 * as ashlar_backup, a role that policies do not bind and that can do nothing
 * but read.  A restore is the owner's: security is switched on behind the data.
 *
 * Both programs are of the server's own version: a newer pg_dump writes what
 * the pg_restore beside the server cannot read, and a newer pg_restore says what
 * an older server does not know.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build/sql/runtime/owner.h"
#include "cmd/cmd.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"

static const char *only_check;

static const struct cmd_option backup_options[] = {
	{ "--check", NULL, &only_check, "write nothing: read FILE, and say whether it is whole" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage backup_usage = {
	"backup [--check] FILE",
	"Write all of the database into FILE, for \"ashlar restore\".  It is readable by you\n"
	"alone, and it is there when it is whole and was read again to its end: until then it\n"
	"has another name.  The settings, with the keys that open what is sealed in it, are not\n"
	"in it.  Connects with DATABASE_OWNER_URL (else DATABASE_URL), and reads as the role\n"
	"ashlar_backup.",
	backup_options,
};

static const struct cmd_usage restore_usage = {
	"restore FILE",
	"Put what \"ashlar backup\" wrote into an empty database, all of it or nothing.\n"
	"Connects with DATABASE_OWNER_URL (else DATABASE_URL), as the role that owned the\n"
	"tables.  Mails, webhooks and jobs that waited when FILE was written wait again, and\n"
	"go out as soon as a worker runs.",
	NULL,
};

/* The file under its other name, until it is whole. */
static char *unfinished;
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = number;
}

static void remove_unfinished(void)
{
	if (unfinished)
		unlink(unfinished);
}

/* The connection's own parameters, for a program of libpq's: a password is not for a command line. */
static void to_environment(PGconn *db)
{
	PQconninfoOption *all = PQconninfo(db);

	for (PQconninfoOption *o = all; o && o->keyword; o++) {
		if (o->envvar && o->val)
			setenv(o->envvar, o->val, 1);
	}
	PQconninfoFree(all);
}

/* Start a program with fd as its standard output; it ends with this one. */
static pid_t start(PGconn *db, const char *const *argv, int fd)
{
	pid_t pid = fork();

	if (pid < 0)
		cmd_die("fork: %s", strerror(errno));
	if (pid)
		return pid;
	to_environment(db);
	dup2(fd, STDOUT_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Wait for its end, or end it; did it succeed? */
static bool succeeds(pid_t pid)
{
	bool is_told = false;
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			cmd_die("waitpid: %s", strerror(errno));
		if (stopped && !is_told)
			kill(pid, SIGTERM);
		is_told = stopped;
	}
	if (stopped)
		exit(128 + stopped);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		cmd_die("pg_dump and pg_restore are missing; on Debian: apt-get install postgresql-client");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What a program prints, or die. */
static const char *output_of(PGconn *db, struct arena *a, const char *const *argv)
{
	struct buf out;
	ssize_t n;
	pid_t pid;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		cmd_die("pipe: %s", strerror(errno));
	pid = start(db, argv, fd[1]);
	close(fd[1]);
	buf_init(&out, a, 65536);
	do {
		n = read(fd[0], buf_room(&out, 65536), 65536);
		out.n += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR && !stopped));
	close(fd[0]);
	if (!succeeds(pid))
		cmd_die("%s failed", argv[0]);
	return buf_str(&out);
}

/* Where a program of the server's version is; or die. */
static const char *program(PGconn *db, struct arena *a, const char *name)
{
	int server = PQserverVersion(db) / 10000, version = 0;
	const char *path = arena_fmt(a, "/usr/lib/postgresql/%d/bin/%s", server, name), *number;

	if (access(path, X_OK) != 0)
		path = name;
	number = strchr(output_of(db, a, (const char *const[]){ path, "--version", NULL }), ')');
	if (number)
		version = (int)strtol(number + 1, NULL, 10);
	if (version != server)
		cmd_die("%s is of PostgreSQL %d, and the server is %d; on Debian: apt-get install "
			"postgresql-client-%d",
			name, version, server, server);
	return path;
}

static const char *operand(const struct cmd_usage *usage, int argc, char **argv)
{
	int i = cmd_options(usage, argc, argv);

	if (argc - i != 1 || !*argv[i])
		cmd_misuse(usage, "takes one FILE");
	return argv[i];
}

static const char *host(PGconn *db)
{
	const char *name = PQhost(db);

	return name && *name ? name : "localhost";
}

/* The table of contents names schema_migrations and its owner; NULL: the file is no backup of Ashlar. */
static const char *owner_in(struct arena *a, const char *contents)
{
	static const char entry[] = " TABLE public schema_migrations ";
	const char *at = strstr(contents, entry);

	return at ? arena_dup_n(a, at + strlen(entry), strcspn(at + strlen(entry), "\n")) : NULL;
}

/*
 * Is the file a backup, from its table of contents to its last block?  The table stands at the front, and of
 * a file that was cut off behind it --list sees nothing: only who unpacks all of it does.
 */
static bool is_whole(PGconn *db, struct arena *a, const char *restore, const char *file)
{
	return owner_in(a, output_of(db, a, (const char *const[]){ restore, "--list", file, NULL })) &&
	       succeeds(start(db, (const char *const[]){ restore, "--file=/dev/null", file, NULL },
			      STDOUT_FILENO));
}

static void sync_directory(struct arena *a, const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *dir = slash ? arena_dup_n(a, file, (size_t)(slash - file) + 1) : ".";
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd))
		cmd_die("%s: %s", dir, strerror(errno));
	close(fd);
}

/* Whether a file from before is whole; of that the database is asked its version alone. */
static int check(const char *file)
{
	struct arena a;
	PGconn *db;

	if (access(file, R_OK))
		cmd_die("%s: %s", file, strerror(errno));
	cmd_config();
	db = cmd_owner();
	arena_init(&a, 65536);
	if (!is_whole(db, &a, program(db, &a, "pg_restore"), file))
		cmd_die("%s is not whole, or no backup of Ashlar", file);
	printf("%s is whole\n", file);
	arena_release(&a);
	return 0;
}

int cmd_backup(int argc, char **argv)
{
	const char *file = operand(&backup_usage, argc, argv);
	struct sigaction act = { .sa_handler = on_signal };
	const char *dump, *restore;
	struct stat st;
	struct arena a;
	PGconn *db;
	int fd;

	if (only_check)
		return check(file);
	cmd_config();
	db = cmd_owner();
	if (*PQgetvalue(cmd_query(db, &q_owner_migrate_is_new, NULL), 0, 0) == 't')
		cmd_die("there is nothing of Ashlar in the database %s on %s", PQdb(db), host(db));
	if (!cmd_backup_role(db))
		return 1;
	if (!stat(file, &st) && !S_ISREG(st.st_mode))
		cmd_die("%s is there, and is no file", file);
	arena_init(&a, 65536);
	dump = program(db, &a, "pg_dump");
	restore = program(db, &a, "pg_restore");

	unfinished = arena_fmt(&a, "%s.XXXXXX", file);
	fd = mkstemp(unfinished); /* of mode 0600 */
	if (fd < 0)
		cmd_die("%s: %s", file, strerror(errno));
	atexit(remove_unfinished);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	/* Of extensions those that the owner may create; PostGIS is the superuser's, and is there before a
	 * restore. */
	if (!succeeds(start(db,
			    (const char *const[]){ dump, "--format=custom", "--role=ashlar_backup",
						   "--no-password", "--exclude-schema=postgis",
						   "--extension=plpgsql", "--extension=pg_trgm",
						   "--extension=btree_gin", "--extension=btree_gist", NULL },
			    fd)))
		cmd_die("pg_dump failed, and %s was not written", file);
	if (!is_whole(db, &a, restore, unfinished))
		cmd_die("what pg_dump wrote is not whole, and %s was not written", file);
	if (fsync(fd) || fstat(fd, &st) || close(fd) || rename(unfinished, file))
		cmd_die("%s: %s", file, strerror(errno));
	unfinished = NULL;
	sync_directory(&a, file);
	printf("%s: the database %s on %s, %lld bytes\n", file, PQdb(db), host(db), (long long)st.st_size);
	arena_release(&a);
	return 0;
}

/* Refuse a database that is not empty, and say what is in it. */
static void must_be_empty(PGconn *db, const char *owner)
{
	const PGresult *res = cmd_query(db, &q_owner_object_count, NULL);
	const char *functions = PQgetvalue(res, 0, 1);
	int empty = 0;

	if (!strcmp(PQgetvalue(res, 0, 0), "0") && !strcmp(functions, "0"))
		return;
	fprintf(stderr,
		"ashlar: the database %s on %s is not empty, and nothing was changed; there are, by table:\n",
		PQdb(db), host(db));
	cmd_query(db, &q_owner_as_backup, NULL);
	res = cmd_query(db, &q_owner_row_count, NULL);
	for (int i = 0; i < PQntuples(res); i++) {
		if (!strcmp(PQgetvalue(res, i, 1), "0"))
			empty++;
		else
			fprintf(stderr, "  %s %s\n", PQgetvalue(res, i, 1), PQgetvalue(res, i, 0));
	}
	cmd_die("and %d empty tables and %s functions.  Restore into a new one: createdb --owner=%s "
		"--template=template0 --encoding=UTF8 --locale=C.UTF-8 NAME",
		empty, functions, owner);
}

/* For pg_restore, which would take a bare name with a = in it for more than a name. */
static const char *conninfo(struct arena *a, const char *name)
{
	struct buf b;

	buf_init(&b, a, 128);
	buf_text(&b, "dbname='");
	for (; *name; name++) {
		if (*name == '\'' || *name == '\\')
			buf_char(&b, '\\');
		buf_char(&b, *name);
	}
	buf_char(&b, '\'');
	return buf_str(&b);
}

int cmd_restore(int argc, char **argv)
{
	const char *file = operand(&restore_usage, argc, argv), *restore, *owner, *was;
	struct arena a;
	PGconn *db;

	if (access(file, R_OK))
		cmd_die("%s: %s", file, strerror(errno));
	cmd_config();
	db = cmd_owner_to_write();
	owner = PQgetvalue(cmd_query(db, &q_owner_backup_role, NULL), 0, 0);
	if (!cmd_backup_role(db))
		return 1;
	must_be_empty(db, owner);
	cmd_preflight(db, true);
	cmd_postgis(db, true);
	arena_init(&a, 65536);
	restore = program(db, &a, "pg_restore");
	was = owner_in(&a, output_of(db, &a, (const char *const[]){ restore, "--list", file, NULL }));
	if (!was)
		cmd_die("%s is no backup of Ashlar", file);
	if (strcmp(was, PQuser(db)) != 0)
		cmd_die("the tables in %s belong to %s, and this connects as %s: DATABASE_OWNER_URL must "
			"connect "
			"as %s",
			file, was, PQuser(db), was);

	cmd_exec(db, "BEGIN");
	for (const struct cmd_file *f = sql_setup; f->name; f++) {
		if (!strcmp(f->name, "roles.sql"))
			cmd_run_file(db, "setup", f);
	}
	cmd_exec(db, "COMMIT");
	/* All is the owner's, who connects, but for the candidate functions, which are given away behind it.
	 */
	if (!succeeds(start(db,
			    (const char *const[]){ restore, "--exit-on-error", "--single-transaction",
						   "--no-owner", "--no-password", "--dbname",
						   conninfo(&a, PQdb(db)), file, NULL },
			    STDOUT_FILENO)))
		cmd_die("pg_restore failed, and the database is as it was");
	cmd_exec(db, "BEGIN");
	for (const struct cmd_file *f = sql_search; f->name; f++) {
		if (!strcmp(f->name, "close.sql"))
			cmd_run_file(db, "search", f);
	}
	cmd_exec(db, "COMMIT");
	cmd_search_role(db);
	/* The planner knows nothing of new tables; of those of the system, which are not the owner's, enough.
	 */
	cmd_exec(db, "SET client_min_messages = error");
	cmd_exec(db, "ANALYZE");
	printf("%s is in the database %s on %s; next: ashlar migrate\n", file, PQdb(db), host(db));
	arena_release(&a);
	return 0;
}
