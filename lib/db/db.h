/*
 * PostgreSQL: this process's one connection.
 *
 * Statements that belong together are a transaction (tx.h).  What is asked by
 * itself, without a door and hence without a tenant, is db_outside.
 */
#ifndef ASHLAR_DB_H
#define ASHLAR_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/db/query.h"

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
 * Run one query outside of any request's transaction, without a door and
 * hence without a tenant; params are by position.  The result is the
 * caller's (PQclear), binary; NULL when there is no connection or the query
 * failed, which is logged.
 */
PGresult *db_outside(const struct query *q, const char *const *params);

/*
 * What a transaction is made of.  The connection, in pipeline mode, or NULL; how
 * much longer than its own time limit PostgreSQL is waited for.
 */
enum { DB_GRACE_MS = 2000 };

PGconn *db_conn(void);

/* Send what libpq still holds.  False: the connection failed, or not before the deadline. */
bool db_flush(int64_t deadline_ns);

/* The next result, or NULL at the end of a statement's; *ok is false when the connection failed or took too
 * long. */
PGresult *db_next_result(int64_t deadline_ns, bool *ok);

/* The rest of a statement that runs is not wanted: the server is told to stop. */
void db_cancel(void);

/*
 * While waiting, look after the socket of who waits for us (-1: nobody's): when
 * the other side has gone, the statement is cancelled.
 */
void db_look_after(int fd);
bool db_peer_has_gone(void);

/* The transaction has ended: if it was committed, wake who waits for its rows (wake.h). */
void db_wake(bool committed);

/*
 * What a statement that only reads wants to have noted once the answer is sent, so that no request waits
 * for it: it raises a notice of SQLSTATE AS901, whose message this is. Whether there was one since the
 * last call; of several the last one, and none that is too long.
 */
enum { DB_NOTE = 1024 };
bool db_noted(char out[DB_NOTE]);

#endif
