#include "fcgi/housekeeper.h"

#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "build/sql/runtime/runtime.h"
#include "build/sql/usage/usage_counts.h"
#include "fcgi/error_note.h"
#include "fcgi/key_log.h"
#include "fcgi/request_tail.h"
#include "fcgi/traffic.h"
#include "fcgi/usage_count.h"
#include "lib/base/clock.h"
#include "lib/crypto/jwks.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum {
	TICK_MS = 250,
	PURGE_S = 600,
	PURGE_BATCH = 1000,
	KEY_LOG_S = 1,
	ROLL_S = 5,
	ROLL_BATCH = 50000,
	STOP_S = 2,
	RECONNECT_S = 2,
};

static PGconn *conn;
static int64_t connect_at_ns, purge_at_ns, flush_at_ns, roll_at_ns, keys_at_ns;
static volatile sig_atomic_t stopping;

static bool connected(void)
{
	if (conn && PQstatus(conn) == CONNECTION_OK)
		return true;
	PQfinish(conn);
	conn = NULL;
	if (clock_ns() < connect_at_ns)
		return false;
	connect_at_ns = clock_ns() + RECONNECT_S * 1000000000LL;
	conn = db_connect("ashlar housekeeper", NULL, NULL);
	return conn;
}

/* One number, of a statement of ours; -1: it failed, which is logged. */
static long ask(const char *what, const struct query *q, int param)
{
	char text[16];
	const char *params[] = { text };
	PGresult *res;
	long n = -1;

	snprintf(text, sizeof(text), "%d", param);
	res = PQexecParams(conn, q->text, q->nparams, NULL, params, NULL, NULL, 0);
	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1)
		n = atol(PQgetvalue(res, 0, 0));
	else
		log_msg(LOG_ERROR, NULL, "%s: %s", what, PQresultErrorMessage(res));
	PQclear(res);
	return n;
}

static bool is_due(int64_t *at_ns, int every_s)
{
	if (clock_ns() < *at_ns)
		return false;
	*at_ns = clock_ns() + every_s * 1000000000LL;
	return true;
}

/* Small batches, so that no lock is held for long; more at the next tick while there is more. */
static void purge(void)
{
	if (!is_due(&purge_at_ns, PURGE_S))
		return;
	if (ask("purge", &q_purge, PURGE_BATCH) >= PURGE_BATCH)
		purge_at_ns = 0;
	ask("usage", &q_usage_rotate, 0);
}

/* The same of what was used: into the sums of its days. */
static void roll_up(void)
{
	if (is_due(&roll_at_ns, ROLL_S) && ask("usage", &q_usage_roll, ROLL_BATCH) >= ROLL_BATCH)
		roll_at_ns = 0;
}

/* What it does is not left half done, however it is ended: PostgreSQL rolls back. */
static void on_stop(int signo)
{
	(void)signo;
	stopping = 1;
	alarm(STOP_S);
}

_Noreturn void housekeeper_run(void)
{
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
	struct sigaction sa = { .sa_handler = on_stop };
	sigset_t none;

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	while (!stopping) {
		if (connected()) {
			jwks_refresh_due(conn);
			purge();
			error_note_flush(conn);
			request_tail_flush(conn);
			if (is_due(&keys_at_ns, KEY_LOG_S) || key_log_is_filling())
				key_log_flush(conn);
			if (is_due(&flush_at_ns, USAGE_COUNT_FLUSH_S)) {
				usage_count_flush(conn);
				traffic_flush(conn);
			}
			roll_up();
		}
		nanosleep(&tick, NULL);
	}
	if (connected()) {
		error_note_flush(conn);
		key_log_flush(conn);
		usage_count_flush(conn);
		traffic_flush(conn);
	}
	_exit(0);
}
