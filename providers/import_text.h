/*
 * What people write into cells: numbers, dates, yes and no.  A cell by itself may be two things, 1,234 or
 * 03/04/2026; which one, its column decides (import_survey.h), and nothing here guesses.
 */
#ifndef ASHLAR_IMPORT_TEXT_H
#define ASHLAR_IMPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

enum import_decimal { IMPORT_POINT, IMPORT_COMMA, IMPORT_DECIMAL_UNKNOWN };

enum import_order { IMPORT_DAY_FIRST, IMPORT_MONTH_FIRST, IMPORT_ORDER_UNKNOWN };

enum import_number {
	IMPORT_NO_NUMBER,
	IMPORT_NUMBER,
	IMPORT_CURRENCY, /* with a sign: $ € £ ¥, or three letters such as EUR */
	IMPORT_PERCENT,
};

/*
 * A number: digits, in groups of three or not, a fraction, an exponent, a sign, or brackets around what is
 * below zero.
 *
 * decimal  what stands before the fraction; the other one, a blank, an apostrophe may stand between groups
 * b        NULL, or gets it as JSON has it
 *
 * No number: digits behind a leading zero, or more than 15 of them, such as numbers of customers or cards
 * have, which a double would not keep.
 */
enum import_number import_text_number(const char *p, size_t n, enum import_decimal decimal, struct buf *b);

enum import_time {
	IMPORT_NO_TIME,
	IMPORT_DATE,
	IMPORT_DATETIME,
};

/*
 * A date, with a time of day or not: 2026-01-31, 2026/1/31, 31.1.2026 (which is of one order everywhere),
 * 31/1/2026 and 1/31/2026, 31 Jan 2026, Jan 31, 2026; behind it 9:30, 09:30:15.5, 9:30 pm, with a zone or
 * not.
 *
 * order  of what has slashes or hyphens and its year at the end
 * b      NULL, or gets it: "2026-01-31", or RFC 3339 in UTC, which a time without a zone is taken for
 *
 * No date: what there is not, such as 2026-02-30.
 */
enum import_time import_text_time(const char *p, size_t n, enum import_order order, struct buf *b);

/* Yes or no, in English: true, yes, y, t, on, 1 and their opposites, in any case. False: none of these. */
bool import_text_bool(const char *p, size_t n, bool *out);

/* Without the blanks around it. */
const char *import_text_trim(const char *p, size_t *n);

#endif
