#include "worker/pgpipe.h"

#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum { RETRY_MS = 250 };

static void down(struct pgpipe *l, const char *why)
{
	if (why)
		log_msg(LOG_WARNING, NULL, "%s: PostgreSQL: %s", l->name, why);
	PQfinish(l->conn);
	l->conn = NULL;
	l->state = PGPIPE_DOWN;
	PQclear(l->answer);
	l->answer = NULL;
	l->retry_at_ns = clock_ns() + RETRY_MS * 1000000LL;
	while (l->ncalls) {
		pgpipe_fn *fn = l->calls[l->first].fn;
		void *arg = l->calls[l->first].arg;

		l->first = (l->first + 1) % PGPIPE_CALLS;
		l->ncalls--;
		fn(arg, NULL);
	}
}

static void start(struct pgpipe *l)
{
	/* The later ones win over the URL only in what they name. */
	const char *const keywords[] = { "dbname", "fallback_application_name",
					 cfg.db_prepared ? "options" : NULL, NULL };
	const char *const values[] = { cfg.database_url, "ashlar worker", l->options, NULL };

	l->conn = PQconnectStartParams(keywords, values, 1);
	if (PQstatus(l->conn) == CONNECTION_BAD) {
		down(l, l->conn ? PQerrorMessage(l->conn) : "out of memory");
		return;
	}
	db_silence(l->conn);
	l->state = PGPIPE_CONNECTING;
	l->events = POLLOUT;
	l->give_up_at_ns = clock_ns() + cfg.database_connect_timeout_s * 1000000000LL;
}

static bool submit(struct pgpipe *l, const char *text, int nparams, const char *const *params, pgpipe_fn *fn,
		   void *arg)
{
	unsigned at = (l->first + l->ncalls) % PGPIPE_CALLS;

	if (l->state != PGPIPE_UP || l->ncalls == PGPIPE_CALLS)
		return false;
	if (!PQsendQueryParams(l->conn, text, nparams, NULL, params, NULL, NULL, 0) ||
	    !PQpipelineSync(l->conn)) {
		down(l, PQerrorMessage(l->conn));
		return false;
	}
	l->calls[at].fn = fn;
	l->calls[at].arg = arg;
	l->ncalls++;
	/* What goes wrong here is found by the next poll; the call is on its way for its caller. */
	if (PQflush(l->conn))
		l->events = POLLIN | POLLOUT;
	return true;
}

static void listening(void *arg, const PGresult *res)
{
	const struct pgpipe *l = arg;

	if (res && PQresultStatus(res) != PGRES_COMMAND_OK)
		log_msg(LOG_ERROR, NULL, "%s: %s: %s", l->name, l->listen, PQresultErrorMessage(res));
}

static void connecting(struct pgpipe *l)
{
	switch (PQconnectPoll(l->conn)) {
	case PGRES_POLLING_READING: l->events = POLLIN; break;
	case PGRES_POLLING_WRITING: l->events = POLLOUT; break;
	case PGRES_POLLING_OK:
		if (PQsetnonblocking(l->conn, 1) || !PQenterPipelineMode(l->conn)) {
			down(l, PQerrorMessage(l->conn));
			break;
		}
		l->state = PGPIPE_UP;
		l->events = POLLIN;
		if (l->listen)
			submit(l, l->listen, 0, NULL, listening, l);
		if (l->on_up)
			l->on_up();
		break;
	default: down(l, PQerrorMessage(l->conn));
	}
}

static void flush(struct pgpipe *l)
{
	int rc = PQflush(l->conn);

	if (rc < 0)
		down(l, PQerrorMessage(l->conn));
	else
		l->events = rc ? POLLIN | POLLOUT : POLLIN;
}

bool pgpipe_send(struct pgpipe *l, const struct query *q, const char *const *params, pgpipe_fn *fn, void *arg)
{
	return submit(l, q->text, q->nparams, params, fn, arg);
}

void pgpipe_note(void *arg, const PGresult *res)
{
	(void)arg;
	if (res && PQresultStatus(res) == PGRES_FATAL_ERROR)
		log_msg(LOG_ERROR, NULL, "worker: %s", PQresultErrorMessage(res));
}

/*
 * Rows come before their transaction has ended; another connection would not
 * see yet what was done.  So they wait for the sync behind them.
 */
static void answers(struct pgpipe *l)
{
	while (l->state == PGPIPE_UP && l->ncalls && !PQisBusy(l->conn)) {
		PGresult *res = PQgetResult(l->conn);

		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			PGresult *answer = l->answer;
			pgpipe_fn *fn = l->calls[l->first].fn;
			void *arg = l->calls[l->first].arg;

			PQclear(res);
			l->answer = NULL;
			l->first = (l->first + 1) % PGPIPE_CALLS;
			l->ncalls--;
			fn(arg, answer);
			PQclear(answer);
		} else if (res) {
			PQclear(l->answer); /* a commit that fails says so behind the rows */
			l->answer = res;
		} else if (PQstatus(l->conn) != CONNECTION_OK) {
			return; /* pgpipe_pump sees it */
		}
	}
}

struct pollfd pgpipe_poll(struct pgpipe *l)
{
	if (l->state == PGPIPE_DOWN && clock_ns() >= l->retry_at_ns)
		start(l);
	if (l->state == PGPIPE_CONNECTING && clock_ns() > l->give_up_at_ns)
		down(l, "no connection in time");
	return (struct pollfd){ .fd = l->conn ? PQsocket(l->conn) : -1, .events = l->events };
}

void pgpipe_pump(struct pgpipe *l, short revents)
{
	PGnotify *n;
	bool heard = false;

	if (l->state == PGPIPE_DOWN || !revents)
		return;
	if (l->state == PGPIPE_CONNECTING) {
		connecting(l);
		return;
	}
	if (!PQconsumeInput(l->conn)) {
		down(l, PQerrorMessage(l->conn));
		return;
	}
	answers(l);
	if (l->state != PGPIPE_UP)
		return;
	if (PQstatus(l->conn) != CONNECTION_OK) {
		down(l, PQerrorMessage(l->conn));
		return;
	}
	while ((n = PQnotifies(l->conn))) {
		PQfreemem(n);
		heard = true;
	}
	if (heard && l->on_notify)
		l->on_notify();
	if (l->state == PGPIPE_UP)
		flush(l);
}

void pgpipe_close(struct pgpipe *l)
{
	l->ncalls = 0;
	PQclear(l->answer);
	l->answer = NULL;
	PQfinish(l->conn);
	l->conn = NULL;
	l->state = PGPIPE_DOWN;
	l->retry_at_ns = INT64_MAX;
}

void pgpipe_forget(struct pgpipe *l)
{
	if (l->conn)
		close(PQsocket(l->conn)); /* PQfinish would say goodbye in the parent's name */
}
