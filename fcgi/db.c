#include "fcgi/db.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "build/sql/runtime/runtime.h"
#include "fcgi/refusal.h"
#include "fcgi/req.h"
#include "fcgi/share.h"
#include "fcgi/statement.h"
#include "fcgi/wake.h"
#include "lib/base/clock.h"
#include "lib/base/email.h"
#include "lib/crypto/secret.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/scoreboard.h"

/*
 * How a request's statements travel.  In pipeline mode everything up to the
 * next sync is one implicit transaction: an error makes the server skip to the
 * sync and roll back, and leaves the connection usable (an explicit BEGIN
 * would not).  A statement that is not the last is followed by a flush request
 * instead of a sync.
 *
 * A query is prepared when it is first used.  Its Parse goes in front of
 * the door: behind a refused one it would be skipped, and the name unknown
 * although we thought it prepared.
 */

enum { SYNC_GRACE_MS = 2000, BACKOFF_FIRST_MS = 100, BACKOFF_LAST_MS = 2000 };

/* Of a statement whose rows are sent one by one: while they come, it is as slow as who reads them. */
#define ROWS_TIMEOUT_MS 600000L

int db_client_check_ms;

static PGconn *conn;
static int64_t retry_at_ns; /* no attempt to connect before */
static int backoff_ms;
static unsigned connection_number;
static unsigned to_wake; /* by the open transaction, when it commits; see wake.h */
static bool is_stale;    /* what we prepared is no longer what the server has */

/* What the server still owes us, in order. */
static struct pending {
	enum { P_PREPARE, P_DOOR, P_QUERY, P_CHILD, P_SYNC } what;
	struct statement *s; /* NULL: none of ours */
} pending[32];
static int npending;

/* Connecting */

/* Notices are dropped, but for our own: what this transaction adds that a worker or realtime waits for. */
static void on_notice(void *arg, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	(void)arg;
	if (state && !strcmp(state, "AS900"))
		to_wake |= wake_bit(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
}

/* The transaction has ended. */
static void wake_others(bool committed)
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
	npending = 0;
	to_wake = 0;
	is_stale = false;
	statements_forget();
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
		 cfg.database_timeout_ms, cfg.database_timeout_ms + SYNC_GRACE_MS, db_client_check_ms);
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

/* The connection is of no more use.  A read may simply be run again; of a write it is unknown whether it
 * committed. */
static enum err lost(struct req *rq)
{
	enum err rc = refusal_unavailable(rq, conn ? PQerrorMessage(conn) : "no connection");

	rq->may_rerun = !req_writes(rq);
	rq->in_transaction = false;
	db_close();
	return rc;
}

/* Of a request whose rows are sent one by one: who waits for them; -1: it is not looked at. */
static int peer_fd = -1;
static bool peer_has_gone;

/* The rest of a statement that runs is not wanted: the server is told to stop. */
static void cancel(void)
{
	PGcancel *c = PQgetCancel(conn);
	char why[256];

	if (c && !PQcancel(c, why, sizeof(why)))
		log_msg(LOG_WARNING, NULL, "PostgreSQL: %s", why);
	PQfreeCancel(c);
	peer_fd = -1;
}

/* No answer in time, though the connection stands.  To try again would take as long again. */
static enum err timed_out(struct req *rq)
{
	req_fail_inside(rq, ERR_TIMEOUT, "PostgreSQL: no answer in time");
	rq->in_transaction = false;
	if (rq->each)
		cancel();
	db_close();
	return ERR_TIMEOUT;
}

/* Waiting */

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
		cancel();
	}
	return true;
}

static bool flush(int64_t deadline_ns)
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

/* The next result, or NULL at the end of a statement's; *ok is false when the connection failed or took too
 * long. */
static PGresult *next_result(int64_t deadline_ns, bool *ok)
{
	while (PQisBusy(conn)) {
		if (!wait_socket(POLLIN, deadline_ns) || !PQconsumeInput(conn)) {
			*ok = false;
			return NULL;
		}
	}
	return PQgetResult(conn);
}

