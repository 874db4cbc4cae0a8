#include "worker/span_otlp.h"

#include <json-c/json.h>

#include "fcgi/version.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/protobuf.h"

/* ------------------------------------------------------------------ JSON */

static void add_hex(struct buf *b, const char *name, const uint8_t *id, size_t n)
{
	char text[33];

	trace_context_hex(id, n, text);
	jx_key(b, name), jx_str(b, text);
}

static void open_pair(struct buf *b, const char *name)
{
	jx_next(b);
	buf_text(b, "{\"key\":");
	jx_str(b, name);
	buf_text(b, ",\"value\":{");
}

static void add_text(struct buf *b, const char *name, const char *p, size_t n)
{
	open_pair(b, name);
	buf_text(b, "\"stringValue\":");
	jx_text(b, p, n);
	buf_text(b, "}}");
}

/* 64 bits are text in protobuf's JSON. */
static void add_number(struct buf *b, const char *name, int64_t v)
{
	open_pair(b, name);
	buf_fmt(b, "\"intValue\":\"%lld\"}}", (long long)v);
}

static void add_link(struct buf *b, const char *ids)
{
	jx_next(b);
	buf_char(b, '{');
	add_hex(b, "traceId", (const uint8_t *)ids, 16);
	add_hex(b, "spanId", (const uint8_t *)ids + 16, 8);
	buf_char(b, '}');
}

void span_otlp_json_one(struct buf *b, const struct span *s)
{
	const char *name = span_data_name(s);
	struct span_item item;
	bool has_links = s->lost_links;
	size_t at = 0;

	buf_char(b, '{');
	add_hex(b, "traceId", s->trace, sizeof(s->trace));
	add_hex(b, "spanId", s->id, sizeof(s->id));
	if (!trace_context_is_none(s->parent, sizeof(s->parent)))
		add_hex(b, "parentSpanId", s->parent, sizeof(s->parent));
	jx_key(b, "flags"), jx_int(b, span_otlp_flags(s));
	jx_key(b, "name"), jx_str(b, name);
	jx_key(b, "kind"), jx_int(b, s->kind);
	buf_fmt(b, ",\"startTimeUnixNano\":\"%lld\",\"endTimeUnixNano\":\"%lld\"", (long long)s->start_ns,
		(long long)(s->start_ns + s->duration_ns));
	jx_key(b, "attributes"), buf_char(b, '[');
	add_text(b, "ashlar.process", span_process(s->process), strlen(span_process(s->process)));
	while (span_data_next(s, &at, &item)) {
		if (item.name && item.text)
			add_text(b, item.name, item.text, item.n);
		else if (item.name)
			add_number(b, item.name, item.number);
		has_links = has_links || item.what == SPAN_LINK;
	}
	buf_char(b, ']');
	if (s->lost)
		jx_key(b, "droppedAttributesCount"), jx_int(b, s->lost);
	for (at = 0; span_data_next(s, &at, &item);)
		if (item.what == SPAN_STATE)
			jx_key(b, "traceState"), jx_text(b, item.text, item.n);
	if (has_links) {
		jx_key(b, "links"), buf_char(b, '[');
		for (at = 0; span_data_next(s, &at, &item);)
			if (item.what == SPAN_LINK)
				add_link(b, item.text);
		buf_char(b, ']');
		if (s->lost_links)
			jx_key(b, "droppedLinksCount"), jx_int(b, s->lost_links);
	}
	buf_text(b, s->is_error ? ",\"status\":{\"code\":2}}" : ",\"status\":{}}");
}

