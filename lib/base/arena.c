#include "lib/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define OWN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_MALLOC 1
#endif
#endif
#ifndef OWN_MALLOC
#define OWN_MALLOC 0
#endif

enum { CHUNK_BYTES = 32 * 1024 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* of data */
	size_t used;
	alignas(max_align_t) char data[];
};

struct arena_deferred {
	struct arena_deferred *next;
	void (*fn)(void *);
	void *ptr;
};

static struct arena_chunk *chunk_new(struct arena *a, size_t size)
{
	struct arena_chunk *c = malloc(sizeof(*c) + size);

	if (!c) {
		fputs("{\"level\":\"fatal\",\"message\":\"out of memory\"}\n", stderr);
		abort();
	}
	c->size = size;
	c->used = 0;
	c->next = a->chunks;
	a->chunks = c;
	return c;
}

void arena_init(struct arena *a, size_t first_bytes)
{
	*a = (struct arena){ 0 };
	chunk_new(a, first_bytes);
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *c;

	/* A deferred function may still read arena memory, so they all run first. */
	while (a->deferred) {
		struct arena_deferred *d = a->deferred;

		a->deferred = d->next;
		d->fn(d->ptr);
	}
	while ((c = a->chunks) && c->next) {
		a->chunks = c->next;
		free(c);
	}
	if (c)
		c->used = 0;
	a->used = 0;
}

void arena_release(struct arena *a)
{
	arena_reset(a);
	free(a->chunks);
	*a = (struct arena){ 0 };
}

void *arena_alloc_raw(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunks;
	size_t need;
	void *p;

	if (n > SIZE_MAX / 4) /* a length that went negative, not a request's size */
		abort();
	need = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	a->used += need;
	if (OWN_MALLOC)
		c = chunk_new(a, n);
	else if (!c || c->size - c->used < need)
		c = chunk_new(a, need > CHUNK_BYTES / 4 ? need : CHUNK_BYTES);
	p = c->data + c->used;
	c->used += OWN_MALLOC ? n : need;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	return memset(arena_alloc_raw(a, n), 0, n);
}

char *arena_dup_n(struct arena *a, const void *p, size_t n)
{
	char *copy = arena_alloc_raw(a, n + 1);

	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

char *arena_lower(struct arena *a, const char *s)
{
	char *copy = arena_dup(a, s);

	for (char *p = copy; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 'a' - 'A' : *p);
	return copy;
}

char *arena_dup(struct arena *a, const char *s)
{
	return arena_dup_n(a, s, strlen(s));
}

char *arena_vfmt(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *s;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	s = arena_alloc_raw(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = arena_vfmt(a, fmt, ap);
	va_end(ap);
	return s;
}

void arena_defer(struct arena *a, void (*fn)(void *), void *ptr)
{
	struct arena_deferred *d = arena_alloc_raw(a, sizeof(*d));

	*d = (struct arena_deferred){ a->deferred, fn, ptr };
	a->deferred = d;
}
