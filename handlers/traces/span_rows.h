/*
 * A batch of spans as ClickHouse takes it: rows in RowBinary, with the columns of
 * sql/clickhouse/traces.sql's span_put in their order.
 *
 * https://clickhouse.com/docs/interfaces/formats/RowBinary
 */
#ifndef HANDLERS_TRACES_SPAN_ROWS_H
#define HANDLERS_TRACES_SPAN_ROWS_H

#include <stdint.h>

#include "handlers/traces/otlp_batch.h"
#include "lib/base/buf.h"

/* The days on which a batch's spans began, from 1970 on, each once and in order; and how long each is kept.
 */
struct span_days {
	int *days;
	int n;
	const char *classes; /* a digit for each: 1 free, 2 pro, 3 enterprise */
};

/* Of a batch; the arena's is its.  The classes are for the caller to say. */
void span_rows_days(struct otlp_batch *b, struct span_days *out);

/* Write the batch's rows: of that project (its uuid as text) and batch. */
void span_rows_write(struct buf *out, struct otlp_batch *b, const char *project, uint64_t batch,
		     const struct span_days *kept);

/* What a span is found by that has this attribute: of texts as they are, of all else as JSON has it. */
uint64_t span_rows_word(const char *key, size_t nkey, const char *value, size_t nvalue);

#endif
