#include "lib/db/db.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/base/clock.h"
#include "lib/db/statement.h"
#include "lib/db/wake.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/scoreboard.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_LAST_MS = 2000 };

int db_client_check_ms;

static PGconn *conn;
static int64_t retry_at_ns; /* no attempt to connect before */
static int backoff_ms;
static unsigned connection_number;
static unsigned to_wake;    /* by the open transaction, when it commits; see wake.h */
static char noted[DB_NOTE]; /* see db_noted */

/* Connecting */

static void note(const char *text)
{
	if (text && strlen(text) < sizeof(noted))
		memcpy(noted, text, strlen(text) + 1);
}

bool db_noted(char out[DB_NOTE])
{
	memcpy(out, noted, sizeof(noted));
	noted[0] = '\0';
	return *out;
}

/* Notices are dropped, but for our own: what this transaction adds that a worker or realtime waits for,
 * and what is to be noted behind the answer. */
static void on_notice(void *arg, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	(void)arg;
	if (state && !strcmp(state, "AS900"))
		to_wake |= wake_bit(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
	else if (state && !strcmp(state, "AS901"))
		note(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
}

void db_wake(bool committed)
{
	if (committed)
		wake_mark(to_wake);
	to_wake = 0;
}

static void no_notice(void *arg, const PGresult *res)
{
	(void)arg, (void)res;
}

void db_silence(PGconn *c)
{
	PQsetNoticeReceiver(c, no_notice, NULL);
}

void db_close(void)
{
	PQfinish(conn);
	conn = NULL;
	to_wake = 0;
	statement_forget_all();
}

/* Whether c is connected before the deadline.  PQconnectdb would do, but says what PostgreSQL notices
 * meanwhile on stderr. */
static bool is_connected_by(PGconn *c, int64_t deadline_ns)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
		int64_t left_ns = deadline_ns - clock_ns();
		struct pollfd p = { PQsocket(c), status == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0 };

		if (left_ns <= 0)
			return false;
		if (poll(&p, 1, (int)(left_ns / 1000000) + 1) != 0)
			status = PQconnectPoll(c);
	}
	return status == PGRES_POLLING_OK;
}

PGconn *db_connect(const char *name, const char *options, PQnoticeReceiver receiver)
{
	/* The later ones win over the URL only in what they name: the URL is expanded first. */
	const char *const keywords[] = { "dbname", "fallback_application_name", options ? "options" : NULL,
					 NULL };
	const char *const values[] = { cfg.database_url, name, options, NULL };
	PGconn *c = PQconnectStartParams(keywords, values, 1);

	if (c && PQstatus(c) != CONNECTION_BAD) {
		PQsetNoticeReceiver(c, receiver ? receiver : no_notice, NULL);
		if (is_connected_by(c, clock_ns() + cfg.database_connect_timeout_s * 1000000000LL))
			return c;
	}
	log_msg(LOG_WARNING, NULL, "%s: PostgreSQL: %s", name,
		!c                   ? "out of memory"
		: *PQerrorMessage(c) ? PQerrorMessage(c)
				     : "no connection in time");
	PQfinish(c);
	return NULL;
}

/* The next attempt waits longer than this one did. */
static void connect_failed(void)
{
	db_close();
	backoff_ms = backoff_ms ? backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (backoff_ms > BACKOFF_LAST_MS)
		backoff_ms = BACKOFF_LAST_MS;
	retry_at_ns = clock_ns() + (int64_t)backoff_ms * 1000000;
}

void db_open(void)
{
	char options[320];

	if (conn || clock_ns() < retry_at_ns)
		return;
	/*
	 * Generic plans: every query is written so that one plan suits all
	 * parameters, and planning a page with LIMIT anew costs more than running it.
	 */
	snprintf(options, sizeof(options),
		 "-c statement_timeout=%ld -c idle_in_transaction_session_timeout=%ld "
		 "-c plan_cache_mode=force_generic_plan -c jit=off -c client_min_messages=notice "
		 "-c client_connection_check_interval=%d",
		 cfg.database_timeout_ms, cfg.database_timeout_ms + DB_GRACE_MS, db_client_check_ms);
	conn = db_connect("ashlar", cfg.db_prepared ? options : NULL, on_notice);
	if (!conn || PQsetnonblocking(conn, 1) || !PQenterPipelineMode(conn)) {
		connect_failed();
		return;
	}
	backoff_ms = 0;
	retry_at_ns = 0;
	connection_number++;
	if (scoreboard())
		atomic_fetch_add(&scoreboard()->db_connects, 1);
}

