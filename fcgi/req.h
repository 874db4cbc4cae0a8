/*
 * A request, in the order of its stages: what was asked, who asks, the
 * transaction, the answer.
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
#include "lib/base/buf.h"
#include "lib/db/tx.h"

struct json_object;
struct output;
struct part;
struct req;
struct rows;

/*
 * Who asks, as far as the credentials alone tell; auth.c fills it.  Whether
 * that is still true (session, user, membership) is the door's to say, in the
 * same round trip as the query.
 */
struct principal {
	/* API_KEY: no more than that; BEARER: perhaps with one; PROJECT: a program that sends traces */
	enum { ANONYMOUS, BEARER, API_KEY, PROJECT } kind;
	const char *tenant_id;    /* uuid: the token's, else the default one; NULL: the key alone tells it */
	const char *issuer;       /* "ashlar" for our own tokens, else the "iss" claim */
	const char *subject;      /* "sub": the user's public id on the app surface */
	const char *session;      /* uuid, "sid" of our own tokens; NULL for others' */
	const char *email;        /* of a foreign token, NULL when it has none */
	const char *role;         /* that a foreign token's issuer may give; NULL: none */
	const char *workspace;    /* uuid: the one that our own token names as the active one; NULL: none */
	const char *actor;        /* who impersonates the user ("act", RFC 8693): its "sub", or NULL */
	const char *api_key;      /* the SHA-256 of X-API-Key as PostgreSQL's bytea; NULL: none was sent */
	const char *path, *agent; /* beside an organization's key, for key_log_note(): the request's own are
				     gone when the answer is sent */
	const char *page_key;     /* the same of a public key that opens nothing here (auth.c), or NULL */
	const char *project;      /* uuid, of a project's token; NULL: its key alone tells it */
	const char
		*project_plan; /* what the token says that its organization's plan was; NULL: it is the key */
	const char *project_key_id; /* which of its keys the token was made with; NULL: the same */
	const char *project_key;    /* the SHA-256 of a project's API key as PostgreSQL's bytea; NULL: it is a
				       token */
	const char *client_ip;      /* beside a secret key: the end user's address (X-Client-IP); NULL: the
				       caller's own */
	int64_t expires_s;          /* when the token does, in seconds since 1970 */
	int64_t signed_in_s;        /* when its user signed in, of our own tokens */
	int generation;             /* "gen" of our own tokens; 0: none, or the session's first */
	bool is_secret;             /* and it is a secret key */
	bool is_organizations;      /* it is one of an organization's keys, which is secret, too */
	bool is_team;               /* a team user's token */
	bool is_test;               /* a team user who works on the test mode's data (X-Test-Mode) */
	bool is_counted_apart;      /* for rate limits: a secret key without a user */
	uint64_t key; /* for rate limits: a keyed hash of tenant, issuer and subject, of the key, or of the
			 address there */
};

struct header {
	const char *name;
	const char *value;
};

/* What was asked. */
struct asked {
	char **params; /* the FastCGI environment, "NAME=value" */
	enum method method;
	const char *method_name;  /* as sent */
	const char *path;         /* percent-encoded, without the query */
	const char *query_string; /* "" when there is none */
	const char *ip;           /* the client's address as nginx knows it */
	const char *body;
	size_t body_len;
	int body_fd; /* of a row that is SPOOLED, with a body: a file of body_len bytes, at its beginning */
	struct json_object *json; /* the parsed body, or NULL */
	struct part *parts;       /* of a row with .parts */
	int nparts;
	struct match match;
	const struct route *route; /* NULL until routed */
	int version;               /* the version answered in, 1 or more */
	const char *workspace;     /* uuid: X-Workspace-Id, where the caller's place is one; NULL: none was
				      sent */
	int64_t start_ns;
};

/* What goes back. */
struct answer {
	int status;
	struct header headers[24];
	int nheaders;
	bool any_origin; /* whatever CORS_ORIGINS says, this page may read the answer; or it is a preflight,
			    which carries no key yet, and every page may send the request itself */
	int64_t total;   /* of a page: how many there are on all of them */
	struct buf out;
	const struct output *output; /* the rows' form that Accept chose; NULL: JSON */
	struct rows *rows;           /* of the output, once the first row is there */
	uint64_t row_count;
	/*
	 * Send what is in out, behind the head if nothing was sent yet, and empty it.  False: the client no
	 * longer listens.  NULL: answers are sent in one piece.
	 */
	bool (*send)(struct req *rq);
	bool is_stream; /* what is sent is for now: no part of it waits for the next one */
	/* While the handler waits for others: it is not hung, and is there still somebody who waits for it?
	 * NULL: nobody can tell, and so there is. */
	bool (*is_awaited)(struct req *rq);
	bool is_ending;            /* that was said to somebody who waits, since this process is to end */
	bool is_sent;              /* its beginning is on its way, and cannot become another one */
	size_t sent;               /* bytes of the body that are */
	size_t data_from, data_to; /* what is inside the envelope: out.p[from, to) */
	int64_t updated_us;        /* updated_at of a single row, for its ETag; 0: none */
};

/* The rate limit's state. */
struct limits {
	long limit; /* 0: off */
	long left, reset_s;
	long window_s;    /* 0: a minute */
	const char *name; /* of the one that refuses; NULL: "default" */
};

struct req {
	struct asked asked;
	struct principal who;
	struct tx tx; /* its memory, the fields' values, and what has failed */
	struct answer answer;
	struct limits limits;
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

/*
 * Have the body that is in a file (SPOOLED) at rq->asked.body, too, mapped until the request ends; a body
 * that is there already, or empty, stays as it is.  ERR_OK; ERR_UNAVAILABLE where it cannot be mapped.
 */
enum err req_map_body(struct req *rq);

/* A request header by its HTTP name, any case; NULL when it was not sent. */
const char *req_header(const struct req *rq, const char *name);

/* May the request change something?  Not a GET or HEAD, unless its row says so (WRITES). */
bool req_writes(const struct req *rq);

/* The value of one of the path's {names}, and of no field or req_set that has the same name; NULL: none. */
const char *req_path_text(const struct req *rq, const char *name);

/* A variable of the FastCGI environment, or NULL. */
const char *req_param(const struct req *rq, const char *name);

/* The file of that name in a row's .parts; never NULL for one that is required. */
const struct part *req_part(const struct req *rq, const char *name);

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

#endif
