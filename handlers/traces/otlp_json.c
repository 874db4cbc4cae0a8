/* OTLP in JSON. */
#include "handlers/traces/otlp.h"

#include <errno.h>
#include <math.h>

#include "lib/base/json_pull.h"

/* A request as it is being read: where the text is, and for whom. */
struct reader {
	struct otlp_batch *batch;
	struct json_pull in;
};

static struct otlp_text text_of(struct json_piece t)
{
	return (struct otlp_text){ t.p, t.n };
}

/* Protocol Buffers' JSON has null for what is not there. */
static bool take_null(struct reader *r)
{
	return json_pull_kind(&r->in) == 'n' && json_pull_null(&r->in);
}

/* An object, of which members are to be read then; null has none. */
static bool open_object(struct reader *r)
{
	return !take_null(r) && json_pull_open(&r->in, '{');
}

static void read_text(struct reader *r, struct otlp_text *out)
{
	struct json_piece t;

	if (!take_null(r) && json_pull_string(&r->in, &t))
		*out = text_of(t);
}

/* A number that is a text or a number: its digits. */
static bool take_digits(struct reader *r, char digits[64])
{
	struct json_piece t;
	bool ok = json_pull_kind(&r->in) == '"' ? json_pull_string(&r->in, &t) : json_pull_number(&r->in, &t);

	if (!ok)
		return false;
	if (!t.n || t.n >= 64 || memchr(t.p, 0, t.n))
		return json_pull_fail(&r->in, "expected a number");
	memcpy(digits, t.p, t.n);
	digits[t.n] = '\0';
	return true;
}

/* An integer: digits, or a number with a fraction or an exponent that is one all the same. */
static void read_int64(struct reader *r, int64_t *out)
{
	char digits[64], *end;
	double v;

	if (take_null(r) || !take_digits(r, digits))
		return;
	errno = 0;
	*out = strtoll(digits, &end, 10);
	if (!*end && !errno)
		return;
	v = strtod(digits, &end);
	if (*end || !(fabs(v) < 9.2e18) || v != floor(v))
		json_pull_fail(&r->in, "expected a 64-bit integer");
	else
		*out = (int64_t)v;
}

static void read_uint64(struct reader *r, uint64_t *out)
{
	char digits[64], *end;
	double v;

	if (take_null(r) || !take_digits(r, digits))
		return;
	errno = 0;
	*out = strtoull(digits, &end, 10);
	if (*digits != '-' && !*end && !errno)
		return;
	v = strtod(digits, &end);
	if (*end || !(v >= 0 && v < 1.8e19) || v != floor(v))
		json_pull_fail(&r->in, "expected a 64-bit integer that is not negative");
	else
		*out = (uint64_t)v;
}

static void read_enum(struct reader *r, int most, int *out)
{
	int64_t v = 0;

	if (json_pull_kind(&r->in) == '"') {
		json_pull_fail(&r->in, "expected an enum's number, and not its name");
		return;
	}
	read_int64(r, &v);
	*out = v >= 0 && v <= most ? (int)v : 0;
}

