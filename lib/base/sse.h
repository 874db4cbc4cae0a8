/*
 * Reading an event stream (the HTML standard, 9.2.6), as it comes: pieces may be
 * cut anywhere, also within a character or between CR and LF.
 */
#ifndef ASHLAR_SSE_H
#define ASHLAR_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct sse {
	struct buf line, data;
	char event[64]; /* of the event in hand; longer names are cut */
	size_t max_bytes;
	bool has_data; /* "data:" alone is one, too: an empty line */
	bool was_cr;   /* the next LF belongs to it */
	bool begun;    /* a byte order mark can only come first */
};

/* An event: its type, "message" where the stream says none, and its data, NUL-terminated.  False: enough. */
typedef bool sse_take(void *to, const char *event, const char *data, size_t n);

/* Begin.  No line and no event may be longer than max_bytes; the arena's memory is that much, however long
 * the stream. */
void sse_init(struct sse *s, struct arena *a, size_t max_bytes);

/*
 * Take a piece, and hand on the events that are whole with it.  An event that the
 * stream ends within is none.  False: fn said so, or something is longer than
 * max_bytes (s->line.n or s->data.n tells); then nothing more may be fed.
 */
bool sse_feed(struct sse *s, const char *p, size_t n, sse_take *fn, void *to);

#endif
