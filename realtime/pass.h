/*
 * What admission says of a handshake: whom it let in, and what the loop had
 * against it before anybody looked.
 */
#ifndef ASHLAR_REALTIME_PASS_H
#define ASHLAR_REALTIME_PASS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PASS_MAX_TEXT = 1020, /* bytes: 255 characters of 4 */
	PASS_MAX_STATE = 4095,
};

/* Who was let in. */
struct pass {
	char tenant_id[37], user_id[37]; /* uuids */
	char session_id[37]; /* uuid, of a user or of a member of the team; or "": another issuer's
				token, with that and its subject, or the issuer "key": an API key */
	char issuer[2 * PASS_MAX_TEXT + 9], foreign[PASS_MAX_TEXT + 1];
	char subject[PASS_MAX_TEXT + 1]; /* the user's public id */
	int64_t expires_at;              /* of the credentials, seconds since 1970; 0: with the session */
	bool is_stream;                  /* server-sent events of a channel, */
	char channel[PASS_MAX_TEXT + 34];
	char also[PASS_MAX_TEXT + 34]; /* and of another one, or "" */
	bool is_plain;     /* an event's data are the payload, and nothing is said beside events */
	bool is_job;       /* about something that ends: the stream does, without a word, at expires_at */
	bool is_over;      /* and it has ended: its state is all there is */
	bool has_event_id; /* what came there behind this one is sent first */
	int64_t event_id;
	bool is_resumed; /* and on the other one: the client has told where it was */
	char state_event[72], state[PASS_MAX_STATE + 1]; /* an event before all others, or "": how things are
							    at event_id */
};

/* Why the loop does not want a handshake to go on, of whichever client. */
enum pass_refusal { PASS_OPEN, PASS_FULL, PASS_ADDRESS_FULL, PASS_USER_FULL };

#endif
