/*
 * Requests as they are answered, for who listens to a tenant's: put into memory that
 * the host's processes share, and told on the tenant's channel by the housekeeper.
 *
 * Where nobody listens it is one look at a number.  Of one tenant no more are told
 * than REQUEST_TAIL_A_SECOND; how many were left out is said with the next one.
 * What is told is the row, the status and the time: no body, no query, no
 * credential.
 */
#ifndef ASHLAR_REQUEST_TAIL_H
#define ASHLAR_REQUEST_TAIL_H

#include <libpq-fe.h>

struct req;

enum { REQUEST_TAIL_A_SECOND = 20 };

/* The answer is sent: note the request, if its tenant is listened to. */
void request_tail_note(const struct req *rq);

/* The housekeeper's: tell what there is, and look now and then whose is listened to. */
void request_tail_flush(PGconn *conn);

#endif
