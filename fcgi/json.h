/*
 * Reading JSON that a client sent, strictly (RFC 8259), into json-c's tree.
 *
 * json-c's own parser, even with its strict flag, takes NaN, "1." and raw
 * control characters, clamps integers, replaces lone surrogates and keeps the
 * last of two members of one name.  So the text is read here, and only the
 * tree is json-c's.
 */
#ifndef ASHLAR_JSON_H
#define ASHLAR_JSON_H

#include <stddef.h>

#include "fcgi/arena.h"
#include "fcgi/err.h"

struct json_object;

enum {
	JSON_MAX_DEPTH = 32,
	/* An empty object is 2 bytes of body and 700 of memory, so a bound on the body alone is none. */
	JSON_MAX_VALUES = 100000,
};

/*
 * Read one JSON value, of any kind.
 *
 * p, n     the text; borrowed, a NUL behind it is not needed
 * out      the tree, the arena's; NULL, as json-c has it, for a bare null
 * problem  when refused: what is wrong and where, counting bytes from 1:
 *          "invalid JSON at byte 17: member \"name\" is given twice"; the arena's
 *
 * ERR_OK; ERR_BAD_REQUEST: not JSON, not UTF-8, members of one name in one
 * object, U+0000 (which PostgreSQL cannot store), half a surrogate pair, an
 * integer outside int64, a number outside double or of more than 1000
 * characters, deeper than JSON_MAX_DEPTH or more than JSON_MAX_VALUES.
 *
 * A number with a fraction or exponent keeps its digits: json-c writes it as it
 * came, but for a zero's exponent.
 */
enum err json_read(struct arena *a, const char *p, size_t n, struct json_object **out, const char **problem);

#endif
