/*
 * Routes: an endpoint is a row.
 *
 * To add an endpoint:
 *  1. sql/queries/<area>/<resource>.sql: the query, with the columns of the answer.
 *  2. handlers/<area>/<resource>.c: the resource's fields, its shape, and a row
 *     in its table, const struct route x_routes[].  Without a decision to make
 *     the row names its query and there is no handler.
 *  3. A row in the resource's constraint table for every constraint a client
 *     can violate.
 *  4. t/api/<area>/<resource>.t: first the refusals, then the answer.
 * The router, validation, access, OpenAPI, nginx's pools, the contract test and
 * the coverage report all read the row.
 */
#ifndef ASHLAR_ROUTE_H
#define ASHLAR_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/budget.h"
#include "fcgi/caller.h"
#include "fcgi/choice.h"
#include "fcgi/field.h"
#include "fcgi/list.h"
#include "fcgi/method.h"
#include "fcgi/outputs.h"
#include "fcgi/surface.h"
#include "lib/base/err.h"
#include "lib/db/query.h"
#include "lib/db/refusal.h"

struct req;
struct tx;

enum route_flag {
	SLOW = 1,   /* waits for a server of others: runs in the slow pool */
	STATIC = 2, /* nginx serves it from a file; listed for the reference only */
	BARE = 4,   /* no envelope in any version */
	RAW = 8,    /* the handler reads the body: no parsing, any Content-Type; .body only tells of it */
	ACCEPTS = 1 << 23,  /* what asks for no answer is taken all the same: 202, without a body */
	PRIVATE = 64,       /* the answer holds a secret: Idempotency-Key is ignored, and nothing stored */
	WRITES = 128,       /* a GET that changes something */
	ONE_OR_MANY = 1024, /* the answer is one of out, an array of them, or null */
	SIGNED = 4096,      /* with RAW: a signature over the body says who calls, and the handler asks for it
				      first; Idempotency-Key is ignored, since a stored answer would need none */
	REALTIME = 8192,    /* ashlar realtime serves it: a WebSocket, or a stream */
	HASHES = 1 << 14,   /* hashes a password: runs in the pool that has the cores for it (password.h), or,
			       with   SLOW, where others are waited for, and takes its turn with those */
	RECENT = 1 << 17,   /* opens a way in that outlasts the session, or into another's account: wants
			       a token of who has signed in within RECENT_SIGN_IN_S */
	STREAMS = 1 << 21,  /* where the body's "stream" is true, the answer is an event stream (stream.h) */
	PROBE = 1 << 18, /* asks for health: its 503 may be the answer itself, which says what is missing */
	LINK = 1 << 19,  /* what a signed link leads to, which another row gave out: no operation of the
			    reference */
	HELD_BODY = 1 << 20,  /* nginx has the body, and asks only whether it may be taken */
	SENDS_FILE = 1 << 22, /* the answer is a file, whole or in part, which nginx sends (X-Accel-Redirect),
				 or a 302 to where it is (answer_redirect) */
	UNTRACED = 1 << 25,   /* takes spans, and so has none of its own: they would come back for ever */
	SPOOLED = 1 << 26, /* with RAW and SLOW: the body goes to a file without a name, rq->asked.body_fd; it
			      may be as large as a form with a file */
	RESUMABLE = 1 << 27,  /* speaks tus: its answers have the headers of that protocol */
	OPEN_QUERY = 1 << 15, /* another server makes the address, and may add its own query parameters */
	IF_MATCH =
		1
		<< 16, /* with .run: its query tests If-Match, though .sql, which shows the shape, does not */
};

/*
 * What there is to be permitted, asked at the door, in the caller's place, of the
 * role that the user has there: 403.  A workspace may have set something else for
 * the role; see handlers/permissions.def.
 */
struct permission {
	const char *name;             /* "can_edit_goal" */
	enum caller_place place;      /* whose roles these are */
	const char *roles;            /* PostgreSQL's text[]: "{owner,admin}" */
	const struct permission *own; /* to do the same with what is the caller's own; or NULL */
	bool is_either;               /* own is as good, whosever it is */
};

/* What X-Error-Code says of an error: a word for programs that know this row. */
struct error_code {
	enum err err; /* ERR_OK ends the list */
	const char *code;
};

/* What a request needs that no example has, and what the example is refused with. */
struct need {
	const char *what; /* for the reference, behind "needs": "the code of a mail"; NULL: nothing */
	enum err otherwise;
};

