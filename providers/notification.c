#include "providers/notification.h"

#include <stddef.h>
#include <string.h>

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
