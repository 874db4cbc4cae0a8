/*
 * The line that ends a request: what it was, who sent it, how it ended, what it
 * cost.  Of usual ones LOG_SAMPLE writes some.
 */
#ifndef ASHLAR_REQUEST_LOG_H
#define ASHLAR_REQUEST_LOG_H

struct req;

void request_log(struct req *rq);

#endif
