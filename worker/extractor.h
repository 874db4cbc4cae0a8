/*
 * What runs in the child of extract_text(): a parser a family of files, and how
 * they tell what they found.  Nothing here can open a file, and no process is
 * harmed by leaking: it ends with its file.
 */
#ifndef WORKER_EXTRACTOR_H
#define WORKER_EXTRACTOR_H

#include <stddef.h>

/* What a child ends with; worker/extract.c has the words. */
enum extractor_status {
	EXTRACTOR_OK = 0,
	EXTRACTOR_CUT = 10, /* there is more text than may be */
	EXTRACTOR_ENCODING,
	EXTRACTOR_SIZE,
	EXTRACTOR_READ,
	EXTRACTOR_UNPACKS,
	EXTRACTOR_PARTS,
	EXTRACTOR_ENCRYPTED,
	EXTRACTOR_ABSENT, /* what reads it is not installed */
};

/* Tasks of a sandbox; arg is "text_bytes unpacked_bytes". */
int extractor_plain(const char *arg);
int extractor_html(const char *arg);
int extractor_ooxml(const char *arg);
int extractor_pdf(const char *arg);

/* In front of the last one, and of the filter. */
void extractor_pdf_load(const char *arg);

/* The limits of arg; first in every task. */
void extractor_begin(const char *arg, size_t *unpacked_bytes);

/* All of the file; ends the process where it has more than max bytes.  Without a byte order mark. */
char *extractor_file(size_t max, size_t *n);

/* The same, of which cannot be anything but UTF-8. */
char *extractor_utf8(size_t max, size_t *n);

/* Text as it is.  Ends the process when there is as much as may be. */
void extractor_text(const char *p, size_t n);

/* Text that flows: blanks become one space, and none at a line's beginning. */
void extractor_flow(const char *p, size_t n);

/* The line ends here, if there is anything on it; n of 2 leaves one free. */
void extractor_break(int n);

/* Something stands between here and what is next, on the same line. */
void extractor_gap(void);

/* The end: writes what is left. */
int extractor_end(void);

/* The same where there would be more. */
int extractor_cut(void);

#endif
