/*
 * Beneath AGENTS_DIR, each by the instance's name:
 *
 *	agents/  workspaces, which the group ashlar_agents may write to: who runs there has a user of its own
 *	env/     the environment of the unit; without it, it does not start
 *	stop/    a file for who is to stand still: with it, it does not start either
 *	wishes/  the last wish's number; its lock is the agent's
 */
#include "host/agents.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <json-c/json.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/units.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum { NAME = 63, INSTANCE = 90, TEXT = 2000, LOCK_TRIES = 60, LOCK_TRY_US = 50000, REST_US = 1000000 };

struct agent {
	struct arena *a;
	struct buf *out;
	struct json_object *asked;
	const char *action, *instance, *unit;
	int root, workspace;
	bool is_out;     /* a step has failed: those behind it are not begun */
	const char *why; /* it has */
};

static const char soul[] = "# %s\n\nYou are %s%s%s, an agent that works by the clock.  Your model is %s.\n\n"
			   "What you are for, and how you go about it, stands here: change this file.\n";

/* It asks first whether there is anything to do, and an API that is away does not keep it. */
static const char run_script[] =
	"#!/bin/sh\n"
	"# What this agent does each time: ./program, when there is something to do.\n"
	"set -eu\n"
	"answer=$(curl -fsS --max-time 10 -G --data-urlencode \"agent_name=$AGENT_INSTANCE\" "
	"\"$ASHLAR_URL/api/agent-runs/idle-check\") || answer=\n"
	"case $answer in\n"
	"*'\"skip\":true'*) exit 0 ;;\n"
	"esac\n"
	"[ -x ./program ] || {\n"
	"\techo \"there is no program: put one here that may be run\"\n"
	"\texit 0\n"
	"}\n"
	"exec ./program\n";

static bool is_instance(const char *p)
{
	size_t digits = p ? strspn(p, "0123456789") : 0;
	const char *name = p + digits + 1;

	return digits && digits < 20 && p[digits] == '-' && *name >= 'a' && *name <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name) && strlen(name) <= NAME;
}

