#include "lib/db/tx.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "build/sql/runtime/runtime.h"
#include "lib/base/clock.h"
#include "lib/db/db.h"
#include "lib/db/statement.h"
#include "lib/host/config.h"
#include "lib/host/span.h"

/*
 * How a transaction's statements travel.  In pipeline mode everything up to the
 * next sync is one implicit transaction: an error makes the server skip to the
 * sync and roll back, and leaves the connection usable (an explicit BEGIN
 * would not).  A statement that is not the last is followed by a flush request
 * instead of a sync.
 *
 * A query is prepared when it is first used.  Its Parse goes in front of
 * the door: behind a refused one it would be skipped, and the name unknown
 * although we thought it prepared.
 */

/* Of a statement whose rows are handed on one by one: while they come, it is as slow as who reads them. */
#define ROWS_TIMEOUT_MS 600000L

/* What the server still owes us, in order. */
static struct pending {
	enum { P_PREPARE, P_DOOR, P_QUERY, P_CHILD, P_SYNC } what;
	struct statement *s; /* NULL: none of ours */
} pending[32];
static int npending;

static unsigned stale; /* the number of a connection that has prepared what is no longer there */

/* The connection is of no more use.  A read may simply be run again; of a write it is unknown whether it
 * committed. */
static struct failure lost(struct tx *tx)
{
	struct failure f = refusal_unavailable(&tx->arena, PQerrorMessage(db_conn()));

	tx->may_rerun = !tx->writes;
	tx->is_open = false;
	npending = 0;
	db_close();
	return f;
}

/* No answer in time, though the connection stands.  To try again would take as long again. */
static struct failure timed_out(struct tx *tx)
{
	struct failure f;

	failure_hide(&f, &tx->arena, ERR_TIMEOUT, "PostgreSQL: no answer in time");
	tx->is_open = false;
	if (tx->each)
		db_cancel();
	db_close();
	return f;
}

/* Sending */

static void expect(int what, struct statement *s)
{
	assert(npending < (int)(sizeof(pending) / sizeof(*pending)));
	pending[npending].what = what;
	pending[npending++].s = s;
}

/* The statement that a query is for this transaction; what has to make room for it goes. */
static struct statement *statement_of(struct tx *tx, const struct query *q, bool total)
{
	const char *gone;
	struct statement *s = statement_find(q, tx->values, tx->nvalues, total, &gone);

	if (*gone) {
		expect(P_DOOR, NULL);
		PQsendQueryParams(db_conn(), arena_fmt(&tx->arena, "DEALLOCATE \"%s\"", gone), 0, NULL, NULL,
				  NULL, NULL, 1);
	}
	return s;
}

static bool prepare(struct tx *tx, struct statement *s)
{
	if (!cfg.db_prepared || s->is_prepared)
		return true;
	for (int i = 0; i < npending; i++)
		if (pending[i].what == P_PREPARE && pending[i].s == s)
			return true;
	expect(P_PREPARE, s);
	s->is_named = true;
	return PQsendPrepare(db_conn(), s->name, statement_text(&tx->arena, s), 0, NULL);
}

static bool send_prepare(struct tx *tx, const struct query *q)
{
	return prepare(tx, statement_of(tx, q, false));
}

/* What a statement's parameters are bound to: texts, but where there is a size in binary. */
struct bound {
	const char *values[QUERY_MAX_PARAMS];
	int sizes[QUERY_MAX_PARAMS], formats[QUERY_MAX_PARAMS];
};

/* sizes and formats may be NULL: all are texts. */
static bool send_statement(struct tx *tx, int what, struct statement *s, const char *const *values,
			   const int *sizes, const int *formats)
{
	expect(what, s);
	if (cfg.db_prepared)
		return PQsendQueryPrepared(db_conn(), s->name, s->nparams, values, sizes, formats, 1);
	return PQsendQueryParams(db_conn(), statement_text(&tx->arena, s), s->nparams, NULL, values, sizes,
				 formats, 1);
}

static bool send_query(struct tx *tx, int what, const struct query *q, const char *const *values)
{
	return send_statement(tx, what, statement_of(tx, q, false), values, NULL, NULL);
}

/* PgBouncer passes no connection's options on (see db_open), so the transaction sets its own limit. */
static bool send_timeout(struct tx *tx)
{
	char timeout_ms[24];
	const char *const values[] = { timeout_ms };

	if (cfg.db_prepared && !tx->each)
		return true;
	snprintf(timeout_ms, sizeof(timeout_ms), "%ld", tx->each ? ROWS_TIMEOUT_MS : cfg.database_timeout_ms);
	return send_query(tx, P_DOOR, &q_transaction_timeout, values);
}

