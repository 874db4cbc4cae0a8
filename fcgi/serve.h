/*
 * One request's way, from its FastCGI environment to a complete answer.
 */
#ifndef ASHLAR_SERVE_H
#define ASHLAR_SERVE_H

#include "fcgi/req.h"

/*
 * Begin a request whose params are set: identify it, route it, find out who
 * asks, and take from their rate limit.  After ERR_OK the body may be read (at
 * most serve_max_body bytes); after anything else the failure is the answer.
 */
enum err serve_begin(struct req *rq);

size_t serve_max_body(const struct req *rq);

/*
 * Answer: check the input, run the handler in its transaction, write envelope
 * or error.  rc is serve_begin's, or what went wrong with the body.  Afterwards
 * status, headers and out are complete.
 */
void serve_answer(struct req *rq, enum err rc);

/* How many callers' rate limits are not full: the host's. */
long serve_limits_active(void);

/* Log and count the request, once its answer is sent. */
void serve_end(struct req *rq);

#endif