struct route {
	enum method method;
	const char *path; /* "/api/v1/app/projects/{project_id}"; a {name} ending in "id" is a UUID */
	const char *id;   /* catalogue id; its first word names the surface */
	const struct caller *caller; /* who may call */
	const char *summary;         /* one line for the reference */
	const char *about;           /* more for the reference, or NULL */
	struct need needs;
	const struct permission *may; /* asked in the caller's place; NULL: to be there is enough */
	const char *scope;            /* what a key alone must be for; NULL: everything */
	const struct field *params;   /* path parameters that are not UUIDs */
	const struct field *query;    /* query-string parameters */
	const struct field *body;     /* members of a JSON body */
	const struct choice *choice;  /* which of them go together (choice.h), or NULL */
	const struct field *parts;   /* F_FILE: of a multipart/form-data body, in the place of .body; req_part
					has them */
	const struct field *headers; /* for the reference: what its handler reads of the request's, beyond
					what  its caller has */
	unsigned as;                 /* NEW or SET: what of the body's table, where its fields have marks */
	const struct shape *out;     /* one element of the answer */
	const char *done;            /* what was done, for people: meta.message, where the surface has it */
	const char *says; /* "created": of an answer of one, meta has what its query's _created says, true or
			     false, where the surface has it */
	const char *because; /* "reason": beside .says, meta has the text of its query's _reason, or null */
	const struct list *list;              /* the form of an answer of many (list.h) */
	const char *items;                    /* the member that they are in; NULL: the form's */
	struct size size;                     /* how many there are to a page; 0: as the form has it */
	const struct child *children;         /* members of out that other queries fill; or NULL */
	const struct constraint *constraints; /* ends with a NULL name */
	const struct budget *budget;          /* how often it may be asked; NULL: as its surface has it */
	const char *alias_of; /* the id of the row whose twin this is: it has that one's path parameters, and
				 all that it does not say itself is that one's */
	const enum err *
		errors; /* what else its query or handler refuses with, for the reference; ends with ERR_OK */
	const struct error_code *codes; /* of errors that its handler gives no X-Error-Code of its own; or
					   NULL: the row has no such header */
	const struct query *sql;        /* the query that is the answer; beside a handler, one in its shape */
	enum err (*run)(struct req *rq); /* the handler */
	/*
	 * Of a row that takes and answers Protocol Buffers beside JSON: write the body of an error in the
	 * encoding that was asked, or add members to ours (rq->tx.fail.more) and say false.  NULL: all is
	 * JSON.
	 */
	bool (*refuse)(struct req *rq, const char *message);
	unsigned outputs; /* beside JSON, what the rows can be sent as (outputs.h): all of them, or as many as
			     a limit that was sent says.  Without .children */
	bool redirect;    /* a 302 to where the text _location of its query's row says, or its handler
			     (answer_redirect); where that is null, the rest of the row is the answer, as out,
			     and without .out there is no such thing: 404 */
	unsigned flags;
	/*
	 * A setting (&cfg.s3_bucket): where it is set, the row is SLOW, and elsewhere it is not.  For what
	 * waits for a server of others only on installations that have one, such as files in a bucket: the
	 * main pool has no network, so all that asks it has to have this word, and an installation without it
	 * spares the slow pool.  nginx's map is made of the settings as they are then: who changes one of
	 * these renders it again (systemd/README.md).  The reference tells of it as of a row that is SLOW.
	 */
	const char *const *slow_if;
	int status;      /* of success; 0: 302 with .redirect, 201 for POST, 204 without out, else 200 */
	size_t max_body; /* bytes; 0: as its surface has it, else ROUTE_MAX_BODY */
	const char *content_type; /* of the answer; NULL: application/json */
};

/* clang-format off */
#define ROUTE_END { .path = NULL }
/* clang-format on */

/* Every route table, NULL-terminated: tools/routes collects them from the handlers. */
extern const struct route *const route_tables[];

extern const char *const route_protobuf; /* "application/x-protobuf", beside JSON where there is .refuse */

/* A route as the router found it (router.h). */
struct match {
	const struct route *route;
	int index;             /* of the route over all tables: its number in the metrics */
	int version;           /* the path's; 0 when the path names none */
	const char *params[8]; /* where each {name}'s text begins in the path, */
	size_t params_len[8];  /* and how long it is; still percent-encoded */
	unsigned allowed;      /* bit per method that the path has */
};

/*
 * The i-th route over all tables, or NULL behind the last one.
 *
 * It is the row with everything filled in: of query the list's fields too, of
 * body and out what .as and the shape's use leave of their tables, and the name
 * of the shape's schema.  Made at the first call.
 */
const struct route *route_at(int index);

/* Does the row contradict itself, or name what is not there?  Then it ends the process. */
void route_check(const struct route *r);

/* End the process: the tables are wrong, and how. */
_Noreturn void route_bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A shape as route_at() fills it in; it need not be one of a row.  One name for two things ends the process.
 */
const struct shape *route_shape(const struct shape *s);

/* How many {names} a path has, and the i-th one's field: from params, else by its name. */
int route_params(const struct route *r);
struct field route_param(const struct route *r, int i);

/* Is the i-th one a secret, which no log may hold?  Its name says so: {token}, {…_token}, {…_secret},
 * {…_code}, or its field (F_SECRET). */
bool route_param_is_secret(const struct route *r, int i);

/* Which pool answers it: "main", "slow", "hash", "realtime". */
const char *route_pool(const struct route *r);

/* Does it wait for a server of others, with the settings that there are (SLOW, .slow_if)?  After config_load.
 */
bool route_is_slow(const struct route *r);

/* Does it refuse query parameters that it does not have? */
bool route_is_strict(const struct route *r);

/* Does its query test If-Match? */
bool route_has_if_match(const struct route *r);

/* The member that a row's list is in; NULL: the answer is the array. */
const char *route_items(const struct route *r);

/* The query fields of a row, and behind them those of its list.  Made anew by each call, for good: see
 * route_at(). */
const struct field *route_query(const struct route *r);

/* NULL, or what is wrong with a row's list. */
const char *route_list_problem(const struct route *r);

/* Give the query :limit and :skip, made of what was sent. */
void route_list_bind(const struct route *r, struct tx *tx);

/* How often it may be asked: the row's budget, or its surface's. */
const struct budget *route_budget(const struct route *r);

/* How many bytes a body may have: the row's number, or its surface's, or this one. */
enum { ROUTE_MAX_BODY = 1 << 20, ROUTE_FORM_FRAME = 64 << 10 /* around the files of a form */ };
size_t route_max_body(const struct route *r);

/* The code that a surface has for an error. */
enum err route_error(const struct route *r, enum err e);

/* The status of success. */
int route_status(const struct route *r);

#endif
