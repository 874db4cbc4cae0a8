/*
 * Idempotency-Key: a POST that is sent twice is carried out once.
 *
 * The key is taken inside the request's transaction, and the answer stored in
 * it, so a key without an answer cannot stay behind.
 */
#ifndef ASHLAR_IDEM_H
#define ASHLAR_IDEM_H

#include "lib/base/err.h"

struct req;

/* ERR_BAD_REQUEST: there is the header, and what it says is no key. */
enum err idem_check(struct req *rq);

/*
 * When the request is a POST with the header: take the key in front of its
 * first statement.  Not where the answer holds a secret (PRIVATE): it would be
 * kept for a day in the clear, so there the header is ignored.
 */
void idem_begin(struct req *rq);

/* The request succeeded: store its answer, and end its transaction. */
enum err idem_store(struct req *rq);

/* rq->is_replay: answer with what was stored, and Idempotent-Replayed: true. */
enum err idem_replay(struct req *rq);

#endif
