/*
 * What an event that a provider sent says of itself: its id, its type, what it
 * is about, and when it happened.
 *
 * A caller that reads one has verified who sent it.  What is signed will not be sent
 * in another form, and so none is refused for its form: what cannot be
 * understood is still an event, with a problem, that can be read again by a
 * later version.
 */
#ifndef PROVIDERS_WEBHOOK_EVENT_H
#define PROVIDERS_WEBHOOK_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"

struct json_object;

enum {
	WEBHOOK_EVENT_TEXT = 255,    /* bytes of an event's id and of its type */
	WEBHOOK_EVENT_OBJECT = 2048, /* of what it is about: Google's purchase tokens are long */
};

struct webhook_event {
	const char *provider; /* "stripe", "clerk", "supabase", "apple" or "google" */
	const char *id;       /* the provider's; where it gives none that fits, the SHA-256 of the body */
	const char *type;     /* "unknown" where it tells none */
	const char *object;   /* what it is about, or NULL */
	int64_t at_ms;        /* when it happened; 0: it does not say */
	const char *payload;  /* a JSON object that jsonb holds; "{}" when the body is none */
	bool is_whole;        /* the payload has all that the body had */
	const char *problem;  /* why it cannot be processed, or NULL */
};

/*
 * Read the body of Stripe, Clerk, Supabase or Google (with message.data decoded as "notification").
 *
 * id    the event's where a header has it (Clerk); NULL: the body has it, or nothing
 * body  n bytes with a NUL behind them; borrowed for as long as out is
 */
void webhook_event_read(struct arena *a, const char *provider, const char *id, const char *body, size_t n,
			struct webhook_event *out);

/*
 * Read an App Store notification that apple_jws_open has verified, what is signed inside it included.
 *
 * jws  n bytes, of which the id is made where the notification has none
 */
void webhook_event_read_apple(struct arena *a, struct json_object *notification, const char *jws, size_t n,
			      struct webhook_event *out);

/* What an App Store notification is about, and where it says which app and environment that is; or NULL. */
struct json_object *webhook_event_apple_data(struct json_object *notification);

/*
 * A body as it came, of any bytes, sealed for keeping (seal.h): it may hold
 * secrets.  The arena's; NULL: there is no key, or no body.
 */
char *webhook_event_seal(struct arena *a, const char *body, size_t n);

/* The body again, with a NUL behind it; NULL when it does not open.  The arena's. */
const char *webhook_event_open(struct arena *a, const char *sealed, size_t *n);

#endif
