#include "fcgi/event.h"

#include <string.h>

const struct event *event_find(const char *type)
{
	for (const struct event *e = events; e->type; e++)
		if (!strcmp(e->type, type))
			return e;
	return NULL;
}
