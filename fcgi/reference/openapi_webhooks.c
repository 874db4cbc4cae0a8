/*
 * The reference's part about what we send, beside what we answer: one entry
 * for each event, in the form that OpenAPI 3.1 has for webhooks.
 */
#include "fcgi/event.h"
#include "fcgi/reference/openapi.h"
#include "fcgi/route.h"
#include "fcgi/reference/schema.h"
#include "lib/base/jx.h"

/* With the members that are always there. */
static void write_example(struct buf *b, const struct event *e)
{
	buf_char(b, '{');
	for (const struct field *f = route_shape(e->data)->fields; f->type != F_END; f++) {
		if (f->flags & (F_OPTIONAL | F_V2))
			continue;
		jx_key(b, f->name);
		schema_field_example(b, f, 1);
	}
	if (e->has_previous)
		buf_text(b, ",\"previous_attributes\":{}");
	buf_char(b, '}');
}

static void write_body(struct buf *b, const struct event *e)
{
	buf_text(b, "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":"
		    "{\"type\":\"object\",\"required\":[\"type\",\"timestamp\",\"workspace_id\",\"data\"],"
		    "\"properties\":{\"type\":{\"type\":\"string\",\"enum\":[");
	jx_str(b, e->type);
	buf_text(b,
		 "]},\"timestamp\":{\"type\":\"string\",\"format\":\"date-time\",\"description\":"
		 "\"when it happened\"},\"workspace_id\":{\"type\":[\"string\",\"null\"],\"format\":\"uuid\","
		 "\"description\":\"the organization in which it happened\"},\"data\":");
	if (e->has_previous)
		buf_text(b,
			 "{\"type\":\"object\",\"properties\":{\"previous_attributes\":{\"type\":\"object\","
			 "\"description\":\"the members that are other ones now, as they were\"}},"
			 "\"required\":[\"previous_attributes\"],\"allOf\":[");
	buf_fmt(b, "{\"$ref\":\"#/components/schemas/%s\"}", route_shape(e->data)->schema);
	if (e->has_previous)
		buf_text(b, "]}");
	buf_text(b, "}},\"example\":{\"type\":");
	jx_str(b, e->type);
	buf_text(b, ",\"timestamp\":\"2026-01-31T12:00:00.000000Z\",\"workspace_id\":");
	buf_text(b, e->scope == EVENT_ORGANIZATION ? "\"01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f\"" : "null");
	buf_text(b, ",\"data\":");
	write_example(b, e);
	buf_text(b, "}}}}");
}

/* "project.updated" is received by receive_project_updated. */
static const char *event_name(struct arena *a, const char *type)
{
	char *name = arena_fmt(a, "receive_%s", type);

	for (char *p = name; *p; p++)
		if (*p == '.')
			*p = '_';
	return name;
}

void openapi_webhooks(struct buf *b, const struct surface *surface)
{
	if (surface && !surface->told)
		return;
	jx_key_open(b, "webhooks", '{');
	for (const struct event *e = events; e->type; e++) {
		if (surface && !(surface->told & 1U << e->scope))
			continue;
		jx_key(b, e->type);
		buf_text(b, "{\"post\":{\"operationId\":");
		jx_str(b, event_name(b->arena, e->type));
		jx_key(b, "summary");
		jx_str(b, e->about);
		jx_key(b, "description");
		jx_str(b, e->scope == EVENT_ORGANIZATION
				  ? "To the endpoints of the organization, and to the tenant's."
				  : "To the tenant's endpoints.");
		buf_text(b, ",\"security\":[],\"parameters\":["
			    "{\"$ref\":\"#/components/parameters/webhook-id\"},"
			    "{\"$ref\":\"#/components/parameters/webhook-timestamp\"},"
			    "{\"$ref\":\"#/components/parameters/webhook-signature\"}],");
		write_body(b, e);
		buf_text(b, ",\"responses\":{\"2XX\":{\"description\":\"It has arrived.\"},"
			    "\"410\":{\"description\":\"The endpoint wants no more: it is switched off.\"},"
			    "\"default\":{\"description\":\"It is sent again later.\"}}}}");
	}
	buf_char(b, '}');
}

void openapi_webhook_shapes(struct buf *b, struct openapi_refs *refs, struct map *seen)
{
	for (const struct event *e = events; e->type; e++) {
		const struct shape *data = route_shape(e->data);

		if (!openapi_shape_is_new(seen, data)) /* an answer shows it, or another event */
			continue;
		if (!openapi_refs_have(refs, b, "schemas", data->schema))
			continue;
		jx_key(b, data->schema);
		schema_write(b, data->fields, 1, true);
	}
}
