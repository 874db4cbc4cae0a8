/*
 * Percent-encoding and query strings (RFC 3986 2.1; the URL Standard's
 * application/x-www-form-urlencoded).
 *
 * Decoded text is UTF-8 without NUL, so it is a C string that PostgreSQL can store.
 */
#ifndef ASHLAR_QS_H
#define ASHLAR_QS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum { QS_MAX_PAIRS = 100 };

struct qs_pair {
	const char *name;
	const char *value; /* "" when there was none */
};

/*
 * Decode n bytes of percent-encoded text, where '+' may stand for a space.
 *
 * The arena's; NULL when it is refused, and *problem then says why: an escape
 * that is none, a NUL or bytes that are not UTF-8.
 */
char *qs_decode(struct arena *a, const char *p, size_t n, bool plus_is_space, const char **problem);

/*
 * Split and decode a query string.  Pairs keep their order and repetitions;
 * empty ones ("a=1&&b=2") are skipped.
 *
 * How many pairs, and *out the arena's array of them; -1 when it is refused,
 * with *problem saying why: as for qs_decode, or more than QS_MAX_PAIRS.
 */
int qs_parse(struct arena *a, const char *qs, struct qs_pair **out, const char **problem);

/* Append text percent-encoded: all but letters, digits and "-._~" (RFC 3986 2.3). */
void qs_encode(struct buf *b, const char *text);

/*
 * Append "name=value", value encoded, to a query string, a form or a fragment
 * that b holds alone or at the end of a URL: with a '&' in front, unless it
 * comes first, that is behind '?', '#' or nothing.  name needs no encoding.
 */
void qs_add(struct buf *b, const char *name, const char *value);

#endif
