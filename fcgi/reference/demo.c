#include "fcgi/reference/demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *name, const void *row)
{
	return strcmp(name, ((const struct demo_row *)row)->name);
}

const char *demo_text(const char *name)
{
	const struct demo_row *row = bsearch(name, demo_rows, demo_nrows, sizeof(*demo_rows), compare);

	return row ? row->text : NULL;
}

const char *demo_named(const char *field, const char *room)
{
	size_t n = strlen(field);
	const char *found = NULL;
	char name[80];

	if (n > 3 && !strcmp(field + n - 3, "_id"))
		n -= 3;
	else if (n > 4 && !strcmp(field + n - 4, "_ids"))
		n -= 4;
	if (room) {
		snprintf(name, sizeof(name), "%s %.*s", room, (int)n, field);
		found = demo_text(name);
	}
	if (!found) {
		snprintf(name, sizeof(name), "%.*s", (int)n, field);
		found = demo_text(name);
	}
	return found;
}
