/*
 * What a list looks like, as data: the members around its rows, and the query
 * fields that choose a page.
 *
 * A row whose query answers many has .list, one of those below, and the runtime
 * does the rest: its query fields are there without being written down, the
 * query has :limit and :skip whatever a client calls them, the answer has the
 * form, and the reference and the tests know it.
 *
 *	skipped    {"items":[…],"total":41,"skip":0,"limit":20}
 *	numbered   {"items":[…],"total":41,"page":1,"page_size":20,"total_pages":3}
 *	sized      {"items":[…],"total":41,"page":1,"size":20,"pages":3}
 *	turned     {"items":[…],"total":41,"page":1,"per_page":20,"has_next":true,"has_prev":false}
 *	windowed   {"items":[…],"total":41,"limit":20,"offset":0,"has_more":true}
 *	enveloped  {"data":[…],"meta":{"total":41,"limit":50,"offset":0}}
 *	leafed     {"data":[…],"meta":{"total":41,"limit":50,"offset":0,"page":1,"pages":1}}
 *	unpaged    {"data":[…],"meta":{"total":41,"limit":1000,"offset":0}}, all there are
 *	tailed     the same, of limit alone
 *	capped     the same as unpaged, a hundred at most
 *	counted    {"items":[…],"total":41}, all there are
 *	sliced     […] of limit and skip
 *	shifted    […] of limit and offset
 *	unwrapped  […], all there are
 *	followed   {"items":[…],"next_cursor":"…"}
 *
 * What is behind a page of followed is asked for by its cursor, so that the last page costs what the first
 * one does, and what comes meanwhile moves nothing.
 *
 * A cursor is the row's sort value and id, as its query has them, and says nothing of what one may see: that
 * is asked with each page.  The row brings the query field :cursor, and its query the text _next_cursor.
 *
 * .items = "goals" of a row is the member in the place of "items", and makes an
 * object {"goals":[…]} of an array.  .size = { 50, 200 } is how many there are
 * to a page, and how many at most; of unpaged, where both are one, how many all there are can be.
 */
#ifndef ASHLAR_LIST_H
#define ASHLAR_LIST_H

#include <stdbool.h>

struct field;

enum { LIST_MOST = 1000 }; /* rows of a list that says nothing else */

/* How many rows a page has when the client does not say, and at most; 0: as the form has it. */
struct size {
	int usual, most;
};

/*
 * A form.  A member or a query field has its meaning by its name:
 *
 *	total	what the query counts; of one that counts nothing, its rows
 *	limit, page_size, per_page, size	rows to a page: the query's :limit
 *	skip, offset	rows before it: the query's :skip
 *	page	its number, from 1, in the place of skip; of one that skip asks for, skip / limit + 1
 *	total_pages, pages	how many there are
 *	has_next, has_more; has_prev	whether there are rows behind and before it
 *	next_cursor	the text in the last row's column of the name _next_cursor; null where there is none
 *
 * Any other member is the number in the query's column of the name "_" and the member's.  With .counts
 * there is "summary" behind them, an object of that form: the JSON text in the query's column _summary.
 */
struct list {
	const char *items;      /* the rows' member; NULL: an array, unless the row has .items */
	const char *meta;       /* the member that the others are in; NULL: they stand beside the rows */
	const char *members[6]; /* behind the rows */
	const char *paging[2];  /* query fields */
	struct size size;
	bool clamps;                /* more than the most counts as the most; else it is refused */
	const struct field *counts; /* the members of "summary"; or NULL */
};

extern const struct list skipped, numbered, sized, turned, windowed, enveloped, leafed, unpaged, tailed,
	capped, counted, sliced, shifted, unwrapped, followed;

/* What a member or query field is, by its name. */
enum list_kind {
	LIST_COLUMN,
	LIST_TOTAL,
	LIST_LIMIT,
	LIST_SKIP,
	LIST_PAGE,
	LIST_PAGES,
	LIST_NEXT,
	LIST_PREV,
	LIST_CURSOR,
};
enum list_kind list_kind(const char *name);

#endif