/* Sending */

static void expect(int what, struct statement *s)
{
	assert(npending < (int)(sizeof(pending) / sizeof(*pending)));
	pending[npending].what = what;
	pending[npending++].s = s;
}

/* The statement that a query is for this request; what has to make room for it goes. */
static struct statement *statement_of(struct req *rq, const struct query *q, bool total)
{
	const char *gone;
	struct statement *s = statement_find(rq, q, total, &gone);

	if (*gone) {
		expect(P_DOOR, NULL);
		PQsendQueryParams(conn, arena_fmt(&rq->arena, "DEALLOCATE \"%s\"", gone), 0, NULL, NULL, NULL,
				  NULL, 1);
	}
	return s;
}

static bool prepare(struct req *rq, struct statement *s)
{
	if (!cfg.db_prepared || s->is_prepared)
		return true;
	for (int i = 0; i < npending; i++)
		if (pending[i].what == P_PREPARE && pending[i].s == s)
			return true;
	expect(P_PREPARE, s);
	s->is_named = true;
	return PQsendPrepare(conn, s->name, statement_text(&rq->arena, s), 0, NULL);
}

static bool send_prepare(struct req *rq, const struct query *q)
{
	return prepare(rq, statement_of(rq, q, false));
}

static bool send_statement(struct req *rq, int what, struct statement *s, const char *const *values)
{
	expect(what, s);
	if (cfg.db_prepared)
		return PQsendQueryPrepared(conn, s->name, s->nparams, values, NULL, NULL, 1);
	return PQsendQueryParams(conn, statement_text(&rq->arena, s), s->nparams, NULL, values, NULL, NULL,
				 1);
}

static bool send_query(struct req *rq, int what, const struct query *q, const char *const *values)
{
	return send_statement(rq, what, statement_of(rq, q, false), values);
}

/* PgBouncer passes no connection's options on (see db_open), so the transaction sets its own limit. */
static bool send_timeout(struct req *rq)
{
	char timeout_ms[24];
	const char *const values[] = { timeout_ms };

	if (cfg.db_prepared && !rq->each)
		return true;
	snprintf(timeout_ms, sizeof(timeout_ms), "%ld", rq->each ? ROWS_TIMEOUT_MS : cfg.database_timeout_ms);
	return send_query(rq, P_DOOR, &q_transaction_timeout, values);
}

/* May the page read the answer?  Asked beside the door, which does not want to know. */
static bool wants_page(const struct req *rq)
{
	return rq->who.page_key && !rq->knows_page;
}

static bool send_page(struct req *rq)
{
	const char *const values[] = { rq->who.page_key, rq->page_origin };

	return !wants_page(rq) || send_query(rq, P_DOOR, &q_key_page, values);
}

static bool send_prepare_door(struct req *rq)
{
	return (!rq->each || send_prepare(rq, &q_transaction_timeout)) && send_prepare(rq, rq->door) &&
	       (!wants_page(rq) || send_prepare(rq, &q_key_page));
}

static bool send_door(struct req *rq)
{
	rq->in_transaction = true;
	rq->asked = true;
	rq->entered = false;
	return send_timeout(rq) && send_query(rq, P_DOOR, rq->door, rq->door_values) && send_page(rq);
}

/* What a query calls @session, @origin or @public_url: the request's own, whatever its fields are called. */
static const char *bind_sent(struct req *rq, const char *name)
{
	const char *origin;

	if (!strcmp(name, "@session"))
		return rq->who.session;
	if (!strcmp(name, "@public_url"))
		return cfg.public_url;
	assert(!strcmp(name, "@origin"));
	origin = req_header(rq, "Origin");
	return origin ? arena_lower(&rq->arena, origin) : NULL;
}

