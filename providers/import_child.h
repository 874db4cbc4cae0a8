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
};

enum { IMPORT_COLUMNS_MAX = 2000, IMPORT_CELL_MAX = 1 << 20 };

/* What is in one: nothing, or n bytes. */
enum import_kind {
	IMPORT_BLANK = 0,
	IMPORT_TEXT = 't', /* as somebody has written it */
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
	uint64_t after; /* rows up to this one are not wanted */

	/* who hears of it */
	void (*header)(struct import_child *c, const struct import_cell *cells, size_t n);
	void (*row)(struct import_child *c, uint64_t number, const struct import_cell *cells, size_t n);
};

/* Readers. */
void import_child_csv(struct import_child *c);

/* Tasks of a sandbox; arg is "format encoding delimiter after". */
int import_child_survey(const char *arg);
int import_child_rows(const char *arg);

/* Who hears of rows for a survey, and its end: the survey is told. */
void import_child_header(struct import_child *c, const struct import_cell *cells, size_t n);
void import_child_row(struct import_child *c, uint64_t number, const struct import_cell *cells, size_t n);
void import_child_tell(struct import_child *c);

/* Write n bytes to who has started it. */
void import_child_put(const void *p, size_t n);

/* It ends here: why, and in which row or line. */
_Noreturn void import_child_fail(enum import_status status, uint64_t number);

/* Memory; without any, it ends. */
void *import_child_alloc(size_t n);
void *import_child_grow(void *p, size_t n);

#endif
