/* OTLP in Protocol Buffers' encoding: the numbers are those of opentelemetry-proto. */
#include "handlers/traces/otlp.h"

#include "lib/base/protobuf.h"

/* A request as it is being read. */
struct reader {
	struct otlp_batch *batch;
	const char *problem; /* NULL: none yet */
};

static bool fail(struct reader *r, const char *what)
{
	if (!r->problem)
		r->problem = what;
	return false;
}

/* Is the field of that type?  Then its bytes may be read. */
static bool is_of(struct reader *r, const struct protobuf_field *f, enum protobuf_type type)
{
	return f->type == type || fail(r, "a field has another type than OTLP gives it");
}

/* The next field of a message; false at its end, or where something is wrong. */
static bool next(struct reader *r, struct protobuf *m, struct protobuf_field *f)
{
	if (!r->problem && protobuf_next(m, f))
		return true;
	if (m->is_bad)
		fail(r, "the bytes are no message: a length or a number does not fit");
	return false;
}

static void open_message(struct reader *r, const struct protobuf_field *f, struct protobuf *m)
{
	if (is_of(r, f, PROTOBUF_BYTES))
		protobuf_init(m, f->p, f->n);
	else
		protobuf_init(m, "", 0);
}

static void read_text(struct reader *r, const struct protobuf_field *f, struct otlp_text *out)
{
	if (is_of(r, f, PROTOBUF_BYTES))
		*out = (struct otlp_text){ f->p, f->n };
}

static void read_number(struct reader *r, const struct protobuf_field *f, enum protobuf_type type,
			uint64_t *out)
{
	if (is_of(r, f, type))
		*out = f->value;
}

static bool is_zero(const unsigned char *id, size_t n)
{
	while (n-- > 0)
		if (id[n])
			return false;
	return true;
}

/* An id of n bytes; whether it is there, and not zero.  An empty one is none. */
static void read_id(struct reader *r, const struct protobuf_field *f, unsigned char *id, size_t n,
		    bool *is_there)
{
	if (!is_of(r, f, PROTOBUF_BYTES))
		return;
	*is_there = false;
	if (f->n && f->n != n) {
		r->batch->span.has_bad_id = true;
		return;
	}
	if (!f->n)
		return;
	memcpy(id, f->p, n);
	*is_there = !is_zero(id, n);
}

/* Values */

enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2 };

static void read_value(struct reader *r, struct buf *out, const char *p, size_t n, int depth,
		       struct otlp_attribute *as);

/* A KeyValue's two members, in whatever order they come. */
static void read_pair(struct reader *r, const struct protobuf_field *pair, struct otlp_text *key,
		      struct otlp_text *value)
{
	struct protobuf m;
	struct protobuf_field f;

	*key = *value = (struct otlp_text){ "", 0 };
	open_message(r, pair, &m);
	while (next(r, &m, &f))
		if (f.number == KEY_VALUE_KEY)
			read_text(r, &f, key);
		else if (f.number == KEY_VALUE_VALUE)
			read_text(r, &f, value);
}

/* An ArrayValue, or a KeyValueList: each has its items as field 1. */
static void read_items(struct reader *r, struct buf *out, const struct protobuf_field *list, bool has_keys,
		       int depth)
{
	struct otlp_batch *b = r->batch;
	struct protobuf m;
	struct protobuf_field f;

	if (depth == OTLP_MAX_DEPTH) {
		fail(r, "a value is more than 32 deep");
		return;
	}
	buf_char(out, has_keys ? '{' : '[');
	open_message(r, list, &m);
	while (next(r, &m, &f)) {
		struct otlp_text key, value = { "", 0 };
		struct otlp_item item;

		if (f.number != 1)
			continue;
		if (has_keys)
			read_pair(r, &f, &key, &value);
		else
			read_text(r, &f, &value);
		item = otlp_batch_item(b, out, has_keys ? &key : NULL);
		read_value(r, out, value.p, value.n, depth + 1, NULL);
		otlp_batch_item_done(b, out, item);
	}
	buf_char(out, has_keys ? '}' : ']');
}

