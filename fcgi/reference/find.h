/*
 * A search by words: over the operations (path, summary, what is said of them, the
 * names of their fields) and over the guide's sections.
 *
 * Nothing is kept for it: all of that is looked through each time, which takes
 * milliseconds (bench/CLIENTS.md), and no process pays for an index that it may
 * never use.
 */
#ifndef ASHLAR_FIND_H
#define ASHLAR_FIND_H

#include <stddef.h>

#include "fcgi/reference/guide.h"
#include "fcgi/route.h"

enum { FIND_MOST = 10 };

struct find_hit {
	const struct route *route;     /* an operation, or NULL: */
	const struct guide_page *page; /* a section of the guide, */
	const char *heading;           /* by its heading, */
	size_t heading_len;
	const char *text; /* and what stands below that */
	size_t text_len;
	double score;
};

/*
 * The hits of a query, the best first; how many, at most FIND_MOST.  Eight things may be asked for, each by a
 * word or by two, "sign in", or by what means the same (synonym.h); a word that only begins so counts half.
 * Where it stands counts (path and name, title, what is said of it, fields), how few have it, and how much
 * else there is: a title that says only that is better, and so is a shorter path.  A verb fits the method
 * that does it.  Operations come before the guide, and those for a product's users before the others.
 */
int find_words(const char *query, struct find_hit hits[FIND_MOST]);

#endif
