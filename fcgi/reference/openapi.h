/*
 * The API reference, printed from the route tables.
 */
#ifndef ASHLAR_OPENAPI_H
#define ASHLAR_OPENAPI_H

#include "fcgi/route.h"
#include "lib/base/buf.h"
#include "lib/base/map.h"

/* Is the row part of the document of a surface (NULL: of all)? */
bool openapi_is_of(const struct route *r, const struct surface *surface);

/*
 * Which components a document refers to: its own text says so, as far as it has been written.
 * A component that nothing refers to is not in it.
 */
struct openapi_refs {
	struct map seen; /* "schemas/Project" */
	size_t read;     /* how much of the text has been looked through */
};
void openapi_refs_init(struct openapi_refs *refs, const struct buf *b);
bool openapi_refs_have(struct openapi_refs *refs, const struct buf *b, const char *section, const char *name);

/* The components that no row brings: a section of them, its members inside of one, and who can come in. */
void openapi_section(struct buf *b, struct openapi_refs *refs, const char *section);
void openapi_members(struct buf *b, struct openapi_refs *refs, const char *section);
void openapi_security_schemes(struct buf *b, const struct surface *surface);

/*
 * Components that operations bring along: where several have the same text, it is there once.  name is what
 * it is to be called; openapi_share() writes the reference.
 */
struct openapi_shared {
	const char *section;
	struct map texts, names;
	struct openapi_shared_one *first, **end; /* in the order in which operations have them */
};
void openapi_shared_init(struct openapi_shared *all, struct arena *a, const char *section);
void openapi_share(struct buf *b, struct openapi_shared *all, const char *name, const struct buf *text);
void openapi_shared_write(struct buf *b, const struct openapi_shared *all);

/* The member "headers" of a success, and of an error; and has the row's answer an entity tag? */
void openapi_headers(struct buf *b, const struct route *r, int version, int status);
void openapi_error_headers(struct buf *b, int status, bool has_code, bool is_resumable);
bool openapi_has_etag(const struct route *r);

/*
 * What webhooks send (fcgi/event.h) to the endpoints that a surface has (NULL: to all): the document's member
 * "webhooks", and the schemas that it refers to.
 */
void openapi_webhooks(struct buf *b, const struct surface *surface);
void openapi_webhook_shapes(struct buf *b, struct openapi_refs *refs, struct map *seen);

/* Is it the first time that this is asked about a schema of this name?  seen keeps what was asked. */
bool openapi_shape_is_new(struct map *seen, const struct shape *s);

/* What a row is called in a version, by clients that are generated: "list_app_projects"; and its group. */
const char *openapi_operation_id(struct arena *a, const struct route *r, int version);
const char *openapi_tag(struct arena *a, const struct route *r);

/* The document's member "tags": the groups of a surface (NULL: of all), with what they are about. */
void openapi_tags(struct buf *b, const struct surface *surface);

/* {"$ref": …} to a component */
void openapi_ref(struct buf *b, const char *section, const char *name);

/* Who may call a row, and what else no schema can say: sentences, each with a space behind it. */
void openapi_describe(struct buf *text, const struct route *r);

/* The schema of a row's answer in its envelopes, or an example of it. */
void openapi_answer(struct buf *b, const struct route *r, int version, bool example);

/* What the rows refuse with: it is the same in many, and described once, under its codes. */
struct openapi_refusals {
	struct map seen;
	struct openapi_refusal *first, **end; /* in the order in which rows have them */
};
void openapi_refusals_init(struct openapi_refusals *all, struct arena *a);

/* May a row refuse with that? */
bool openapi_refuses(const struct route *r, enum err e);

/* What a row may refuse with: members of its "responses"; and the components that they refer to. */
void openapi_errors(struct buf *b, const struct route *r, int version, struct openapi_refusals *all);
void openapi_error_responses(struct buf *b, const struct openapi_refusals *all);
void openapi_error_schemas(struct buf *b, struct openapi_refs *refs);

/*
 * The document (OpenAPI 3.1.0) of a surface, as JSON; NULL: of all.  Each is a whole by itself, and what they
 * share is the same in each.
 */
void openapi_write(struct buf *b, const struct surface *surface);

/*
 * One route as a JSON object for tests:
 *   {"method","path","id","access","pool","status","static","params","query","body"}
 * where the last three are arrays of
 *   {"name","type","required","nullable","min","max","values","default"}.
 */
void openapi_route(struct buf *b, const struct route *r);

#endif
