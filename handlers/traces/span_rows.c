#include "handlers/traces/span_rows.h"

#include <endian.h>
#include <string.h>

#include "lib/base/json_pull.h"
#include "lib/base/uuid.h"
#include "lib/db/wire.h"

#define DAY_NS 86400000000000LL

/* FNV-1a, with a finalizer that mixes the high bits down. */
uint64_t span_rows_word(const char *key, size_t nkey, const char *value, size_t nvalue)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < nkey; i++)
		h = (h ^ (unsigned char)key[i]) * 1099511628211u;
	h = (h ^ 0xff) * 1099511628211u; /* which is in no text */
	for (size_t i = 0; i < nvalue; i++)
		h = (h ^ (unsigned char)value[i]) * 1099511628211u;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return h ? h : 1;
}

static void add_number(struct buf *out, uint64_t value, size_t bytes)
{
	uint64_t v = htole64(value);

	buf_add(out, &v, bytes);
}

static void add_length(struct buf *out, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_char(out, (char)(n | 0x80));
	buf_char(out, (char)n);
}

static void add_text(struct buf *out, const char *p, size_t n)
{
	add_length(out, n);
	buf_add(out, p, n);
}

/* Two numbers, each with its least byte first. */
static void add_uuid(struct buf *out, const unsigned char id[16])
{
	for (int half = 0; half < 16; half += 8)
		for (int i = 7; i >= 0; i--)
			buf_char(out, (char)id[half + i]);
}

/* A column of the batch, read row by row. */
struct column {
	const struct vector *of;
	size_t at;
};

static void move_number(struct buf *out, struct column *c, size_t bytes)
{
	size_t n;
	const char *p = vector_next(c->of, &c->at, &n);

	add_number(out, !p ? 0 : (uint64_t)(n == 8 ? wire_int8(p, 8) : wire_int2(p, 2)), bytes);
}

static void move_text(struct buf *out, struct column *c)
{
	size_t n;
	const char *p = vector_next(c->of, &c->at, &n);

	add_text(out, p, n);
}

/* The words of a JSON object's members, behind those that are in out. */
static void add_words(struct arena *a, struct buf *out, const char *p, size_t n)
{
	struct json_piece key, value;
	struct json_pull r;
	bool is_true;

	json_pull_init(&r, a, p, n);
	if (!json_pull_open(&r, '{'))
		return;
	while (json_pull_member(&r, &key)) {
		char kind = json_pull_kind(&r);
		const char *from = r.p;

		if (kind == '"') {
			json_pull_string(&r, &value);
		} else if (kind == '0') {
			json_pull_number(&r, &value);
		} else if (kind == 't' || kind == 'f') {
			json_pull_bool(&r, &is_true);
			value = (struct json_piece){ is_true ? "true" : "false", is_true ? 4 : 5 };
		} else {
			json_pull_skip(&r);
			value = (struct json_piece){ from, (size_t)(r.p - from) };
		}
		if (!r.problem && kind != 'n')
			add_number(out, span_rows_word(key.p, key.n, value.p, value.n), 8);
	}
}

/* What the spans of a process have in common. */
struct origin {
	const char *attributes;
	size_t n;
	struct buf words;
};

static struct origin *read_origins(const struct otlp_batch *b)
{
	const struct vector *v = &b->resource_attributes;
	struct origin *o = arena_alloc(b->arena, sizeof(*o) * (size_t)(v->n + 1));
	size_t at = 0;

	for (int i = 1; i <= v->n; i++) {
		o[i].attributes = vector_next(v, &at, &o[i].n);
		buf_init(&o[i].words, b->arena, 256);
		add_words(b->arena, &o[i].words, o[i].attributes, o[i].n);
	}
	return o;
}

