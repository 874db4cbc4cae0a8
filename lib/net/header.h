/*
 * Headers that somebody else names, to be sent along with requests of ours.
 */
#ifndef ASHLAR_HEADER_H
#define ASHLAR_HEADER_H

#include <stddef.h>

enum { HEADER_MAX_NAME = 100, HEADER_MAX_VALUE = 1000 };

/*
 * What is wrong with a header, for who named it; NULL: nothing.
 *
 * Its name is a token (RFC 9110 5.6.2) of at most HEADER_MAX_NAME characters, and none of those that
 * curl and HTTP decide by themselves; its value is of 1 to HEADER_MAX_VALUE visible ASCII characters
 * with spaces between them.
 */
const char *header_problem(const char *name, const char *value, size_t n);

#endif
