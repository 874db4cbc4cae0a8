/*
 * How many of each: connections from an address, of a user.
 */
#ifndef ASHLAR_REALTIME_COUNTER_H
#define ASHLAR_REALTIME_COUNTER_H

struct counter_row {
	struct counter_row *next;
	int n;
	char text[];
};

enum { COUNTER_ROWS = 4096 };

struct counter {
	struct counter_row *rows[COUNTER_ROWS];
};

/* One more of text, which is two texts: the same user's id may be there in two tenants. */
struct counter_row *counter_add(struct counter *t, const char *first, const char *second);

/* One less. */
void counter_remove(struct counter *t, struct counter_row *row);

#endif
