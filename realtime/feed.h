/*
 * The feed: what was committed to the outbox, whichever process wrote it, goes to the
 * channels.  realtime/tail.h says what to ask; a notification, the clock and
 * this process's own publishing say when.
 */
#ifndef ASHLAR_REALTIME_FEED_H
#define ASHLAR_REALTIME_FEED_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

/* Begin, with a separate connection. */
void feed_open(struct ev_loop *loop);

/* Something was committed: look. */
void feed_look(void);

/* Has it begun to look?  Before, no subscriber can be told anything. */
bool feed_is_ready(void);

/* Up to which id all has been read, but for what was not committed yet. */
int64_t feed_position(void);

void feed_close(void);

#endif
