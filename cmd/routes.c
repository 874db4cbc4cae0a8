/*
 * ashlar routes: the route tables, for tests and for nginx.
 */
#include "cmd/cmd.h"

#include "fcgi/jx.h"
#include "fcgi/openapi.h"
#include "fcgi/route.h"
#include "fcgi/route_map.h"

static const char *nginx;

static const struct cmd_option options[] = {
	{ "--nginx", NULL, &nginx, "the lines of nginx's map from request to pool, but for the pool main" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"routes [--nginx]",
	"Print every route with its fields, as one JSON object a line.",
	options,
};

int cmd_routes(int argc, char **argv)
{
	const struct route *r;
	struct arena a;
	struct buf b;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	arena_init(&a, 65536);
	buf_init(&b, &a, 4096);
	if (nginx) {
		router_init();
		route_map_write(&b);
		fputs(buf_str(&b), stdout);
	}
	for (int i = 0; !nginx && (r = route_at(i)); i++) {
		b.n = 0;
		openapi_route(&b, r);
		puts(buf_str(&b));
	}
	arena_release(&a);
	return 0;
}
