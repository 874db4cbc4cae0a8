/*
 * The feed: what was committed to the outbox, whichever process wrote it, goes to
 * who is told of it (the channels).  realtime/tail.h says what to ask; a
 * notification, the clock and this process's own publishing say when.
 */
#ifndef ASHLAR_REALTIME_FEED_H
#define ASHLAR_REALTIME_FEED_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "realtime/protocol.h"

struct feed_events {
	/* A message, in the order of ids within a channel; borrowed for the call. */
	void (*published)(const char *tenant_id, const struct published *row);
	/* Messages may have gone unread: ask for each subscription what it missed. */
	void (*lost)(void);
};

/* Begin, with a separate connection; events is borrowed for good. */
void feed_open(struct ev_loop *loop, const struct feed_events *events);

/* Something was committed: look. */
void feed_look(void);

/* Has it begun to look?  Before, no subscriber can be told anything. */
bool feed_is_ready(void);

/* Up to which id all has been read, but for what was not committed yet. */
int64_t feed_position(void);

void feed_close(void);

#endif
