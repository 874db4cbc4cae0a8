/*
 * The path's {trace_id}: 32 hexadecimal digits, perhaps in the form of a UUID.
 */
#ifndef ASHLAR_TRACE_ID_H
#define ASHLAR_TRACE_ID_H

#include "fcgi/field.h"

struct req;

/* The path's parameter, for .params of a row. */
extern const struct field trace_id_param[];

/* Its digits in lower case, the arena's; NULL: it is none, so there is no such trace. */
const char *trace_id_read(struct req *rq);

/* The same of a text. */
const char *trace_id_of(struct req *rq, const char *text);

#endif
