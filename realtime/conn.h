/*
 * A connection: a WebSocket, or a stream of server-sent events.
 *
 * What is alike in both is here: who it is, what waits to be sent, how long it
 * may live.  How bytes travel is its transport's (ws.c, sse.c); what is said is
 * commands.c's and channel.c's.
 */
#ifndef ASHLAR_REALTIME_CONN_H
#define ASHLAR_REALTIME_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "realtime/broadcast.h"
#include "realtime/pass.h"
#include "realtime/protocol.h"

struct conn;
struct sub;

struct transport {
	/* Send it now: true; or not: false, and tell conn_writable() when it can. */
	bool (*write)(struct conn *c, struct broadcast *p);
	/* All that is in the queue, then the end, with a code where the transport has such. */
	void (*close)(struct conn *c);
	/* At once.  Ends in conn_gone(). */
	void (*kill)(struct conn *c);
	void (*ping)(struct conn *c);
};

/* Who it is: the part of a pass that lives as long as the connection. */
struct who {
	char tenant_id[37], user_id[37], session_id[37];
	int64_t expires_at;           /* seconds since 1970; 0: never */
	const char *subject;          /* the user's public id */
	const char *issuer, *foreign; /* another issuer's and its subject, or "" */
};

struct conn {
	struct conn *next, **at; /* all of them */
	struct conn *next_doomed;
	const struct transport *transport;
	void *wire; /* the transport's; NULL: gone */
	struct who *who;
	void *address, *user; /* how many others there are: the server's */
	uint64_t number;      /* within this process */
	unsigned questions;   /* to PostgreSQL that will come back to it */
	bool is_closing, is_slow, is_broken;
	bool is_stream, is_plain, is_job; /* see struct pass */
	unsigned counted;                 /* messages since usage was last put down */

	struct broadcast **queue; /* a ring, of a power of two */
	unsigned first, nqueue, cap;
	size_t queued; /* bytes */

	struct sub **subs;
	int nsubs, caps;

	char *partial; /* of a message that comes in pieces */
	size_t npartial;
	double tokens; /* of the rate limit */
	int64_t tokens_ns;
	int64_t heard_ns, pinged_ns, doomed_ns;

	int close_code;
	const char *close_reason; /* static */
	bool close_is_due;        /* as soon as the queue is empty */
};

/* Every connection. */
extern struct conn *conns;

/*
 * Whoever keeps something about a connection is told of its end; NULL: it does
 * not need to know.  All are in one table, which stands in server.c, and are
 * told in its order.
 */
struct conn_listener {
	/* It is told nothing any more.  Comes once or several times, and may come long before the next one.
	 */
	void (*closing)(struct conn *c);
	/* It is about to leave the list of all; once. */
	void (*gone)(struct conn *c);
};

/* Before the first connection; the table ends with one that is empty, and is borrowed for good. */
void conn_open(const struct conn_listener *table);

/* A connection that was let in; wire is the transport's. */
struct conn *conn_new(const struct transport *t, void *wire, const struct pass *pass);

/* Send a message, or queue it; the reference stays the caller's.  Who reads too slowly is doomed. */
void conn_send(struct conn *c, struct broadcast *p);

/* The same for what is for this connection alone: JSON in b. */
void conn_say(struct conn *c, const char *event, const struct buf *b);
void conn_error(struct conn *c, const char *code, const char *channel, const char *message);

/*
 * Close it, when the loop comes round: channels may be in the middle of telling
 * all of theirs something.  With code (a word) an error goes in front.
 */
void conn_doom(struct conn *c, int close_code, const char *code, const char *message);

/* Close those that are doomed.  Called by the loop in front of each wait. */
void conn_sweep(void);

/* The transport cannot go on with it; it is killed when the loop comes round. */
void conn_broken(struct conn *c);

/* The other side closes it. */
void conn_leaves(struct conn *c);

/* The transport can take more: send from the queue.  False: it has none left. */
bool conn_writable(struct conn *c);

/* The transport has lost it. */
void conn_gone(struct conn *c);

/* A question to PostgreSQL has come back: free the connection if it waited only for that. */
void conn_answered(struct conn *c);

/* Has it something to say today?  Takes one of the messages that it may send per second; see RATE_LIMITED. */
bool conn_may_talk(struct conn *c);

/* Once a second: pings, expired credentials, those that do not go. */
void conn_tick(int64_t now_ns);

/* What the metrics tell. */
extern struct conn_counts {
	uint64_t open, streams, opened, received, delivered, dropped, slow;
} conn_counts;

#endif
