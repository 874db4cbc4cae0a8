/*
 * PostgreSQL from an event loop: one connection in pipeline mode that never
 * blocks.  Each statement is a separate transaction; results come in the
 * order in which they were asked for.
 *
 * lib/db/db.c is the other way: one request, one round trip, and waiting for it.
 */
#ifndef ASHLAR_REALTIME_PG_H
#define ASHLAR_REALTIME_PG_H

#include <ev.h>
#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/db/db.h"

struct pg;

/*
 * The answer: its rows in text form, or NULL and an error: a five-letter
 * SQLSTATE, or "08006" when the connection was lost, and what to tell.  Both
 * are borrowed for the call.
 */
typedef void pg_done(void *arg, const PGresult *rows, const char *sqlstate, const char *message);

struct pg_events {
	void (*ready)(void);                   /* connected, now or again; may be NULL */
	void (*notified)(const char *channel); /* NOTIFY came; may be NULL */
};

/* Connect, and reconnect for ever, with back-off.  name is for the log; both pointers are borrowed for good.
 */
struct pg *pg_new(struct ev_loop *loop, const char *name, const struct pg_events *events);

/* Close at once; what was asked and not answered gets its error. */
void pg_free(struct pg *pg);

bool pg_is_ready(const struct pg *pg);

/* How many statements wait for their answer. */
int pg_pending(const struct pg *pg);

/*
 * Ask.  params are by position, text, and copied; done may be NULL.  False:
 * there is no connection now, and done will not be called.
 */
bool pg_ask(struct pg *pg, const struct query *q, const char *const *params, pg_done *done, void *arg);

/* The same for a statement without parameters that is no query of ours, such as LISTEN. */
bool pg_ask_text(struct pg *pg, const char *sql, pg_done *done, void *arg);

#endif
