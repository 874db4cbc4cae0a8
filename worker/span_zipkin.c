#include "worker/span_zipkin.h"

#include "fcgi/version.h"
#include "lib/base/jx.h"

static void add_id(struct buf *b, const char *name, const uint8_t *id, size_t n)
{
	char text[33];

	trace_context_hex(id, n, text);
	jx_key(b, name), jx_str(b, text);
}

static const char *kind_of(const struct span *s)
{
	switch (s->kind) {
	case SPAN_SERVER: return "SERVER";
	case SPAN_CLIENT: return "CLIENT";
	case SPAN_PRODUCER: return "PRODUCER";
	case SPAN_CONSUMER: return "CONSUMER";
	default: return NULL;
	}
}

/* All of them are text. */
static void add_tags(struct buf *b, const struct otel_pair *resource, const struct span *s)
{
	struct span_item item, error = { .text = "true", .n = 4 };
	size_t at = 0;

	jx_key_open(b, "tags", '{');
	for (; resource->name; resource++)
		if (strcmp(resource->name, "service.name") != 0)
			jx_key_str(b, resource->name, resource->value);
	jx_key_str(b, "otel.scope.name", "ashlar");
	jx_key_str(b, "otel.scope.version", ASHLAR_VERSION);
	jx_key_str(b, "ashlar.process", span_process(s->process));
	while (span_data_next(s, &at, &item)) {
		if (!item.name)
			continue;
		jx_key(b, item.name);
		if (item.text)
			jx_text(b, item.text, item.n);
		else
			buf_fmt(b, "\"%lld\"", (long long)item.number);
		if (item.what == SPAN_ERROR_TYPE)
			error = item;
	}
	if (s->lost) {
		jx_key(b, "otel.dropped_attributes_count");
		buf_fmt(b, "\"%d\"", s->lost);
	}
	if (s->is_error) {
		jx_key_str(b, "otel.status_code", "ERROR");
		jx_key(b, "error"), jx_text(b, error.text, error.n);
	}
	buf_char(b, '}');
}

static void add_span(struct buf *b, const struct otel_pair *resource, const struct span *s)
{
	int64_t duration_us = (s->duration_ns + 500) / 1000;

	buf_char(b, '{');
	add_id(b, "traceId", s->trace, sizeof(s->trace));
	add_id(b, "id", s->id, sizeof(s->id));
	if (!trace_context_is_none(s->parent, sizeof(s->parent)))
		add_id(b, "parentId", s->parent, sizeof(s->parent));
	jx_key_str(b, "kind", kind_of(s));
	jx_key_str(b, "name", span_data_name(s));
	jx_key_int(b, "timestamp", s->start_ns / 1000);
	jx_key_int(b, "duration", duration_us ? duration_us : 1); /* 0 is none there */
	jx_key_open(b, "localEndpoint", '{');
	jx_key_str(b, "serviceName", resource->value);
	buf_char(b, '}');
	add_tags(b, resource, s);
	buf_char(b, '}');
}

void span_zipkin_json(struct buf *b, const struct otel_pair *resource, const struct span *spans, size_t n)
{
	buf_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		jx_next(b);
		add_span(b, resource, &spans[i]);
	}
	buf_char(b, ']');
}
