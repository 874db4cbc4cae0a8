/*
 * The answer: envelopes, headers, error bodies and entity tags.
 *
 * What a body looks like is decided here, once, from the surface's dialect and
 * the version; handlers only decide what is in it.
 */
#ifndef ASHLAR_ANSWER_H
#define ASHLAR_ANSWER_H

#include <stdbool.h>

#include "lib/base/buf.h"

struct req;

/* Prepare what does not change between requests: deprecation headers.  Once, before the first fork. */
void answer_init(void);

/* Write the error that rq->fail describes: status, headers, body. */
void answer_error(struct req *rq);

/*
 * A successful answer is complete: give it its ETag, and turn it into 304 when
 * If-None-Match names that.
 */
void answer_finish(struct req *rq);

/* Append the response's head, as a FastCGI responder writes it, to b: Status, headers, empty line. */
void answer_head(struct req *rq, struct buf *b);

/* If-Match as a PostgreSQL bigint[] of updated_at microseconds; NULL when it asks nothing. */
const char *answer_if_match(struct req *rq);

/* CORS: the Origin header when its pages may read the answer, by CORS_ORIGINS or by their key; else NULL. */
const char *answer_origin(const struct req *rq);

#endif
