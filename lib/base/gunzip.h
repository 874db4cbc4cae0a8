/*
 * What was compressed with gzip (RFC 1952), inflated to a bound.
 */
#ifndef ASHLAR_GUNZIP_H
#define ASHLAR_GUNZIP_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

/*
 * Inflate n bytes, of one gzip member or of several one behind the other.
 *
 * max      how many bytes may come of it
 * out      they, the arena's, with a NUL behind them; *out_n, how many
 * problem  when refused: what is wrong, a constant
 *
 * ERR_OK; ERR_BAD_REQUEST: no gzip, its end is missing, or its checksum is another
 * one; ERR_PAYLOAD_TOO_LARGE: more than max came of it.  Memory grows with what was
 * sent and has come of it so far, never with what the data say of themselves, and stays
 * below five times max.
 */
enum err gunzip(struct arena *a, const char *p, size_t n, size_t max, char **out, size_t *out_n,
		const char **problem);

#endif
