/*
 * Lists of words that are compiled in: those of each length, in order, one behind the other.
 *
 *	const struct words few[3 + 1] = { [3] = { "andnotthe", 3 } };
 *	words_have(few, 3, "not", 3)    true
 */
#ifndef ASHLAR_WORDS_H
#define ASHLAR_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The words of n bytes, n being the place in the list: count of them. */
struct words {
	const char *text;
	int count;
};

/* Is text, of n bytes, one of those of up to longest bytes? */
bool words_have(const struct words *list, size_t longest, const char *text, size_t n);

#endif