void span_otlp_json(struct buf *b, const struct otel_pair *resource, const struct span *spans, size_t n)
{
	buf_text(b, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
	for (; resource->name; resource++)
		add_text(b, resource->name, resource->value, strlen(resource->value));
	buf_text(b, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"ashlar\",\"version\":\"" ASHLAR_VERSION
		    "\"},\"spans\":[");
	for (size_t i = 0; i < n; i++) {
		jx_next(b);
		span_otlp_json_one(b, &spans[i]);
	}
	buf_text(b, "]}]}]}");
}

/* ------------------------------------------------------------------ protobuf */

static void put_text(struct buf *b, unsigned field, const char *text)
{
	protobuf_put_bytes(b, field, text, strlen(text));
}

static void put_pair(struct buf *b, unsigned field, const char *name, const char *p, size_t n)
{
	size_t pair = protobuf_open(b, field), value;

	put_text(b, 1, name);
	value = protobuf_open(b, 2);
	protobuf_put_bytes(b, 1, p, n);
	protobuf_close(b, value);
	protobuf_close(b, pair);
}

static void put_number(struct buf *b, unsigned field, const char *name, int64_t v)
{
	size_t pair = protobuf_open(b, field), value;

	put_text(b, 1, name);
	value = protobuf_open(b, 2);
	protobuf_put_int(b, 3, (uint64_t)v);
	protobuf_close(b, value);
	protobuf_close(b, pair);
}

static void put_link(struct buf *b, const char *ids)
{
	size_t link = protobuf_open(b, 13);

	protobuf_put_bytes(b, 1, ids, 16);
	protobuf_put_bytes(b, 2, ids + 16, 8);
	protobuf_close(b, link);
}

static void put_span(struct buf *b, const struct span *s)
{
	size_t whole = protobuf_open(b, 2), status, at = 0;
	struct span_item item;

	protobuf_put_bytes(b, 1, s->trace, sizeof(s->trace));
	protobuf_put_bytes(b, 2, s->id, sizeof(s->id));
	if (!trace_context_is_none(s->parent, sizeof(s->parent)))
		protobuf_put_bytes(b, 4, s->parent, sizeof(s->parent));
	put_text(b, 5, span_data_name(s));
	protobuf_put_int(b, 6, s->kind);
	protobuf_put_fixed64(b, 7, (uint64_t)s->start_ns);
	protobuf_put_fixed64(b, 8, (uint64_t)(s->start_ns + s->duration_ns));
	put_pair(b, 9, "ashlar.process", span_process(s->process), strlen(span_process(s->process)));
	while (span_data_next(s, &at, &item)) {
		if (item.what == SPAN_STATE)
			protobuf_put_bytes(b, 3, item.text, item.n);
		else if (item.what == SPAN_LINK)
			put_link(b, item.text);
		else if (item.text)
			put_pair(b, 9, item.name, item.text, item.n);
		else
			put_number(b, 9, item.name, item.number);
	}
	if (s->lost)
		protobuf_put_int(b, 10, s->lost);
	if (s->lost_links)
		protobuf_put_int(b, 14, s->lost_links);
	if (s->is_error) {
		status = protobuf_open(b, 15);
		protobuf_put_int(b, 3, 2);
		protobuf_close(b, status);
	}
	protobuf_put_fixed32(b, 16, span_otlp_flags(s));
	protobuf_close(b, whole);
}

void span_otlp_protobuf(struct buf *b, const struct otel_pair *resource, const struct span *spans, size_t n)
{
	size_t whole = protobuf_open(b, 1), part = protobuf_open(b, 1);

	for (; resource->name; resource++)
		put_pair(b, 1, resource->name, resource->value, strlen(resource->value));
	protobuf_close(b, part);
	part = protobuf_open(b, 2);
	{
		size_t scope = protobuf_open(b, 1);

		put_text(b, 1, "ashlar");
		put_text(b, 2, ASHLAR_VERSION);
		protobuf_close(b, scope);
	}
	for (size_t i = 0; i < n; i++)
		put_span(b, &spans[i]);
	protobuf_close(b, part);
	protobuf_close(b, whole);
}

/* ------------------------------------------------------------------ the answer */

static int64_t rejected_protobuf(struct arena *a, const char *body, size_t n, const char **why)
{
	struct protobuf whole, partial;
	struct protobuf_field f;
	int64_t rejected = 0;

	protobuf_init(&whole, body, n);
	while (protobuf_next(&whole, &f)) {
		if (f.number != 1 || f.type != PROTOBUF_BYTES)
			continue;
		protobuf_init(&partial, f.p, f.n);
		while (protobuf_next(&partial, &f)) {
			if (f.number == 1 && f.type == PROTOBUF_VARINT)
				rejected = (int64_t)f.value;
			else if (f.number == 2 && f.type == PROTOBUF_BYTES)
				*why = arena_dup_n(a, f.p, f.n);
		}
	}
	return rejected;
}

static int64_t rejected_json(struct arena *a, const char *body, size_t n, const char **why)
{
	struct json_object *tree, *v;
	const char *problem;

	if (json_read_any(a, body, n, &tree, &problem))
		return 0;
	*why = json_text(json_at(tree, "partialSuccess", "errorMessage"), 1000);
	v = json_at(tree, "partialSuccess", "rejectedSpans"); /* a number, or as text */
	return v ? json_object_get_int64(v) : 0;
}

int64_t span_otlp_rejected(struct arena *a, const char *body, size_t n, const char **why)
{
	*why = NULL;
	if (!n)
		return 0;
	return *body == '{' ? rejected_json(a, body, n, why) : rejected_protobuf(a, body, n, why);
}
