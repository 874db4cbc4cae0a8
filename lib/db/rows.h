/*
 * Rows to JSON: a binary result of PostgreSQL becomes objects, straight into
 * the response.  A column's name is the key and its type decides the form:
 *
 *	bool, int2, int4, int8, float4, float8, numeric, oid	bare
 *	text, varchar, bpchar, name, "char"	string
 *	uuid, inet, cidr	string
 *	timestamptz, timestamp	RFC 3339 in UTC with milliseconds and Z
 *	date	YYYY-MM-DD
 *	json, jsonb	as it is
 *	bytea	base64
 *	arrays of these	array
 *
 * A column is looked at once per result, not once per row.
 */
#ifndef ASHLAR_ROWS_H
#define ASHLAR_ROWS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"

struct rows;

/* How rows are to look. */
struct rows_form {
	const char *const *without; /* columns that are left out, ending with a NULL; or NULL */
	bool is_whole;              /* what is in the one column is the row */
	bool has_micros;            /* times have microseconds, not milliseconds */
	bool has_hidden;            /* also columns whose names begin with "_" */
};

/*
 * Prepare to write a result's rows.
 *
 * res           all columns binary and of types that rows_type_known; borrowed for as long as *rows is used
 * first_column  the first one written: 1 behind a :page query's total
 *
 * Columns whose names begin with "_" are the runtime's, and not written unless the form says so.
 * The arena's.  A column of another type is a mistake in a query, which a test
 * finds before any client does; here it ends the process.
 */
struct rows *rows_open(struct arena *a, const PGresult *res, int first_column, const struct rows_form *form);

/* Write one row as an object. */
void rows_object(struct buf *b, const struct rows *r, int row);

/* Go on with another result that has the same columns, such as the next row of a statement that sends them
 * one by one. */
void rows_move(struct rows *r, const PGresult *res);

/*
 * A row column by column, by the number of those that are written: its name, is it null, its value as
 * JSON, and the text as it is of a column that is text, or JSON that is a string (good until the next one is
 * asked for; NULL: it is no text).
 */
int rows_columns(const struct rows *r);
const char *rows_name(const struct rows *r, int column);
bool rows_is_null(const struct rows *r, int row, int column);
void rows_value(struct buf *b, const struct rows *r, int row, int column);
const char *rows_text(const struct rows *r, int row, int column, size_t *n);

/* Can a column of this type be written? */
bool rows_type_known(Oid type);

#endif