/* Beneath dir, through no link. */
static int open_beneath(int dir, const char *name, uint64_t flags, uint64_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* A directory that is made unless it is there; -1: errno. */
static int open_made(int dir, const char *name, mode_t mode)
{
	int fd = mkdirat(dir, name, 0700) && errno != EEXIST
			 ? -1
			 : open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	/* What makes directories has a mask. */
	if (fd >= 0 && !fstat(fd, &st) && (st.st_mode & 07777) != mode && fchmod(fd, mode)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One that agents may write to, too, by its group; that may be missing where none is to run. */
static int open_shared(int dir, const char *name)
{
	const struct group *g = getgrnam("ashlar_agents");
	int fd = open_made(dir, name, 0770);
	struct stat st;

	if (fd >= 0 && g && !fstat(fd, &st) && st.st_gid != g->gr_gid && fchown(fd, (uid_t)-1, g->gr_gid))
		log_msg(LOG_WARNING, NULL, "%s: no agent may write there: %s", name, strerror(errno));
	return fd;
}

/* Whole or not at all: written beside the name, and renamed over it. */
static bool write_file(int dir, const char *name, mode_t mode, const char *text)
{
	size_t n = strlen(text);
	int fd;

	unlinkat(dir, ".new", 0);
	fd = open_beneath(dir, ".new", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return false;
	if (write(fd, text, n) != (ssize_t)n || fchmod(fd, mode) || fsync(fd)) {
		close(fd);
		unlinkat(dir, ".new", 0);
		return false;
	}
	close(fd);
	return !renameat(dir, ".new", dir, name);
}

/* The same, unless it is there: it is somebody's then. */
static bool write_missing(int dir, const char *name, mode_t mode, const char *text)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || write_file(dir, name, mode, text);
}

static const char *text_of(const struct agent *g, const char *member, const char *otherwise)
{
	const char *text = json_text(json_at(g->asked, member, NULL), TEXT);

	return text ? text : otherwise;
}

/* A step has been done, or has not. */
static void say(struct agent *g, const char *name, bool is_done, const char *why)
{
	jx_next(g->out);
	buf_char(g->out, '{');
	jx_key_str(g->out, "name", name);
	jx_key_str(g->out, "status", is_done ? why ? "skipped" : "ok" : "failed");
	jx_key_text(g->out, "message", why);
	buf_char(g->out, '}');
	if (!is_done)
		g->why = arena_fmt(g->a, "%s: %s", name, why);
	g->is_out |= !is_done;
}

static void say_errno(struct agent *g, const char *name, bool is_done)
{
	say(g, name, is_done, is_done ? NULL : strerror(errno));
}

static void make_workspace(struct agent *g)
{
	int agents = open_made(g->root, "agents", 0700), inner;
	bool is_made;

	g->workspace = agents < 0 ? -1 : open_shared(agents, g->instance);
	is_made = g->workspace >= 0;
	for (int i = 0; is_made && i < 2; i++) {
		inner = open_shared(g->workspace, i ? "logs" : "memory");
		is_made = inner >= 0;
		if (is_made)
			close(inner);
	}
	say_errno(g, "workspace", is_made);
	if (agents >= 0)
		close(agents);
}

static void make_soul(struct agent *g)
{
	const char *emoji = text_of(g, "emoji", ""), *name = text_of(g, "name", g->instance);
	const char *display = text_of(g, "display_name", name);

	say_errno(g, "soul_md",
		  write_missing(g->workspace, "SOUL.md", 0660,
				arena_fmt(g->a, soul, display, name, *emoji ? " " : "", emoji,
					  text_of(g, "model", ""))));
}

/* A line of systemd's environment file: what is in quotes has \ before what means something. */
static void env_line(struct buf *b, const char *name, const char *value)
{
	buf_text(b, name);
	buf_text(b, "=\"");
	for (const char *p = value; *p; p++) {
		if (strchr("\"\\$`", *p))
			buf_char(b, '\\');
		buf_char(b, (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
	}
	buf_text(b, "\"\n");
}

static void make_environment(struct agent *g)
{
	struct json_object *interval = json_at(g->asked, "interval_s", NULL);
	int dir = open_made(g->root, "env", 0700);
	struct buf b;

	buf_init(&b, g->a, 1024);
	env_line(&b, "AGENT_INSTANCE", g->instance);
	env_line(&b, "AGENT_NAME", text_of(g, "name", ""));
	env_line(&b, "AGENT_MODEL", text_of(g, "model", ""));
	env_line(&b, "AGENT_INTERVAL_SEC", arena_fmt(g->a, "%d", json_object_get_int(interval)));
	env_line(&b, "ASHLAR_URL", text_of(g, "url", ""));
	say_errno(g, "unit_files", dir >= 0 && write_file(dir, g->instance, 0600, buf_str(&b)));
	if (dir >= 0)
		close(dir);
}

static bool is_managed(void)
{
	return strcmp(cfg.service_manager, "none") != 0;
}

static void load(struct agent *g)
{
	int dir = open_made(g->root, "stop", 0700);
	bool is_free = dir >= 0 && (!unlinkat(dir, g->instance, 0) || errno == ENOENT);
	const char *why = is_free ? units_call(g->a, "StartUnit", g->unit) : strerror(errno);

	if (!why && !is_managed())
		say(g, "load_agent", true, "no service manager");
	else
		say(g, "load_agent", !why, why);
	if (dir >= 0)
		close(dir);
}

/* What its programs may read of it; the database is the truth. */
static bool write_state(const struct agent *g, const char *status)
{
	return write_file(
		g->workspace, "state.json", 0660,
		arena_fmt(g->a, "{\"name\":\"%s\",\"status\":\"%s\"}\n", text_of(g, "name", ""), status));
}

static const char *start(struct agent *g)
{
	make_workspace(g);
	if (!g->is_out)
		make_soul(g);
	if (!g->is_out)
		say_errno(g, "run_script", write_missing(g->workspace, "run.sh", 0770, run_script));
	if (!g->is_out)
		make_environment(g);
	if (!g->is_out && !write_state(g, "active"))
		return "state.json cannot be written";
	if (!g->is_out)
		load(g);
	return NULL;
}

static const char *stop(struct agent *g)
{
	int dir = open_made(g->root, "stop", 0700),
	    agents = open_beneath(g->root, "agents", O_RDONLY | O_DIRECTORY, 0);
	bool is_set = dir >= 0 && write_file(dir, g->instance, 0600, "");

	g->workspace = agents < 0 ? -1 : open_beneath(agents, g->instance, O_RDONLY | O_DIRECTORY, 0);
	if (g->workspace >= 0 && !write_state(g, "stopped"))
		log_msg(LOG_WARNING, NULL, "%s: state.json: %s", g->instance, strerror(errno));
	if (dir >= 0)
		close(dir);
	if (agents >= 0)
		close(agents);
	return is_set ? units_call(g->a, "StopUnit", g->unit)
		      : "that it is to stand still cannot be put down";
}

static const char *act(struct agent *g)
{
	const char *problem = NULL;

	if (!strcmp(g->action, "run"))
		return units_call(g->a, "StartUnit", g->unit);
	if (!strcmp(g->action, "stop"))
		return stop(g);
	if (!strcmp(g->action, "restart")) {
		problem = units_call(g->a, "StopUnit", g->unit);
		if (!problem && is_managed())
			usleep(REST_US);
	}
	if (!problem)
		problem = start(g);
	/* Who makes one wants to see the steps; who starts one wants it to run. */
	return problem || !strcmp(g->action, "make") ? problem : g->why;
}

/* The agent's own lock, in which the last wish's number is; -1: it was not free in time. */
static int lock_agent(const struct agent *g)
{
	int dir = open_made(g->root, "wishes", 0700);
	int fd = dir < 0 ? -1 : open_beneath(dir, g->instance, O_RDWR | O_CREAT, 0600), tries = 0;

	if (dir >= 0)
		close(dir);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		if (++tries == LOCK_TRIES) {
			close(fd);
			return -1;
		}
		usleep(LOCK_TRY_US);
	}
	return fd;
}

/* Is there none later?  Then it is the last one, whatever comes of it. */
static bool take_wish(int fd, int64_t wish)
{
	char was[32] = "", now[32];
	ssize_t n = pread(fd, was, sizeof(was) - 1, 0);

	if (n < 0 || strtoll(was, NULL, 10) > wish)
		return false;
	n = snprintf(now, sizeof(now), "%020lld\n", (long long)wish);
	return pwrite(fd, now, (size_t)n, 0) == n;
}

static bool is_action(const char *p)
{
	return p && (!strcmp(p, "run") || !strcmp(p, "make") || !strcmp(p, "start") || !strcmp(p, "stop") ||
		     !strcmp(p, "restart"));
}

const char *agents_apply(struct arena *a, struct json_object *asked, struct buf *out)
{
	int64_t wish = json_object_get_int64(json_at(asked, "wish", NULL));
	struct agent g = { .a = a, .out = out, .asked = asked, .workspace = -1 };
	const char *problem;
	char host[256] = "";
	int lock;

	g.action = json_text(json_at(asked, "do", NULL), 16);
	g.instance = json_text(json_at(asked, "instance", NULL), INSTANCE);
	if (!is_action(g.action) || !is_instance(g.instance) || wish <= 0)
		return "what is to be done with which agent is malformed";
	g.unit = arena_fmt(a, "%s@%s.service", cfg.agent_unit, g.instance);
	g.root = open(cfg.agents_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (g.root < 0)
		return "the directory of agents cannot be opened";
	lock = lock_agent(&g);
	if (lock < 0) {
		close(g.root);
		return "something else is being done with the agent";
	}
	gethostname(host, sizeof(host) - 1);
	buf_char(out, '{');
	jx_key_str(out, "host", host);
	jx_key_open(out, "steps", '[');
	problem = take_wish(lock, wish) ? act(&g) : "something else was wanted later";
	buf_text(out, "]}");
	if (g.workspace >= 0)
		close(g.workspace);
	close(lock);
	close(g.root);
	return problem;
}
