/*
 * Refusals of PostgreSQL, and what they mean to the client: a SQLSTATE is a public
 * error, a violated constraint what a table says, and what our own functions
 * raise (AS404, …) brings its message along.
 */
#ifndef ASHLAR_REFUSAL_H
#define ASHLAR_REFUSAL_H

#include <libpq-fe.h>

#include "lib/base/failure.h"

/* What a violated constraint means to the client. */
struct constraint {
	const char *name; /* in PostgreSQL; NULL ends a table */
	enum err err;
	const char *field;   /* details.field */
	const char *message; /* NULL: the error's own */
};

enum {
	REFUSAL_PASSES = 1,   /* the same again may do: a deadlock, a plan that was stale */
	REFUSAL_IS_STALE = 2, /* what this connection has prepared is no longer what the server has */
};

/* ERR_UNAVAILABLE, worth another try in a second; reason is for the log. */
struct failure refusal_unavailable(struct arena *a, const char *reason);

/*
 * What a result that is an error says, as a failure; the server's own words go to
 * the log alone.  constraints may be NULL; *how is REFUSAL_…, or 0.
 */
struct failure refusal_read(struct arena *a, const PGresult *res, const struct constraint *constraints,
			    unsigned *how);

#endif
