/*
 * Where a command's settings come from, each of them from the first that has it:
 *
 *	the environment
 *	--env-file FILE
 *	build/ashlar: .run/env (ASHLAR_RUN names another directory), which make run
 *	writes; so that it talks to the instance that runs in its tree
 *	the installed program: /etc/ashlar/ashlar.env
 *
 * The last two are not an operator's setting but a convenience, so they are left alone where
 * the environment or --env-file names a database: half of one instance's
 * settings with half of another's would be worse than none.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/host/config.h"
#include "lib/host/env_file.h"

static const char *const installed_file = "/etc/ashlar/ashlar.env";

static const char *env_file;             /* --env-file */
static const char *from = "environment"; /* for people: what names the database */
static struct arena memory;

void cmd_set_env_file(const char *path)
{
	env_file = path;
}

static bool has_database(void)
{
	return getenv("DATABASE_URL") || getenv("DATABASE_OWNER_URL");
}

/* Of a setting that is there twice the last one counts, but none counts before the environment's. */
struct given {
	struct arena *arena;
	char **names;
	size_t n, room;
};

static void note(struct given *g, const char *name)
{
	if (g->n == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		char **more = arena_alloc(g->arena, room * sizeof(*more));

		if (g->n)
			memcpy(more, g->names, g->n * sizeof(*more));
		g->names = more;
		g->room = room;
	}
	g->names[g->n++] = arena_dup(g->arena, name);
}

static bool is_noted(const struct given *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (!strcmp(g->names[i], name))
			return true;
	return false;
}

static void take(const char *name, const char *value, void *ctx)
{
	struct given *g = ctx;

	if (getenv(name) && !is_noted(g, name))
		return;
	note(g, name);
	setenv(name, value, 1);
}

/* The tree that this program was built in; NULL: it is installed. */
static const char *tree_of(struct arena *a)
{
	static const char *const builds[] = { "/build/ashlar", "/build/asan/ashlar", "/build/cov/ashlar" };
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		size_t len = strlen(builds[i]);

		if ((size_t)n > len && !strcmp(path + n - len, builds[i]))
			return arena_dup_n(a, path, (size_t)n - len);
	}
	return NULL;
}

/* The default file, where none was named; NULL: there is none. */
static const char *own_file(struct arena *a)
{
	const char *tree = tree_of(a), *run = getenv("ASHLAR_RUN"), *path;

	if (!tree)
		path = installed_file;
	else if (run && *run == '/')
		path = arena_fmt(a, "%s/env", run);
	else
		path = arena_fmt(a, "%s/%s/env", tree, run && *run ? run : ".run");
	return access(path, F_OK) && errno == ENOENT ? NULL : path;
}

void cmd_settings(void)
{
	const char *path = env_file, *problem;
	struct given given = { &memory, NULL, 0, 0 };

	arena_init(&memory, 4096);
	if (!path && !has_database())
		path = own_file(&memory);
	if (path) {
		bool is_database = !has_database();

		problem = env_file_read(&memory, path, take, &given);
		if (problem)
			cmd_die("%s cannot be read: %s; --env-file names another file", path, problem);
		if (is_database && has_database())
			from = arena_dup(&memory, path);
	}
}

const char *cmd_settings_from(void)
{
	return from;
}

const char *cmd_actor(void)
{
	static char actor[80];
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *who = sudo && *sudo ? getpwnam(sudo) : NULL;

	if (!who)
		who = getpwuid(getuid());
	if (who)
		snprintf(actor, sizeof(actor), "cli:%s", who->pw_name);
	else
		snprintf(actor, sizeof(actor), "cli:%ld", (long)getuid());
	return actor;
}
