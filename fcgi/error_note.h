/*
 * Errors of requests, for who asks about one by its id: what a tenant's callers were
 * answered with 4xx or 5xx is put into memory that the host's processes share, and its
 * housekeeper writes it into request_errors.
 *
 * Of a request that is the row, the status, the code and what was said of it: no body,
 * no query, no credential.  There is a bound: when more fail at once than the
 * housekeeper writes, the others are counted as lost.
 */
#ifndef ASHLAR_ERROR_NOTE_H
#define ASHLAR_ERROR_NOTE_H

#include <libpq-fe.h>

struct req;

/* Note a request, once it is answered, if it was refused or failed, and somebody's. */
void error_note_put(const struct req *rq);

/* The housekeeper's: write what there is.  What PostgreSQL does not take is lost, and logged. */
void error_note_flush(PGconn *conn);

#endif
