/*
 * A value of one field as that of another type: what is one already stays, what is not is read as an imported
 * cell is (import_value.h).
 */
#ifndef ASHLAR_RECORD_CONVERT_H
#define ASHLAR_RECORD_CONVERT_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "providers/import_value.h"

struct json_object;

/*
 * The field that a field becomes: with another type, and all that is for its type alone left out, but for the
 * default, which is converted.
 *
 * was      its definition, as it is stored
 * type     the other one, which is one of those that record_schema.h has
 * options  those of a select; NULL: none
 * decimal, order  how texts are to be read
 * out      its definition, as it is stored
 *
 * ERR_OK; ERR_VALIDATION: why says what does not fit, and why->field is "options", "unique" or "default".
 */
enum err record_convert_field(struct arena *a, struct json_object *was, const char *type,
			      struct json_object *options, enum import_decimal decimal,
			      enum import_order order, struct buf *out, struct failure *why);

/*
 * Write a value, which is not null, as the field of col has it.
 *
 * is_same  whether it is that already
 * problem  on false: what is wrong with it, for people; b may have part of it then
 */
bool record_convert_value(struct arena *a, const struct import_column *col, struct json_object *value,
			  struct buf *b, bool *is_same, const char **problem);

/* How texts are read, from a request or a run: "." or ",", "dmy" or "mdy"; NULL: that is not said. */
enum import_decimal record_convert_decimal(const char *said);
enum import_order record_convert_order(const char *said);

#endif
