/*
 * What goes to PostgreSQL: what clients send, who comes and goes, how much was
 * told.  Many at once: one transaction, and one flush of the log, for whatever
 * came at once, or while the one before was being committed.
 */
#ifndef ASHLAR_REALTIME_OUTBOX_H
#define ASHLAR_REALTIME_OUTBOX_H

#include <ev.h>

#include "realtime/channel.h"
#include "realtime/conn.h"
#include "realtime/pg.h"

/*
 * Before the first connection, with a way of its own to PostgreSQL: who asks
 * something does not wait for commits.  process is this one's id, a uuid; both
 * are borrowed for good.
 */
void outbox_open(struct ev_loop *loop, const char *process);

/* How many batches are on their way. */
int outbox_pending(void);

void outbox_close(void);

/* Publish a client's message, JSON text, on its channel. */
void outbox_publish(struct sub *s, const char *json);

/* A client comes to a channel, and is told who is there; it leaves. */
void outbox_join(struct sub *s);
void outbox_leave(struct conn *c, const char *channel);

/* Everybody of ours has to be put down again: PostgreSQL has forgotten (realtime_beat). */
void outbox_join_again(void);

/* Send what waits now. */
void outbox_flush(void);

#endif
