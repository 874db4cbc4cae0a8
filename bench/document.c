/*
 * The reference of a product with so many endpoints, for bench/viewers: what "ashlar openapi" would print.
 *
 * The resources of t/lib/many_routes.h, shared out between the surfaces as the contract's endpoints
 * are: one of them has three fifths of all.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/event.h"
#include "fcgi/reference/openapi.h"
#include "fcgi/router.h"
#include "fcgi/surface.h"
#include "t/lib/many_routes.h"

enum { MOST = 20000 };

static struct route table[MOST + 1];
const struct route *const route_tables[] = { table, NULL };
const struct event events[] = { { NULL } };

/* Of 175 resources, in the order of many_surfaces. */
static const int shares[] = { 10, 25, 105, 26, 9 };

int main(int argc, char **argv)
{
	const struct surface *surface = argc == 3 ? surface_find(argv[2]) : NULL;
	int n = argc > 1 ? atoi(argv[1]) : 0, made = 0;
	struct arena arena, memory;
	struct buf b;

	if (n < MANY_EACH || n > MOST || argc > 3 || (argc == 3 && !surface)) {
		fprintf(stderr, "%s ROUTES [SURFACE]: %d to %d of them\n", argv[0], MANY_EACH, MOST);
		return 2;
	}
	arena_init(&arena, 1 << 20);
	for (int i = 0; made + MANY_EACH <= n; i++)
		for (int s = 0; s < 5; s++)
			if (i % 105 < shares[s] && made + MANY_EACH <= n) {
				many_resource(&arena, table + made, 5 * i + s);
				made += MANY_EACH;
			}
	table[made] = (struct route)ROUTE_END;
	router_init();
	arena_init(&memory, 65536);
	buf_init(&b, &memory, 65536);
	openapi_write(&b, surface);
	fwrite(b.p, 1, b.n, stdout);
	putchar('\n');
	return 0;
}
