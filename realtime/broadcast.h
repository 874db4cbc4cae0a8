/*
 * A message on its way out.
 *
 * It is written once and shared by all who get it, whether 10,000 WebSockets
 * or a stream among them: what they queue are references.
 */
#ifndef ASHLAR_REALTIME_BROADCAST_H
#define ASHLAR_REALTIME_BROADCAST_H

#include <libwebsockets.h>
#include <stdint.h>

struct broadcast {
	unsigned refs;
	unsigned n;       /* bytes of text */
	int64_t id;       /* "event_id"; 0: it has none, and cannot be recovered */
	char event[72];   /* the name of the event in a stream: "channel_message" */
	char *event_text; /* as an event of a stream (broadcast_event), or NULL */
	unsigned event_n;
	unsigned char frame[LWS_PRE]; /* lws writes the frame's head here, the same for everybody */
	char text[];                  /* JSON */
};

/* The name of an event in a plain stream (struct pass): none, "", where it is "message", which is what an
 * event without one is. */
const char *broadcast_plain_name(const char *event);

/* A copy of n bytes of JSON with one reference. */
struct broadcast *broadcast_new(const char *event, int64_t id, const char *json, size_t n);

static inline struct broadcast *broadcast_ref(struct broadcast *p)
{
	p->refs++;
	return p;
}

void broadcast_unref(struct broadcast *p);

/* "id: 7\nevent: channel_message\ndata: {…}\n\n", made when first asked for; without a name where that is "".
 */
const char *broadcast_event(struct broadcast *p, size_t *n);

#endif
