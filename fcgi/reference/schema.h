/*
 * Field tables as JSON Schema (2020-12, which OpenAPI 3.1 has), and as examples.
 *
 * version is the API's: members that are newer than it are left out.  answer
 * tells what goes out, where a member is there unless its row says F_OPTIONAL,
 * from what comes in, where it may be left out unless its row says F_REQUIRED.
 */
#ifndef ASHLAR_SCHEMA_H
#define ASHLAR_SCHEMA_H

#include <stdbool.h>

#include "fcgi/field.h"
#include "lib/base/buf.h"

/* The schema of an object with the members of a table, and of one field. */
void schema_write(struct buf *b, const struct field *table, int version, bool answer);
void schema_field(struct buf *b, const struct field *f, int version, bool answer);

/* What a reader sees as an example of them. */
void schema_example(struct buf *b, const struct field *table, int version);
void schema_field_example(struct buf *b, const struct field *f, int version);

/* The same of a parameter of a path, which names a row of the demo; room as for demo_named(). */
void schema_param_example(struct buf *b, const struct field *f, const char *room);

#endif
