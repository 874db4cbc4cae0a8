/*
 * The answer: envelopes, headers, error bodies and entity tags.
 *
 * What a body looks like is decided here, once, from the surface's dialect and
 * the version; handlers only decide what is in it.
 */
#ifndef ASHLAR_ANSWER_H
#define ASHLAR_ANSWER_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/failure.h"

struct query;
struct req;
struct rows;

/* Prepare what does not change between requests: deprecation headers.  Once, before the first fork. */
void answer_init(void);

/* The body, empty, to be written. */
struct buf *answer_body(struct req *rq);

/* Write the error that rq->tx.fail describes: status, headers, body. */
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

/* The same, returned and not recorded. */
struct failure answer_absence(struct req *rq, const char *id);

/* ERR_NOT_FOUND of the route's resource, naming it and the id in details; id may be NULL. */
enum err answer_not_found(struct req *rq, const char *id);

/*
 * The usual end of a handler: run the query as the transaction's last
 * statement and write its rows as the answer, in the query's shape (:row,
 * :rows, :page, :exec) and the route's envelope or list form.  No row for
 * :row is ERR_NOT_FOUND with the route's resource and id.
 */
enum err answer_rows(struct req *rq, const struct query *q);

/* The rows of a page that no query of PostgreSQL has made, whose first column is its total: of so many. */
enum err answer_page(struct req *rq, const PGresult *res, long long total);

/* The rows of a result in the form that the row's answer has, for a handler that writes them one by one. */
struct rows *answer_form(struct req *rq, const PGresult *res);

/*
 * The answer by hand, where it is not rows: write between the two calls.
 *	struct buf *b = answer_open(rq);
 *	buf_text(b, "{\"status\":\"healthy\"}");
 *	return answer_close(rq);
 */
struct buf *answer_open(struct req *rq);
enum err answer_close(struct req *rq);

/* The answer of a row with .redirect, or of one that SENDS_FILE where the file is elsewhere: go there.  url
 * must live as long as the request. */
enum err answer_redirect(struct req *rq, const char *url);

#endif
