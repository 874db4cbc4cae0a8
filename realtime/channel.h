/*
 * Channels, and who is on them.
 *
 * A channel is there while a subscriber of this process listens to it.  Messages
 * come from the tail of the outbox, in the order of their ids within a channel.
 */
#ifndef ASHLAR_REALTIME_CHANNEL_H
#define ASHLAR_REALTIME_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "realtime/conn.h"

/* A client's place on a channel that was asked for, is gone through, or stands. */
enum sub_state {
	SUB_ASKED, /* PostgreSQL was asked whether it may, and what it missed; what comes meanwhile is held */
	SUB_LIVE,
};

struct channel {
	struct channel *next; /* of the table's row */
	uint64_t hash;
	struct sub **subs;
	int nsubs, cap;
	char tenant_id[37];
	char name[];
};

struct sub {
	struct conn *conn;
	struct channel *channel;
	int at; /* in channel->subs */
	enum sub_state state;
	bool is_own;               /* the user's own channel, on which each connection is from the start */
	bool is_asked_for;         /* the client has asked for it */
	bool is_present;           /* and to be counted as present */
	bool wants_presence;       /* when it is live */
	bool is_asking;            /* whether it may send */
	uint64_t question;         /* the number of what PostgreSQL was asked */
	int64_t first_id, last_id; /* of what it was sent as it came; of all it was sent */
	int64_t base_id;           /* where the tail was when it came */
	int64_t checked_ns, may_send_ns; /* when it was known that it may listen; and send: 0: not known */
	struct broadcast **held;         /* what came while it was not live */
	int nheld;
	struct unsent *unsent, **last_unsent; /* what it sends, until it is known that it may */
};

/* A client's message that waits. */
struct unsent {
	struct unsent *next;
	char json[];
};

/* The connection's place on a channel, or NULL. */
struct sub *channel_find(const struct conn *c, const char *name);

/* Go to a channel. */
struct sub *channel_enter(struct conn *c, const char *name, enum sub_state state);

/* Be counted as present there, and be told who is. */
void channel_join(struct sub *s);

/* All who are present join again: PostgreSQL has forgotten (realtime_beat). */
void channel_join_again(void);

/* Leave it; frees s. */
void channel_leave(struct sub *s);
void channel_leave_all(struct conn *c);

/* A message of the outbox, as it is sent: with one reference, which is the caller's. */
struct broadcast *channel_broadcast(const char *tenant_id, const struct published *row, bool is_plain);

/* Tell all who listen; the last message of a stream lets them go. */
void channel_tell(const char *tenant_id, const struct published *row);

/* Send one message to one place, unless it has it already. */
void channel_tell_one(struct sub *s, struct broadcast *p);

/* Its stream has ended: the client is told, and leaves. */
void channel_end(struct sub *s);

/* It is live now: what was held goes out. */
void channel_release(struct sub *s);

/* Forget what it was about to send. */
void channel_drop_unsent(struct sub *s);

/* How many places on channels there are. */
extern uint64_t channel_places;

#endif
