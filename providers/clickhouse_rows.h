/*
 * Rows that ClickHouse sends (TabSeparatedWithNamesAndTypes), as results of PostgreSQL:
 * what reads the one reads the other.
 */
#ifndef ASHLAR_CLICKHOUSE_ROWS_H
#define ASHLAR_CLICKHOUSE_ROWS_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"

struct clickhouse_rows {
	/* asked */
	struct arena *arena;
	enum err (*each)(void *to, const PGresult *row, struct failure *why);
	void *to;
	struct failure *why;

	/* what came of it */
	PGresult *res; /* all rows, without each; the arena's */
	enum err rc;   /* of each, or ERR_UNAVAILABLE: what came is no such text */

	/* in hand */
	struct buf line; /* one that has not ended, */
	struct buf cell; /* and a value, without its escapes */
	int lines;
	PGresAttDesc *columns;
	int ncolumns;
};

void clickhouse_rows_init(struct clickhouse_rows *r, struct arena *a);

/* Take what came next; false: no more is wanted, and rc says why.  For http_call.take. */
bool clickhouse_rows_take(void *rows, const char *p, size_t n);

#endif