static bool asks_beside(const struct tx *tx)
{
	return tx->beside && !tx->asked_beside;
}

static bool send_prepare_door(struct tx *tx)
{
	return (!tx->each || send_prepare(tx, &q_transaction_timeout)) && send_prepare(tx, tx->door) &&
	       (!asks_beside(tx) || send_prepare(tx, tx->beside));
}

static bool send_door(struct tx *tx)
{
	tx->is_open = true;
	tx->asked = true;
	tx->entered = false;
	return send_timeout(tx) && send_query(tx, P_DOOR, tx->door, tx->door_values) &&
	       (!asks_beside(tx) || send_query(tx, P_DOOR, tx->beside, tx->beside_values));
}

static enum err bind(struct tx *tx, const struct query *q, int i, struct bound *to)
{
	const char *name = q->params[i];
	const struct value *v = tx_value(tx, name);

	if (v) {
		to->values[i] = v->is_null ? NULL : v->text;
		to->sizes[i] = (int)v->binary;
		to->formats[i] = v->binary > 0;
		return ERR_OK;
	}
	to->sizes[i] = to->formats[i] = 0;
	if (tx->derive && !tx->derive(tx, name, &to->values[i]))
		return ERR_OK;
	return tx_fail_inside(tx, ERR_INTERNAL, "%s: nothing to bind :%s to", q->name, name);
}

/* What all statements of a query take, in its own order. */
static enum err bind_all(struct tx *tx, const struct query *q, struct bound *to)
{
	assert(q->nparams <= QUERY_MAX_PARAMS);
	for (int i = 0; i < q->nparams && !tx->fail.err; i++)
		bind(tx, q, i, to);
	return tx->fail.err;
}

/* Receiving */

static void clear_result(void *res)
{
	PQclear(res);
}

/* What comes of what was sent. */
struct receipt {
	PGresult *answer; /* the query's, or NULL */
	struct failure fail;
};

static void read_refusal(struct tx *tx, const struct pending *p, const PGresult *res, struct receipt *r)
{
	unsigned how;

	tx->log.doing = arena_fmt(&tx->arena, "%s %s", p->what == P_PREPARE ? "preparing" : "running",
				  p->s ? p->s->name : "the transaction's end");
	if (r->fail.err)
		return;
	r->fail = refusal_read(&tx->arena, res, tx->constraints, &how);
	tx->may_rerun = how & REFUSAL_PASSES && !tx->committed;
	if (how & REFUSAL_IS_STALE)
		db_socket(&stale);
}

static void take(struct tx *tx, const struct pending *p, PGresult *res, struct receipt *r)
{
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
		if (p->what == P_PREPARE)
			p->s->is_prepared = true;
		/* fall through */
	case PGRES_TUPLES_OK:
		if (p->what == P_QUERY && p->s) {
			r->answer = res;
			return;
		}
		if (p->what == P_CHILD) {
			arena_defer(&tx->arena, clear_result, res);
			tx->children[tx->nchildren++] = res;
			return;
		}
		if (p->what == P_DOOR && p->s && p->s->query == tx->door)
			tx->entered = true;
		if (p->what == P_DOOR && p->s && p->s->query == tx->beside) {
			tx->asked_beside = true;
			tx->found_beside = PQntuples(res);
		}
		break;
	case PGRES_PIPELINE_ABORTED: break;
	default: read_refusal(tx, p, res, r);
	}
	PQclear(res);
}

/*
 * A statement's rows, each handed on and forgotten as it comes; then the result
 * that ends them.  Where one is not taken, the server is told to stop, and the
 * rest is read and forgotten.
 */
static PGresult *hand_on_rows(struct tx *tx, PGresult *res, long timeout_ms, struct receipt *r, bool *ok)
{
	while (res && PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
		if (!r->fail.err && tx->each(tx->each_to, res, &r->fail))
			db_cancel();
		PQclear(res);
		res = db_next_result(clock_ns() + timeout_ms * 1000000, ok);
	}
	return res;
}

/*
 * Read all that is pending, up to the sync that ends the transaction, if there is
 * one; commits says whether that is to commit it.  The first error wins; a failed
 * connection ends it.
 */
static struct receipt receive(struct tx *tx, bool commits)
{
	int64_t started = clock_ns();
	long timeout_ms = tx->timeout_ms ? tx->timeout_ms : cfg.database_timeout_ms + DB_GRACE_MS;
	int64_t deadline = started + timeout_ms * 1000000;
	bool ok = db_flush(deadline);
	struct receipt r = { NULL };
	unsigned number;

