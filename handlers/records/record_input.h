/*
 * What clients send of a record, against the schema of its recordset: what is kept
 * of it, in the form in which it is kept, and all that does not fit.
 */
#ifndef HANDLERS_RECORD_INPUT_H
#define HANDLERS_RECORD_INPUT_H

#include <stdbool.h>

#include "providers/record_schema.h"

/* What does not fit; made by record_input_begin(). */
struct record_input {
	struct arena *arena;
	const char *path;     /* the member that values are in, for messages; "field_values" */
	struct buf list;      /* of all: [{"field","message"}, … */
	struct failure first; /* of the first of them */
	int n;
};

/* The schema of stored fields, as sql: recordsets.fields has them.  ERR_OK; else what is stored is none, and
 * *why says it. */
enum err record_input_schema(struct arena *a, const char *fields, struct record_schema *out,
			     struct failure *why);

void record_input_begin(struct record_input *in, struct arena *a);

/*
 * Write the values that were sent as members into b, and the keys of those that are null as
 * elements into dropped.
 *
 * is_strict  keys that the schema has not do not fit
 * given      an object, or NULL: nothing was sent
 */
void record_input_values(struct record_input *in, const struct record_schema *s, bool is_strict,
			 struct json_object *given, struct buf *b, struct buf *dropped);

/* Write as members what a new record has of which nothing was sent; what is required and has no default does
 * not fit. */
void record_input_defaults(struct record_input *in, const struct record_schema *s, struct json_object *given,
			   struct buf *b);

/* ERR_OK where all fits; else ERR_VALIDATION, *why is that of the first, and its details have all of them. */
enum err record_input_end(struct record_input *in, struct failure *why);

/*
 * Write "tools" and "dropped_tools" as members into b.
 *
 * is_whole  of a record that is replaced, in which null takes nothing away
 *
 * ERR_OK; ERR_VALIDATION, *why says it, and b may have part of it.
 */
enum err record_input_tools(struct arena *a, struct json_object *given, bool is_whole, struct buf *b,
			    struct failure *why);

#endif
