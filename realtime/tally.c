#include "realtime/tally.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/shm.h"

static struct tally_row **place(struct tally *t, const char *text)
{
	return &t->rows[shm_hash(0, text) % TALLY_ROWS];
}

struct tally_row *tally_add(struct tally *t, const char *first, const char *second)
{
	char text[2048];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s %s", first, second) + 1;
	struct tally_row **at, *row;

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

void tally_remove(struct tally *t, struct tally_row *row)
{
	struct tally_row **at;

	if (--row->n)
		return;
	for (at = place(t, row->text); *at != row;)
		at = &(*at)->next;
	*at = row->next;
	free(row);
}
