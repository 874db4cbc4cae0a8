/*
 * ClickHouse, by its HTTP interface: where traces are kept with CLICKHOUSE_URL.
 *
 * https://clickhouse.com/docs/interfaces/http
 *
 * What is asked is one of the texts of sql/clickhouse, which tools/clickhouse compiles;
 * values travel beside it as parameters, rows that are put in as a body, so nothing
 * that anybody sent is ever SQL.  An answer is sent when the whole of it is there: what
 * fails, fails before its first row.  A call has a time, all of them share a circuit
 * breaker, and one that is told twice to put the same in has put it in once
 * (sql/clickhouse/schema.sql), so what the connection lost is sent again.
 *
 * The schema is made by clickhouse_migrate (ashlar migrate).
 */
#ifndef ASHLAR_CLICKHOUSE_H
#define ASHLAR_CLICKHOUSE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"

struct clickhouse_query {
	const char *name, *text;
};

struct clickhouse_param {
	const char *name; /* NULL ends a list */
	const char *value;
};

enum { CLICKHOUSE_RETRY_S = 5 /* when it is worth another try, for who is told 503 */ };

struct clickhouse_call {
	const struct clickhouse_query *query;
	const struct clickhouse_param *params;
	bool descends;    /* what :dir is */
	const void *rows; /* to be put in, as the query's FORMAT has them */
	size_t n;
	/* Called with each row by itself, as it comes, in place of a result with all; or NULL.  An error ends
	 * the call. */
	enum err (*each)(void *to, const PGresult *row, struct failure *why);
	void *to;
	long timeout_ms; /* 0: CLICKHOUSE_TIMEOUT_MS */
	bool *was_sent;  /* or NULL: is told whether it may have been carried out, also where that failed */
};

/* Are traces kept there? */
bool clickhouse_is_configured(void);

/*
 * Ask.  Columns are binary, as lib/db/column.h and lib/db/rows.h read them: Bool is bool, whole numbers
 * int8, DateTime64 timestamptz, decimals jsonb, and all else text; Nullable may be null.
 *
 * out  the arena's; of what has no rows an empty one.  NULL: nobody wants it
 *
 * ERR_OK; ERR_UNAVAILABLE, with retry_after: it failed, refused, did not answer in time, or is not asked at
 * present, and the log is told which; what each said.
 */
enum err clickhouse_ask(struct arena *a, const struct clickhouse_call *call, PGresult **out,
			struct failure *why);

/*
 * Make the schema, or what is missing of it; made says whether anything was.  ERR_OK; ERR_CONFLICT: it is
 * that of a newer release; else as above.
 */
enum err clickhouse_migrate(struct arena *a, bool *made, struct failure *why);

#endif
