/*
 * A request and its answer.
 *
 * The child fills in what was asked, the runtime checks it and finds out who
 * asks, the handler decides, and the runtime writes the answer.  Everything
 * here lives until the answer is sent.
 */
#ifndef ASHLAR_REQ_H
#define ASHLAR_REQ_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/field.h"
#include "fcgi/route.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/host/log.h"

struct json_object;
struct output;
struct pg_result;
struct rows;

/*
 * Who asks, as far as the credentials alone tell; auth.c fills it.  Whether
 * that is still true (session, user, membership) is the door's to say, in the
 * same round trip as the query.
 */
struct principal {
	enum { ANONYMOUS, BEARER, API_KEY } kind; /* API_KEY: no more than that; BEARER: perhaps with one */
	const char *tenant_id; /* uuid: the token's, else the default one; NULL: the key alone tells it */
	const char *issuer;    /* "ashlar" for our own tokens, else the "iss" claim */
	const char *subject;   /* "sub": the user's public id on the app surface */
	const char *session;   /* uuid, "sid" of our own tokens; NULL for others' */
	const char *email;     /* of a foreign token, NULL when it has none */
	const char *role;      /* that a foreign token's issuer may give; NULL: none */
	const char *actor;     /* who impersonates the user ("act", RFC 8693): its "sub", or NULL */
	const char *api_key;   /* the SHA-256 of X-API-Key as PostgreSQL's bytea; NULL: none was sent */
	const char *page_key;  /* the same of a public key that opens nothing here (auth.c), or NULL */
	const char *client_ip; /* beside a secret key: the end user's address (X-Client-IP); NULL: the
				  caller's own */
	int64_t expires_s;     /* when the token does, in seconds since 1970 */
	int64_t signed_in_s;   /* when its user signed in, of our own tokens */
	int generation;        /* "gen" of our own tokens; 0: none, or the session's first */
	bool is_secret;        /* and it is a secret key */
	bool is_team;          /* a team user's token */
	bool is_test;          /* a team user who works on the test mode's data (X-Test-Mode) */
	bool is_counted_apart; /* for rate limits: a secret key without a user */
	uint64_t key; /* for rate limits: a keyed hash of tenant, issuer and subject, of the key, or of the
			 address there */
};

struct failure {
	enum err err;
	const char *message; /* for people; NULL: the error's own */
	const char *field;   /* details.field */
	const char *details; /* further members of details, as JSON without braces, or NULL */
	const char *more;    /* further members of the body itself, as JSON without braces, or NULL */
	const char *reason;  /* for the log only */
	bool is_kept;        /* what the transaction did stays: see req_refuse */
};

struct header {
	const char *name;
	const char *value;
};

struct req {
	struct arena arena;

	/* what was asked */
	char **params; /* the FastCGI environment, "NAME=value" */
	enum method method;
	const char *method_name;  /* as sent */
	const char *path;         /* percent-encoded, without the query */
	const char *query_string; /* "" when there is none */
	const char *ip;           /* the client's address as nginx knows it */
	struct log_context log;   /* X-Request-ID, traceparent, and what is being done */
	const char *body;
	size_t body_len;
	struct json_object *json; /* the parsed body, or NULL */
	struct match match;
	const struct route *route; /* NULL until routed */
	int version;               /* the version answered in, 1 or more */
	struct principal who;
	const char
		*workspace;   /* uuid: X-Workspace-Id, where the caller's place is one; NULL: none was sent */
	struct value *values; /* path parameters, query parameters, body members, and what req_set added */
	size_t nvalues, values_cap;

	/* the answer */
	int status;
	struct header headers[24];
	int nheaders;
	bool any_origin; /* whatever CORS_ORIGINS says, this page may read the answer; or it is a preflight,
			    which carries no key yet, and every page may send the request itself */
	int64_t total;   /* of a page: how many there are on all of them */
	bool knows_page; /* page_key's pages were asked about */
	struct buf out;
	const struct output *output; /* the rows' form that Accept chose; NULL: JSON */
	struct rows *rows;           /* of the output, once the first row is there */
	uint64_t row_count;
	/*
	 * Send what is in out, behind the head if nothing was sent yet, and empty it.  False: the client no
	 * longer listens.  NULL: answers are sent in one piece.
	 */
	bool (*send)(struct req *rq);
	int peer_fd;               /* of the peer that waits for the answer, beside send */
	bool is_sent;              /* the answer's beginning is on its way, and cannot become another one */
	size_t sent;               /* bytes of the body that are */
	size_t data_from, data_to; /* the answer inside its envelope: out.p[from, to) */
	int64_t updated_us;        /* updated_at of a single row, for its ETag; 0: none */
	struct failure fail;

