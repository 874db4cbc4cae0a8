/*
 * A cell of an imported table as a value of a field: read as people write it, and then what the API takes of
 * that type (record_schema.h).
 */
#ifndef ASHLAR_IMPORT_VALUE_H
#define ASHLAR_IMPORT_VALUE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "providers/import_child.h"
#include "providers/import_text.h"
#include "providers/record_schema.h"

struct import_column {
	const struct record_field *field; /* NULL: it is none */
	enum import_decimal decimal;
	enum import_order order;
};

/*
 * Append the value of a cell that is not blank.
 *
 * problem  on false: what is wrong with it, for people; the arena's.  b may have part of it then
 */
bool import_value_write(struct arena *a, const struct import_column *col, const struct import_cell *cell,
			struct buf *b, const char **problem);

#endif