static const char *bind(struct req *rq, const struct query *q, const char *name)
{
	const struct value *v = req_value(rq, name);
	size_t n = strlen(name);

	if (*name == '@')
		return bind_sent(rq, name);
	/* Rows for a file are all there are, where the client did not say how many. */
	if (rq->output && !strcmp(name, "limit") && !(v && v->given))
		return NULL;
	if (v)
		return v->is_null ? NULL : v->text;
	/* A list whose form has no pages is the first one, which is long. */
	if (!strcmp(name, "limit"))
		return "1000";
	if (!strcmp(name, "skip"))
		return req_text(rq, "offset") ? req_text(rq, "offset") : "0";
	if (!strncmp(name, "has_", 4) && (v = req_value(rq, name + 4)))
		return v->given ? "true" : "false";
	if (!strcmp(name, "email_key") && (v = req_value(rq, "email")))
		return v->is_null ? NULL : email_key(&rq->arena, v->text);
	if (n > strlen("token_hash") - 1 && !strcmp(name + n - strlen("token_hash"), "token_hash") &&
	    (v = req_value(rq, arena_dup_n(&rq->arena, name, n - strlen("_hash")))))
		return v->is_null ? NULL : sha256_hex(&rq->arena, v->text);
	if (!strcmp(name, "email_sent") && (v = req_value(rq, "email")))
		return v->is_null ? NULL : v->sent ? v->sent : v->text;
	req_fail_inside(rq, ERR_INTERNAL, "%s: nothing to bind :%s to", q->name, name);
	return NULL;
}

/* Receiving */

static void clear_result(void *res)
{
	PQclear(res);
}

static enum err take(struct req *rq, const struct pending *p, PGresult *res, PGresult **answer)
{
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
		if (p->what == P_PREPARE)
			p->s->is_prepared = true;
		/* fall through */
	case PGRES_TUPLES_OK:
		if (p->what == P_QUERY && answer) {
			*answer = res;
			return ERR_OK;
		}
		if (p->what == P_CHILD) {
			arena_defer(&rq->arena, clear_result, res);
			rq->children[rq->nchildren++] = res;
			return ERR_OK;
		}
		if (p->what == P_DOOR && p->s && p->s->query == rq->door)
			rq->entered = true;
		if (p->what == P_DOOR && p->s && p->s->query == &q_key_page) {
			rq->knows_page = true;
			rq->any_origin = rq->any_origin || PQntuples(res);
		}
		break;
	case PGRES_PIPELINE_ABORTED: break;
	default:
		rq->log.doing = arena_fmt(&rq->arena, "%s %s", p->what == P_PREPARE ? "preparing" : "running",
					  p->s ? p->s->name : "the transaction's end");
		if (!rq->fail.err)
			is_stale = refusal_read(rq, res) || is_stale;
	}
	PQclear(res);
	return rq->fail.err;
}

/*
 * A statement's rows, each handed on and forgotten as it comes; then the result
 * that ends them.  Where one is not taken, the server is told to stop, and the
 * rest is read and forgotten.
 */
static PGresult *hand_on_rows(struct req *rq, PGresult *res, long timeout_ms, bool *ok)
{
	while (res && PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
		if (!rq->fail.err && rq->each(rq, res))
			cancel();
		PQclear(res);
		res = next_result(clock_ns() + timeout_ms * 1000000, ok);
	}
	return res;
}

/* Read all that is pending.  The first error wins; a failed connection ends it. */
static enum err receive(struct req *rq, PGresult **answer)
{
	int64_t started = clock_ns();
	long timeout_ms = rq->db_timeout_ms ? rq->db_timeout_ms : cfg.database_timeout_ms + SYNC_GRACE_MS;
	int64_t deadline = started + timeout_ms * 1000000;
	bool ok = flush(deadline);

