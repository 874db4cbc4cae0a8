/*
 * A message on its way out.
 *
 * It is written once and shared by all who get it, whether 10,000 WebSockets
 * or a stream among them: what they queue are references.
 */
#ifndef ASHLAR_REALTIME_POST_H
#define ASHLAR_REALTIME_POST_H

#include <libwebsockets.h>
#include <stdint.h>

struct post {
	unsigned refs;
	unsigned n;       /* bytes of text */
	int64_t id;       /* "event_id"; 0: it has none, and cannot be recovered */
	char event[72];   /* the name of the event in a stream: "channel_message" */
	char *event_text; /* as an event of a stream (post_event), or NULL */
	unsigned event_n;
	unsigned char frame[LWS_PRE]; /* lws writes the frame's head here, the same for everybody */
	char text[];                  /* JSON */
};

/* A copy of n bytes of JSON with one reference. */
struct post *post_new(const char *event, int64_t id, const char *json, size_t n);

static inline struct post *post_ref(struct post *p)
{
	p->refs++;
	return p;
}

void post_unref(struct post *p);

/* "id: 7\nevent: channel_message\ndata: {…}\n\n", made when first asked for. */
const char *post_event(struct post *p, size_t *n);

#endif