static int hex_digit(char c)
{
	char small = c | ' ';

	return c >= '0' && c <= '9' ? c - '0' : small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/* An id of n bytes in hex; whether it is there, and not zero.  An empty one is none. */
static void read_id(struct reader *r, unsigned char *id, size_t n, bool *is_there)
{
	struct otlp_text t = { "", 0 };
	unsigned char any = 0;

	*is_there = false;
	read_text(r, &t);
	if (!t.n)
		return;
	if (t.n != 2 * n) {
		r->batch->span.has_bad_id = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(t.p[2 * i]), low = hex_digit(t.p[2 * i + 1]);

		if (high < 0 || low < 0) {
			r->batch->span.has_bad_id = true;
			return;
		}
		id[i] = (unsigned char)(high << 4 | low);
		any |= id[i];
	}
	*is_there = any != 0;
}

/*
 * Some members are needed before others, but may stand behind them.  What comes too
 * early is passed over, and read again when all has been seen.
 */
struct place {
	struct json_pull at; /* in front of a value; at.p NULL: nothing is to be read again */
};

static void pass_over(struct reader *r, struct place *later)
{
	later->at = r->in;
	json_pull_skip(&r->in);
}

/* Read from there, and go on where we were. */
static struct json_pull go_back(struct reader *r, const struct place *to)
{
	struct json_pull here = r->in;

	r->in = to->at;
	return here;
}

static void return_to(struct reader *r, struct json_pull here)
{
	if (r->in.problem)
		here.problem = r->in.problem;
	r->in = here;
}

/* Values */

static void read_value(struct reader *r, struct buf *out, int depth, struct otlp_attribute *as);

/* A KeyValue.  Its value stands behind its key, as a rule, and is read there. */
struct pair {
	struct otlp_text key;
	bool is_here;       /* the value is what comes next, and then the rest of the pair */
	struct place value; /* else it stood there, or nowhere */
};

/* Up to the value, with the key. */
static void read_pair(struct reader *r, struct pair *pair)
{
	struct json_piece name;
	bool has_key = false;

	pair->key = (struct otlp_text){ "", 0 };
	pair->is_here = false;
	pair->value.at.p = NULL;
	for (bool is_open = open_object(r); is_open && json_pull_member(&r->in, &name);) {
		if (json_pull_is(&name, "key")) {
			has_key = true;
			read_text(r, &pair->key);
		} else if (!json_pull_is(&name, "value")) {
			json_pull_skip(&r->in);
		} else if (has_key && !pair->value.at.p) {
			pair->is_here = true;
			return;
		} else {
			pass_over(r, &pair->value);
		}
	}
}

/* Behind the value, if that is not where we are already. */
static void end_pair(struct reader *r, const struct pair *pair)
{
	struct json_piece name;

	while (pair->is_here && json_pull_member(&r->in, &name))
		json_pull_skip(&r->in);
}

/* A pair's value, which is null where there is none, and what is behind it. */
static void read_value_of(struct reader *r, struct buf *out, const struct pair *pair, int depth,
			  struct otlp_attribute *as)
{
	struct json_pull here;

	if (as)
		as->type = OTLP_NULL;
	if (pair->is_here) {
		read_value(r, out, depth, as);
		end_pair(r, pair);
	} else if (pair->value.at.p && !r->in.problem) {
		here = go_back(r, &pair->value);
		read_value(r, out, depth, as);
		return_to(r, here);
	} else {
		buf_text(out, "null");
	}
}

static void read_item(struct reader *r, struct buf *out, bool has_key, int depth)
{
	struct otlp_item item;
	struct pair pair;

	if (has_key) {
		read_pair(r, &pair);
		item = otlp_batch_item(r->batch, out, &pair.key);
		read_value_of(r, out, &pair, depth, NULL);
	} else {
		item = otlp_batch_item(r->batch, out, NULL);
		read_value(r, out, depth, NULL);
	}
	otlp_batch_item_done(r->batch, out, item);
}

/* An ArrayValue, or a KeyValueList: {"values": […]}. */
static void read_items(struct reader *r, struct buf *out, bool has_keys, int depth)
{
	struct json_piece name;

	if (depth == OTLP_MAX_DEPTH) {
		json_pull_fail(&r->in, "a value is more than 32 deep");
		return;
	}
	buf_char(out, has_keys ? '{' : '[');
	for (bool is_open = open_object(r); is_open && json_pull_member(&r->in, &name);)
		if (!json_pull_is(&name, "values"))
			json_pull_skip(&r->in);
		else if (!take_null(r) && json_pull_open(&r->in, '['))
			while (json_pull_element(&r->in))
				read_item(r, out, has_keys, depth + 1);
	buf_char(out, has_keys ? '}' : ']');
}

static void read_double(struct reader *r, struct buf *out, struct otlp_attribute *as)
{
	char digits[64], *end;

	as->type = OTLP_DOUBLE;
	as->real = 0;
	if (take_digits(r, digits)) {
		as->real = strtod(digits, &end); /* it knows NaN and Infinity, too */
		if (*end)
			json_pull_fail(&r->in, "expected a number");
	}
	otlp_batch_double(r->batch, out, as->real);
}

/* One member of an AnyValue; false: it is none. */
static bool read_any(struct reader *r, struct buf *out, const struct json_piece *name, int depth,
		     struct otlp_attribute *as)
{
	struct otlp_batch *b = r->batch;

	as->text = (struct otlp_text){ "", 0 };
	as->number = 0;
	if (json_pull_is(name, "stringValue")) {
		as->type = OTLP_TEXT;
		read_text(r, &as->text);
		otlp_batch_text(b, out, as->text);
	} else if (json_pull_is(name, "intValue")) {
		as->type = OTLP_INT;
		read_int64(r, &as->number);
		otlp_batch_int(b, out, as->number);
	} else if (json_pull_is(name, "doubleValue")) {
		read_double(r, out, as);
	} else if (json_pull_is(name, "boolValue")) {
		bool value = false;

		as->type = OTLP_BOOL;
		json_pull_bool(&r->in, &value);
		as->number = value;
		otlp_batch_bool(b, out, value);
	} else if (json_pull_is(name, "arrayValue") || json_pull_is(name, "kvlistValue")) {
		as->type = OTLP_NESTED;
		read_items(r, out, name->p[0] == 'k', depth);
	} else if (json_pull_is(name, "bytesValue")) {
		as->type = OTLP_NESTED; /* base64, as it is kept */
		read_text(r, &as->text);
		otlp_batch_text(b, out, as->text);
	} else {
		return false;
	}
	return true;
}

/* An AnyValue: one of its members, of several the last; none is null. */
static void read_value(struct reader *r, struct buf *out, int depth, struct otlp_attribute *as)
{
	struct otlp_attribute scrap = { .type = OTLP_NULL };
	size_t from = out->n;
	struct json_piece name;

	as = as ? as : &scrap;
	as->type = OTLP_NULL;
	for (bool is_open = open_object(r); is_open && json_pull_member(&r->in, &name);) {
		size_t before = out->n;

		if (take_null(r))
			continue;
		out->n = from;
		if (read_any(r, out, &name, depth, as))
			continue;
		out->n = before;
		json_pull_skip(&r->in);
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

static void read_attribute(struct reader *r, struct otlp_attributes *to)
{
	struct otlp_batch *b = r->batch;
	struct otlp_attribute as;
	struct pair pair;

	read_pair(r, &pair);
	if (to == &b->of_resource && is_ours(&pair.key)) {
		if (pair.is_here)
			json_pull_skip(&r->in);
		end_pair(r, &pair);
		return;
	}
	otlp_batch_attribute(b, to, pair.key);
	read_value_of(r, to->out, &pair, 0, &as);
	otlp_batch_attribute_done(b, to, pair.key, &as);
	if (to == &b->of_resource && as.type == OTLP_TEXT && pair.key.n == 12 &&
	    !memcmp(pair.key.p, "service.name", 12))
		b->service = as.text;
}

/* An array, of which each element is taken by fn; false: enough. */
static bool read_array(struct reader *r, bool (*fn)(struct reader *r, void *to), void *to)
{
	if (take_null(r) || !json_pull_open(&r->in, '['))
		return !r->in.problem;
	while (json_pull_element(&r->in))
		if (!fn(r, to))
			return false;
	return !r->in.problem;
}

static bool take_attribute(struct reader *r, void *to)
{
	read_attribute(r, to);
	return !r->in.problem;
}

/* Spans */

static bool take_event(struct reader *r, void *to)
{
	struct otlp_batch *b = r->batch;
	struct otlp_text text = { "", 0 };
	uint64_t time_ns = 0;
	struct json_piece name;

	(void)to;
	otlp_batch_event(b);
	for (bool is_open = open_object(r); is_open && json_pull_member(&r->in, &name);)
		if (json_pull_is(&name, "timeUnixNano"))
			read_uint64(r, &time_ns);
		else if (json_pull_is(&name, "name"))
			read_text(r, &text);
		else if (json_pull_is(&name, "attributes"))
			read_array(r, take_attribute, &b->of_event);
		else
			json_pull_skip(&r->in);
	otlp_batch_event_done(b, time_ns, text);
	return !r->in.problem;
}

static bool take_link(struct reader *r, void *to)
{
	struct otlp_batch *b = r->batch;
	unsigned char trace_id[16] = { 0 }, span_id[8] = { 0 };
	struct otlp_text trace_state = { "", 0 };
	struct json_piece name;
	bool is_there;

	(void)to;
	otlp_batch_link(b);
	for (bool is_open = open_object(r); is_open && json_pull_member(&r->in, &name);)
		if (json_pull_is(&name, "traceId"))
			read_id(r, trace_id, 16, &is_there);
		else if (json_pull_is(&name, "spanId"))
			read_id(r, span_id, 8, &is_there);
		else if (json_pull_is(&name, "traceState"))
			read_text(r, &trace_state);
		else if (json_pull_is(&name, "attributes"))
			read_array(r, take_attribute, &b->of_link);
		else
			json_pull_skip(&r->in);
	otlp_batch_link_done(b, trace_id, span_id, trace_state);
	return !r->in.problem;
}

static void read_status(struct reader *r)
{
	struct otlp_span *s = &r->batch->span;
	struct json_piece name;

	if (!open_object(r))
		return;
	while (json_pull_member(&r->in, &name))
		if (json_pull_is(&name, "message"))
			read_text(r, &s->status_message);
		else if (json_pull_is(&name, "code"))
			read_enum(r, 2, &s->status);
		else
			json_pull_skip(&r->in);
}

static void read_span_member(struct reader *r, const struct json_piece *name)
{
	struct otlp_batch *b = r->batch;
	struct otlp_span *s = &b->span;

	if (json_pull_is(name, "traceId"))
		read_id(r, s->trace_id, 16, &s->has_trace_id);
	else if (json_pull_is(name, "spanId"))
		read_id(r, s->span_id, 8, &s->has_span_id);
	else if (json_pull_is(name, "parentSpanId"))
		read_id(r, s->parent_id, 8, &s->has_parent);
	else if (json_pull_is(name, "traceState"))
		read_text(r, &s->trace_state);
	else if (json_pull_is(name, "name"))
		read_text(r, &s->name);
	else if (json_pull_is(name, "kind"))
		read_enum(r, 5, &s->kind);
	else if (json_pull_is(name, "startTimeUnixNano"))
		read_uint64(r, &s->start_ns);
	else if (json_pull_is(name, "endTimeUnixNano"))
		read_uint64(r, &s->end_ns);
	else if (json_pull_is(name, "attributes"))
		read_array(r, take_attribute, &b->of_span);
	else if (json_pull_is(name, "events"))
		read_array(r, take_event, NULL);
	else if (json_pull_is(name, "links"))
		read_array(r, take_link, NULL);
	else if (json_pull_is(name, "status"))
		read_status(r);
	else
		json_pull_skip(&r->in);
}

static bool take_span(struct reader *r, void *to)
{
	struct json_piece name;

	(void)to;
	otlp_batch_span(r->batch);
	for (bool is_open = open_object(r); is_open && json_pull_member(&r->in, &name);)
		read_span_member(r, &name);
	return !r->in.problem && otlp_batch_span_done(r->batch);
}

/* Log records */

static void read_record_member(struct reader *r, const struct json_piece *name)
{
	struct otlp_batch *b = r->batch;
	struct otlp_record *o = &b->record;

	if (json_pull_is(name, "timeUnixNano"))
		read_uint64(r, &o->time_ns);
	else if (json_pull_is(name, "observedTimeUnixNano"))
		read_uint64(r, &o->observed_ns);
	else if (json_pull_is(name, "severityNumber"))
		read_enum(r, OTLP_MAX_SEVERITY, &o->severity);
	else if (json_pull_is(name, "severityText"))
		read_text(r, &o->severity_text);
	else if (json_pull_is(name, "eventName"))
		read_text(r, &o->event_name);
	else if (json_pull_is(name, "traceId"))
		read_id(r, b->span.trace_id, 16, &b->span.has_trace_id);
	else if (json_pull_is(name, "spanId"))
		read_id(r, b->span.span_id, 8, &b->span.has_span_id);
	else if (json_pull_is(name, "attributes"))
		read_array(r, take_attribute, &b->of_span);
	else if (json_pull_is(name, "body") && !take_null(r))
		read_value(r, otlp_batch_body(b), 0, NULL);
	else if (!json_pull_is(name, "body"))
		json_pull_skip(&r->in);
}

static bool take_record(struct reader *r, void *to)
{
	struct json_piece name;

	(void)to;
	otlp_batch_record(r->batch);
	for (bool is_open = open_object(r); is_open && json_pull_member(&r->in, &name);)
		read_record_member(r, &name);
	return !r->in.problem && otlp_batch_record_done(r->batch);
}

static void read_scope(struct reader *r)
{
	struct otlp_text text = { "", 0 }, version = { "", 0 };
	struct json_piece name;

	if (!open_object(r))
		return;
	while (json_pull_member(&r->in, &name))
		if (json_pull_is(&name, "name"))
			read_text(r, &text);
		else if (json_pull_is(&name, "version"))
			read_text(r, &version);
		else
			json_pull_skip(&r->in);
	otlp_batch_scope(r->batch, text, version);
}

static void read_resource(struct reader *r)
{
	struct json_piece name;

	if (!open_object(r))
		return;
	while (json_pull_member(&r->in, &name))
		if (json_pull_is(&name, "attributes"))
			read_array(r, take_attribute, &r->batch->of_resource);
		else
			json_pull_skip(&r->in);
}

/*
 * An object with something, and an array that is about that: the array is read where it
 * stands if the other one stood in front of it, else behind the object.
 */
static bool read_group(struct reader *r, const char *head, void (*read_head)(struct reader *r),
		       const char *items, bool (*take)(struct reader *r, void *to))
{
	struct place later = { { .p = NULL } };
	struct json_piece name;
	struct json_pull here;
	bool has_head = false;

	if (!open_object(r))
		return !r->in.problem;
	while (json_pull_member(&r->in, &name)) {
		if (json_pull_is(&name, head)) {
			has_head = true;
			read_head(r);
		} else if (!json_pull_is(&name, items)) {
			json_pull_skip(&r->in);
		} else if (!has_head && !later.at.p) {
			pass_over(r, &later);
		} else if (!read_array(r, take, NULL)) {
			return false;
		}
	}
	if (!later.at.p || r->in.problem)
		return !r->in.problem;
	here = go_back(r, &later);
	if (!read_array(r, take, NULL))
		return false;
	return_to(r, here);
	return true;
}

/* How the groups of a request are called. */
static const struct signal {
	const char *by_resource, *by_scope, *items;
	bool (*take)(struct reader *r, void *to);
} signals[] = {
	[OTLP_SPANS] = { "resourceSpans", "scopeSpans", "spans", take_span },
	[OTLP_RECORDS] = { "resourceLogs", "scopeLogs", "logRecords", take_record },
};

static bool take_by_scope(struct reader *r, void *to)
{
	const struct signal *of = &signals[r->batch->signal];

	(void)to;
	otlp_batch_scope(r->batch, (struct otlp_text){ "", 0 }, (struct otlp_text){ "", 0 });
	return read_group(r, "scope", read_scope, of->items, of->take);
}

static bool take_by_resource(struct reader *r, void *to)
{
	(void)to;
	otlp_batch_resource(r->batch);
	return read_group(r, "resource", read_resource, signals[r->batch->signal].by_scope, take_by_scope);
}

bool otlp_read_json(struct otlp_batch *b, const char *p, size_t n, const char **problem)
{
	struct reader r = { .batch = b };
	struct json_piece name;
	bool ok = true;

	json_pull_init(&r.in, b->arena, p, n);
	json_pull_open(&r.in, '{');
	while (ok && json_pull_member(&r.in, &name))
		if (json_pull_is(&name, signals[b->signal].by_resource))
			ok = read_array(&r, take_by_resource, NULL);
		else
			json_pull_skip(&r.in);
	if (ok)
		json_pull_end(&r.in);
	*problem = r.in.problem;
	return ok && !r.in.problem;
}
