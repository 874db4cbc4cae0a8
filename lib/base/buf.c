#include "lib/base/buf.h"

#include <stdio.h>

void buf_init(struct buf *b, struct arena *a, size_t cap)
{
	b->arena = a;
	b->p = arena_alloc_raw(a, cap);
	b->n = 0;
	b->cap = cap;
}

void buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap * 2;
	char *p;

	if (cap < b->n + n)
		cap = b->n + n;
	p = arena_alloc_raw(b->arena, cap);
	if (b->n)
		memcpy(p, b->p, b->n);
	b->p = p;
	b->cap = cap;
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t room;
	int n;

	buf_room(b, 64);
	room = b->cap - b->n;
	va_start(ap, fmt);
	n = vsnprintf(b->p + b->n, room, fmt, ap);
	va_end(ap);
	if ((size_t)n >= room) {
		buf_room(b, (size_t)n + 1);
		va_start(ap, fmt);
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->n += (size_t)n;
}

char *buf_str(struct buf *b)
{
	*buf_room(b, 1) = '\0';
	return b->p;
}
