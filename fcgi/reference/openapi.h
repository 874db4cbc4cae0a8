/*
 * The API reference, printed from the route tables.
 */
#ifndef ASHLAR_OPENAPI_H
#define ASHLAR_OPENAPI_H

#include "fcgi/route.h"
#include "lib/base/buf.h"
#include "lib/base/map.h"

/* What webhooks send (fcgi/event.h): the document's member "webhooks", and the schemas that it refers to. */
void openapi_webhooks(struct buf *b);
void openapi_webhook_shapes(struct buf *b, struct map *seen);

/* Is it the first time that this is asked about a schema of this name?  seen keeps what was asked. */
bool openapi_shape_is_new(struct map *seen, const struct shape *s);

/* {"$ref": …} to a component */
void openapi_ref(struct buf *b, const char *section, const char *name);

/* The schema of a row's answer in its envelopes, or an example of it. */
void openapi_answer(struct buf *b, const struct route *r, int version, bool example);

/* What the rows refuse with: it is the same in many, and described once, under its codes. */
struct openapi_refusals {
	struct map seen;
	struct openapi_refusal *first, **end; /* in the order in which rows have them */
};
void openapi_refusals_init(struct openapi_refusals *all, struct arena *a);

/* What a row may refuse with: members of its "responses"; and the components that they refer to. */
void openapi_errors(struct buf *b, const struct route *r, int version, struct openapi_refusals *all);
void openapi_error_responses(struct buf *b, const struct openapi_refusals *all);
void openapi_error_schemas(struct buf *b);

/* The whole document (OpenAPI 3.1.0), as JSON. */
void openapi_write(struct buf *b);

/*
 * One route as a JSON object for tests:
 *   {"method","path","id","access","pool","status","static","params","query","body"}
 * where the last three are arrays of
 *   {"name","type","required","nullable","min","max","values","default"}.
 */
void openapi_route(struct buf *b, const struct route *r);

#endif
