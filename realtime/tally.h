/*
 * How many of each: connections from an address, of a user.
 */
#ifndef ASHLAR_REALTIME_TALLY_H
#define ASHLAR_REALTIME_TALLY_H

struct tally_row {
	struct tally_row *next;
	int n;
	char text[];
};

enum { TALLY_ROWS = 4096 };

struct tally {
	struct tally_row *rows[TALLY_ROWS];
};

/* One more of text, which is two texts: the same user's id may be there in two tenants. */
struct tally_row *tally_add(struct tally *t, const char *first, const char *second);

/* One less. */
void tally_remove(struct tally *t, struct tally_row *row);

#endif
