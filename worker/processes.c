#include "worker/processes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/db/notifier.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/scoreboard.h"
#include "worker/child.h"
#include "worker/exporter.h"
#include "worker/kinds.h"
#include "worker/wire.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_LAST_MS = 5000, YOUNG_MS = 1000, PLACES = 2 * WORKER_CHILDREN + 10 };
enum { MASTER, CHILD }; /* the ends of a socket pair */

/* A process, or the place of one that is to come. */
struct member {
	pid_t pid;         /* 0: none */
	bool wanted;       /* respawn when it ends */
	void (*run)(void); /* what it does; NULL: it runs jobs */
	struct worker_slot *slot;
	struct scoreboard_child *line;
	int64_t started_ns, respawn_at_ns;
	int backoff_ms;
};

static struct member members[PLACES];
static struct worker_slot *slots; /* one for each place, shared */
static const struct worker_options *opt;
static int jobs[2], reports[2];
static void (*let_go)(void);
static void (*on_end)(uint64_t portion, const char *why);
static const char *reason; /* of the kill that is just being done */
static bool all_are_killed;

static void run(struct member *m, pid_t master)
{
	sigset_t none;

	/*
	 * A child whose master has gone may not go on: no process renews its lease any
	 * more.  What it has done and not committed is rolled back.
	 */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master)
		_exit(0);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	close(jobs[MASTER]);
	close(reports[MASTER]);
	let_go();
	if (!m->run)
		worker_child(jobs[CHILD], reports[CHILD], m->slot, m->line);
	close(jobs[CHILD]);
	close(reports[CHILD]);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "ashlar-lane"); /* what ps shows, unless it has a name of its own */
	m->run();
	_exit(0);
}

static void spawn(struct member *m)
{
	pid_t master = getpid();

	if (!m->run && !m->line)
		m->line = scoreboard_take(scoreboard_pool);
	m->started_ns = clock_ns();
	m->respawn_at_ns = m->started_ns + BACKOFF_LAST_MS * 1000000LL;
	if (!m->run && !m->line) {
		log_msg(LOG_ERROR, NULL, "the scoreboard is full");
		return;
	}
	m->pid = fork();
	if (m->pid == 0)
		run(m, master);
	if (m->pid < 0) {
		log_msg(LOG_ERROR, NULL, "fork: %s", strerror(errno));
		m->pid = 0;
	} else if (m->line) {
		atomic_store(&m->line->pid, (int32_t)m->pid);
	}
}

static void add(void (*what)(void))
{
	for (int i = 0; i < PLACES; i++) {
		struct member *m = &members[i];

		if (m->pid || m->wanted)
			continue;
		*m = (struct member){ .wanted = true, .run = what, .slot = &slots[i] };
		spawn(m);
		return;
	}
}

static void add_all(void)
{
	for (int i = 0; i < opt->concurrency; i++)
		add(NULL);
	add(notifier_run);
	if (cfg.otel_enabled)
		add(exporter_run);
	for (const struct worker_lane *l = worker_lanes; l->queue; l++)
		for (int i = 0; i < opt->nqueues; i++)
			if (!strcmp(l->queue, opt->queues[i].name))
				add(l->run);
}

/*
 * Messages stay whole, and one is read by one child: SOCK_SEQPACKET.  All
 * children have the same end of the pair.
 */
