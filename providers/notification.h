/*
 * What members of a workspace are told of (notification.def), and the channels by
 * which: the form that the reference, mails and PostgreSQL share.
 */
#ifndef ASHLAR_NOTIFICATION_H
#define ASHLAR_NOTIFICATION_H

#include <stdbool.h>

#include "lib/base/arena.h"

/*
 * The channels: X(marks, name, the flag of a preference, what that is about, is there one here?).  One
 * more is a line here, a column of notification_preferences, a branch in notify_now(), and what sends by it.
 */
#define NOTIFICATION_CHANNELS(X, marks)                                           \
	X(marks, "inapp", inapp_enabled, "in the list and on the stream", true)   \
	X(marks, "email", email_enabled, "by mail, as email-delivery says", true) \
	X(marks, "whatsapp", whatsapp_enabled, "there is no provider yet: nothing is sent", false)

struct notification_channel {
	const char *name, *flag;
	bool is_there; /* what is wanted by one that is not is no error, and sends nothing */
};

struct notification_type {
	const char *name, *category, *label;
	const char *text;       /* the message, with members of the data in braces */
	const char *permission; /* or NULL */
	bool inapp, email, whatsapp;
	bool needs_attention;
};

struct notification_category {
	const char *name, *label, *description;
};

/* Each in its order; the last has no name. */
extern const struct notification_channel notification_channels[];
extern const struct notification_type notification_types[];
extern const struct notification_category notification_categories[];

/* The names alone; the last is NULL. */
extern const char *const notification_type_names[], *const notification_category_names[];

/* NULL: there is none of that name. */
const struct notification_type *notification_find(const char *name);

/* What a mail's link says, by which a member ends mails: of one kind of event, or (event NULL) of all. */
struct notification_link {
	const char *tenant, *organization, *member; /* uuids */
	const char *event;
};

/* The link's token, always the same for the same.  NULL without JWT_SECRET.  The arena's. */
char *notification_link_token(struct arena *a, const char *tenant, const char *organization,
			      const char *member, const char *event);

/* Read one; its strings are the arena's.  false: we did not make it. */
bool notification_link_read(struct arena *a, const char *token, struct notification_link *out);

#endif
