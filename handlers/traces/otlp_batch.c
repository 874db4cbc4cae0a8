#include "handlers/traces/otlp_batch.h"

#include <endian.h>
#include <math.h>

#include "handlers/traces/counters.h"
#include "lib/base/base64.h"
#include "lib/base/jx.h"
#include "lib/base/utf8.h"
#include "lib/crypto/secret.h"
#include "lib/db/wire.h"

/* Bytes that a column keeps of a text: what is indexed has to fit into a page of an index. */
enum {
	MAX_KEY = 255,
	MAX_NAME = 1024,
	MAX_SERVICE = 255,
	MAX_SCOPE = 255,
	MAX_SCOPE_VERSION = 64,
	MAX_SEVERITY_TEXT = 64,
	MAX_EVENT_NAME = 255,
	MAX_TRACE_STATE = 512, /* as the W3C asks vendors to keep */
	ITEM_BYTES = 8,        /* what an item of an array counts for beside its text */
};

static const struct otlp_text empty = { "", 0 };

struct otlp_batch *otlp_batch_new(struct arena *a, size_t n, int64_t oldest_ns, int64_t newest_ns)
{
	struct otlp_batch *b = arena_alloc(a, sizeof(*b));
	int spans = n / 256 < OTLP_MAX_SPANS ? (int)(n / 256) + 8 : OTLP_MAX_SPANS;

	b->arena = a;
	b->oldest_ns = oldest_ns;
	b->newest_ns = newest_ns;
	vector_init(&b->trace_ids, a, UUID, spans * 2);
	vector_init(&b->span_ids, a, INT8, spans);
	vector_init(&b->parent_ids, a, INT8, spans);
	vector_init(&b->names, a, TEXT, spans * 2);
	vector_init(&b->kinds, a, INT2, spans);
	vector_init(&b->services, a, TEXT, spans * 2);
	vector_init(&b->scopes, a, TEXT, spans * 2);
	vector_init(&b->scope_versions, a, TEXT, spans);
	vector_init(&b->trace_states, a, TEXT, spans);
	vector_init(&b->start_ns, a, INT8, spans);
	vector_init(&b->duration_ns, a, INT8, spans);
	vector_init(&b->statuses, a, INT2, spans);
	vector_init(&b->status_messages, a, TEXT, spans);
	vector_init(&b->attributes, a, JSONB, spans * 16);
	vector_init(&b->resources, a, INT4, spans);
	vector_init(&b->resource_attributes, a, JSONB, 32);
	vector_init(&b->events, a, JSONB, spans);
	vector_init(&b->links, a, JSONB, spans);
	vector_init(&b->models, a, TEXT, spans);
	vector_init(&b->prompt_tokens, a, INT8, spans);
	vector_init(&b->completion_tokens, a, INT8, spans);
	vector_init(&b->cache_read_tokens, a, INT8, spans);
	vector_init(&b->reasoning_tokens, a, INT8, spans);
	vector_init(&b->total_tokens, a, INT8, spans);
	vector_init(&b->prompt_costs, a, INT8, spans);
	vector_init(&b->completion_costs, a, INT8, spans);
	vector_init(&b->total_costs, a, INT8, spans);
	vector_init(&b->tags, a, JSONB, spans);
	vector_init(&b->session_ids, a, TEXT, spans);
	vector_init(&b->flags, a, INT2, spans);
	vector_init(&b->time_ns, a, INT8, spans);
	vector_init(&b->observed_ns, a, INT8, spans);
	vector_init(&b->digests, a, UUID, spans * 2);
	vector_init(&b->severities, a, INT2, spans);
	vector_init(&b->severity_texts, a, TEXT, spans);
	vector_init(&b->event_names, a, TEXT, spans);
	vector_init(&b->bodies, a, JSONB, spans);
	buf_init(&b->resource, a, 1024);
	buf_init(&b->scratch, a, 256);
	b->of_resource.out = &b->resource;
	b->of_span.out = &b->attributes.b;
	b->of_event.out = &b->events.b;
	b->of_link.out = &b->links.b;
	otlp_batch_resource(b);
	return b;
}

