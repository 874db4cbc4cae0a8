/*
 * A request's memory: allocated piece by piece, released at once.
 *
 * Handlers call neither malloc nor free.  What a request needs it takes from
 * its arena; what a library allocated for it is tied to the arena with
 * arena_defer.  Nothing taken from an arena outlives arena_reset.
 *
 * The sanitizer build gives every allocation its own malloc: inside a shared
 * chunk AddressSanitizer sees no overrun.
 */
#ifndef ASHLAR_ARENA_H
#define ASHLAR_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_chunk;
struct arena_deferred;

struct arena {
	struct arena_chunk *chunks;      /* newest first; the oldest is kept by arena_reset */
	struct arena_deferred *deferred; /* newest first */
	size_t used;                     /* bytes handed out since the last reset */
};

/* Make an empty arena whose first chunk of first_bytes survives every reset. */
void arena_init(struct arena *a, size_t first_bytes);

/* Run what was deferred, newest first, and take back all memory but the first chunk. */
void arena_reset(struct arena *a);

/* arena_reset, and free the first chunk too. */
void arena_release(struct arena *a);

/*
 * n bytes, zeroed, aligned for any type.  Never NULL: a request's memory is
 * bounded where it enters, so a machine that runs out ends the process.
 */
void *arena_alloc(struct arena *a, size_t n) __attribute__((__malloc__, returns_nonnull));

/* As arena_alloc, but the bytes are not zeroed: for buffers about to be filled. */
void *arena_alloc_raw(struct arena *a, size_t n) __attribute__((__malloc__, returns_nonnull));

/* Copies: of a C string, and of n bytes with a NUL behind them. */
char *arena_dup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_dup_n(struct arena *a, const void *p, size_t n) __attribute__((returns_nonnull));

/* A copy whose ASCII letters are small ones. */
char *arena_lower(struct arena *a, const char *s) __attribute__((returns_nonnull));

/* A formatted string. */
char *arena_fmt(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3), returns_nonnull));
char *arena_vfmt(struct arena *a, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0), returns_nonnull));

/*
 * Run fn(ptr) when the arena is reset, newest first.  Ties what a library
 * allocated (PGresult, json_object, CURL) to the life of the request.
 */
void arena_defer(struct arena *a, void (*fn)(void *), void *ptr);

#endif
