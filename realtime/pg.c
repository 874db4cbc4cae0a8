#include "realtime/pg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_LAST_MS = 2000,
	CONNECT_S = 5,
	STATEMENT_MS = 5000,
	MAX_PREPARED = 32
};

/* A statement that was sent, and what has come of it. */
struct asked {
	struct asked *next;
	pg_done *done;
	void *arg;
	const struct query *q;
	bool prepares;   /* a Parse goes in front of it */
	PGresult *rows;  /* its own result */
	PGresult *error; /* the first */
	int results;     /* how many have begun: the Parse's, its own */
};

struct pg {
	struct ev_loop *loop;
	const char *name;
	const struct pg_events *events;
	PGconn *conn;
	ev_io reads, writes;
	ev_timer retry, limit;
	bool is_ready, is_stale, is_broken, is_freed;
	int backoff_ms, pending;
	struct asked *first, **last;
	const struct query *prepared[MAX_PREPARED]; /* ends with NULL, if it is not full */
};

static void on_socket(struct ev_loop *loop, ev_io *w, int events);

/* Where it stands among what is prepared, or would be put. */
static const struct query **prepared_slot(struct pg *pg, const struct query *q)
{
	int i = 0;

	while (pg->prepared[i] && pg->prepared[i] != q)
		i++;
	assert(i < MAX_PREPARED);
	return &pg->prepared[i];
}

/* Connecting */

static void watch(struct pg *pg, bool reads, bool writes)
{
	int fd = pg->conn ? PQsocket(pg->conn) : -1;

	if (fd != pg->reads.fd || fd < 0) {
		ev_io_stop(pg->loop, &pg->reads);
		ev_io_stop(pg->loop, &pg->writes);
		if (fd < 0)
			return;
		ev_io_set(&pg->reads, fd, EV_READ);
		ev_io_set(&pg->writes, fd, EV_WRITE);
	}
	if (reads)
		ev_io_start(pg->loop, &pg->reads);
	else
		ev_io_stop(pg->loop, &pg->reads);
	if (writes)
		ev_io_start(pg->loop, &pg->writes);
	else
		ev_io_stop(pg->loop, &pg->writes);
}

static void fail_all(struct pg *pg, const char *message)
{
	struct asked *a;

	while ((a = pg->first)) {
		pg->first = a->next;
		pg->pending--;
		if (!pg->first)
			pg->last = &pg->first;
		PQclear(a->rows);
		PQclear(a->error);
		if (a->done)
			a->done(a->arg, NULL, "08006", message);
		free(a);
	}
}

static void lost(struct pg *pg, const char *why)
{
	char message[256];

	snprintf(message, sizeof(message), "%s", why);
	message[strcspn(message, "\n")] = '\0';
	ev_io_stop(pg->loop, &pg->reads);
	ev_io_stop(pg->loop, &pg->writes);
	ev_timer_stop(pg->loop, &pg->limit);
	PQfinish(pg->conn);
	pg->conn = NULL;
	pg->reads.fd = -1;
	pg->is_ready = pg->is_stale = pg->is_broken = false;
	memset(pg->prepared, 0, sizeof(pg->prepared));
	if (!pg->is_freed) {
		log_msg(LOG_WARNING, NULL, "PostgreSQL (%s): %s", pg->name, message);
		pg->backoff_ms = pg->backoff_ms ? pg->backoff_ms * 2 : BACKOFF_FIRST_MS;
		if (pg->backoff_ms > BACKOFF_LAST_MS)
			pg->backoff_ms = BACKOFF_LAST_MS;
		ev_timer_stop(pg->loop, &pg->retry);
		ev_timer_set(&pg->retry, pg->backoff_ms / 1e3, 0);
		ev_timer_start(pg->loop, &pg->retry);
	}
	fail_all(pg, message);
}

static void connected(struct pg *pg)
{
	if (PQsetnonblocking(pg->conn, 1) || !PQenterPipelineMode(pg->conn)) {
		lost(pg, PQerrorMessage(pg->conn));
		return;
	}
	ev_timer_stop(pg->loop, &pg->limit);
	pg->is_ready = true;
	pg->backoff_ms = 0;
	watch(pg, true, false);
	if (pg->events->ready)
		pg->events->ready();
}

