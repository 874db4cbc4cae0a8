/*
 * The protocol of /api/v1/app/ws: JSON text frames, one message each.
 *
 * From clients, at most PROTOCOL_MAX_BYTES each:
 *
 *   {"type":"subscribe","channel":"project:<id>"}      answered with "subscribed" or an error
 *       "last_event_id":N   send what came behind event N first, if it is at most two minutes old
 *       "presence":true     count me as present, and tell me who else is and who comes and goes
 *   {"type":"unsubscribe","channel":"project:<id>"}    answered with "unsubscribed"
 *   {"type":"message","channel":"project:<id>","data":{…}}
 *       to everybody on the channel, the sender included: so the sender, too, learns the event's id
 *       and its place among the others.  The client must have subscribed to the channel.
 *
 * From the server:
 *
 *   {"type":"connected","data":{"user_id","connected_at"}}
 *       first of all.  The connection is on the channel user:<user_id> from then on.
 *   {"type":"subscribed","channel","recovered","event_id"}
 *       recovered: whether all that came behind last_event_id follows (false without one); event_id is
 *       the channel's position now, to begin from at the next time even if nothing comes.
 *   {"type":"unsubscribed","channel","code"}
 *       code only where it was the server's doing: FORBIDDEN, the user may not listen any more;
 *       STREAM_ENDED, a job's channel has told its last.
 *   {"type":"channel_message","channel","data","sender_id","event_id","timestamp"}
 *       in the order in which they were published on the channel.  sender_id is null when the server
 *       published it.  What a server publishes as an object with a "type" of its own is sent as given,
 *       with "channel", "event_id" and "timestamp" put in where it has none: {"type":"update",…}.
 *   {"type":"event","event","channel","data","event_id","timestamp"}
 *       of a stream, such as a job's progress (channel job:<id>).
 *   {"type":"notification","data":{"title","message"},"channel","event_id","timestamp"}
 *   {"type":"presence","channel","event":"state","users":[{"user_id","connections","joined_at"},…]}
 *   {"type":"presence","channel","event":"join"|"leave","user_id","event_id","timestamp"}
 *   {"type":"error","message","code","channel"}
 *       channel where it is about one.
 *
 * A client that stays away for less than two minutes misses nothing: it connects again, subscribes with
 * the last event_id that it saw on each channel, and gets what came meanwhile in order, then what comes.
 * With "recovered":false it missed something, and reads its state anew.
 *
 * Server-sent events at /api/v1/app/events?channel=…: the same messages, as the data of events named by
 * their type (of "event": by the event), with id: the event_id; reconnecting with Last-Event-ID recovers.
 *
 * The server pings every REALTIME_PING_S seconds; who says nothing for twice as long and a bit is gone.
 *
 * Error codes; those with a number close the connection with it, behind the error:
 *
 *   INVALID_MESSAGE          not a JSON object, or fields that are none of the above
 *   INVALID_CHANNEL          not <kind>:<id>
 *   FORBIDDEN                the user may not listen, or send, there; or it is not there
 *   NOT_SUBSCRIBED           to a channel that one leaves or sends to
 *   TOO_MANY_CHANNELS        100 at a time
 *   UNAVAILABLE              PostgreSQL is; try again
 *   RATE_LIMITED       4429  too many messages (REALTIME_MESSAGE_RATE): the message is dropped; who goes
 *                            on at more than ten times that is cut off
 *   MESSAGE_TOO_LARGE  1009  more than 32 KiB
 *   INVALID_MESSAGE    1003  a binary frame
 *   INVALID_MESSAGE    1007  not UTF-8
 *   TOKEN_EXPIRED      4401  the credentials are over: come back with new ones
 *   REVOKED            4403  the session was ended, or the user is not active any more
 *   IDLE               4408  no answer to a ping
 *   SLOW_CONSUMER      4413  more than REALTIME_BUFFER_KIB wait to be read
 *   RESTART            1012  the server stops: come back in a moment (no error in front of it)
 *
 * Before the upgrade a refusal is an HTTP answer with the API's error body: 401, 403 (origin), 422, 426
 * (no WebSocket handshake), 429 with Retry-After (rate, connections), 503.
 */
#ifndef ASHLAR_REALTIME_PROTOCOL_H
#define ASHLAR_REALTIME_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct json_object;

enum {
	PROTOCOL_MAX_BYTES = 32 * 1024,                  /* of a client's message */
	PROTOCOL_MAX_CHANNELS = 100,                     /* of one connection, beside the user's own */
	PROTOCOL_MAX_ID = 255,                           /* characters of a channel's id */
	PROTOCOL_MAX_CHANNEL = 33 + PROTOCOL_MAX_ID * 4, /* bytes of its name */
};

enum protocol_close {
	CLOSE_BINARY = 1003,
	CLOSE_NOT_UTF8 = 1007,
	CLOSE_TOO_LARGE = 1009,
	CLOSE_RESTART = 1012,
	CLOSE_TOKEN_EXPIRED = 4401,
	CLOSE_REVOKED = 4403,
	CLOSE_IDLE = 4408,
	CLOSE_SLOW = 4413,
	CLOSE_FLOOD = 4429,
};

enum client_type { CLIENT_SUBSCRIBE, CLIENT_UNSUBSCRIBE, CLIENT_MESSAGE };

struct client_message {
	enum client_type type;
	const char *channel;      /* well-formed */
	struct json_object *data; /* of a message: an object */
	bool has_last_event_id, wants_presence;
	int64_t last_event_id;
};

/* What is wrong with a client's message: the two members of the error. */
struct problem {
	const char *code, *message;
	const char *channel; /* that it is about, or NULL */
};

/*
 * Read a client's message.  The strings and the tree are the arena's.
 * False: *why says what is wrong, INVALID_MESSAGE or INVALID_CHANNEL.
 */
bool protocol_read(struct arena *a, const char *p, size_t n, struct client_message *out, struct problem *why);

/* Is it <kind>:<id>, as realtime_kind() in sql/functions/integrations/realtime.sql has it? */
bool protocol_is_channel(const char *name);

/* What the server says. */
void protocol_connected(struct buf *b, const char *user_id);
void protocol_subscribed(struct buf *b, const char *channel, bool is_recovered, int64_t position);
void protocol_unsubscribed(struct buf *b, const char *channel, const char *code);
void protocol_error(struct buf *b, const struct problem *why);

/* Who is on a channel; connections is a number as text. */
struct protocol_user {
	const char *user_id, *connections, *joined_at;
};

void protocol_present(struct buf *b, const char *channel, const struct protocol_user *users, int n);

/* A row of the outbox; see sql/migrations/0011_realtime.sql. */
struct published {
	int64_t id;
	const char *kind, *channel, *payload;    /* payload: JSON text, as PostgreSQL writes jsonb */
	const char *sender, *event, *created_at; /* the first two may be NULL */
	bool is_last;
};

/* The message that tells of it; returns its type, a static string, or the event's name. */
const char *protocol_published(struct buf *b, const struct published *row);

#endif
