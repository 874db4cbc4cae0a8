/*
 * Rows of PostgreSQL as a file, written one by one: memory does not grow with it.
 *
 *	csv      as outputs.h has it: what a spreadsheet would take for a formula has a ' in front
 *	json     an array of objects
 *	xlsx     spreadsheet.h
 *	geojson  a FeatureCollection: the column "geometry" is a feature's geometry, the others its properties
 *
 * Columns whose names begin with "_" are left out, unless has_hidden says otherwise.
 */
#ifndef WORKER_TABLE_FILE_H
#define WORKER_TABLE_FILE_H

#include <libpq-fe.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"

struct output;
struct rows;
struct spreadsheet;

struct table_file {
	struct arena *arena;
	int fd;                      /* of the file; -1: there is none */
	const struct output *output; /* NULL: another format */
	struct spreadsheet *sheet;   /* NULL: another format */
	bool has_hidden;             /* set before the first row */
	struct rows *rows;           /* NULL: their columns are not known yet */
	struct buf out;              /* what is to be written next */
	long long nrows, size;       /* rows, and bytes that have been written */
};

/* Its media type.  Static; NULL: there is no such format. */
const char *table_file_type(const char *format);

/* Begin one.  ERR_OK; ERR_UNAVAILABLE: there is no place for it, why says it; it need not be closed then. */
enum err table_file_open(struct table_file *f, struct arena *a, const char *format, struct failure *why);

/* Write the first row of a result; all results have the same columns.  ERR_OK; ERR_UNAVAILABLE as above. */
enum err table_file_add(struct table_file *f, const PGresult *res, struct failure *why);

/* It is complete: f->size bytes from the beginning of f->fd.  res tells the columns, where there was no row.
 * ERR_OK; ERR_UNAVAILABLE. */
enum err table_file_end(struct table_file *f, const PGresult *res, struct failure *why);

/* Close it, in whatever state: the file is gone. */
void table_file_close(struct table_file *f);

#endif
