#include "lib/db/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "build/sql/runtime/runtime.h"
#include "lib/base/clock.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/shm.h"

enum { PAUSE_NS = 2000000, RETRY_S = 1 };

/* The bits that are set, and the futex that the notifier waits on. */
SHM_REGION(wake_marks, _Atomic uint32_t, 1)

static const struct {
	unsigned bit;
	const char *message, *channel;
} wakes[] = {
	{ WAKE_JOBS, "jobs", "ashlar_jobs" },
	{ WAKE_DELIVERIES, "deliveries", "ashlar_deliveries" },
	{ WAKE_REALTIME, "realtime", "ashlar_realtime" },
};

enum { WAKES = sizeof(wakes) / sizeof(*wakes) };

unsigned wake_bit(const char *message)
{
	for (int i = 0; message && i < WAKES; i++)
		if (!strcmp(message, wakes[i].message))
			return wakes[i].bit;
	return 0;
}

/* The word is in a mapped file, so the futex is not private to this process. */
static void futex(int op, unsigned value)
{
	syscall(SYS_futex, wake_marks(), op, value, NULL, NULL, 0);
}

void wake_mark(unsigned bits)
{
	if (!bits || !wake_marks())
		return;
	/* Who finds them set leaves the waking to who set them. */
	if ((atomic_fetch_or(wake_marks(), bits) & bits) != bits)
		futex(FUTEX_WAKE, 1);
}

static PGconn *conn;

static bool connected(void)
{
	if (conn && PQstatus(conn) == CONNECTION_OK)
		return true;
	PQfinish(conn);
	conn = db_connect("ashlar notifier", NULL, NULL);
	return conn;
}

static bool notify(unsigned bits)
{
	char channels[128] = "{";
	const char *params[] = { channels };
	size_t n = 1;
	PGresult *res;
	bool ok;

	for (int i = 0; i < WAKES; i++)
		if (bits & wakes[i].bit)
			n += (size_t)snprintf(channels + n, sizeof(channels) - n, "%s%s", n > 1 ? "," : "",
					      wakes[i].channel);
	snprintf(channels + n, sizeof(channels) - n, "}");
	res = PQexecParams(conn, q_wake_notify.text, 1, NULL, params, NULL, NULL, 0);
	ok = PQresultStatus(res) == PGRES_TUPLES_OK;
	PQclear(res);
	return ok;
}

static void on_stop(int signo)
{
	(void)signo;
	_exit(0);
}

/* Be the only one of this host.  The lock goes with the process, however it ends. */
static void elect(void)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s.notifier", cfg.shm_file);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		/* Two of them are only twice as many notifications. */
		log_msg(LOG_WARNING, NULL, "notifier: %s: %s", path, strerror(errno));
		return;
	}
	while (flock(fd, LOCK_EX) && errno == EINTR)
		;
}

_Noreturn void wake_run(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS }, retry = { .tv_sec = RETRY_S };
	const struct sched_param none = { 0 };
	struct sigaction sa = { .sa_handler = on_stop };
	sigset_t no_signals;

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&no_signals);
	sigprocmask(SIG_SETMASK, &no_signals, NULL);
	prctl(PR_SET_NAME, "ashlar-notifier");     /* what ps shows */
	sched_setscheduler(0, SCHED_OTHER, &none); /* the pool's patience is not for who wakes others */
	elect();
	for (;;) {
		unsigned bits = atomic_exchange(wake_marks(), 0);

		if (!bits) {
			futex(FUTEX_WAIT, 0);
			continue;
		}
		/* A connection that was idle may have ended unseen: once more on a new one. */
		while (!connected() || (!notify(bits) && (!connected() || !notify(bits))))
			nanosleep(&retry, NULL);
		nanosleep(&pause, NULL);
	}
}
