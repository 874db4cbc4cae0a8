/*
 * The cache of verified tokens, one in each process.
 *
 * Keyed by the SHA-256 of the token and, behind it, of the API key that came with
 * it: an issuer that one tenant believes is no other's to believe.  0.3 µs for a
 * token of 400 bytes where the CPU has instructions for it.  A faster hash would
 * have to be keyed and followed by a comparison of the whole token, for which each
 * token would have to be kept, and then a core dump would hold credentials.  Only
 * what was verified gets in, so a stranger cannot push anything out.
 */
#ifndef ASHLAR_TOK_CACHE_H
#define ASHLAR_TOK_CACHE_H

#include <stdbool.h>
#include <stdint.h>

enum { TOK_CACHE_ENTRIES = 4096 };

struct arena;
struct claims;
struct issuer;
struct whose;

/* The claims of a token that was verified before, and would be now: *out, whose strings are the arena's. */
bool tok_cache_get(struct arena *a, const struct whose *whose, const unsigned char digest[32], int64_t now,
		   struct claims *out);

/* Keep what was verified with the keys of this version; one with long strings is not kept. */
void tok_cache_put(const unsigned char digest[32], const struct issuer *s, unsigned version, int64_t now,
		   const struct claims *c);

/* What changes when the issuer's keys do. */
unsigned tok_cache_version(struct arena *a, const struct issuer *s);

/* How many verified tokens this process holds, at most TOK_CACHE_ENTRIES. */
int tok_cache_count(void);

/* Wipe it. */
void tok_cache_release(void);

#endif