enum {
	ANY_TEXT = 1,
	ANY_BOOL = 2,
	ANY_INT = 3,
	ANY_DOUBLE = 4,
	ANY_ARRAY = 5,
	ANY_OBJECT = 6,
	ANY_BYTES = 7,
};

static double double_of(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void read_any(struct reader *r, struct buf *out, const struct protobuf_field *f, int depth,
		     struct otlp_attribute *as)
{
	struct otlp_batch *b = r->batch;
	struct otlp_text text = { "", 0 };
	uint64_t bits = 0;

	switch (f->number) {
	case ANY_TEXT:
		read_text(r, f, &text);
		as->type = OTLP_TEXT;
		as->text = text;
		otlp_batch_text(b, out, text);
		break;
	case ANY_BYTES:
		read_text(r, f, &text);
		as->type = OTLP_NESTED;
		otlp_batch_bytes(b, out, text);
		break;
	case ANY_BOOL:
		read_number(r, f, PROTOBUF_VARINT, &bits);
		as->type = OTLP_BOOL;
		as->number = bits != 0;
		otlp_batch_bool(b, out, bits != 0);
		break;
	case ANY_INT:
		read_number(r, f, PROTOBUF_VARINT, &bits);
		as->type = OTLP_INT;
		as->number = (int64_t)bits;
		otlp_batch_int(b, out, (int64_t)bits);
		break;
	case ANY_DOUBLE:
		read_number(r, f, PROTOBUF_FIXED64, &bits);
		as->type = OTLP_DOUBLE;
		as->real = double_of(bits);
		otlp_batch_double(b, out, as->real);
		break;
	default: as->type = OTLP_NESTED; read_items(r, out, f, f->number == ANY_OBJECT, depth);
	}
}

/* An AnyValue: one of its members, of several the last; none is null. */
static void read_value(struct reader *r, struct buf *out, const char *p, size_t n, int depth,
		       struct otlp_attribute *as)
{
	struct otlp_attribute scrap = { .type = OTLP_NULL };
	size_t from = out->n;
	struct protobuf m;
	struct protobuf_field f;

	as = as ? as : &scrap;
	as->type = OTLP_NULL;
	protobuf_init(&m, p, n);
	while (next(r, &m, &f)) {
		if (f.number < ANY_TEXT || f.number > ANY_BYTES)
			continue;
		out->n = from;
		read_any(r, out, &f, depth, as);
	}
	if (out->n == from)
		buf_text(out, "null");
}

/* Attributes of ours are told by the credentials, and by nothing else. */
static bool is_ours(const struct otlp_text *key)
{
	return (key->n == 24 && !memcmp(key->p, "observability.project.id", 24)) ||
	       (key->n == 9 && !memcmp(key->p, "ProjectId", 9));
}

static void read_attribute(struct reader *r, const struct protobuf_field *f, struct otlp_attributes *to)
{
	struct otlp_batch *b = r->batch;
	struct otlp_attribute as;
	struct otlp_text key, value;

	read_pair(r, f, &key, &value);
	if (to == &b->of_resource && is_ours(&key))
		return;
	otlp_batch_attribute(b, to, key);
	read_value(r, to->out, value.p, value.n, 0, &as);
	otlp_batch_attribute_done(b, to, key, &as);
	if (to == &b->of_resource && as.type == OTLP_TEXT && key.n == 12 &&
	    !memcmp(key.p, "service.name", 12))
		b->service = as.text;
}

/* Spans */

static void read_event(struct reader *r, const struct protobuf_field *event)
{
	enum { TIME = 1, NAME = 2, ATTRIBUTES = 3 };
	struct otlp_text name = { "", 0 };
	uint64_t time_ns = 0;
	struct protobuf m;
	struct protobuf_field f;

	otlp_batch_event(r->batch);
	open_message(r, event, &m);
	while (next(r, &m, &f))
		switch (f.number) {
		case TIME: read_number(r, &f, PROTOBUF_FIXED64, &time_ns); break;
		case NAME: read_text(r, &f, &name); break;
		case ATTRIBUTES: read_attribute(r, &f, &r->batch->of_event); break;
		default: break;
		}
	otlp_batch_event_done(r->batch, time_ns, name);
}

static void read_link(struct reader *r, const struct protobuf_field *link)
{
	enum { TRACE_ID = 1, SPAN_ID = 2, TRACE_STATE = 3, ATTRIBUTES = 4 };
	unsigned char trace_id[16] = { 0 }, span_id[8] = { 0 };
	struct otlp_text trace_state = { "", 0 };
	struct protobuf m;
	struct protobuf_field f;
	bool is_there;

	otlp_batch_link(r->batch);
	open_message(r, link, &m);
	while (next(r, &m, &f))
		switch (f.number) {
		case TRACE_ID: read_id(r, &f, trace_id, 16, &is_there); break;
		case SPAN_ID: read_id(r, &f, span_id, 8, &is_there); break;
		case TRACE_STATE: read_text(r, &f, &trace_state); break;
		case ATTRIBUTES: read_attribute(r, &f, &r->batch->of_link); break;
		default: break;
		}
	otlp_batch_link_done(r->batch, trace_id, span_id, trace_state);
}

static void read_status(struct reader *r, const struct protobuf_field *status)
{
	enum { MESSAGE = 2, CODE = 3 };
	uint64_t code = 0;
	struct protobuf m;
	struct protobuf_field f;

	open_message(r, status, &m);
	while (next(r, &m, &f))
		if (f.number == MESSAGE)
			read_text(r, &f, &r->batch->span.status_message);
		else if (f.number == CODE)
			read_number(r, &f, PROTOBUF_VARINT, &code);
	r->batch->span.status = code <= 2 ? (int)code : 0;
}

static bool read_span(struct reader *r, const struct protobuf_field *span)
{
	enum {
		TRACE_ID = 1,
		SPAN_ID = 2,
		TRACE_STATE = 3,
		PARENT_ID = 4,
		NAME = 5,
		KIND = 6,
		START = 7,
		END = 8,
		ATTRIBUTES = 9,
		EVENTS = 11,
		LINKS = 13,
		STATUS = 15,
	};
	struct otlp_batch *b = r->batch;
	struct otlp_span *s = &b->span;
	uint64_t kind = 0;
	struct protobuf m;
	struct protobuf_field f;

	otlp_batch_span(b);
	open_message(r, span, &m);
	while (next(r, &m, &f))
		switch (f.number) {
		case TRACE_ID: read_id(r, &f, s->trace_id, 16, &s->has_trace_id); break;
		case SPAN_ID: read_id(r, &f, s->span_id, 8, &s->has_span_id); break;
		case PARENT_ID: read_id(r, &f, s->parent_id, 8, &s->has_parent); break;
		case TRACE_STATE: read_text(r, &f, &s->trace_state); break;
		case NAME: read_text(r, &f, &s->name); break;
		case KIND: read_number(r, &f, PROTOBUF_VARINT, &kind); break;
		case START: read_number(r, &f, PROTOBUF_FIXED64, &s->start_ns); break;
		case END: read_number(r, &f, PROTOBUF_FIXED64, &s->end_ns); break;
		case ATTRIBUTES: read_attribute(r, &f, &b->of_span); break;
		case EVENTS: read_event(r, &f); break;
		case LINKS: read_link(r, &f); break;
		case STATUS: read_status(r, &f); break;
		default: break;
		}
	s->kind = kind <= 5 ? (int)kind : 0;
	return !r->problem && otlp_batch_span_done(b);
}

/* Log records */

static bool read_record(struct reader *r, const struct protobuf_field *record)
{
	enum {
		TIME = 1,
		SEVERITY = 2,
		SEVERITY_TEXT = 3,
		BODY = 5,
		ATTRIBUTES = 6,
		TRACE_ID = 9,
		SPAN_ID = 10,
		OBSERVED = 11,
		EVENT_NAME = 12,
	};
	struct otlp_batch *b = r->batch;
	struct otlp_record *o = &b->record;
	struct otlp_text body = { "", 0 };
	uint64_t severity = 0;
	struct protobuf m;
	struct protobuf_field f;

	otlp_batch_record(b);
	open_message(r, record, &m);
	while (next(r, &m, &f))
		switch (f.number) {
		case TIME: read_number(r, &f, PROTOBUF_FIXED64, &o->time_ns); break;
		case SEVERITY: read_number(r, &f, PROTOBUF_VARINT, &severity); break;
		case SEVERITY_TEXT: read_text(r, &f, &o->severity_text); break;
		case BODY:
			read_text(r, &f, &body);
			read_value(r, otlp_batch_body(b), body.p, body.n, 0, NULL);
			break;
		case ATTRIBUTES: read_attribute(r, &f, &b->of_span); break;
		case TRACE_ID: read_id(r, &f, b->span.trace_id, 16, &b->span.has_trace_id); break;
		case SPAN_ID: read_id(r, &f, b->span.span_id, 8, &b->span.has_span_id); break;
		case OBSERVED: read_number(r, &f, PROTOBUF_FIXED64, &o->observed_ns); break;
		case EVENT_NAME: read_text(r, &f, &o->event_name); break;
		default: break;
		}
	o->severity = severity <= OTLP_MAX_SEVERITY ? (int)severity : 0;
	return !r->problem && otlp_batch_record_done(b);
}

static void read_scope(struct reader *r, const struct protobuf_field *scope)
{
	enum { NAME = 1, VERSION = 2 };
	struct otlp_text name = { "", 0 }, version = { "", 0 };
	struct protobuf m;
	struct protobuf_field f;

	open_message(r, scope, &m);
	while (next(r, &m, &f))
		if (f.number == NAME)
			read_text(r, &f, &name);
		else if (f.number == VERSION)
			read_text(r, &f, &version);
	otlp_batch_scope(r->batch, name, version);
}

/* A ScopeSpans or ScopeLogs, which are numbered alike.  Twice: the scope stands in front of its spans, but
 * need not. */
static bool read_scope_items(struct reader *r, const struct protobuf_field *group)
{
	enum { SCOPE = 1, ITEMS = 2 };
	bool (*read)(struct reader * r, const struct protobuf_field *item) =
		r->batch->signal == OTLP_RECORDS ? read_record : read_span;
	struct protobuf m;
	struct protobuf_field f;

	otlp_batch_scope(r->batch, (struct otlp_text){ "", 0 }, (struct otlp_text){ "", 0 });
	open_message(r, group, &m);
	while (next(r, &m, &f))
		if (f.number == SCOPE)
			read_scope(r, &f);
	open_message(r, group, &m);
	while (next(r, &m, &f))
		if (f.number == ITEMS && !read(r, &f))
			return false;
	return !r->problem;
}

static void read_resource(struct reader *r, const struct protobuf_field *resource)
{
	enum { ATTRIBUTES = 1 };
	struct protobuf m;
	struct protobuf_field f;

	open_message(r, resource, &m);
	while (next(r, &m, &f))
		if (f.number == ATTRIBUTES)
			read_attribute(r, &f, &r->batch->of_resource);
}

/* A ResourceSpans or ResourceLogs. */
static bool read_resource_items(struct reader *r, const struct protobuf_field *group)
{
	enum { RESOURCE = 1, SCOPE_ITEMS = 2 };
	struct protobuf m;
	struct protobuf_field f;

	otlp_batch_resource(r->batch);
	open_message(r, group, &m);
	while (next(r, &m, &f))
		if (f.number == RESOURCE)
			read_resource(r, &f);
	open_message(r, group, &m);
	while (next(r, &m, &f))
		if (f.number == SCOPE_ITEMS && !read_scope_items(r, &f))
			return false;
	return !r->problem;
}

bool otlp_read_protobuf(struct otlp_batch *b, const char *p, size_t n, const char **problem)
{
	enum { RESOURCE_ITEMS = 1 };
	struct reader r = { .batch = b };
	struct protobuf m;
	struct protobuf_field f;

	protobuf_init(&m, p, n);
	while (next(&r, &m, &f))
		if (f.number == RESOURCE_ITEMS && !read_resource_items(&r, &f))
			break;
	*problem = r.problem;
	return !r.problem && !b->is_too_large;
}
