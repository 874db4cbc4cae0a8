/*
 * Any bytes as an OTLP request of spans and one of log records, in either encoding, and as gzip: what is
 * taken is whole, whatever was refused beside it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/traces/otlp.h"
#include "lib/base/gunzip.h"
#include "lib/base/json_pull.h"
#include "lib/base/utf8.h"
#include "lib/db/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is_json(struct arena *a, const char *p, size_t n)
{
	struct json_pull r;

	json_pull_init(&r, a, p, n);
	json_pull_skip(&r);
	return json_pull_end(&r);
}

/* As many elements as spans were taken, each of them something that PostgreSQL takes. */
static void check(struct arena *a, struct vector *v, int n)
{
	const char *p = v->b.p + 20, *end = v->b.p + v->b.n;

	if (v->n != n)
		abort();
	for (int i = 0; i < n; i++) {
		int size;

		if (end - p < 4)
			abort();
		size = wire_int4(p, 4);
		p += 4;
		if (size < -1 || size > end - p || (size < 0 && !v->has_null))
			abort();
		if (size < 0)
			continue;
		if ((v->oid == TEXT || v->oid == JSONB) &&
		    (!utf8_valid(p, (size_t)size) || memchr(p, 0, (size_t)size)))
			abort();
		if (v->oid == JSONB && (*p != 1 || !is_json(a, p + 1, (size_t)size - 1)))
			abort();
		p += size;
	}
	if (p != end)
		abort();
}

static void check_records(struct arena *a, struct otlp_batch *b)
{
	struct vector *columns[] = {
		&b->trace_ids,  &b->span_ids,       &b->time_ns,     &b->observed_ns,    &b->digests,
		&b->severities, &b->severity_texts, &b->event_names, &b->bodies,         &b->attributes,
		&b->resources,  &b->services,       &b->scopes,      &b->scope_versions, &b->flags,
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		check(a, columns[i], b->taken);
	check(a, &b->resource_attributes, b->resource_attributes.n);
	otlp_batch_problem(b);
}

static void check_all(struct arena *a, struct otlp_batch *b)
{
	struct vector *columns[] = {
		&b->trace_ids,
		&b->span_ids,
		&b->parent_ids,
		&b->names,
		&b->kinds,
		&b->services,
		&b->scopes,
		&b->scope_versions,
		&b->trace_states,
		&b->start_ns,
		&b->duration_ns,
		&b->statuses,
		&b->status_messages,
		&b->attributes,
		&b->resources,
		&b->events,
		&b->links,
		&b->models,
		&b->prompt_tokens,
		&b->completion_tokens,
		&b->cache_read_tokens,
		&b->reasoning_tokens,
		&b->total_tokens,
		&b->prompt_costs,
		&b->completion_costs,
		&b->total_costs,
		&b->tags,
		&b->session_ids,
		&b->flags,
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		check(a, columns[i], b->taken);
	check(a, &b->resource_attributes, b->resource_attributes.n);
	otlp_batch_problem(b);
}

static void read_as(struct arena *a, enum otlp_signal signal, enum otlp_encoding encoding, const char *p,
		    size_t n)
{
	struct otlp_batch *b = otlp_batch_new(a, n, 0, INT64_MAX);
	const char *problem = NULL;

	b->signal = signal;
	if (otlp_read(b, encoding, p, n, &problem)) {
		if (!problem)
			abort();
	} else if (signal == OTLP_RECORDS) {
		check_records(a, b);
	} else {
		check_all(a, b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data, *problem;
	struct arena a;
	char *out;
	size_t out_n;

	arena_init(&a, 65536);
	if (n > 2 && data[0] == 0x1f && data[1] == 0x8b &&
	    !gunzip(&a, p, n, 1 << 20, &out, &out_n, &problem)) {
		p = out;
		n = out_n;
	}
	for (int signal = OTLP_SPANS; signal <= OTLP_RECORDS; signal++)
		read_as(&a, signal, n && (*p == '{' || *p == ' ') ? OTLP_JSON : OTLP_PROTOBUF, p, n);
	arena_release(&a);
	return 0;
}
