/*
 * Accept (RFC 9110 12.5.1): which media type of those that there are the client
 * takes.  Its value may be NULL, which takes all of them.
 */
#ifndef ASHLAR_ACCEPT_H
#define ASHLAR_ACCEPT_H

#include <stdbool.h>

struct output;

/* "application/problem+json", the form of errors of RFC 9457. */
extern const char *const accept_problem_json;

/*
 * May the answer be of this media type (RFC 9110 12.5.1)?  accept may be NULL.
 * application/problem+json alone, the form of errors, excludes nothing.
 */
bool accept_allows(const char *accept, const char *type);

/*
 * The output among those allowed (bits of outputs.h) that Accept names with the
 * highest quality; NULL: JSON, which is also what a wildcard means.
 */
const struct output *accept_choose(const char *accept, unsigned allowed);

/* Does it name the form of errors of RFC 9457? */
bool accept_names_problem(const char *accept);

#endif
