/*
 * What bench/routes times, for so many routes of t/lib/many_routes.h: prints the
 * milliseconds of the start, of the reference and of nginx's map, the reference's
 * size, the nanoseconds of a look-up, and how many operations they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fcgi/event.h"
#include "fcgi/reference/openapi.h"
#include "fcgi/route_map.h"
#include "fcgi/router.h"
#include "t/lib/many_routes.h"

enum { MOST = 20000, ROUNDS = 7, LOOK_UPS = 400000 };

static struct route table[MOST + 1];
const struct route *const route_tables[] = { table, NULL };
const struct event events[] = { { NULL } };

static const char *paths[MOST];
static int order[LOOK_UPS];

/* Of this process's own time: what else the machine does counts only where it takes memory's. */
static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of several rounds: in each, rows are asked for in an order without a pattern. */
static double look_up_ns(int n)
{
	double rounds[ROUNDS];
	uint64_t random = 88172645463325252u;
	struct match m;
	long found = 0;

	for (int i = 0; i < LOOK_UPS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		order[i] = (int)(random % (uint64_t)n);
	}
	for (int k = 0; k < ROUNDS; k++) {
		int64_t from = cpu_ns();

		for (int i = 0; i < LOOK_UPS; i++)
			found += !router_find(table[order[i]].method, paths[order[i]], &m);
		rounds[k] = (double)(cpu_ns() - from) / LOOK_UPS;
	}
	if (found != (long)ROUNDS * LOOK_UPS)
		abort();
	qsort(rounds, ROUNDS, sizeof(*rounds), ascending);
	return rounds[ROUNDS / 2];
}

int main(int argc, char **argv)
{
	int n = argc == 2 ? atoi(argv[1]) : 0;
	int64_t begin, started, written, mapped;
	struct arena arena, memory;
	struct buf b;
	int operations = 0;
	size_t size;

	if (n < 1 || n > MOST) {
		fprintf(stderr, "%s ROUTES: 1 to %d of them\n", argv[0], MOST);
		return 2;
	}
	arena_init(&arena, 1 << 20);
	memcpy(table, many_routes(&arena, n), (size_t)(n + 1) * sizeof(*table));
	for (int i = 0; i < n; i++)
		paths[i] = many_path(&arena, &table[i]);
	begin = cpu_ns();
	router_init();
	started = cpu_ns();
	arena_init(&memory, 65536);
	buf_init(&b, &memory, 4096);
	openapi_write(&b, NULL);
	written = cpu_ns();
	size = b.n;
	route_map_write(&b);
	mapped = cpu_ns();
	for (int i = 0; i < n; i++)
		operations += surface_of(table[i].id)->versions;
	printf("%.3f %.3f %.3f %zu %.1f %d\n", (double)(started - begin) / 1e6,
	       (double)(written - started) / 1e6, (double)(mapped - written) / 1e6, size, look_up_ns(n),
	       operations);
	return 0;
}
