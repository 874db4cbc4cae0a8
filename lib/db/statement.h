/*
 * Statements: what a query becomes for one request, and which of them this
 * process's connection has prepared.
 *
 * A query with parts and orders has many statements.  At most
 * STATEMENTS_PREPARED are kept prepared, since each costs PostgreSQL memory in
 * every child (bench/STATEMENTS.md); the least recently used makes room.
 */
#ifndef ASHLAR_STATEMENT_H
#define ASHLAR_STATEMENT_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/db/query.h"
#include "lib/db/value.h"

enum { STATEMENTS_PREPARED = 256 };

struct statement {
	const struct query *query;
	unsigned parts; /* that stand, a bit each */
	int sort;       /* an index into sorts */
	bool descends;
	bool is_total; /* a page's total alone */

	int nparams;
	unsigned char params[QUERY_MAX_PARAMS]; /* the query's, in the order of this one's $1, $2, … */

	bool is_prepared;
	bool is_named; /* the server may have a statement of its name */
	char name[96]; /* at the server */

	/* statement.c's */
	struct statement *newer, *older, *next;
};

/*
 * The statement that a query is with n values: a part stands when each of its
 * parameters has a value (not null, no empty text, not is_off), or one of those that
 * the query says; the order is that of the values sort_by and sort_order.
 *
 * Never NULL; the same one for the same question, until STATEMENTS_PREPARED
 * others were asked for.  When another one's place was taken, its name is in
 * *gone, and is to be deallocated at the server; else "".
 */
struct statement *statement_find(const struct query *q, const struct value *values, size_t n, bool total,
				 const char **gone);

/* Its text, with $1, $2, …; the arena's, or a constant. */
const char *statement_text(struct arena *a, const struct statement *s);

/* The connection is gone, and with it what was prepared. */
void statement_forget_all(void);

#endif
