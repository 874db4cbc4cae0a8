/*
 * Named queries: what tools/queries makes of sql/queries, a header for each file.
 *
 *	#include "build/sql/work/projects.h"
 *	… .sql = &q_project_get …
 *
 * A list that can be narrowed or sorted is one query with many statements: parts
 * of it stand or not, and its order is one of some.  The statement that a request
 * asks for is put together from constants, by what it gave, and never from
 * anything that it sent.
 */
#ifndef ASHLAR_QUERY_H
#define ASHLAR_QUERY_H

#include <stdbool.h>
#include <stdint.h>

enum query_shape { SHAPE_EXEC, SHAPE_ROW, SHAPE_MAYBE, SHAPE_ROWS, SHAPE_PAGE };

enum {
	QUERY_MAX_PARAMS = 64, /* of any query, all statements together */
	QUERY_MAX_PARTS = 30,
};

/* A stretch of a query's text. */
struct query_piece {
	enum { PIECE_TEXT, PIECE_SORT, PIECE_DIRECTION } what;
	const char
		*text;   /* "\1" and a character, from '0' on, stands for a parameter; NULL ends the pieces */
	unsigned when;   /* the parts that must stand, a bit each */
	unsigned any;    /* those of which one must; 0: whatever stands */
	unsigned unless; /* those that must not */
};

/* One of the orders of a list. */
struct query_sort {
	const char *name; /* as clients say it; NULL ends the list */
	const char *text; /* a column or an expression */
	bool descends;    /* unless the client asks for the other direction */
};

struct query {
	const char *name;
	const char *text; /* with $1, $2, …; NULL: it has pieces */
	enum query_shape shape;
	int nparams;
	const char *const
		*params; /* names; "has_x" asks whether the field x was given, "@x" is the request's */

	/* of one with many statements */
	const struct query_piece *pieces;
	const struct query_piece
		*total; /* of a page: the total alone, for where there is no row to bear it */
	int nparts;
	const uint64_t *parts;            /* of each: the parameters that must have a value, a bit each */
	const char *const *const *values; /* of each: those of which it must be one, NULL: any; or NULL */
	const struct query_sort *sorts;   /* the first one unless the client asks for another; or NULL */

	/* what it refuses by itself: must(), may() and valid() of sql/functions/runtime/refusals.sql */
	bool is_conflict, is_forbidden, is_invalid;
};

/*
 * A list inside of what a query shows, by another one that is asked in the same
 * round trip.  Where it shows many, the child's column _of says whose each row is,
 * by the id of that one, and all of one stand together.  Behind an insert, @made
 * is the id that made() was told.
 */
struct child {
	const char *member;      /* the list's name; NULL ends the table */
	const struct query *sql; /* :rows */
};

enum { MAX_CHILDREN = 8 };

#endif
