/*
 * ashlar routes: the route tables, for tests and for nginx.
 */
#include "cmd/cmd.h"

#include "fcgi/jx.h"
#include "fcgi/openapi.h"
#include "fcgi/route.h"

static const char *nginx;

static const struct cmd_option options[] = {
	{ "--nginx", NULL, &nginx, "the lines of nginx's map from path to pool, for slow routes" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"routes [--nginx]",
	"Print every route with its fields, as one JSON object a line.",
	options,
};

/* "~^/api/v[12]/app/ai/[^/]+/run/?$ slow;": all versions and the unversioned path of a route. */
static void print_pattern(const struct route *r)
{
	int versions = surface_of(r->id)->versions;
	const char *p = r->path, *pool = r->flags & REALTIME ? "realtime" : r->flags & SLOW ? "slow" : NULL;

	if (!pool)
		return;
	fputs("~^", stdout);
	if (versions > 1 && !strncmp(p, "/api/v1/", 8)) {
		printf("/api/(v[1-%d]/)?", versions);
		p += 8;
	}
	while (*p) {
		if (*p == '{') {
			fputs("[^/]+", stdout);
			p = strchr(p, '}') + 1;
			continue;
		}
		if (strchr(".+*?()[]^$|\\", *p))
			putchar('\\');
		putchar(*p++);
	}
	printf("/?$ %s;\n", pool);
}

int cmd_routes(int argc, char **argv)
{
	const struct route *r;
	struct arena a;
	struct buf b;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	arena_init(&a, 65536);
	buf_init(&b, &a, 4096);
	for (int i = 0; (r = route_at(i)); i++) {
		if (nginx) {
			print_pattern(r);
			continue;
		}
		b.n = 0;
		openapi_route(&b, r);
		puts(buf_str(&b));
	}
	arena_release(&a);
	return 0;
}