	/* The server keeps what came before a statement until it sends some of that: the wait for it may be
	 * here. */
	peer_fd = rq->each && rq->send ? rq->peer_fd : -1;
	peer_has_gone = false;
	for (int i = 0; ok && i < npending; i++) {
		bool by_row = rq->each && pending[i].what == P_QUERY && PQsetSingleRowMode(conn);
		PGresult *res;

		res = next_result(deadline, &ok);
		if (by_row) {
			res = hand_on_rows(rq, res, timeout_ms, &ok);
			deadline = clock_ns() + timeout_ms * 1000000;
		}
		if (peer_has_gone && !rq->fail.err)
			req_fail_inside(rq, ERR_UNAVAILABLE, "nobody waits for the answer");
		if (!ok || !res) {
			ok = false;
		} else if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			PQclear(res);
			ok = pending[i].what == P_SYNC;
			rq->in_transaction = false;
			wake_others(!rq->fail.err);
			rq->committed = rq->committed || (!rq->fail.err && req_writes(rq));
		} else {
			take(rq, &pending[i], res, answer);
			res = next_result(deadline, &ok);
			PQclear(res);
			/* A commit that fails (a deferred constraint) says so in front of its sync. */
			i -= pending[i].what == P_SYNC;
		}
	}
	npending = 0;
	peer_fd = -1;
	rq->db_ns += clock_ns() - started;
	if (!ok)
		return clock_ns() < deadline || PQstatus(conn) != CONNECTION_OK ? lost(rq) : timed_out(rq);
	if (PQstatus(conn) != CONNECTION_OK || (is_stale && !rq->in_transaction))
		db_close();
	return rq->fail.err;
}

/* What all statements of a query take, in its own order. */
static enum err bind_all(struct req *rq, const struct query *q, const char **values)
{
	assert(q->nparams <= QUERY_MAX_PARAMS);
	for (int i = 0; i < q->nparams; i++)
		values[i] = bind(rq, q, q->params[i]);
	return rq->fail.err;
}

static bool send_bound(struct req *rq, int what, struct statement *s, const char *const *all)
{
	const char *values[QUERY_MAX_PARAMS];

	for (int i = 0; i < s->nparams; i++)
		values[i] = all[s->params[i]];
	return send_statement(rq, what, s, values);
}

static bool prepare_children(struct req *rq, const struct child *children)
{
	bool ok = true;

	rq->nchildren = 0;
	for (const struct child *c = children; ok && c && c->member; c++)
		ok = send_prepare(rq, c->sql);
	return ok;
}

static bool send_children(struct req *rq, const struct child *children)
{
	const char *all[QUERY_MAX_PARAMS];
	bool ok = true;

	for (const struct child *c = children; ok && c && c->member; c++)
		ok = !bind_all(rq, c->sql, all) &&
		     send_bound(rq, P_CHILD, statement_of(rq, c->sql, false), all);
	return ok;
}

/* One of a query's statements, or a page's total; behind it, in the same round trip, the lists that belong to
 * it. */
static enum err call(struct req *rq, const struct query *q, bool total, const char *const *values,
		     const struct child *children, bool last, PGresult **out)
{
	PGresult *res = NULL;
	struct statement *s;
	bool ok;

	*out = NULL;
	/* Whose the request is its handler knows by now (oauth.c); the others' share is taken already. */
	if (rq->shares_late && share_take(rq))
		return rq->fail.err;
	rq->log.doing = q->name;
	db_open();
	if (!conn)
		return refusal_unavailable(rq, "not connected");
	s = statement_of(rq, q, total);
	if (!rq->in_transaction) {
		bool framed = rq->frame != NULL;

		ok = send_prepare_door(rq) && (!framed || send_prepare(rq, rq->frame)) && prepare(rq, s) &&
		     prepare_children(rq, children) && send_door(rq) &&
		     (!framed || send_query(rq, P_DOOR, rq->frame, rq->frame_values));
	} else {
		ok = prepare(rq, s) && prepare_children(rq, children);
	}
	ok = ok && send_bound(rq, P_QUERY, s, values) && send_children(rq, children);
	if (last) {
		expect(P_SYNC, NULL);
		ok = ok && PQpipelineSync(conn);
	} else {
		ok = ok && PQsendFlushRequest(conn);
	}
	if (!ok)
		return lost(rq);
	receive(rq, &res);
	if (res) {
		arena_defer(&rq->arena, clear_result, res);
		*out = rq->fail.err ? NULL : res; /* a commit may fail behind it */
	}
	if (rq->fail.err)
		db_finish(rq, false);
	return rq->fail.err;
}