	/* The server keeps what came before a statement until it sends some of that: the wait for it may be
	 * here. */
	db_look_after(tx->each ? tx->peer_fd : -1);
	for (int i = 0; ok && i < npending; i++) {
		bool by_row = tx->each && pending[i].what == P_QUERY && PQsetSingleRowMode(db_conn());
		PGresult *res;

		res = db_next_result(deadline, &ok);
		if (by_row) {
			res = hand_on_rows(tx, res, timeout_ms, &r, &ok);
			deadline = clock_ns() + timeout_ms * 1000000;
		}
		if (db_peer_has_gone() && !r.fail.err)
			failure_hide(&r.fail, &tx->arena, ERR_UNAVAILABLE, "nobody waits for the answer");
		if (!ok || !res) {
			ok = false;
		} else if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			PQclear(res);
			ok = pending[i].what == P_SYNC;
			tx->is_open = false;
			commits = commits && !r.fail.err;
			db_wake(commits);
			tx->committed = tx->committed || (commits && tx->writes);
		} else {
			take(tx, &pending[i], res, &r);
			res = db_next_result(deadline, &ok);
			PQclear(res);
			/* A commit that fails (a deferred constraint) says so in front of its sync. */
			i -= pending[i].what == P_SYNC;
		}
	}
	npending = 0;
	db_look_after(-1);
	tx->ns += clock_ns() - started;
	if (!ok)
		r.fail = clock_ns() < deadline || PQstatus(db_conn()) != CONNECTION_OK ? lost(tx)
										       : timed_out(tx);
	else if (PQstatus(db_conn()) != CONNECTION_OK ||
		 (db_socket(&number) >= 0 && number == stale && !tx->is_open))
		db_close();
	return r;
}

static bool send_bound(struct tx *tx, int what, struct statement *s, const struct bound *all)
{
	struct bound own;

	for (int i = 0; i < s->nparams; i++) {
		own.values[i] = all->values[s->params[i]];
		own.sizes[i] = all->sizes[s->params[i]];
		own.formats[i] = all->formats[s->params[i]];
	}
	return send_statement(tx, what, s, own.values, own.sizes, own.formats);
}

static bool prepare_children(struct tx *tx, const struct child *children)
{
	bool ok = true;

	tx->nchildren = 0;
	for (const struct child *c = children; ok && c && c->member; c++)
		ok = send_prepare(tx, c->sql);
	return ok;
}

static bool send_children(struct tx *tx, const struct child *children)
{
	struct bound all;
	bool ok = true;

	for (const struct child *c = children; ok && c && c->member; c++)
		ok = !bind_all(tx, c->sql, &all) &&
		     send_bound(tx, P_CHILD, statement_of(tx, c->sql, false), &all);
	return ok;
}

/* The transaction's first statement brings the door along. */
static bool send_first(struct tx *tx, struct statement *s, const struct child *children)
{
	return send_prepare_door(tx) && (!tx->frame || send_prepare(tx, tx->frame)) && prepare(tx, s) &&
	       prepare_children(tx, children) && send_door(tx) &&
	       (!tx->frame || send_query(tx, P_DOOR, tx->frame, tx->frame_values));
}

/*
 * The end of a span.  A refusal (of the door, of a constraint) is an answer, and no error of the call; its
 * SQLSTATE is told.
 */
static void trace(struct span *s, const char *summary, const struct failure *why)
{
	span_text(s, SPAN_DB_SYSTEM, "postgresql");
	span_text(s, SPAN_DB_SUMMARY, summary);
	if (db_conn())
		span_text(s, SPAN_DB_NAMESPACE, PQdb(db_conn()));
	if (why->err && *why->state)
		span_text(s, SPAN_DB_STATUS, why->state);
	if (why->err && err_info(why->err)->status >= 500) {
		s->is_error = true;
		span_text(s, SPAN_ERROR_TYPE, *why->state ? why->state : err_info(why->err)->code);
	}
	span_end(s);
}

/* One of a query's statements, or a page's total; behind it, in the same round trip, the lists that belong to
 * it. */
static enum err ask(struct tx *tx, const struct query *q, bool total, const struct bound *values,
		    const struct child *children, bool last, PGresult **out)
{
	struct statement *s;
	struct receipt r;
	bool ok;

	*out = NULL;
	if (tx->fail.err)
		return tx->fail.err;
	tx->log.doing = q->name;
	db_open();
	if (!db_conn()) {
		tx->fail = refusal_unavailable(&tx->arena, "not connected");
		return tx->fail.err;
	}
	s = statement_of(tx, q, total);
	ok = tx->is_open ? prepare(tx, s) && prepare_children(tx, children) : send_first(tx, s, children);
	ok = ok && send_bound(tx, P_QUERY, s, values) && send_children(tx, children);
	if (last) {
		expect(P_SYNC, NULL);
		ok = ok && PQpipelineSync(db_conn());
	} else {
		ok = ok && PQsendFlushRequest(db_conn());
	}
	if (!ok) {
		tx->fail = lost(tx);
		return tx->fail.err;
	}
	r = receive(tx, true);
	if (r.answer)
		arena_defer(&tx->arena, clear_result, r.answer);
	tx->fail = r.fail;
	if (tx->fail.err)
		return tx_finish(tx, false);
	*out = r.answer;
	return ERR_OK;
}

