/*
 * Rows as a spreadsheet (XLSX, Office Open XML), written by libxlsxwriter while they come: no more than one
 * row is held in memory, and the rest is in a file without a name (lib/host/spool.h).
 *
 * Texts are texts, whatever they begin with: no cell is a formula.  Numbers are numbers, up to the 15 digits
 * that a spreadsheet keeps of one, and texts where they have more; times are UTC's, which a cell does not
 * say; what is null is an empty cell, lists and objects are JSON.  The first line of a sheet has the columns'
 * names; behind 1,048,576 lines there is another sheet.
 */
#ifndef WORKER_SPREADSHEET_H
#define WORKER_SPREADSHEET_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/base/arena.h"

struct rows;
struct spreadsheet;

/* Begin one in a file that is open; the descriptor stays the caller's.  NULL: there is no room for it. */
struct spreadsheet *spreadsheet_new(struct arena *a, int fd);

/* Write the first row of a result, in the columns of r, which is moved to it. False: it cannot be written,
 * and spreadsheet_end says why. */
bool spreadsheet_add(struct spreadsheet *s, const struct rows *r, const PGresult *res);

/*
 * Write the rest of it into the file, and free it.
 *
 * r  what its columns are, where no row has come
 *
 * NULL, or what failed.
 */
const char *spreadsheet_end(struct spreadsheet *s, const struct rows *r);

/* Free one that is not wanted any more; NULL is none. */
void spreadsheet_free(struct spreadsheet *s);

#endif
