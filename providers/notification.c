#include "providers/notification.h"

#include <stddef.h>
#include <string.h>

#include "lib/crypto/ticket.h"

/* clang-format off */
const struct notification_channel notification_channels[] = {
#define CHANNEL(marks, name, flag, about, is_there) { name, #flag, is_there },
	NOTIFICATION_CHANNELS(CHANNEL, 0)
	{ NULL, NULL, false },
};

const struct notification_type notification_types[] = {
#define NOTIFICATION_CATEGORY(...)
#define NOTIFICATION_TYPE(...) { __VA_ARGS__ },
#include "providers/notification.def"
	{ .name = NULL },
};
#undef NOTIFICATION_CATEGORY
#undef NOTIFICATION_TYPE

const struct notification_category notification_categories[] = {
#define NOTIFICATION_CATEGORY(...) { __VA_ARGS__ },
#define NOTIFICATION_TYPE(...)
#include "providers/notification.def"
	{ NULL, NULL, NULL },
};
#undef NOTIFICATION_CATEGORY
#undef NOTIFICATION_TYPE

const char *const notification_type_names[] = {
#define NOTIFICATION_CATEGORY(...)
#define NOTIFICATION_TYPE(name, ...) name,
#include "providers/notification.def"
	NULL,
};
#undef NOTIFICATION_CATEGORY
#undef NOTIFICATION_TYPE

const char *const notification_category_names[] = {
#define NOTIFICATION_CATEGORY(name, ...) name,
#define NOTIFICATION_TYPE(...)
#include "providers/notification.def"
	NULL,
};
/* clang-format on */

const struct notification_type *notification_find(const char *name)
{
	for (const struct notification_type *t = notification_types; t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

static const char purpose[] = "unsubscribe";

char *notification_link_token(struct arena *a, const char *tenant, const char *organization,
			      const char *member, const char *event)
{
	return ticket_text_sign(
		a, purpose, arena_fmt(a, "%s %s %s %s", tenant, organization, member, event ? event : "*"));
}

bool notification_link_read(struct arena *a, const char *token, struct notification_link *out)
{
	const char *text = ticket_text_verify(a, purpose, token),
		   **parts[] = { &out->tenant, &out->organization, &out->member, &out->event };

	for (int i = 0; text && i < 4; i++) {
		size_t n = strcspn(text, " ");

		*parts[i] = arena_dup_n(a, text, n);
		text += n + (text[n] == ' ');
	}
	if (!text)
		return false;
	if (!strcmp(out->event, "*"))
		out->event = NULL;
	return true;
}
