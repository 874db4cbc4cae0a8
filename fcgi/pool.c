#include "fcgi/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/child.h"
#include "fcgi/housekeeper.h"
#include "fcgi/metrics.h"
#include "fcgi/share.h"
#include "lib/base/clock.h"
#include "lib/crypto/tok.h"
#include "lib/db/notifier.h"
#include "lib/host/config.h"
#include "lib/host/host.h"
#include "lib/host/log.h"
#include "lib/host/scoreboard.h"
#include "lib/host/shm.h"

enum { SETTLE_S = 5, TICK_MS = 250, BACKOFF_FIRST_MS = 100, BACKOFF_LAST_MS = 5000, YOUNG_MS = 1000 };

/* A place for a child; a reload leaves the old one in a separate place until it has ended. */
struct place {
	pid_t pid;                     /* 0: empty */
	bool wanted;                   /* respawn when it ends */
	void (*run)(void);             /* what it does; NULL: answer requests */
	struct scoreboard_child *slot; /* of those that answer */
	int64_t started_ns;
	int64_t respawn_at_ns;
	int backoff_ms;
};

enum { PLACES = 2 * SCOREBOARD_CHILDREN + 2 };
static struct place places[PLACES];

/* With the children. */
static struct {
	/*
	 * When what waits for others has to end, so that there is time to tell who asked, and to put down
	 * what was used; 0: it may go on.  While a child answers no signal reaches it.
	 */
	_Atomic int64_t ends_at_ns;
	struct log_kept kept[PLACES]; /* of the child that is there */
} * shared;

static const struct pool_options *opt;
static int listen_fd = -1;
static struct stat socket_stat; /* of the socket we made, to know it again */
static sigset_t signals;

/* The listening socket */

static int open_socket(void)
{
	if (!host_inherited()) {
		if (!opt->socket) {
			fputs("ashlar api: --socket PATH is needed, unless standard input is a listening "
			      "socket\n",
			      stderr);
			return -1;
		}
		listen_fd = host_listen(opt->socket, &socket_stat);
		if (listen_fd < 0)
			fprintf(stderr, "ashlar api: %s: %s\n", opt->socket, strerror(errno));
	} else {
		listen_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	}
	/* A client that would wait longer than clients wait is refused by nginx at once: its connect() fails.
	 */
	if (listen_fd >= 0 && opt->number == POOL_HASH)
		listen(listen_fd, (int)cfg.hash_queue * opt->processes);
	/* Several children may wake for one connection; the slower ones must not wait for the next. */
	return listen_fd < 0 ? -1 : fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
}

/* Children */

static void run_child(struct place *p, pid_t master)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != master) /* it died before the line above */
		exit(0);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group; the master decides */
	/* What scrypt works in is kept: to take and clear 16 MiB anew for each password holds up the whole
	 * core. */
	if (opt->number == POOL_HASH) {
		mallopt(M_MMAP_THRESHOLD, 32 << 20);
		mallopt(M_TRIM_THRESHOLD, 64 << 20);
	}
	/* What a picture or many spans came in is given back behind it: by itself malloc would keep tens of
	 * megabytes, and of the slow pool there are hundreds of children. */
	if (opt->number != POOL_HASH)
		mallopt(M_MMAP_THRESHOLD, 1 << 20);
	if (p->run)
		p->run();
	if (opt->number == POOL_SLOW)
		share_use(opt->processes);
	log_keep(&shared->kept[p - places]);
	child_run(listen_fd, p->slot, &shared->ends_at_ns);
}

static void spawn(struct place *p)
{
	pid_t master = getpid();

	if (!p->run && !p->slot)
		p->slot = scoreboard_take(opt->number);
	if (!p->run && !p->slot) {
		log_msg(LOG_ERROR, NULL, "the scoreboard is full");
		p->respawn_at_ns = clock_ns() + BACKOFF_LAST_MS * 1000000LL;
		return;
	}
	p->started_ns = clock_ns();
	p->pid = fork();
	if (p->pid == 0)
		run_child(p, master);
	if (p->pid < 0) {
		log_msg(LOG_ERROR, NULL, "fork: %s", strerror(errno));
		p->pid = 0;
		p->respawn_at_ns = clock_ns() + BACKOFF_LAST_MS * 1000000LL;
	} else if (p->slot) {
		atomic_store(&p->slot->pid, (int32_t)p->pid);
	}
}

static struct place *empty_place(void)
{
	for (size_t i = 0; i < PLACES; i++)
		if (!places[i].pid && !places[i].wanted)
			return &places[i];
	return NULL;
}

static void add_child(void (*run)(void))
{
	struct place *p = empty_place();

	if (!p)
		return;
	*p = (struct place){ .wanted = true, .run = run };
	spawn(p);
}

/*
 * A child that is woken does not push aside the process that is running, and so finds
 * more of its work done when its turn comes.  On two cores with nginx and
 * PostgreSQL: 13,000 pages a second instead of 10,500 under full load, and the
 * same time for each while there is none.  Where systemd forbids the call, its
 * unit says the same.
 */
static void be_patient(void)
{
	const struct sched_param none = { 0 };

	/* More patient still, as the unit of the pool "hash" is: so it stays. */
	if (sched_getscheduler(0) != SCHED_IDLE)
		sched_setscheduler(0, SCHED_BATCH, &none);
}

static void add_children(void)
{
	for (int i = 0; i < opt->processes; i++)
		add_child(NULL);
	/* The slow pool is the one with a network; the main pool's notifier serves the whole host. */
	if (opt->number == POOL_SLOW)
		add_child(housekeeper_run);
	if (opt->number == POOL_MAIN)
		add_child(notifier_run);
}