static void go_on_connecting(struct pg *pg)
{
	switch (PQconnectPoll(pg->conn)) {
	case PGRES_POLLING_READING: watch(pg, true, false); break;
	case PGRES_POLLING_WRITING: watch(pg, false, true); break;
	case PGRES_POLLING_OK: connected(pg); break;
	default: lost(pg, PQerrorMessage(pg->conn));
	}
}

static void connect_now(struct pg *pg)
{
	char options[200];
	const char *const keywords[] = { "dbname", "fallback_application_name",
					 cfg.db_prepared ? "options" : NULL, NULL };
	const char *const values[] = { cfg.database_url, "ashlar realtime", options, NULL };

	snprintf(options, sizeof(options),
		 "-c statement_timeout=%d -c plan_cache_mode=force_generic_plan -c jit=off "
		 "-c client_min_messages=error",
		 STATEMENT_MS);
	pg->conn = PQconnectStartParams(keywords, values, 1);
	if (!pg->conn)
		abort();
	ev_timer_stop(pg->loop, &pg->limit);
	ev_timer_set(&pg->limit, CONNECT_S, 0);
	ev_timer_start(pg->loop, &pg->limit);
	if (PQstatus(pg->conn) == CONNECTION_BAD)
		lost(pg, PQerrorMessage(pg->conn));
	else {
		db_silence(pg->conn);
		watch(pg, false, true);
	}
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	connect_now(w->data);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	lost(w->data, "no connection in time");
}

struct pg *pg_new(struct ev_loop *loop, const char *name, const struct pg_events *events)
{
	struct pg *pg = calloc(1, sizeof(*pg));

	if (!pg)
		abort();
	pg->loop = loop;
	pg->name = name;
	pg->events = events;
	pg->last = &pg->first;
	ev_io_init(&pg->reads, on_socket, -1, EV_READ);
	ev_io_init(&pg->writes, on_socket, -1, EV_WRITE);
	ev_timer_init(&pg->retry, on_retry, 0, 0);
	ev_timer_init(&pg->limit, on_limit, 0, 0);
	pg->reads.data = pg->writes.data = pg->retry.data = pg->limit.data = pg;
	connect_now(pg);
	return pg;
}

void pg_free(struct pg *pg)
{
	if (!pg)
		return;
	pg->is_freed = true;
	ev_timer_stop(pg->loop, &pg->retry);
	lost(pg, "closed");
	free(pg);
}

bool pg_is_ready(const struct pg *pg)
{
	return pg->is_ready;
}

int pg_pending(const struct pg *pg)
{
	return pg->pending;
}

/* Answers */

