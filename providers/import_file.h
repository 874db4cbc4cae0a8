/*
 * Tables in files that strangers sent, read in a closed child (lib/host/sandbox.h): first a survey of one,
 *then its rows.
 *
 *	csv   cells between commas, semicolons, tabs or bars, in UTF-8, UTF-16 with a byte order mark, else
 *windows-1252
 *	xlsx  a sheet of a workbook; also as .xlsm
 *	json  an array of objects, an object that holds one, or objects one behind the other (.ndjson, .jsonl)
 *	geojson  a FeatureCollection: behind the columns, which are its properties, a row has its place
 *
 * Memory does not grow with the file, neither here nor there. What the child says is not believed: a row is
 *well-formed, or the file is broken; of its reasons only the number is taken.
 */
#ifndef ASHLAR_IMPORT_FILE_H
#define ASHLAR_IMPORT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"
#include "lib/host/sandbox.h"
#include "providers/import_child.h"

/* For sandbox_main(). */
extern const struct sandbox_task import_tasks[];

enum { IMPORT_MAX_BYTES = 100 << 20 };

struct import_file {
	int fd;               /* of a file, not of a pipe; stays the caller's, its offset is moved */
	const char *format;   /* import_file_format() */
	const char *encoding; /* NULL: it is to be found out */
	int delimiter;        /* 0: the same */
	const char *sheet;    /* a name, or a number from 1; NULL: the first one */
	bool has_merges;      /* the survey has told of merged ranges */
};

/* "csv", or what there will be; NULL: a file of that name is none that can be read. */
const char *import_file_format(const char *name);

/*
 * Look at a file: JSON, with what import_survey.c tells of it.
 *
 * ERR_OK; ERR_BAD_REQUEST: it cannot be read, and why->message says why; ERR_UNAVAILABLE: the machine could
 * not.
 */
enum err import_file_survey(struct arena *a, const struct import_file *f, struct buf *out,
			    struct failure *why);

/*
 * Its rows behind the one of that number; the header is number 1.
 *
 * each  one row, whose cells are good for the call; an error, said in *why, ends it
 *
 * ERR_OK; what each returned; else as above.
 */
enum err import_file_rows(struct arena *a, const struct import_file *f, uint64_t after,
			  enum err (*each)(void *to, uint64_t number, const struct import_cell *cells,
					   size_t n, struct failure *why),
			  void *to, struct failure *why);

#endif
