#include "lib/db/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "build/sql/runtime/runtime.h"
#include "lib/db/db.h"
#include "lib/db/wake.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum { PAUSE_NS = 2000000, RETRY_S = 1 };

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

	for (unsigned bit = 1; bit <= bits; bit <<= 1)
		if (bits & bit)
			n += (size_t)snprintf(channels + n, sizeof(channels) - n, "%s%s", n > 1 ? "," : "",
					      wake_channel(bit));
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

_Noreturn void notifier_run(void)
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
		unsigned bits = wake_take();

		/* A connection that was idle may have ended unseen: once more on a new one. */
		while (!connected() || (!notify(bits) && (!connected() || !notify(bits))))
			nanosleep(&retry, NULL);
		nanosleep(&pause, NULL);
	}
}
