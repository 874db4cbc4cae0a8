/*
 * Dates as spreadsheets have them: a number of days, and a format that says that it is one.  They have no
 * zone.
 */
#ifndef ASHLAR_IMPORT_DATE_H
#define ASHLAR_IMPORT_DATE_H

#include <stdbool.h>

/* What a number format shows. */
enum {
	IMPORT_DATE_DAY = 1,     /* a year, month or day */
	IMPORT_DATE_CLOCK = 2,   /* an hour, minute or second */
	IMPORT_DATE_ELAPSED = 4, /* hours that go beyond 24 */
};

/* Of a format without a code of its own, by its number (ECMA-376 18.8.30); 0: none of it. */
unsigned import_date_built_in(long id);

/* Of a format's code, such as "yyyy\-mm\-dd" or "[h]:mm". */
unsigned import_date_code(const char *code);

enum { IMPORT_DATE_TEXT = 40 };

/*
 * Write one: "2026-01-31", "2026-01-31T09:30:00.250", or "27:30:00", which is no date.
 *
 * days     behind the last day of 1899, with a 29th of February in 1900 that there was not (out then says it,
 *          too), or behind the first one of 1904 (is_1904)
 * shows    what its format does
 * is_date  on true: is it one?
 *
 * False: there is no such day, and it is a number.
 */
bool import_date_write(char out[IMPORT_DATE_TEXT], double days, bool is_1904, unsigned shows, bool *is_date);

#endif
