/*
 * What a user may have meant: the known word nearest to one that is not known.
 */
#ifndef ASHLAR_NEAREST_H
#define ASHLAR_NEAREST_H

#include <stddef.h>

/*
 * How many letters must be put in, left out, replaced or swapped with their neighbour to make one
 * word of the other (the optimal string alignment distance); 64 for words of more than 63 bytes.
 */
int nearest_distance(const char *a, const char *b);

/* Of n words the one nearest to word, if it is at most a third of its letters away; else NULL. */
const char *nearest_word(const char *word, const char *const *words, size_t n);

#endif