bool processes_start(const struct worker_options *options, void (*in_child)(void),
		     void (*ended)(uint64_t portion, const char *why))
{
	const int bytes = 4 << 20; /* the kernel gives as much of it as it allows */

	opt = options;
	let_go = in_child;
	on_end = ended;
	slots = mmap(NULL, PLACES * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (slots == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, jobs) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reports)) {
		log_msg(LOG_ERROR, NULL, "the children's sockets: %s", strerror(errno));
		return false;
	}
	setsockopt(jobs[MASTER], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(reports[CHILD], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	add_all();
	return true;
}

static void ended(struct member *m, int status)
{
	int64_t now = clock_ns();
	bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	uint64_t portion = atomic_load(&m->slot->portion);
	char why[64];

	snprintf(why, sizeof(why), "the process that ran it ended: %s %d",
		 WIFSIGNALED(status) ? "signal" : "exit status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (!clean && !reason && !all_are_killed)
		log_msg(LOG_ERROR, NULL, "child %d ended: %s %d", (int)m->pid,
			WIFSIGNALED(status) ? "signal" : "exit status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	m->pid = 0;
	atomic_store(&m->slot->portion, 0);
	scoreboard_free(m->line);
	m->line = NULL;
	if (!m->run && portion)
		on_end(portion, reason ? reason : why);
	if (!m->wanted)
		return;
	if (!clean)
		atomic_fetch_add(reason ? &scoreboard()->killed : &scoreboard()->respawns, 1);
	if (clean || reason || now - m->started_ns > YOUNG_MS * 1000000LL)
		m->backoff_ms = 0;
	else
		m->backoff_ms = m->backoff_ms ? m->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (m->backoff_ms > BACKOFF_LAST_MS)
		m->backoff_ms = BACKOFF_LAST_MS;
	m->respawn_at_ns = now + m->backoff_ms * 1000000LL;
}

static struct member *find(pid_t pid)
{
	for (int i = 0; i < PLACES; i++)
		if (members[i].pid == pid)
			return &members[i];
	return NULL;
}

void processes_care(void)
{
	int64_t now;
	struct member *m;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((m = find(pid)))
			ended(m, status);
	now = clock_ns();
	for (int i = 0; i < PLACES; i++)
		if (members[i].wanted && !members[i].pid && now >= members[i].respawn_at_ns)
			spawn(&members[i]);
}

bool processes_send(const void *portion, size_t size)
{
	return send(jobs[MASTER], portion, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

uint64_t processes_take_back(void)
{
	struct portion head;

	if (recv(jobs[CHILD], &head, sizeof(head), MSG_DONTWAIT | MSG_TRUNC) < (ssize_t)sizeof(head))
		return 0;
	return head.number;
}

bool processes_has_none_waiting(void)
{
	struct pollfd p = { .fd = jobs[CHILD], .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

int processes_reports(void)
{
	return reports[MASTER];
}

int processes_children(void)
{
	int n = 0;

	for (int i = 0; i < PLACES; i++)
		n += members[i].pid && members[i].wanted && !members[i].run;
	return n;
}

int processes_busy(void)
{
	int n = 0;

	for (int i = 0; i < PLACES; i++)
		n += members[i].pid && !members[i].run &&
		     atomic_load_explicit(&members[i].slot->portion, memory_order_relaxed);
	return n;
}

static struct member *holder(uint64_t number)
{
	for (int i = 0; i < PLACES; i++)
		if (members[i].pid && !members[i].run && atomic_load(&members[i].slot->portion) == number)
			return &members[i];
	return NULL;
}

int64_t processes_has(uint64_t number)
{
	struct member *m = holder(number);

	return m ? atomic_load(&m->slot->since_ns) : 0;
}

/* It may end the job at this very moment and begin another one: hold it, look again, and only then kill it.
 */
void processes_kill(uint64_t number, const char *why)
{
	struct member *m = holder(number);
	int status;

	if (!m || kill(m->pid, SIGSTOP) || waitpid(m->pid, &status, WUNTRACED) != m->pid)
		return;
	if (WIFSTOPPED(status)) {
		if (atomic_load(&m->slot->portion) != number) {
			kill(m->pid, SIGCONT);
			return;
		}
		kill(m->pid, SIGKILL);
		while (waitpid(m->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	reason = why;
	ended(m, status);
	reason = NULL;
}

static void signal_all(int signo, bool only_unwanted)
{
	for (int i = 0; i < PLACES; i++)
		if (members[i].pid && !(only_unwanted && members[i].wanted))
			kill(members[i].pid, signo);
}

static void want_none(void)
{
	for (int i = 0; i < PLACES; i++)
		members[i].wanted = false;
}

void processes_reload(void)
{
	want_none();
	add_all();
	signal_all(SIGTERM, true);
	atomic_fetch_add(&scoreboard()->reloads, 1);
}

void processes_dismiss(bool at_once)
{
	want_none();
	all_are_killed = at_once;
	signal_all(at_once ? SIGKILL : SIGTERM, false);
}

bool processes_is_gone(void)
{
	for (int i = 0; i < PLACES; i++)
		if (members[i].pid)
			return false;
	return true;
}
