/* What answers show of a recordset, and how paths name one. */
#ifndef HANDLERS_RECORDSETS_H
#define HANDLERS_RECORDSETS_H

#include "fcgi/field.h"

/* The seven rights, and what gives them: for an F_OBJECT. */
extern const struct field recordset_permissions[];

/* For .params: {recordset_slug}, which sql: recordset_id() reads. */
extern const struct field recordset_path[];

extern const struct shape recordset_shape;
extern const struct field recordset_fields[]; /* the shape's: of a part of another answer, OUT */

#endif
