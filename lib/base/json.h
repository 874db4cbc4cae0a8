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

#include "lib/base/arena.h"
#include "lib/base/err.h"

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

/*
 * Read what a sender has signed and will not write anew: as
 * json_read, but what PostgreSQL's jsonb could not hold becomes what it can.
 *
 * Bytes that are no UTF-8, U+0000 and half a surrogate pair become U+FFFD; of
 * two members of one name the last counts; a number keeps its digits, whatever
 * its size, for numeric to take; one of more than 1000 characters, or with an
 * exponent beyond 1000, becomes a string.
 *
 * ERR_OK; ERR_BAD_REQUEST: not JSON, too deep or too many values all the same.
 */
enum err json_read_any(struct arena *a, const char *p, size_t n, struct json_object **out,
		       const char **problem);

/* A member of an object by its path: two names, or one and NULL.  NULL: it is not there, or no object is. */
struct json_object *json_at(struct json_object *object, const char *name, const char *inner);

/* A string of 1 to max bytes, the tree's; NULL: it is none. */
const char *json_text(struct json_object *value, size_t max);

#endif
