/*
 * The records of a file that another program has written, one at a time: objects of
 * JSON, or rows of CSV.  Which it is shows at its beginning:
 *
 *   {"a":1}          an object a line (JSON Lines); a line that is broken breaks no other
 *   [{…}, {…}]       a list of objects
 *   {"users":[{…}]}  the same as the one member of an object, by the name that is expected
 *   {                objects one behind the other, over several lines
 *   a,b,c            CSV (RFC 4180); a quotation mark within quotes that is neither doubled
 *                    nor before a comma or the line's end stands for itself
 *
 * The file is read in pieces, and no record is more than max bytes of memory: what is
 * longer is skipped to its end, and told.  A byte order mark in front is skipped.
 */
#ifndef ASHLAR_RECORDS_H
#define ASHLAR_RECORDS_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/arena.h"

enum records_form { RECORDS_LINES, RECORDS_LIST, RECORDS_OBJECTS, RECORDS_CSV };

struct records {
	enum records_form form; /* for the caller to read; the rest is the module's */
	FILE *in;
	size_t max;
	long line; /* where the next character is */
	bool has_ended;
	char ahead[4096]; /* what was read to see the form */
	size_t ahead_at, ahead_n;
};

struct record {
	long line, last_line; /* of the file, from 1 */
	const char *problem;  /* why there is nothing else of it, for people; NULL: there is */
	const char *text;     /* of JSON: its n bytes, for json_read() */
	size_t n;
	const char **fields; /* of CSV: so many, valid UTF-8 */
	int nfields;
};

/*
 * Begin to read a stream, which stays the caller's.
 *
 * member  what the list is called where it is in an object; NULL: it is in none
 * max     bytes that a record may have
 */
void records_init(struct records *r, FILE *in, const char *member, size_t max);

/* The next record, the arena's; false: there is none.  One with a problem is one, too. */
bool records_next(struct records *r, struct arena *a, struct record *out);

#endif
