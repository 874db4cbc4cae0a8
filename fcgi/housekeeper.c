#include "fcgi/housekeeper.h"

#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "build/sql/runtime/runtime.h"
#include "lib/base/clock.h"
#include "lib/crypto/jwks.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum { TICK_MS = 250, PURGE_S = 600, PURGE_BATCH = 1000, RECONNECT_S = 2 };

static PGconn *conn;
static int64_t connect_at_ns, purge_at_ns;

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

/* Small batches, so that no lock is held for long; more at the next tick while there is more. */
static void purge(void)
{
	char batch[16];
	const char *params[] = { batch };
	PGresult *res;

	if (clock_ns() < purge_at_ns)
		return;
	snprintf(batch, sizeof(batch), "%d", PURGE_BATCH);
	res = PQexecParams(conn, q_purge.text, 1, NULL, params, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		log_msg(LOG_ERROR, NULL, "purge: %s", PQresultErrorMessage(res));
	if (PQntuples(res) == 0 || atoi(PQgetvalue(res, 0, 0)) < PURGE_BATCH)
		purge_at_ns = clock_ns() + PURGE_S * 1000000000LL;
	PQclear(res);
}

static void on_stop(int signo)
{
	(void)signo;
	_exit(0); /* nothing it does is left half done: PostgreSQL rolls back */
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
	for (;;) {
		if (connected()) {
			jwks_refresh_due(conn);
			purge();
		}
		nanosleep(&tick, NULL);
	}
}