enum err db_call_with(struct req *rq, const struct query *q, const char *const *values, bool last,
		      PGresult **out)
{
	return call(rq, q, false, values, NULL, last, out);
}

enum err db_call(struct req *rq, const struct query *q, bool last, PGresult **out)
{
	return db_call_family(rq, q, NULL, last, out);
}

enum err db_call_family(struct req *rq, const struct query *q, const struct child *children, bool last,
			PGresult **out)
{
	const char *values[QUERY_MAX_PARAMS];

	*out = NULL;
	if (bind_all(rq, q, values))
		return rq->fail.err;
	return call(rq, q, false, values, children, last && !rq->frame, out);
}

enum err db_total(struct req *rq, const struct query *q, PGresult **out)
{
	const char *values[QUERY_MAX_PARAMS];

	*out = NULL;
	if (bind_all(rq, q, values))
		return rq->fail.err;
	return call(rq, q, true, values, NULL, !rq->frame, out);
}

void db_frame(struct req *rq, const struct query *q, const char *const *values)
{
	rq->frame = q;
	rq->frame_values = values;
}

enum err db_finish(struct req *rq, bool commit)
{
	struct failure refusal = rq->fail;
	bool keeps = commit && refusal.is_kept, ok = true;

	if (!rq->in_transaction || !conn)
		return rq->fail.err;
	if (keeps)
		rq->fail = (struct failure){ 0 };
	/*
	 * A sync commits.  Where the failure was the server's it has rolled back by
	 * itself and skips this; where it was a handler's it knows nothing of it.
	 */
	if (!commit || rq->fail.err) {
		expect(P_QUERY, NULL);
		ok = PQsendQueryParams(conn, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 1);
	}
	expect(P_SYNC, NULL);
	if (!ok || !PQpipelineSync(conn))
		return lost(rq);
	if (!receive(rq, NULL) && keeps)
		rq->fail = refusal;
	return rq->fail.err;
}

enum err db_enter(struct req *rq)
{
	struct failure before = rq->fail;
	const char *doing = rq->log.doing;

	rq->fail = (struct failure){ 0 };
	db_open();
	if (!conn)
		return refusal_unavailable(rq, "not connected");
	if (!send_prepare_door(rq) || !send_door(rq))
		return lost(rq);
	expect(P_SYNC, NULL);
	if (!PQpipelineSync(conn))
		return lost(rq);
	if (receive(rq, NULL))
		return rq->fail.err;
	rq->fail = before;
	rq->log.doing = doing;
	return ERR_OK;
}

void db_ask_page(struct req *rq)
{
	const char *params[] = { rq->who.page_key, rq->page_origin };
	PGresult *res;

	if (!wants_page(rq))
		return;
	res = db_outside(&q_key_page, params);
	rq->any_origin = rq->any_origin || (res && PQntuples(res));
	PQclear(res);
}

PGresult *db_outside(const struct query *q, const char *const *params)
{
	int64_t deadline = clock_ns() + (cfg.database_timeout_ms + SYNC_GRACE_MS) * 1000000;
	PGresult *res = NULL, *end;
	bool ok;

	db_open();
	if (!conn)
		return NULL;
	ok = PQsendQueryParams(conn, q->text, q->nparams, NULL, params, NULL, NULL, 1) &&
	     PQpipelineSync(conn) && flush(deadline);
	if (ok)
		res = next_result(deadline, &ok);
	/* The statement's end, then the sync. */
	for (int i = 0; ok && i < 2; i++) {
		end = next_result(deadline, &ok);
		PQclear(end);
	}
	wake_others(ok);
	if (ok && (PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK))
		return res;
	log_msg(LOG_WARNING, NULL, "%s: %s", q->name, ok ? PQresultErrorMessage(res) : PQerrorMessage(conn));
	PQclear(res);
	if (!ok)
		db_close();
	return NULL;
}
