/*
 * What runs in the closed child of import_file.h: a reader for each format, which tells a file's header and
 * then its rows, and who hears of them: what hands them on, or what makes a survey of them (import_survey.h).
 * Nothing here can open a file, and what it leaks ends with it.
 */
#ifndef ASHLAR_IMPORT_CHILD_H
#define ASHLAR_IMPORT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a child ends with; import_file.c has the words. */
enum import_status {
	IMPORT_OK = 0,
	IMPORT_READ = 10,
	IMPORT_EMPTY,    /* no header */
	IMPORT_BINARY,   /* no text */
	IMPORT_ENCODING, /* not what it says, or a name of none */
	IMPORT_QUOTE,    /* a quote of that line does not end */
	IMPORT_COLUMNS,  /* too many in that row */
	IMPORT_CELL,     /* too large in that row */
	IMPORT_FORM,     /* no such file */

	/* of archives and XML */
	IMPORT_BOOK,      /* no workbook */
	IMPORT_CUT,       /* its end is missing, or a part of it is broken */
	IMPORT_ENCRYPTED, /* or of the format before XLSX */
	IMPORT_PARTS,     /* too many of them */
	IMPORT_UNPACKS,   /* to more than it may */
	IMPORT_SPILL,     /* texts that do not fit on the disk */
	IMPORT_DOCTYPE,   /* it declares one */
	IMPORT_XML,       /* not well-formed, or not what the format has; near that row */
	IMPORT_SHEET,     /* there is none of that name or number */

	/* of JSON, with the number of a row, from 1 */
	IMPORT_JSON,    /* not well-formed, or not what json_read() takes */
	IMPORT_VALUE,   /* too large */
	IMPORT_MEMBERS, /* more names than there may be columns */
	IMPORT_OBJECT,  /* a row is none */
	IMPORT_ARRAY,   /* there is none of rows */
	IMPORT_GEOJSON, /* no FeatureCollection */
	IMPORT_FEATURE, /* a row is none */
	IMPORT_CRS,     /* one without a number */
	IMPORT_OUTSIDE, /* coordinates beyond 180 and 90 degrees */
};

enum { IMPORT_COLUMNS_MAX = 2000, IMPORT_CELL_MAX = 1 << 20 };

/* What is in one: nothing, or n bytes. */
enum import_kind {
	IMPORT_BLANK = 0,
	IMPORT_STRING = 's', /* a text as it is meant to be, be it empty */
	IMPORT_TREE = 'j',   /* a list or an object, as JSON */
	IMPORT_PLACE = 'g',  /* a GeoJSON geometry, which is no column's */
	IMPORT_TEXT = 't',   /* as somebody has written it */
	IMPORT_DIGITS = 'n', /* a number, as JSON has it */
	IMPORT_TRUTH = 'b',  /* "true" or "false" */
	IMPORT_MOMENT = 'd', /* a date, or a date and time, as ISO 8601 has them */
	IMPORT_FAULT = 'e',  /* what a spreadsheet shows where it could not reckon: "#N/A" */
};

struct import_cell {
	enum import_kind kind;
	const char *p; /* UTF-8, without a NUL behind it */
	size_t n;
};

struct import_child {
	/* what was asked for; encoding may be "-" and delimiter 0: that is to be found out */
	char format[16], encoding[64];
	int delimiter;
	uint64_t after;    /* rows up to this one are not wanted */
	bool has_merges;   /* its merged ranges are to be looked for first */
	const char *sheet; /* a name, or a number; "": the first one.  The reader tells its name */

	/* what a reader tells besides */
	char **sheets;           /* NULL: it has none; ends with NULL */
	unsigned geometry_types; /* bits of record_geometry_types */
	int srid;                /* what its coordinates are in, by EPSG's number; 0: degrees of WGS 84 */
	bool has_box;
	double box[4]; /* around all coordinates: west, south, east, north */

	/* who hears of it */
	void (*header)(struct import_child *c, const struct import_cell *cells, size_t n);
	void (*row)(struct import_child *c, uint64_t number, const struct import_cell *cells, size_t n);
	void (*merged)(struct import_child *c, const char *range); /* or NULL */
};

/* Readers. */
void import_child_csv(struct import_child *c);
void import_child_xlsx(struct import_child *c);
void import_child_json(struct import_child *c); /* and GeoJSON */

/* Tasks of a sandbox; arg is "format encoding delimiter after has_merges sheet". */
int import_child_survey(const char *arg);
int import_child_rows(const char *arg);

/* Who hears of rows for a survey, and its end: the survey is told. */
void import_child_header(struct import_child *c, const struct import_cell *cells, size_t n);
void import_child_row(struct import_child *c, uint64_t number, const struct import_cell *cells, size_t n);
void import_child_merged(struct import_child *c, const char *range);
void import_child_tell(struct import_child *c);

/* Write n bytes to who has started it. */
void import_child_put(const void *p, size_t n);

/* It ends here: why, and in which row or line. */
_Noreturn void import_child_fail(enum import_status status, uint64_t number);

/* Parts of an archive that descriptor 0 is (import_zip.c): each is unpacked anew when it is asked for, and
 * what comes out of all of them is counted while it does. */
enum { IMPORT_PARTS_MAX = 10000 };

/*
 * Hand on what a part is, piece by piece.  False: there is none of that name, in small or large letters.
 *
 * each  takes the next n bytes; false: no more of it is wanted
 *
 * Ends the process where the archive is none, is cut off, is encrypted, or unpacks to more than 2 GiB.
 */
bool import_child_part(const char *name, bool (*each)(void *to, const char *p, size_t n), void *to);

/* How many bytes came out so far; and so many do not count, since they are read again. */
int64_t import_child_unpacked(void);
void import_child_forget(int64_t n);

/* A list of strings that may be larger than memory (import_strings.c). */
struct import_strings;

/* An empty list in a file that is to be empty; fd stays the caller's. */
struct import_strings *import_child_strings(int fd);

/* Put one behind the others. */
void import_child_add_string(struct import_strings *s, const char *p, size_t n);

/* All are there. */
void import_child_end_strings(struct import_strings *s);

/* The one of that number, from 0; good until the next one is asked for.  NULL: there is none. */
const char *import_child_string(struct import_strings *s, uint64_t number, size_t *n);

/* Memory; without any, it ends. */
void *import_child_alloc(size_t n);
void *import_child_grow(void *p, size_t n);

#endif
