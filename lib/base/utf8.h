/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef ASHLAR_UTF8_H
#define ASHLAR_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Are these n bytes UTF-8 throughout?  NUL counts as a character like any other. */
bool utf8_valid(const char *p, size_t n);

/* How many code points valid UTF-8 holds. */
size_t utf8_length(const char *p, size_t n);

/*
 * The character at p, of n bytes that are left, n at least 1.
 *
 * Above 0: it is well-formed and this many bytes long.  Below 0: it is not,
 * and a reader replaces that many bytes by one U+FFFD (the longest piece that
 * could have begun a character, as the Unicode Standard recommends in 3.9).
 */
int utf8_next(const char *p, size_t n);

/* Write code point c, which is no surrogate and at most 0x10ffff, to out; how many bytes, 1 to 4. */
int utf8_put(char *out, unsigned c);

#endif