/* A span for each round trip, by the conventions for databases. */
static enum err call(struct tx *tx, const struct query *q, bool total, const struct bound *values,
		     const struct child *children, bool last, PGresult **out)
{
	struct span span;
	bool is_traced = !tx->fail.err && span_begin(&span, SPAN_CLIENT, q->name);
	enum err rc = ask(tx, q, total, values, children, last, out);

	if (is_traced)
		trace(&span, q->name, &tx->fail);
	return rc;
}

enum err tx_call_with(struct tx *tx, const struct query *q, const char *const *values, bool last,
		      PGresult **out)
{
	struct bound all = { .values = { NULL } };

	memcpy(all.values, values, (size_t)q->nparams * sizeof(*values));
	return call(tx, q, false, &all, NULL, last, out);
}

enum err tx_call(struct tx *tx, const struct query *q, bool last, PGresult **out)
{
	return tx_call_family(tx, q, NULL, last, out);
}

enum err tx_call_family(struct tx *tx, const struct query *q, const struct child *children, bool last,
			PGresult **out)
{
	struct bound values;

	*out = NULL;
	if (bind_all(tx, q, &values))
		return tx->fail.err;
	return call(tx, q, false, &values, children, last && !tx->frame, out);
}

enum err tx_total(struct tx *tx, const struct query *q, PGresult **out)
{
	struct bound values;

	*out = NULL;
	if (bind_all(tx, q, &values))
		return tx->fail.err;
	return call(tx, q, true, &values, NULL, !tx->frame, out);
}

void tx_frame(struct tx *tx, const struct query *q, const char *const *values)
{
	tx->frame = q;
	tx->frame_values = values;
}

static enum err finish(struct tx *tx, bool commit)
{
	bool commits = commit && (!tx->fail.err || tx->fail.is_kept), ok = true;
	struct failure f;

	if (!tx->is_open || !db_conn())
		return tx->fail.err;
	/*
	 * A sync commits.  Where the failure was the server's it has rolled back by
	 * itself and skips this; where it was a handler's it knows nothing of it.
	 */
	if (!commits) {
		expect(P_QUERY, NULL);
		ok = PQsendQueryParams(db_conn(), "ROLLBACK", 0, NULL, NULL, NULL, NULL, 1);
	}
	expect(P_SYNC, NULL);
	f = ok && PQpipelineSync(db_conn()) ? receive(tx, commits).fail : lost(tx);
	if (f.err)
		tx->fail = f;
	return tx->fail.err;
}

enum err tx_finish(struct tx *tx, bool commit)
{
	bool commits = commit && (!tx->fail.err || tx->fail.is_kept);
	const char *what = commits ? "COMMIT" : "ROLLBACK";
	static const struct failure none;
	enum err before = tx->fail.err, rc;
	struct span span;
	bool is_traced = tx->is_open && db_conn() && span_begin(&span, SPAN_CLIENT, what);

	rc = finish(tx, commit);
	if (is_traced)
		trace(&span, what, before ? &none : &tx->fail);
	return rc;
}

static struct failure knock(struct tx *tx)
{
	db_open();
	if (!db_conn())
		return refusal_unavailable(&tx->arena, "not connected");
	if (!send_prepare_door(tx) || !send_door(tx))
		return lost(tx);
	expect(P_SYNC, NULL);
	return PQpipelineSync(db_conn()) ? receive(tx, true).fail : lost(tx);
}

struct failure tx_knock(struct tx *tx)
{
	struct span span;
	bool is_traced = span_begin(&span, SPAN_CLIENT, tx->door->name);
	struct failure why = knock(tx);

	if (is_traced)
		trace(&span, tx->door->name, &why);
	return why;
}

enum err tx_enter(struct tx *tx)
{
	tx->fail = tx_knock(tx);
	return tx->fail.err;
}

void tx_ask_beside(struct tx *tx)
{
	PGresult *res;

	if (!asks_beside(tx))
		return;
	res = db_outside(tx->beside, tx->beside_values);
	tx->found_beside = res && PQntuples(res);
	PQclear(res);
}
