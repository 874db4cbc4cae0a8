/*
 * An answer that is an event stream (the HTML standard's text/event-stream), sent
 * while it is made: each event goes out at once, through nginx, too.
 *
 * Its first event makes it one: until then a handler may still refuse.  Afterwards
 * whatever goes wrong is an event of its own, and the handler returns ERR_OK.
 */
#ifndef ASHLAR_STREAM_H
#define ASHLAR_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct req;

extern const char stream_type[]; /* "text/event-stream" */

/*
 * Send an event; name NULL: one without.  Of its n bytes each line is a "data:" line
 * of the event, which readers put together again.  False: nobody listens any more.
 */
bool stream_event(struct req *rq, const char *name, const char *data, size_t n);

/* Send a line that readers pass over, so that nobody on the way takes the stream for a dead one. */
bool stream_comment(struct req *rq);

/*
 * Does anybody still wait for the answer?  To be asked while its handler waits for others: it counts as alive
 * then.  False, too, when its time ends because the pool stops: stream_is_ending() says so, and whoever waits
 * is to be told.
 */
bool stream_is_awaited(struct req *rq);
bool stream_is_ending(const struct req *rq);

#endif
