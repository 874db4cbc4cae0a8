/*
 * Refusals of PostgreSQL, and what they mean to the client: a SQLSTATE is a public
 * error, a violated constraint what the row's table says, and what our own
 * functions raise (AS404, …) brings its message along.
 */
#ifndef ASHLAR_REFUSAL_H
#define ASHLAR_REFUSAL_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/base/err.h"

struct req;

/* Record ERR_UNAVAILABLE with Retry-After, and return it; reason is for the log. */
enum err refusal_unavailable(struct req *rq, const char *reason);

/*
 * Record the error of a result as the request's failure; the server's own words
 * go to the log alone.  Sets may_rerun, is_new_user and is_replay, too.
 *
 * true: what this connection has prepared is no longer what the server has.
 */
bool refusal_read(struct req *rq, const PGresult *res);

#endif
