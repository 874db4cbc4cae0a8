/*
 * A growing byte buffer on an arena: responses, log lines, JSON.  Appending
 * never fails; the memory is the arena's.
 */
#ifndef ASHLAR_BUF_H
#define ASHLAR_BUF_H

#include <stddef.h>
#include <string.h>

#include "lib/base/arena.h"

struct buf {
	struct arena *arena;
	char *p;
	size_t n;   /* bytes used */
	size_t cap; /* bytes there */
};

/* An empty buffer with room for cap bytes. */
void buf_init(struct buf *b, struct arena *a, size_t cap);

/* Out-of-line half of buf_room: make room for n more bytes. */
void buf_grow(struct buf *b, size_t n);

/* Where the next bytes go, with room for n of them; the caller then adds what it wrote to b->n. */
static inline char *buf_room(struct buf *b, size_t n)
{
	if (b->cap - b->n < n)
		buf_grow(b, n);
	return b->p + b->n;
}

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	if (n)
		memcpy(buf_room(b, n), p, n);
	b->n += n;
}

static inline void buf_char(struct buf *b, char c)
{
	*buf_room(b, 1) = c;
	b->n++;
}

/* Append a C string. */
static inline void buf_text(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The content as a C string: a NUL is put behind it, and not counted in n. */
char *buf_str(struct buf *b);

#endif