/* The place of a day; where it is none of them, the one where it is to be. */
static int place_of(const struct span_days *d, int day)
{
	int low = 0, high = d->n;

	while (low < high) {
		int middle = (low + high) / 2;

		if (d->days[middle] < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int day_of(const char *start_ns)
{
	return (int)(wire_int8(start_ns, 8) / DAY_NS);
}

void span_rows_days(struct otlp_batch *b, struct span_days *out)
{
	struct column start_ns = { &b->start_ns, 0 };

	*out = (struct span_days){ .days = arena_alloc(b->arena,
						       sizeof(*out->days) * (size_t)(b->taken + 1)) };
	for (int i = 0; i < b->taken; i++) {
		size_t n;
		int day = day_of(vector_next(start_ns.of, &start_ns.at, &n)), at = place_of(out, day);

		if (at < out->n && out->days[at] == day)
			continue;
		memmove(out->days + at + 1, out->days + at, sizeof(*out->days) * (size_t)(out->n - at));
		out->days[at] = day;
		out->n++;
	}
}

void span_rows_write(struct buf *out, struct otlp_batch *b, const char *project, uint64_t batch,
		     const struct span_days *kept)
{
	struct column trace_ids = { &b->trace_ids, 0 }, span_ids = { &b->span_ids, 0 },
		      parent_ids = { &b->parent_ids, 0 }, names = { &b->names, 0 }, kinds = { &b->kinds, 0 },
		      services = { &b->services, 0 }, scopes = { &b->scopes, 0 },
		      scope_versions = { &b->scope_versions, 0 }, trace_states = { &b->trace_states, 0 },
		      start_ns = { &b->start_ns, 0 }, duration_ns = { &b->duration_ns, 0 },
		      statuses = { &b->statuses, 0 }, status_messages = { &b->status_messages, 0 },
		      attributes = { &b->attributes, 0 }, resources = { &b->resources, 0 },
		      events = { &b->events, 0 }, links = { &b->links, 0 }, models = { &b->models, 0 },
		      tags = { &b->tags, 0 }, session_ids = { &b->session_ids, 0 }, flags = { &b->flags, 0 };
	struct column counts[] = { { &b->prompt_tokens, 0 },     { &b->completion_tokens, 0 },
				   { &b->cache_read_tokens, 0 }, { &b->reasoning_tokens, 0 },
				   { &b->total_tokens, 0 },      { &b->prompt_costs, 0 },
				   { &b->completion_costs, 0 },  { &b->total_costs, 0 } };
	struct origin *origins = read_origins(b);
	unsigned char project_id[16];
	struct buf words;

	uuid_bytes(project, project_id);
	buf_init(&words, b->arena, 1024);
	for (int i = 0; i < b->taken; i++) {
		size_t n, at = parent_ids.at;
		const char *p = vector_next(&b->parent_ids, &at, &n);
		const struct origin *origin;

		add_uuid(out, project_id);
		buf_add(out, vector_next(trace_ids.of, &trace_ids.at, &n), 16);
		move_number(out, &span_ids, 8);
		move_number(out, &parent_ids, 8);
		buf_char(out, p != NULL);
		add_number(out, batch, 8);
		at = start_ns.at;
		buf_char(out,
			 (char)(kept->classes[place_of(kept, day_of(vector_next(start_ns.of, &at, &n)))] -
				'0'));
		move_number(out, &start_ns, 8);
		move_number(out, &duration_ns, 8);
		move_number(out, &kinds, 1);
		move_number(out, &statuses, 1);
		move_number(out, &flags, 1);
		at = counts[0].at;
		buf_char(out, vector_next(counts[0].of, &at, &n) != NULL);
		move_text(out, &names);
		move_text(out, &services);
		move_text(out, &scopes);
		move_text(out, &scope_versions);
		move_text(out, &trace_states);
		move_text(out, &status_messages);
		move_text(out, &models);
		move_text(out, &session_ids);
		move_text(out, &tags);
		for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++)
			move_number(out, &counts[c], 8);
		words.n = 0;
		p = vector_next(attributes.of, &attributes.at, &n);
		add_text(out, p, n);
		add_words(b->arena, &words, p, n);
		p = vector_next(resources.of, &resources.at, &n);
		origin = &origins[wire_int4(p, 4)];
		add_text(out, origin->attributes, origin->n);
		buf_add(&words, origin->words.p, origin->words.n);
		move_text(out, &events);
		move_text(out, &links);
		add_length(out, words.n / 8);
		buf_add(out, words.p, words.n);
	}
}
