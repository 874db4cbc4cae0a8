/*
 * Outputs: what a list's rows can be written as beside JSON, for programs and
 * spreadsheets: a table.  A row of the API names its own (.outputs), the client
 * chooses with Accept, and the answer is sent while PostgreSQL still finds rows.
 *
 *	CSV      RFC 4180 in UTF-8 with a line of names; null is an empty cell and an empty text
 *	         is "", lists and objects are JSON.  A text that a spreadsheet would take for a
 *	         formula (=, +, -, @, tab or CR in front) has a ' in front of it, and one that has
 *	         a ' there already another one: an import takes one away.
 *	NDJSON   one JSON object a line
 *	GeoJSON  RFC 7946: the column "geometry" is a feature's geometry, the others its properties
 *
 * To add one: a row in outputs.c and its bit.
 */
#ifndef ASHLAR_OUTPUTS_H
#define ASHLAR_OUTPUTS_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct rows;

/* .outputs of a row: which of them it can be. */
enum { AS_CSV = 1, AS_NDJSON = 2, AS_GEOJSON = 4 };

struct output {
	unsigned bit;
	const char *type;                                  /* as Accept names it: "text/csv" */
	const char *content_type;                          /* as the answer does */
	const char *extension;                             /* of the file it is saved as; NULL: it is not */
	void (*head)(struct buf *b, const struct rows *r); /* in front of the first row; NULL: nothing */
	void (*row)(struct buf *b, const struct rows *r, int row, bool is_first);
	const char *tail;
};

/* All of them; ends with a NULL type. */
extern const struct output outputs[];

#endif
