/*
 * Base32 (RFC 4648 6), as authenticator apps have their secrets in.
 */
#ifndef ASHLAR_BASE32_H
#define ASHLAR_BASE32_H

#include <stddef.h>
#include <sys/types.h>

struct arena;

/* Without padding.  The arena's. */
char *base32_encode(struct arena *a, const void *p, size_t n);

/*
 * Decode into out, which has room for max bytes; either case, trailing "=" ignored.
 * Returns how many bytes, or -1: another character, or too many.
 */
ssize_t base32_decode(const char *text, unsigned char *out, size_t max);

#endif