	/* the transaction, db.c's */
	long db_timeout_ms; /* how long to wait for PostgreSQL; 0: DATABASE_TIMEOUT_MS */
	bool in_transaction;
	/* Called with each row of the request's query by itself as it comes, in place of a result with all;
	 * or NULL. */
	enum err (*each)(struct req *rq, const struct pg_result *row);
	bool asked;       /* the door was, whatever it said */
	bool entered;     /* it let the caller in */
	bool committed;   /* a transaction that may have written has ended well */
	bool may_rerun;   /* the failure was one that running again can cure, and nothing was committed */
	bool is_new_user; /* the door does not know the foreign token's subject yet */
	bool is_replay;   /* idempotency_begin() found a stored answer */
	struct pg_result
		*children[MAX_CHILDREN]; /* PGresult: of the row's .children, where they were asked */
	int nchildren;
	const struct query *frame; /* a statement in front of the request's own, and the transaction stays
				open; or NULL */
	const char *const *frame_values;
	const struct query *door; /* in front of the first statement: who calls, and may they? (auth_door) */
	const char **door_values; /* its parameters */
	const char *page_origin;  /* beside who.page_key: where the page is from */
	const struct constraint *constraints; /* what a violated one means; the last has no name */
	bool shares_late;                     /* whose slow request this is its handler finds out (oauth.c) */

	/* for the log */
	int64_t start_ns, db_ns;
	long limit, limit_left, limit_reset_s; /* the rate limit's state; limit 0: off */
	long limit_window_s;                   /* 0: a minute */
	const char *limit_name;                /* of the one that refuses; NULL: "default" */
};

/* Record a failure and return its error, for "return req_fail(...)".  fmt NULL: the error's own message. */
enum err req_fail(struct req *rq, enum err e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As req_fail, with details.field. */
enum err req_fail_field(struct req *rq, enum err e, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * A refusal whose traces stay: as req_fail and req_fail_field, but what the
 * transaction did is committed (a counter, an audit row).  Under an
 * Idempotency-Key nothing is stored: sent again, it is looked at again.
 */
enum err req_refuse(struct req *rq, enum err e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
enum err req_refuse_field(struct req *rq, enum err e, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * ERR_RATE_LIMIT, for so many seconds: Retry-After, details.retry_after and the
 * headers of the limit all name the moment at which the request would pass.
 */
enum err req_too_many(struct req *rq, long long seconds);

/* The same by a handler that counts attempts, in the way of req_refuse: the count stays. */
enum err req_retry_after(struct req *rq, long long seconds);

/* A failure on our side: the client sees ERR_INTERNAL (or e) and the request id, the log the reason. */
enum err req_fail_inside(struct req *rq, enum err e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ERR_NOT_FOUND of the route's resource, naming it and the id in details; id may be NULL. */
enum err req_not_found(struct req *rq, const char *id);

/* A request header by its HTTP name, any case; NULL when it was not sent. */
const char *req_header(const struct req *rq, const char *name);

/* May the request change something?  Not a GET or HEAD, unless its row says so (WRITES). */
bool req_writes(const struct req *rq);

/* The value of one of the path's {names}, and of no field or req_set that has the same name; NULL: none. */
const char *req_path_text(const struct req *rq, const char *name);

/* A variable of the FastCGI environment, or NULL. */
const char *req_param(const struct req *rq, const char *name);

/* Add a response header.  The strings must live as long as the request. */
void req_set_header(struct req *rq, const char *name, const char *value);

/* The value of a field of the route, or of req_set; NULL when there is no such field. */
const struct value *req_value(const struct req *rq, const char *name);

/* Shorthands for a field's value: its text (NULL when null), its integer (0 when null), whether it was sent.
 */
const char *req_text(const struct req *rq, const char *name);
long long req_int(const struct req *rq, const char *name);
bool req_given(const struct req *rq, const char *name);

/* Give a query's parameter a value that the handler computed; NULL is SQL's null.  Overrides a field. */
void req_set(struct req *rq, const char *name, const char *text);

/*
 * The usual end of a handler: run the query as the transaction's last
 * statement and write its rows as the answer, in the query's shape (:row,
 * :rows, :page, :exec) and the route's envelope or list form.  No row for
 * :row is ERR_NOT_FOUND with the route's resource and id.
 */
enum err req_answer(struct req *rq, const struct query *q);

/*
 * The answer by hand, where it is not rows: write between the two calls.
 *	struct buf *b = req_open(rq);
 *	buf_text(b, "{\"status\":\"healthy\"}");
 *	return req_close(rq);
 */
struct buf *req_open(struct req *rq);
enum err req_close(struct req *rq);

/* The answer of a row with .redirect: go there.  url must live as long as the request. */
enum err req_redirect(struct req *rq, const char *url);

#endif
