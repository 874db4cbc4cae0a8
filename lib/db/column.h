/*
 * Columns of a binary result by name, for C that decides something.
 *
 * That the column exists and has such a type is asserted: queries are ours.
 * Null is 0, false and NULL.
 */
#ifndef ASHLAR_COLUMN_H
#define ASHLAR_COLUMN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

int64_t column_int(const PGresult *res, int row, const char *name); /* int2, int4, int8 */
bool column_bool(const PGresult *res, int row, const char *name);
const char *column_text(const PGresult *res, int row, const char *name); /* text types; borrowed */

/* A timestamptz in microseconds since 1970-01-01 UTC; 0 where the result has no such column, or it is null or
 * infinite. */
int64_t column_us(const PGresult *res, int row, const char *name);

#endif