void otlp_batch_resource(struct otlp_batch *b)
{
	b->resource.n = 0;
	buf_char(&b->resource, '{');
	b->of_resource.n = 0;
	b->resource_number = 0;
	b->service = empty;
	otlp_batch_scope(b, empty, empty);
}

void otlp_batch_scope(struct otlp_batch *b, struct otlp_text name, struct otlp_text version)
{
	b->scope = name;
	b->scope_version = version;
}

/* Text */

/* How many bytes are left of a text that is cut to at most max, at a character's end. */
static size_t cut_at(struct otlp_text t, size_t max)
{
	size_t n = max;

	if (t.n <= max)
		return t.n;
	while (n && max - n < 4 && (t.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* What PostgreSQL takes as it is. */
static bool is_clean(struct otlp_text t)
{
	return !memchr(t.p, 0, t.n) && utf8_valid(t.p, t.n);
}

/* A copy of what is not, until the next one: each piece that is no character, and each U+0000, is U+FFFD. */
static struct otlp_text cleaned(struct otlp_batch *b, struct otlp_text t)
{
	struct buf *out = &b->scratch;

	out->n = 0;
	for (size_t i = 0; i < t.n;) {
		int n = t.p[i] ? utf8_next(t.p + i, t.n - i) : -1;

		if (n > 0)
			buf_add(out, t.p + i, (size_t)n);
		else
			buf_text(out, "\xef\xbf\xbd");
		i += (size_t)(n > 0 ? n : -n);
	}
	return (struct otlp_text){ out->p, out->n };
}

/* As a column has it: clean, and of at most max bytes. */
static struct otlp_text as_column(struct otlp_batch *b, struct otlp_text t, size_t max)
{
	size_t n = cut_at(t, max);

	if (n < t.n)
		b->span.is_cut = true;
	t.n = n;
	if (!is_clean(t))
		t = cleaned(b, t);
	t.n = cut_at(t, max); /* U+FFFD is three bytes */
	return t;
}

static void add_text(struct otlp_batch *b, struct vector *to, struct otlp_text t, size_t max)
{
	t = as_column(b, t, max);
	vector_bytes(to, t.p, t.n);
}

/* Attributes */

void otlp_batch_attribute(struct otlp_batch *b, struct otlp_attributes *to, struct otlp_text key)
{
	to->is_last = to->n == OTLP_MAX_ATTRIBUTES;
	to->mark = to->out->n;
	if (to->n)
		buf_char(to->out, ',');
	key = as_column(b, key, MAX_KEY);
	jx_text(to->out, key.p, key.n);
	buf_char(to->out, ':');
	to->value = to->out->n;
	b->left = OTLP_MAX_VALUE;
}

void otlp_batch_attribute_done(struct otlp_batch *b, struct otlp_attributes *to, struct otlp_text key,
			       struct otlp_attribute *as)
{
	if (to->is_last) {
		to->out->n = to->mark;
		b->span.is_cut = true;
		return;
	}
	to->n++;
	if (to != &b->of_span || !as)
		return;
	as->key = key;
	if (as->type == OTLP_NESTED) { /* where it stands is known when the buffer moves no more */
		as->number = (int64_t)to->value;
		as->text = (struct otlp_text){ NULL, to->out->n - to->value };
	}
	b->span.attributes[b->span.nattributes++] = *as;
}

void otlp_batch_text(struct otlp_batch *b, struct buf *out, struct otlp_text text)
{
	text = as_column(b, text, b->left);
	b->left -= text.n;
	jx_text(out, text.p, text.n);
}

void otlp_batch_bytes(struct otlp_batch *b, struct buf *out, struct otlp_text bytes)
{
	size_t max = b->left / 4 * 3, n = bytes.n < max ? bytes.n : max;
	char *to;

	if (n < bytes.n)
		b->span.is_cut = true;
	buf_char(out, '"');
	to = buf_room(out, (n + 2) / 3 * 4 + 2);
	n = base64_encode(bytes.p, n, to);
	out->n += n;
	buf_char(out, '"');
	b->left -= n < b->left ? n : b->left;
}

static void spend(struct otlp_batch *b, size_t n)
{
	b->left -= n < b->left ? n : b->left;
}

void otlp_batch_int(struct otlp_batch *b, struct buf *out, int64_t value)
{
	spend(b, ITEM_BYTES);
	jx_int(out, value);
}

/* With a point, so that it stays what it was; what JSON has no number for is a word, as Protocol Buffers
 * write it. */
void otlp_batch_double(struct otlp_batch *b, struct buf *out, double value)
{
	size_t from = out->n;

	spend(b, ITEM_BYTES);
	if (isnan(value)) {
		buf_text(out, "\"NaN\"");
		return;
	}
	if (isinf(value)) {
		buf_text(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
		return;
	}
	jx_double(out, value);
	for (size_t i = from; i < out->n; i++)
		if (out->p[i] == '.' || out->p[i] == 'e')
			return;
	buf_text(out, ".0");
}

void otlp_batch_bool(struct otlp_batch *b, struct buf *out, bool value)
{
	spend(b, ITEM_BYTES);
	jx_bool(out, value);
}

struct otlp_item otlp_batch_item(struct otlp_batch *b, struct buf *out, const struct otlp_text *key)
{
	struct otlp_item item = { out->n, !b->left };
	char last = out->p[out->n - 1];

	if (last != '[' && last != '{')
		buf_char(out, ',');
	spend(b, ITEM_BYTES);
	if (key) {
		otlp_batch_text(b, out, (struct otlp_text){ key->p, cut_at(*key, MAX_KEY) });
		buf_char(out, ':');
	}
	return item;
}

void otlp_batch_item_done(struct otlp_batch *b, struct buf *out, struct otlp_item item)
{
	if (!item.is_beyond)
		return;
	out->n = item.mark;
	b->span.is_cut = true;
}

/* Events and links */

void otlp_batch_event(struct otlp_batch *b)
{
	b->event_mark = b->events.b.n;
	if (!b->nevents)
		vector_open(&b->events);
	buf_char(&b->events.b, b->nevents++ ? ',' : '[');
	buf_text(&b->events.b, "{\"attributes\":{");
	b->of_event.n = 0;
}

/* Take back what was one too many, or one that is too large. */
static void keep_within(struct otlp_batch *b, struct vector *v, int *n, size_t mark, size_t begun)
{
	if (*n <= OTLP_MAX_EVENTS && v->b.n - begun <= OTLP_MAX_EVENT_BYTES)
		return;
	b->span.is_cut = true;
	--*n;
	if (*n)
		v->b.n = mark;
	else
		vector_cut(v, v->n - 1, mark);
}

void otlp_batch_event_done(struct otlp_batch *b, uint64_t time_ns, struct otlp_text name)
{
	struct buf *out = &b->events.b;

	name = as_column(b, name, MAX_NAME);
	buf_text(out, "},\"name\":");
	jx_text(out, name.p, name.n);
	buf_text(out, ",\"time_ns\":");
	jx_int(out, time_ns <= INT64_MAX ? (long long)time_ns : 0);
	buf_char(out, '}');
	keep_within(b, &b->events, &b->nevents, b->event_mark, b->events_end);
}

void otlp_batch_link(struct otlp_batch *b)
{
	b->link_mark = b->links.b.n;
	if (!b->nlinks)
		vector_open(&b->links);
	buf_char(&b->links.b, b->nlinks++ ? ',' : '[');
	buf_text(&b->links.b, "{\"attributes\":{");
	b->of_link.n = 0;
}

static void add_hex(struct buf *out, const char *name, const unsigned char *id, int n)
{
	static const char digits[] = "0123456789abcdef";

	buf_text(out, name);
	for (int i = 0; i < n; i++) {
		buf_char(out, digits[id[i] >> 4]);
		buf_char(out, digits[id[i] & 15]);
	}
}

void otlp_batch_link_done(struct otlp_batch *b, const unsigned char trace_id[16],
			  const unsigned char span_id[8], struct otlp_text trace_state)
{
	struct buf *out = &b->links.b;

	trace_state = as_column(b, trace_state, MAX_TRACE_STATE);
	add_hex(out, "},\"trace_id\":\"", trace_id, 16);
	add_hex(out, "\",\"span_id\":\"", span_id, 8);
	buf_text(out, "\",\"trace_state\":");
	jx_text(out, trace_state.p, trace_state.n);
	buf_char(out, '}');
	keep_within(b, &b->links, &b->nlinks, b->link_mark, b->links_end);
}

/* Spans */

/* All but the attributes, which are 10 KiB. */
static void open_span(struct otlp_batch *b)
{
	struct otlp_span *s = &b->span;

	s->has_trace_id = s->has_span_id = s->has_parent = s->has_bad_id = s->is_cut = false;
	s->nattributes = 0;
	b->attributes_end = b->attributes.b.n;
	buf_char(vector_open(&b->attributes), '{');
	b->of_span.n = 0;
}

void otlp_batch_span(struct otlp_batch *b)
{
	struct otlp_span *s = &b->span;

	open_span(b);
	s->name = s->trace_state = s->status_message = empty;
	s->kind = s->status = 0;
	s->start_ns = s->end_ns = 0;
	b->events_end = b->events.b.n;
	b->links_end = b->links.b.n;
	b->nevents = b->nlinks = 0;
}

/* Leave no trace of the span in hand. */
static void forget_span(struct otlp_batch *b)
{
	vector_cut(&b->attributes, b->taken, b->attributes_end);
	if (b->signal == OTLP_RECORDS) {
		vector_cut(&b->bodies, b->taken, b->bodies_end);
		return;
	}
	vector_cut(&b->events, b->taken, b->events_end);
	vector_cut(&b->links, b->taken, b->links_end);
}

static bool reject(struct otlp_batch *b, enum otlp_reason why)
{
	b->rejected[why]++;
	forget_span(b);
	return true;
}

/* An id's bytes are a number whose order is theirs; PostgreSQL has no unsigned one. */
static int64_t number_of(const unsigned char id[8])
{
	uint64_t v;

	memcpy(&v, id, sizeof(v));
	return (int64_t)be64toh(v);
}

static void close_list(struct vector *v, int n)
{
	if (!n) {
		vector_null(v);
		return;
	}
	buf_char(&v->b, ']');
	vector_close(v);
}

/* What is the resource's, in a column of its own; each span names it. */
static void add_resource(struct otlp_batch *b)
{
	struct buf *out;

	if (!b->resource_number) {
		out = vector_open(&b->resource_attributes);
		buf_add(out, b->resource.p, b->resource.n);
		buf_char(out, '}');
		vector_close(&b->resource_attributes);
		b->resource_number = b->resource_attributes.n;
		if (b->signal == OTLP_RECORDS)
			secret_sha256(b->resource.p, b->resource.n, b->resource_digest);
	}
	vector_int4(&b->resources, b->resource_number);
}

/* Of what is no call of a model there is none. */
static void add_count(struct vector *to, const struct counters *c, int64_t n)
{
	if (c->is_call)
		vector_int8(to, n);
	else
		vector_null(to);
}

static void add_counters(struct otlp_batch *b)
{
	struct counters c;

	counters_read(b->arena, &b->span, &c);
	if (c.model.n)
		add_text(b, &b->models, c.model, COUNTERS_MAX_MODEL);
	else
		vector_null(&b->models);
	add_count(&b->prompt_tokens, &c, c.prompt);
	add_count(&b->completion_tokens, &c, c.completion);
	add_count(&b->cache_read_tokens, &c, c.cache_read);
	add_count(&b->reasoning_tokens, &c, c.reasoning);
	add_count(&b->total_tokens, &c, c.total);
	add_count(&b->prompt_costs, &c, c.prompt_cost);
	add_count(&b->completion_costs, &c, c.completion_cost);
	add_count(&b->total_costs, &c, c.total_cost);
	if (c.session.n)
		add_text(b, &b->session_ids, c.session, COUNTERS_MAX_SESSION);
	else
		vector_null(&b->session_ids);
	if (c.tags.n) {
		buf_add(vector_open(&b->tags), c.tags.p, c.tags.n);
		vector_close(&b->tags);
	} else {
		vector_null(&b->tags);
	}
	if (c.is_cut)
		b->span.is_cut = true;
}

static size_t column_bytes(const struct otlp_batch *b)
{
	return b->attributes.b.n + b->events.b.n + b->links.b.n + b->resource_attributes.b.n + b->names.b.n +
	       b->status_messages.b.n + b->trace_states.b.n + b->services.b.n + b->scopes.b.n + b->tags.b.n +
	       (size_t)b->taken * 400;
}

bool otlp_batch_span_done(struct otlp_batch *b)
{
	struct otlp_span *s = &b->span;
	int64_t start;
	bool is_backwards;

	if (b->taken == OTLP_MAX_SPANS)
		return reject(b, OTLP_TOO_MANY);
	if (!s->has_trace_id || !s->has_span_id || s->has_bad_id)
		return reject(b, OTLP_BAD_ID);
	if (s->start_ns > (uint64_t)b->newest_ns || s->end_ns > (uint64_t)b->newest_ns)
		return reject(b, OTLP_TOO_NEW);
	start = (int64_t)s->start_ns;
	if (start < b->oldest_ns)
		return reject(b, OTLP_TOO_OLD);
	for (int i = 0; i < s->nattributes; i++)
		if (s->attributes[i].type == OTLP_NESTED)
			s->attributes[i].text.p = b->attributes.b.p + s->attributes[i].number;
	if (b->keeps && !b->keeps(b->keeps_to, s)) {
		b->sampled_away++;
		forget_span(b);
		return true;
	}
	buf_char(&b->attributes.b, '}');
	vector_close(&b->attributes);
	close_list(&b->events, b->nevents);
	close_list(&b->links, b->nlinks);
	vector_bytes(&b->trace_ids, s->trace_id, 16);
	vector_int8(&b->span_ids, number_of(s->span_id));
	if (s->has_parent)
		vector_int8(&b->parent_ids, number_of(s->parent_id));
	else
		vector_null(&b->parent_ids);
	add_text(b, &b->names, s->name, MAX_NAME);
	vector_int2(&b->kinds, (int16_t)(s->kind >= 0 && s->kind <= 5 ? s->kind : 0));
	add_text(b, &b->services, b->service, MAX_SERVICE);
	add_text(b, &b->scopes, b->scope, MAX_SCOPE);
	add_text(b, &b->scope_versions, b->scope_version, MAX_SCOPE_VERSION);
	add_text(b, &b->trace_states, s->trace_state, MAX_TRACE_STATE);
	is_backwards = s->end_ns < s->start_ns;
	vector_int8(&b->start_ns, start);
	vector_int8(&b->duration_ns, is_backwards ? 0 : (int64_t)(s->end_ns - s->start_ns));
	vector_int2(&b->statuses, (int16_t)(s->status == 1 || s->status == 2 ? s->status : 0));
	add_text(b, &b->status_messages, s->status_message, OTLP_MAX_VALUE);
	add_resource(b);
	add_counters(b);
	vector_int2(&b->flags,
		    (int16_t)((is_backwards ? OTLP_END_BEFORE_START : 0) | (s->is_cut ? OTLP_CUT : 0)));
	b->taken++;
	b->is_too_large = column_bytes(b) > OTLP_MAX_COLUMN_BYTES;
	return !b->is_too_large;
}

/* Log records */

void otlp_batch_record(struct otlp_batch *b)
{
	open_span(b);
	b->record = (struct otlp_record){ .severity_text = empty, .event_name = empty };
	b->bodies_end = b->bodies.b.n;
}

struct buf *otlp_batch_body(struct otlp_batch *b)
{
	if (b->record.has_body)
		vector_cut(&b->bodies, b->taken, b->bodies_end);
	b->record.has_body = true;
	b->left = OTLP_MAX_BODY;
	return vector_open(&b->bodies);
}

static void digest_text(struct buf *to, struct otlp_text t)
{
	uint32_t n = (uint32_t)t.n;

	buf_add(to, (const char *)&n, sizeof(n));
	buf_add(to, t.p, t.n);
}

/*
 * What a record is known by, since it has no id: all that it says, so that one that is sent again is
 * the same.  Of several in a request that say the same PostgreSQL knows which one it is.
 */
static void add_digest(struct otlp_batch *b, size_t body, size_t attributes)
{
	const struct otlp_record *r = &b->record;
	unsigned char digest[SECRET_BYTES];
	struct buf *to = &b->scratch;

	to->n = 0;
	buf_add(to, (const char *)b->resource_digest, sizeof(b->resource_digest));
	buf_add(to, (const char *)b->span.span_id, b->span.has_span_id ? sizeof(b->span.span_id) : 0);
	buf_add(to, (const char *)&r->time_ns, sizeof(r->time_ns));
	buf_add(to, (const char *)&r->observed_ns, sizeof(r->observed_ns));
	buf_add(to, (const char *)&r->severity, sizeof(r->severity));
	digest_text(to, r->severity_text);
	digest_text(to, r->event_name);
	digest_text(to, b->scope);
	digest_text(to, b->scope_version);
	digest_text(to, (struct otlp_text){ b->bodies.b.p + body, b->bodies.b.n - body });
	digest_text(to, (struct otlp_text){ b->attributes.b.p + attributes, b->attributes.b.n - attributes });
	secret_sha256(to->p, to->n, digest);
	vector_bytes(&b->digests, digest, 16);
}

static size_t record_bytes(const struct otlp_batch *b)
{
	return b->attributes.b.n + b->bodies.b.n + b->resource_attributes.b.n + b->services.b.n +
	       b->scopes.b.n + b->severity_texts.b.n + b->event_names.b.n + (size_t)b->taken * 200;
}

bool otlp_batch_record_done(struct otlp_batch *b)
{
	static const unsigned char none[16];
	const struct otlp_span *s = &b->span;
	const struct otlp_record *r = &b->record;
	uint64_t time_ns = r->time_ns ? r->time_ns : r->observed_ns ? r->observed_ns : (uint64_t)b->now_ns;

	if (b->taken == OTLP_MAX_SPANS)
		return reject(b, OTLP_TOO_MANY);
	if (s->has_bad_id)
		return reject(b, OTLP_BAD_ID);
	if (time_ns > (uint64_t)b->newest_ns)
		return reject(b, OTLP_TOO_NEW);
	if ((int64_t)time_ns < b->oldest_ns)
		return reject(b, OTLP_TOO_OLD);
	buf_char(&b->attributes.b, '}');
	vector_close(&b->attributes);
	if (r->has_body)
		vector_close(&b->bodies);
	else
		vector_null(&b->bodies);
	add_resource(b);
	vector_bytes(&b->trace_ids, s->has_trace_id ? s->trace_id : none, 16);
	if (s->has_span_id)
		vector_int8(&b->span_ids, number_of(s->span_id));
	else
		vector_null(&b->span_ids);
	vector_int8(&b->time_ns, (int64_t)time_ns);
	if (r->observed_ns && r->observed_ns <= INT64_MAX)
		vector_int8(&b->observed_ns, (int64_t)r->observed_ns);
	else
		vector_null(&b->observed_ns);
	add_digest(b, b->bodies_end, b->attributes_end);
	vector_int2(&b->severities, (int16_t)r->severity);
	add_text(b, &b->severity_texts, r->severity_text, MAX_SEVERITY_TEXT);
	add_text(b, &b->event_names, r->event_name, MAX_EVENT_NAME);
	add_text(b, &b->services, b->service, MAX_SERVICE);
	add_text(b, &b->scopes, b->scope, MAX_SCOPE);
	add_text(b, &b->scope_versions, b->scope_version, MAX_SCOPE_VERSION);
	vector_int2(&b->flags, (int16_t)(s->is_cut ? OTLP_CUT : 0));
	b->taken++;
	b->is_too_large = record_bytes(b) > OTLP_MAX_COLUMN_BYTES;
	return !b->is_too_large;
}

/* What comes of it */

int otlp_batch_rejected(const struct otlp_batch *b)
{
	int n = 0;

	for (int i = 0; i < OTLP_REASONS; i++)
		n += b->rejected[i];
	return n;
}

const char *otlp_batch_problem(const struct otlp_batch *b)
{
	static const char *const reasons[][OTLP_REASONS] = {
		[OTLP_SPANS] = {
			[OTLP_BAD_ID] = "have an id that is zero, or not of 16 bytes for a trace and 8 for a span",
			[OTLP_TOO_OLD] = "started before all that is kept",
			[OTLP_TOO_NEW] = "start or end more than a day from now",
			[OTLP_TOO_MANY] = "were behind the first 10000 of a request",
		},
		[OTLP_RECORDS] = {
			[OTLP_BAD_ID] = "have an id that is not of 16 bytes for a trace and 8 for a span",
			[OTLP_TOO_OLD] = "are older than all that is kept",
			[OTLP_TOO_NEW] = "are of more than a day from now",
			[OTLP_TOO_MANY] = "were behind the first 10000 of a request",
		},
	};
	struct buf out;

	buf_init(&out, b->arena, 128);
	for (int i = 0; i < OTLP_REASONS; i++)
		if (b->rejected[i])
			buf_fmt(&out, "%s%d %s", out.n ? "; " : "", b->rejected[i], reasons[b->signal][i]);
	return out.n ? buf_str(&out) : NULL;
}

static void bind_records(struct otlp_batch *b, struct tx *tx)
{
	vector_bind(&b->time_ns, tx, "time_ns");
	vector_bind(&b->observed_ns, tx, "observed_ns");
	vector_bind(&b->digests, tx, "digests");
	vector_bind(&b->severities, tx, "severities");
	vector_bind(&b->severity_texts, tx, "severity_texts");
	vector_bind(&b->event_names, tx, "event_names");
	vector_bind(&b->bodies, tx, "bodies");
}

static void bind_spans(struct otlp_batch *b, struct tx *tx)
{
	vector_bind(&b->parent_ids, tx, "parent_ids");
	vector_bind(&b->names, tx, "names");
	vector_bind(&b->kinds, tx, "kinds");
	vector_bind(&b->trace_states, tx, "trace_states");
	vector_bind(&b->start_ns, tx, "start_ns");
	vector_bind(&b->duration_ns, tx, "duration_ns");
	vector_bind(&b->statuses, tx, "statuses");
	vector_bind(&b->status_messages, tx, "status_messages");
	vector_bind(&b->events, tx, "events");
	vector_bind(&b->links, tx, "links");
	vector_bind(&b->models, tx, "models");
	vector_bind(&b->prompt_tokens, tx, "prompt_tokens");
	vector_bind(&b->completion_tokens, tx, "completion_tokens");
	vector_bind(&b->cache_read_tokens, tx, "cache_read_tokens");
	vector_bind(&b->reasoning_tokens, tx, "reasoning_tokens");
	vector_bind(&b->total_tokens, tx, "total_tokens");
	vector_bind(&b->prompt_costs, tx, "prompt_costs");
	vector_bind(&b->completion_costs, tx, "completion_costs");
	vector_bind(&b->total_costs, tx, "total_costs");
	vector_bind(&b->tags, tx, "tags");
	vector_bind(&b->session_ids, tx, "session_ids");
}

void otlp_batch_bind(struct otlp_batch *b, struct tx *tx)
{
	vector_bind(&b->trace_ids, tx, "trace_ids");
	vector_bind(&b->span_ids, tx, "span_ids");
	vector_bind(&b->services, tx, "services");
	vector_bind(&b->scopes, tx, "scopes");
	vector_bind(&b->scope_versions, tx, "scope_versions");
	vector_bind(&b->attributes, tx, "attributes");
	vector_bind(&b->resources, tx, "resources");
	vector_bind(&b->resource_attributes, tx, "resource_attributes");
	vector_bind(&b->flags, tx, "flags");
	if (b->signal == OTLP_RECORDS)
		bind_records(b, tx);
	else
		bind_spans(b, tx);
}
