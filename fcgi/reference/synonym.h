/*
 * What people call things by other names than we do: the data of find.c.
 */
#ifndef ASHLAR_SYNONYM_H
#define ASHLAR_SYNONYM_H

#include <stdbool.h>
#include <stddef.h>

/* Words that mean the same to somebody who searches, with commas between them; one may be of two words. */
struct synonym {
	const char *words;
	unsigned methods; /* what it is that does this: SYNONYM_DOES(POST) | …; 0: it is no verb, or may be
			     any */
};

#define SYNONYM_DOES(method) (1U << (method))

/* Ends with an entry without words. */
extern const struct synonym synonyms[];

/* Is it a word that says nothing of what is looked for ("the", "how")?  In lower case; n: its length. */
bool synonym_is_filler(const char *word, size_t n);

#endif
