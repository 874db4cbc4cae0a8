/*
 * What a text must look like, as data: a regular expression, and how to say it
 * to people.
 */
#ifndef ASHLAR_PATTERN_H
#define ASHLAR_PATTERN_H

#include <stdbool.h>

struct pattern {
	const char *
		regex; /* POSIX extended, and read the same way by JavaScript, since the reference shows it */
	const char *says; /* behind "must be": "letters, digits and _ . -" */
};

/*
 * Compile a pattern, once, before the first fork: what is not compiled by then
 * each child compiles for itself.
 *
 * NULL, or what is wrong with it.
 */
const char *pattern_compile(const struct pattern *p);

/* Does the text fit?  The expression sees bytes: [^a] and . are one of them. */
bool pattern_fits(const struct pattern *p, const char *text);

#endif