static void answered(struct pg *pg)
{
	struct asked *a = pg->first;
	const PGresult *e = a->error;
	const char *state = e ? PQresultErrorField(e, PG_DIAG_SQLSTATE) : NULL;
	const char *message = e ? PQresultErrorField(e, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	pg->first = a->next;
	pg->pending--;
	if (!pg->first)
		pg->last = &pg->first;
	/* After a migration: what we prepared is no longer what the server has. */
	if (state && (!strcmp(state, "0A000") || !strcmp(state, "26000")))
		pg->is_stale = true;
	if (state && strncmp(state, "AS", 2) != 0)
		log_msg(LOG_WARNING, NULL, "%s: %s: %s", a->q == NULL ? pg->name : a->q->name, state,
			message ? message : "");
	if (a->done)
		a->done(a->arg, e ? NULL : a->rows, e ? (state ? state : "XX000") : NULL,
			e ? (message ? message : "failed") : NULL);
	PQclear(a->rows);
	PQclear(a->error);
	free(a);
}

static void take(struct pg *pg, PGresult *res)
{
	struct asked *a = pg->first;

	if (!a) { /* nothing was asked: the server says goodbye */
		PQclear(res);
		return;
	}
	switch (PQresultStatus(res)) {
	case PGRES_PIPELINE_SYNC:
		PQclear(res);
		answered(pg);
		return;
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		if (a->prepares && a->results++ == 0) {
			*prepared_slot(pg, a->q) = a->q;
			break;
		}
		PQclear(a->rows);
		a->rows = res;
		return;
	case PGRES_PIPELINE_ABORTED: break;
	default:
		if (!a->error) {
			a->error = res;
			return;
		}
	}
	PQclear(res);
}

static void receive(struct pg *pg)
{
	PGnotify *n;
	PGresult *res;
	int nulls = 0;

	if (!PQconsumeInput(pg->conn)) {
		lost(pg, PQerrorMessage(pg->conn));
		return;
	}
	/* NULL ends a statement's results; two in a row: there is nothing more now. */
	while (pg->conn && pg->first && !PQisBusy(pg->conn) && nulls < 2) {
		res = PQgetResult(pg->conn);
		nulls = res ? 0 : nulls + 1;
		if (res)
			take(pg, res);
	}
	while (pg->conn && (n = PQnotifies(pg->conn))) {
		if (pg->events->notified)
			pg->events->notified(n->relname);
		PQfreemem(n);
	}
	if (!pg->conn)
		return;
	if (!pg->first && !PQisBusy(pg->conn) && PQstatus(pg->conn) == CONNECTION_OK) {
		if (pg->is_stale)
			lost(pg, "prepared statements are out of date");
		return;
	}
	if (PQstatus(pg->conn) != CONNECTION_OK)
		lost(pg, PQerrorMessage(pg->conn));
}

static void flush(struct pg *pg)
{
	int rc = PQflush(pg->conn);

	if (rc < 0)
		lost(pg, PQerrorMessage(pg->conn));
	else
		watch(pg, true, rc > 0);
}

static void on_socket(struct ev_loop *loop, ev_io *w, int events)
{
	struct pg *pg = w->data;

	(void)loop;
	if (!pg->is_ready) {
		go_on_connecting(pg);
		return;
	}
	if (pg->is_broken)
		lost(pg, PQerrorMessage(pg->conn));
	if (pg->is_ready && events & EV_READ)
		receive(pg);
	if (pg->is_ready && events & EV_WRITE)
		flush(pg);
}

/* Asking */

static struct asked *asked_new(struct pg *pg, const struct query *q, pg_done *done, void *arg)
{
	struct asked *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	*a = (struct asked){ .q = q, .done = done, .arg = arg };
	*pg->last = a;
	pg->last = &a->next;
	pg->pending++;
	return a;
}

/* It is among what was asked already, so a connection that fails tells the callers, later. */
static bool sent(struct pg *pg, bool ok)
{
	if (ok && PQpipelineSync(pg->conn) && PQflush(pg->conn) >= 0)
		watch(pg, true, PQflush(pg->conn) > 0);
	else
		pg->is_broken = true;
	if (pg->is_broken)
		ev_feed_event(pg->loop, &pg->reads, EV_READ);
	return true;
}

bool pg_ask(struct pg *pg, const struct query *q, const char *const *params, pg_done *done, void *arg)
{
	struct asked *a;
	bool ok = true;

	if (!pg->is_ready)
		return false;
	a = asked_new(pg, q, done, arg);
	if (cfg.db_prepared) {
		a->prepares = !*prepared_slot(pg, q);
		/* Asked twice before the first answer: the second Parse would find the name taken. */
		for (struct asked *b = pg->first; b != a; b = b->next)
			a->prepares = a->prepares && !(b->q == q && b->prepares);
		if (a->prepares)
			ok = PQsendPrepare(pg->conn, q->name, q->text, 0, NULL);
		ok = ok && PQsendQueryPrepared(pg->conn, q->name, q->nparams, params, NULL, NULL, 0);
	} else {
		ok = PQsendQueryParams(pg->conn, q->text, q->nparams, NULL, params, NULL, NULL, 0);
	}
	return sent(pg, ok);
}

bool pg_ask_text(struct pg *pg, const char *sql, pg_done *done, void *arg)
{
	if (!pg->is_ready)
		return false;
	asked_new(pg, NULL, done, arg);
	return sent(pg, PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 0));
}
