/*
 * Routes: an endpoint is a row.
 *
 * To add an endpoint:
 *  1. sql/queries/<resource>.sql: the query, with the columns of the answer.
 *  2. handlers/<area>/<resource>.c: field tables for what comes in, a shape for
 *     what goes out, and a row in the resource's route table.  Without a
 *     decision to make the row names its query and there is no handler.
 *  3. A row in the resource's constraint table for every constraint a client
 *     can violate.
 *  4. t/api/<resource>.t: first the refusals, then the answer.
 *  5. A new resource also adds its table to handlers/routes.c.
 * The router, validation, access, OpenAPI, nginx's pools, the contract test and
 * the coverage report all read the row.
 */
#ifndef ASHLAR_ROUTE_H
#define ASHLAR_ROUTE_H

#include <stddef.h>

#include "build/queries.h"
#include "fcgi/err.h"
#include "fcgi/field.h"

struct req;

enum method { GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, METHOD_COUNT };

/* Who may call; the credentials named here are required, not merely read. */
enum access {
	PUBLIC, /* anyone; credentials are not even read */
	USER,   /* a user's bearer token */
	ADMIN,  /* a bearer token whose user has the role admin or superadmin */
};

enum route_flag {
	SLOW = 1,   /* waits for somebody else's server: runs in the slow pool */
	STATIC = 2, /* nginx serves it from a file; listed for the reference only */
	BARE = 4,   /* no envelope in any version */
	RAW = 8,    /* the body is not JSON: no parsing, any Content-Type */
};

/* What a violated constraint means to the client. */
struct constraint {
	const char *name; /* in PostgreSQL */
	enum err err;
	const char *field;   /* details.field */
	const char *message; /* NULL: the error's own */
};

struct route {
	enum method method;
	const char *path; /* "/api/v1/app/projects/{project_id}"; a {name} ending in "id" is a UUID */
	const char *id;   /* catalogue id; its first word names the surface */
	enum access access;
	const char *summary;                  /* one line for the reference */
	const struct field *params;           /* path parameters that are not UUIDs */
	const struct field *query;            /* query-string parameters */
	const struct field *body;             /* members of a JSON body */
	const struct shape *out;              /* one element of the answer */
	const struct constraint *constraints; /* ends with a NULL name */
	enum query_id sql; /* the query that is the answer; beside a handler, one in its shape */
	enum err (*run)(struct req *rq); /* the handler */
	unsigned flags;
	int status;               /* of success; 0: 201 for POST, 204 without out, else 200 */
	size_t max_body;          /* bytes; 0: 1 MiB */
	const char *content_type; /* of the answer; NULL: application/json */
};

/* clang-format off */
#define ROUTE_END { .path = NULL }
/* clang-format on */

/* Every route table, NULL-terminated; defined in handlers/routes.c. */
extern const struct route *const route_tables[];

/* A surface's dialect: envelopes and habits, as data.  See DESIGN.md 4. */
struct surface {
	const char *name;
	int versions;            /* newest version; its rows answer under each of them */
	const char *object_head; /* before and after a single object */
	const char *object_tail;
	const char *page_head;      /* before a page's rows */
	const char *page_fields[4]; /* members behind the rows: "total" and the paging parameters */
	const char *page_tail_head; /* between the rows' ] and the first of page_fields */
	const char *page_tail;
	int validation_status; /* of VALIDATION_ERROR */
};

/* The surface that an id such as "app.projects.list" belongs to.  Never NULL for a valid row. */
const struct surface *surface_of(const char *route_id);

/* A route as the router found it. */
struct match {
	const struct route *route;
	int index;             /* of the route over all tables: its number in the metrics */
	int version;           /* the path's; 0 when the path names none */
	const char *params[8]; /* where each {name}'s text begins in the path, */
	size_t params_len[8];  /* and how long it is; still percent-encoded */
	unsigned allowed;      /* bit per method that the path has */
};

/* Build the index from route_tables.  Called once, before the first fork; ends the process on a bad table. */
void router_init(void);

/*
 * Find the route for a method and path (percent-encoded, without the query).
 * A trailing slash is ignored; HEAD finds GET; PUT and PATCH find each other.
 *
 * ERR_OK; ERR_NOT_FOUND: no such path; ERR_METHOD_NOT_ALLOWED: out->allowed
 * says which methods there are.
 */
enum err router_find(enum method method, const char *path, struct match *out);

/* The i-th route over all tables, or NULL behind the last one. */
const struct route *route_at(int index);

/* How many {names} a path has, and the i-th one's field: from params, else by its name. */
int route_params(const struct route *r);
struct field route_param(const struct route *r, int i);

/* The status of success. */
int route_status(const struct route *r);

/* "GET", … ; and back, METHOD_COUNT for a word that is no method of ours. */
const char *method_name(enum method m);
enum method method_find(const char *name);

#endif
