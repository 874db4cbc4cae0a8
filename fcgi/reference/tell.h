/*
 * What the API is, told as text to assistants, out of the rows: so it is as new as
 * the program.  The words around that are files of templates/mcp, in which
 * {{platform.identity.login}} is the method and path of a row, and {{errors}},
 * {{surfaces}}, {{categories}}, {{paging}}, {{operations}} and {{version}} are lists and
 * numbers; a line that names a row that there is none of is left out.
 *
 * Each appends to b.  What is asked about and is not there is false, and the text then
 * says what there is.
 */
#ifndef ASHLAR_TELL_H
#define ASHLAR_TELL_H

#include <stdbool.h>

#include "fcgi/route.h"
#include "lib/base/buf.h"

/* A file of templates/mcp, compiled into the binary by tools/embed. */
struct tell_file {
	const char *name; /* "overview.md" */
	const char *text;
};
extern const struct tell_file tell_files[]; /* ends with a NULL name */

/* A file by its name, with its {{words}} replaced; NULL text in the place of {{what}}. */
void tell_of(struct buf *b, const char *name, const char *what);

/* The operations of a category, or of all where it is NULL; of the platform surface, and for end users. */
bool tell_end_user(struct buf *b, const char *category);

/* The names of the categories, NULL-terminated; and that of a row, NULL: it is not for end users. */
extern const char *const tell_categories[];
const char *tell_category(const struct route *r);

/* What the words of a query find. */
bool tell_search(struct buf *b, const char *query);

/*
 * An operation, with all that it takes, answers and refuses.
 *
 * path    "/api/v1/projects/{project_id}", also without /api, and with values in the {places}
 * method  NULL: each that the path has
 */
bool tell_endpoint(struct buf *b, const char *path, const char *method);

/* Where the OpenAPI documents are, and one of the end users' operations with their names alone. */
void tell_openapi(struct buf *b);

/* A client of the end users' operations, in one file of JavaScript without dependencies. */
void tell_template(struct buf *b);

#endif
