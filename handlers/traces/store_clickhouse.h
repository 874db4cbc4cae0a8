/*
 * What the parts of the store in ClickHouse share: how one asks it on a request's behalf.
 */
#ifndef HANDLERS_TRACES_STORE_CLICKHOUSE_H
#define HANDLERS_TRACES_STORE_CLICKHOUSE_H

#include <stdint.h>

#include "fcgi/req.h"
#include "handlers/traces/otlp_batch.h"
#include "providers/clickhouse.h"

enum { STORE_CLICKHOUSE_PARAMS = 40 };

struct store_clickhouse_asked {
	struct req *rq;
	struct clickhouse_param params[STORE_CLICKHOUSE_PARAMS + 1];
	int n;
	bool descends;
	const char *sort, *tip;  /* columns of traces, and of hour_sums: what a list is sorted by */
	int64_t from_s, until_s; /* the range that was asked for */
	bool has_open;           /* store_clickhouse_hours() found some */
};

/* Give a parameter a value, in place of any that it has; a text is borrowed, and NULL is "". */
void store_clickhouse_set(struct store_clickhouse_asked *x, const char *name, const char *text);
void store_clickhouse_int(struct store_clickhouse_asked *x, const char *name, int64_t n);

/* Ask.  A failure is the request's. */
enum err store_clickhouse_ask(struct store_clickhouse_asked *x, const struct clickhouse_query *q,
			      PGresult **out);

/*
 * Ask PostgreSQL first, and end its transaction: may the caller read the field project_id, and what is the
 * range of its start_time and end_time?  project, from_s, until_s and what a free plan shows are
 * parameters then.
 */
enum err store_clickhouse_enter(struct store_clickhouse_asked *x, struct req *rq);

/* A range for the queries that follow, and the hours within it that sums can stand for. */
void store_clickhouse_whole(struct store_clickhouse_asked *x, int64_t from_s, int64_t until_s);

/* All hours of a range are looked at. */
void store_clickhouse_near(struct store_clickhouse_asked *x, int64_t from_s, int64_t until_s);

/*
 * The same, and ask which of its hours are open: those have no sum that is true, and are read.  Where only
 * the first `most` traces by time are wanted (INT64_MAX: all), from the newest or the oldest on, near_from_s
 * and near_until_s have as many hours as that takes.
 */
enum err store_clickhouse_hours(struct store_clickhouse_asked *x, int64_t from_s, int64_t until_s,
				int64_t most, bool is_newest);

/* These of struct store. */
enum err store_clickhouse_put(struct req *rq, struct otlp_batch *b);
enum err store_clickhouse_metrics(struct req *rq);
enum err store_clickhouse_sessions(struct req *rq);

#endif
