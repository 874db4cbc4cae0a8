/*
 * What goes to PostgreSQL: what clients send, who comes and goes, how much was
 * told.  Many at once: one transaction, and one flush of the log, for whatever
 * came at once, or while the one before was being committed.
 */
#ifndef ASHLAR_REALTIME_OUTBOX_H
#define ASHLAR_REALTIME_OUTBOX_H

#include <ev.h>

#include "realtime/conn.h"

/*
 * Before the first connection, with a way of its own to PostgreSQL: who asks
 * something does not wait for commits.  process is this one's id, a uuid; both
 * are borrowed for good.
 */
void outbox_open(struct ev_loop *loop, const char *process);

/* How many batches are on their way. */
int outbox_pending(void);

void outbox_close(void);

/* Publish a client's message, JSON text, on a channel. */
void outbox_publish(struct conn *c, const char *channel, const char *json);

/* Who is on a channel, itself among them; at most so many as are listed. */
typedef void outbox_present(struct conn *c, const char *channel, const struct protocol_user *users, int n);

/* A client comes to a channel; once that is committed present is called, if the connection is still there. */
void outbox_join(struct conn *c, const char *channel, outbox_present *present);

/* It leaves. */
void outbox_leave(struct conn *c, const char *channel);

/* Send what waits now. */
void outbox_flush(void);

#endif
