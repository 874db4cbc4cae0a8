/*
 * PostgreSQL: one connection per child, one round trip per request.
 *
 * The first statement of a request travels together with the caller's door
 * (caller.h), which checks the caller and opens the transaction's row-level-
 * security context; if it refuses, the server skips the rest.  The runtime ends the transaction;
 * handlers write no BEGIN.  Results are binary.
 */
#ifndef ASHLAR_DB_H
#define ASHLAR_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/query.h"
#include "lib/base/err.h"

struct child;
struct req;

/*
 * Connect, or say why not.  Later calls reconnect by themselves, with back-off;
 * meanwhile requests get ERR_UNAVAILABLE with Retry-After.
 */
void db_open(void);
void db_close(void);

/*
 * How often PostgreSQL looks, while it works for us, whether we are still
 * there, milliseconds; 0: never.  For processes that are killed in the middle of
 * long statements; to be set before db_open.
 */
extern int db_client_check_ms;

/*
 * A separate connection to DATABASE_URL, blocking, within
 * DATABASE_CONNECT_TIMEOUT_S; its owner calls PQfinish.  name is what
 * pg_stat_activity and the log call it, options are the server's (or NULL), and
 * receiver takes the notices from the first message on (NULL: none does).  NULL
 * when there is none: the log says why.
 */
PGconn *db_connect(const char *name, const char *options, PQnoticeReceiver receiver);

/* Make a connection silent that its owner opens step by step: libpq would print notices to stderr. */
void db_silence(PGconn *c);

/* The connection's socket; -1: there is none.  *number tells one connection from the next on the same socket.
 */
int db_socket(unsigned *number);

/*
 * Have an epoll tell of the connection's socket (data.fd), in front of each wait:
 * PostgreSQL may end an idle connection, and that is noticed now, not with the
 * next request.  One epoll per process.
 */
void db_watch(int epoll_fd);

/* The idle connection's socket is readable.  When PostgreSQL has ended it, close our side; the next request
 * reconnects. */
void db_idle_input(void);

/*
 * Run a query inside the request's transaction; parameters are bound by name
 * from the request's values.  With last, the transaction ends with it, in the
 * same round trip.
 *
 * *out is the arena's.  Otherwise the failure is recorded: the door's refusals,
 * violated constraints by the route's table, ERR_UNAVAILABLE, ERR_TIMEOUT.
 */
enum err db_call(struct req *rq, const struct query *q, bool last, PGresult **out);

/*
 * The same, and behind it, in the same round trip, a row's children (route.h);
 * their results are rq->children, in their order.
 */
enum err db_call_family(struct req *rq, const struct query *q, const struct child *children, bool last,
			PGresult **out);

/* A page's total alone, the only column of one row; for a page behind the last one, which has no row to bear
 * it. */
enum err db_total(struct req *rq, const struct query *q, PGresult **out);

/* db_call with the parameters by position. */
enum err db_call_with(struct req *rq, const struct query *q, const char *const *values, bool last,
		      PGresult **out);

/*
 * Have a statement run behind the door, in front of the request's first one and
 * in the same round trip, and keep the transaction open behind the last one:
 * for the runtime, which has something to add.  values must live as long as
 * the request.
 */
void db_frame(struct req *rq, const struct query *q, const char *const *values);

/*
 * End the transaction, if one is open: commit it, or roll it back.  After a
 * failure it is rolled back either way, unless that is one of req_refuse: this
 * stays the failure when the commit succeeds.
 */
enum err db_finish(struct req *rq, bool commit);

/* Only ask the door whether the caller may come in: for requests that are refused for another reason anyway.
 */
enum err db_enter(struct req *rq);

/*
 * May the page of who.page_key read the answer (CORS)?  A transaction's first
 * statement brings that question along; this is for requests that had none.
 */
void db_ask_page(struct req *rq);

/*
 * Run one query outside of any request's transaction, without a door and
 * hence without a tenant; params are by position.  The result is the
 * caller's (PQclear), binary; NULL when there is no connection or the query
 * failed, which is logged.
 */
PGresult *db_outside(const struct query *q, const char *const *params);

/*
 * A binary column of a result by name; that it exists and has such a type is
 * asserted.  Null is 0, false and NULL.
 */
int64_t db_int(const PGresult *res, int row, const char *col);
bool db_bool(const PGresult *res, int row, const char *col);
const char *db_text(const PGresult *res, int row, const char *col); /* text types; borrowed */

#endif