PGconn *db_conn(void)
{
	return conn;
}

int db_socket(unsigned *number)
{
	*number = connection_number;
	return conn ? PQsocket(conn) : -1;
}

void db_watch(int epoll_fd)
{
	static unsigned watched;
	unsigned number;
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP, .data.fd = db_socket(&number) };

	if (e.data.fd < 0 || number == watched)
		return;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, e.data.fd, &e))
		log_msg(LOG_ERROR, NULL, "epoll_ctl: %s", strerror(errno));
	watched = number;
}

void db_idle_input(void)
{
	/* A notice or a changed parameter is read and forgotten; the end of the connection is an error. */
	if (conn && PQconsumeInput(conn) && PQstatus(conn) == CONNECTION_OK && !PQisBusy(conn))
		return;
	log_msg(LOG_WARNING, NULL, "PostgreSQL closed an idle connection");
	db_close();
}

/* Waiting */

static int peer_fd = -1;
static bool peer_has_gone;

void db_look_after(int fd)
{
	peer_fd = fd;
	peer_has_gone = false;
}

bool db_peer_has_gone(void)
{
	return peer_has_gone;
}

void db_cancel(void)
{
	PGcancel *c = PQgetCancel(conn);
	char why[256];

	if (c && !PQcancel(c, why, sizeof(why)))
		log_msg(LOG_WARNING, NULL, "PostgreSQL: %s", why);
	PQfreeCancel(c);
	peer_fd = -1;
}

/* Wait for the socket; false after the deadline. */
static bool wait_socket(short events, int64_t deadline_ns)
{
	struct pollfd p[2] = { { .fd = PQsocket(conn), .events = events },
			       { .fd = peer_fd, .events = POLLRDHUP } };
	int64_t left_ms = (deadline_ns - clock_ns() + 999999) / 1000000;

	if (left_ms <= 0 || poll(p, peer_fd < 0 ? 1 : 2, (int)left_ms) <= 0)
		return false;
	if (peer_fd >= 0 && p[1].revents & (POLLRDHUP | POLLHUP)) {
		peer_has_gone = true;
		db_cancel();
	}
	return true;
}

bool db_flush(int64_t deadline_ns)
{
	int rc;

	while ((rc = PQflush(conn)) > 0) {
		if (!wait_socket(POLLIN | POLLOUT, deadline_ns))
			return false;
		/* The server may wait for us to read before it reads on. */
		if (!PQconsumeInput(conn))
			return false;
	}
	return rc == 0;
}

PGresult *db_next_result(int64_t deadline_ns, bool *ok)
{
	while (PQisBusy(conn)) {
		if (!wait_socket(POLLIN, deadline_ns) || !PQconsumeInput(conn)) {
			*ok = false;
			return NULL;
		}
	}
	return PQgetResult(conn);
}

PGresult *db_outside(const struct query *q, const char *const *params)
{
	int64_t deadline = clock_ns() + (cfg.database_timeout_ms + DB_GRACE_MS) * 1000000;
	PGresult *res = NULL, *end;
	bool ok;

	db_open();
	if (!conn)
		return NULL;
	ok = PQsendQueryParams(conn, q->text, q->nparams, NULL, params, NULL, NULL, 1) &&
	     PQpipelineSync(conn) && db_flush(deadline);
	if (ok)
		res = db_next_result(deadline, &ok);
	/* The statement's end, then the sync. */
	for (int i = 0; ok && i < 2; i++) {
		end = db_next_result(deadline, &ok);
		PQclear(end);
	}
	db_wake(ok);
	if (ok && (PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK))
		return res;
	log_msg(LOG_WARNING, NULL, "%s: %s", q->name, ok ? PQresultErrorMessage(res) : PQerrorMessage(conn));
	PQclear(res);
	if (!ok)
		db_close();
	return NULL;
}
