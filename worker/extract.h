/*
 * The text of a file that a stranger sent, for search and for agents.
 *
 * Each file is parsed in a child of its own (lib/host/sandbox.h), which can
 * reach nothing but it.  What that child says is not believed either: its text
 * is made valid UTF-8 here, and of its reasons only the number is taken.
 *
 *	text/plain, text/markdown, text/csv, application/json	as it is
 *	text/html, application/xhtml+xml			what a reader sees, a block a line
 *	docx, xlsx, pptx (Office Open XML)			a paragraph, or a row, a line
 *	PDF							its pages
 */
#ifndef WORKER_EXTRACT_H
#define WORKER_EXTRACT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/host/sandbox.h"

struct extract_limits {
	int cpu_s;
	int wall_ms;
	size_t memory_bytes;   /* of the child */
	size_t text_bytes;     /* what is longer is cut behind a character */
	size_t unpacked_bytes; /* of a file's parts in all, and of what is read of one that is not packed */
};

/* 10 s of CPU, 30 s in all, 512 MiB of memory, 4 MiB of text, 128 MiB unpacked. */
extern const struct extract_limits extract_usual;

/* For sandbox_main(): a program that calls extract_text() starts with it. */
extern const struct sandbox_task extract_tasks[];

struct extracted {
	const char *text; /* UTF-8 without control characters but tabs and line feeds; a NUL behind it */
	size_t n;
	bool was_cut;
};

/* Is there text to be had of such files?  Parameters behind a semicolon do not matter. */
bool extract_knows(const char *media_type);

/*
 * The text of a file.
 *
 * fd          of a file, not of a pipe; stays the caller's, its offset is moved
 * media_type  what it was found to be; a charset that is not UTF-8 is refused
 * text        filled on true; the arena's
 * reason      set on false: why there is none, for people, as "it took too long"
 * is_final    set on false: it would be so again; otherwise the machine could not
 *
 * What can be had of a file may be nothing: a text of 0 bytes.
 */
bool extract_text(struct arena *a, int fd, const char *media_type, const struct extract_limits *limits,
		  struct extracted *text, const char **reason, bool *is_final);

#endif
