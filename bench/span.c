/*
 * For bench/spans: what a span takes, by itself.  Prints medians in nanoseconds: of a span where there are no
 * traces, of one in a trace that is not recorded, of a query's and of a request's that are, of a request's
 * where its memory was not in the cache, of one that finds no room, and of taking one out again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/route.h"
#include "lib/base/clock.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "lib/host/span.h"
#include "lib/host/span_ring.h"

enum { ROUNDS = 400, TIMES = 512, OTHER = 1 << 20, LINE = 64 };

const struct route *const route_tables[] = { NULL };

static char other[OTHER];
static int64_t took[ROUNDS];

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void query(void)
{
	struct span s;

	if (!span_begin(&s, SPAN_CLIENT, "project_list"))
		return;
	span_text(&s, SPAN_DB_SYSTEM, "postgresql");
	span_text(&s, SPAN_DB_SUMMARY, "project_list");
	span_text(&s, SPAN_DB_NAMESPACE, "ashlar");
	span_end(&s);
}

static void request(void)
{
	static const struct trace_context parent = { .trace = { 1 }, .span = { 2 }, .is_sampled = true };
	struct span s;

	span_enter(&s, SPAN_SERVER, &parent, NULL);
	span_text(&s, SPAN_HTTP_METHOD, "GET");
	span_text(&s, SPAN_HTTP_ROUTE, "/api/v1/app/projects/{project_id}");
	span_text(&s, SPAN_URL_PATH, "/api/v1/app/projects/01920000-0000-7000-8000-000000000001");
	span_number(&s, SPAN_HTTP_STATUS, 200);
	span_text(&s, SPAN_TENANT, "00000000-0000-7000-8000-000000000001");
	span_text(&s, SPAN_URL_SCHEME, "https");
	span_text(&s, SPAN_SERVER_ADDRESS, "api.example.com");
	span_number(&s, SPAN_SERVER_PORT, 443);
	span_leave(&s, "GET /api/v1/app/projects/{project_id}");
}

static void take(void)
{
	struct span s;

	span_ring_take(&s, 0);
}

static void drain(void)
{
	struct span s;

	while (span_ring_take(&s, 0))
		;
}

static double median(void)
{
	qsort(took, ROUNDS, sizeof(*took), compare);
	return (double)took[ROUNDS / 2];
}

/* Each of them, in rounds that are short enough for the ring. */
static double each(void (*what)(void), void (*before)(void), void (*after)(void))
{
	for (int round = 0; round < ROUNDS; round++) {
		int64_t from;

		for (int i = 0; before && i < TIMES; i++)
			before();
		from = clock_ns();
		for (int i = 0; i < TIMES; i++)
			what();
		took[round] = clock_ns() - from;
		if (after)
			after();
	}
	return median() / TIMES;
}

static double cold(void (*what)(void))
{
	int64_t clock;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t from = clock_ns();

		took[round] = clock_ns() - from;
	}
	clock = (int64_t)median();
	for (int round = 0; round < ROUNDS; round++) {
		int64_t from;

		for (int k = 0; k < OTHER; k += LINE)
			other[k]++;
		from = clock_ns();
		what();
		took[round] = clock_ns() - from - clock;
		drain();
	}
	return median();
}

static void begin_trace(bool is_recorded)
{
	static struct span root;
	const struct trace_context parent = { .trace = { 1 }, .span = { 2 }, .is_sampled = is_recorded };

	span_enter(&root, SPAN_SERVER, &parent, NULL);
}

int main(void)
{
	cfg.otel_traces_sampler = "parentbased_always_on";
	cfg.otel_traces_sampler_arg = "";
	cfg.otel_traces_exporter = "otlp";
	if (shm_map(NULL, 1))
		return 1;
	span_init("api-main");
	printf("off %.1f\n", each(query, NULL, NULL));
	cfg.otel_enabled = true;
	span_init("api-main");
	begin_trace(false);
	printf("unsampled %.1f\n", each(query, NULL, NULL));
	begin_trace(true);
	printf("query %.1f\n", each(query, NULL, drain));
	printf("request %.1f\n", each(request, NULL, drain));
	printf("cold %.1f\n", cold(request));
	begin_trace(true);
	printf("take %.1f\n", each(take, query, NULL));
	for (int i = 0; i < SPAN_SLOTS; i++)
		query();
	printf("full %.1f\n", each(query, NULL, NULL));
	return 0;
}
