/*
 * What a query's parameter is when no field of the request has its name: made
 * of one that has.
 *
 *	has_x		was x given?
 *	email_key	of email: what two spellings of one address have in common (email.h)
 *	email_sent	of email: as it was spelled
 *	x_token_hash	of x_token: its SHA-256, which is what is stored
 *	limit, skip	of a list whose form has no pages: the first one, which is long
 */
#ifndef ASHLAR_BIND_H
#define ASHLAR_BIND_H

#include "lib/base/err.h"

struct tx;

/* ERR_OK and *out, the arena's, NULL for SQL's null; ERR_NOT_FOUND: the name is made of nothing.  For
 * tx.derive. */
enum err bind_derive(struct tx *tx, const char *name, const char **out);

#endif
