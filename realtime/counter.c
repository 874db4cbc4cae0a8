#include "realtime/counter.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/shm.h"

static struct counter_row **place(struct counter *t, const char *text)
{
	return &t->rows[shm_hash(0, text) % COUNTER_ROWS];
}

struct counter_row *counter_add(struct counter *t, const char *first, const char *second)
{
	char text[2048];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s %s", first, second) + 1;
	struct counter_row **at, *row;

	if (n > sizeof(text))
		n = sizeof(text);
	at = place(t, text);
	for (row = *at; row; row = row->next)
		if (!strcmp(row->text, text))
			break;
	if (!row) {
		row = calloc(1, sizeof(*row) + n);
		if (!row)
			abort();
		memcpy(row->text, text, n);
		row->next = *at;
		*at = row;
	}
	row->n++;
	return row;
}

void counter_remove(struct counter *t, struct counter_row *row)
{
	struct counter_row **at;

	if (--row->n)
		return;
	for (at = place(t, row->text); *at != row;)
		at = &(*at)->next;
	*at = row->next;
	free(row);
}