static void signal_children(int signo, bool only_unwanted)
{
	for (size_t i = 0; i < PLACES; i++)
		if (places[i].pid && !(only_unwanted && places[i].wanted))
			kill(places[i].pid, signo);
}

static void dismiss_children(void)
{
	for (size_t i = 0; i < PLACES; i++)
		places[i].wanted = false;
}

static bool any_children(void)
{
	for (size_t i = 0; i < PLACES; i++)
		if (places[i].pid)
			return true;
	return false;
}

static void ended(struct place *p, int status)
{
	int64_t now = clock_ns();
	bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (!clean)
		log_msg(LOG_ERROR, NULL, "child %d ended: %s %d", (int)p->pid,
			WIFSIGNALED(status) ? "signal" : "exit status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	log_flush_of(&shared->kept[p - places]);
	p->pid = 0;
	scoreboard_free(p->slot);
	p->slot = NULL;
	if (!p->wanted)
		return;
	if (!clean)
		atomic_fetch_add(&scoreboard()->respawns, 1);
	/* One that lived is replaced at once; one that cannot start is tried less and less often. */
	if (clean || now - p->started_ns > YOUNG_MS * 1000000LL)
		p->backoff_ms = 0;
	else
		p->backoff_ms = p->backoff_ms ? p->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (p->backoff_ms > BACKOFF_LAST_MS)
		p->backoff_ms = BACKOFF_LAST_MS;
	p->respawn_at_ns = now + p->backoff_ms * 1000000LL;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < PLACES; i++)
			if (places[i].pid == pid)
				ended(&places[i], status);
}

static void respawn(void)
{
	int64_t now = clock_ns();

	for (size_t i = 0; i < PLACES; i++)
		if (places[i].wanted && !places[i].pid && now >= places[i].respawn_at_ns)
			spawn(&places[i]);
}

/* A child that is busy with one request for too long is stuck, whatever the reason. */
static void kill_stuck(void)
{
	int64_t limit_ns = cfg.request_timeout_s * 1000000000LL, now = clock_ns();

	for (size_t i = 0; i < PLACES; i++) {
		struct place *p = &places[i];
		int64_t since = p->pid && p->slot ? atomic_load(&p->slot->busy_since_ns) : 0;

		if (!since || now - since < limit_ns)
			continue;
		log_msg(LOG_ERROR, NULL, "child %d is stuck with one request for %lld s: killed", (int)p->pid,
			(long long)((now - since) / 1000000000));
		atomic_fetch_add(&scoreboard()->killed, 1);
		atomic_store(&p->slot->busy_since_ns, 0);
		kill(p->pid, SIGKILL);
	}
}

/*
 * A key file that has gone or is broken ends the process that reads it: try in
 * another one whether this is the moment.
 */
static bool keys_are_good(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		tok_init();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void reload(void)
{
	host_notify_reloading();
	log_msg(LOG_INFO, NULL, "reloading");
	if (keys_are_good())
		tok_init();
	else
		log_msg(LOG_ERROR, NULL, "the keys cannot be read again: going on with the old ones");
	dismiss_children();
	add_children();
	signal_children(SIGTERM, true);
	atomic_fetch_add(&scoreboard()->reloads, 1);
	host_notify("READY=1");
}

/* Let the children finish; those that do not are killed at the deadline. */
static int stop(void)
{
	int64_t deadline = clock_ns() + cfg.drain_timeout_s * 1000000000LL;
	int64_t settle_ns = cfg.drain_timeout_s < 2 * SETTLE_S ? cfg.drain_timeout_s * 500000000LL
							       : SETTLE_S * 1000000000LL;
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
	bool own_socket = socket_stat.st_ino;

	host_notify("STOPPING=1");
	log_msg(LOG_INFO, NULL, "stopping");
	dismiss_children();
	atomic_store(&shared->ends_at_ns, deadline - settle_ns);
	/* No new client can connect; those that have are still served. */
	if (own_socket)
		host_unlisten(opt->socket, &socket_stat);
	/* What waits at an inherited socket is for the process that is started on it next. */
	signal_children(own_socket ? SIGQUIT : SIGTERM, false);
	while (any_children()) {
		sigtimedwait(&signals, NULL, &tick);
		reap();
		kill_stuck();
		if (clock_ns() > deadline)
			signal_children(SIGKILL, false);
	}
	log_msg(LOG_INFO, NULL, "stopped");
	return 0;
}

int pool_run(const struct pool_options *options)
{
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };

	opt = options;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		log_msg(LOG_ERROR, NULL, "mmap: %s", strerror(errno));
		return 1;
	}
	scoreboard_pool = opt->number;
	if (shm_map(cfg.shm_file, metrics_version())) {
		fprintf(stderr, "ashlar api: SHM_FILE %s: %s\n", cfg.shm_file, strerror(errno));
		return 1;
	}
	if (open_socket())
		return 1;
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGQUIT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	atomic_store(&scoreboard()->started_ns, clock_ns());
	tok_init();
	be_patient();
	add_children();
	log_msg(LOG_INFO, NULL, "pool %s: %d children", opt->name, opt->processes);
	host_notify("READY=1");
	for (;;) {
		switch (sigtimedwait(&signals, NULL, &tick)) {
		case SIGTERM:
		case SIGINT:
		case SIGQUIT: return stop();
		case SIGHUP: reload(); break;
		default: break;
		}
		reap();
		respawn();
		kill_stuck();
		host_notify("WATCHDOG=1");
	}
}
