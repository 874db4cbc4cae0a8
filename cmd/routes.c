/*
 * ashlar routes: the route tables, for tests, for nginx and for the guide.
 */
#include "cmd/cmd.h"

#include "fcgi/reference/openapi.h"
#include "fcgi/route_map.h"
#include "fcgi/router.h"
#include "lib/base/jx.h"

static const char *nginx, *nginx_log, *limits;

static const struct cmd_option options[] = {
	{ "--nginx", NULL, &nginx, "the lines of nginx's map from request to pool, but for the pool main" },
	{ "--nginx-log", NULL, &nginx_log,
	  "the lines of nginx's map from a request to the path that it logs" },
	{ "--limits", NULL, &limits,
	  "what holds of each: method, path, bytes of a body, the setting of how often a minute" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"routes [--nginx | --nginx-log | --limits]",
	"Print every route with its fields, as one JSON object a line.",
	options,
};

/* A literal's characters, as a regular expression in quotes. */
static void print_literal(const char *p, size_t n)
{
	for (; n; p++, n--) {
		if (strchr(".+*?()[]^$|\\", *p))
			putchar('\\');
		putchar(*p);
	}
}

/*
 * "~^(?<ashlar_0>/(?:api/)?(?:v[0-9]/)?invitations/)[^/?]+(?<ashlar_1>[^?]*)"
 * "$ashlar_0{invitation_token}$ashlar_1";: whatever name the path goes by, and
 * whatever is below it.
 */
static void print_log_path(const struct route *r)
{
	const char *p = r->path;
	int n = route_params(r), secrets = 0;

	for (int i = 0; i < n; i++)
		secrets += route_param_is_secret(r, i);
	if (!secrets)
		return;
	p += strncmp(p, "/api/", 5) ? 1 : 5;
	p += p[0] == 'v' && p[1] >= '0' && p[1] <= '9' && p[2] == '/' ? 3 : 0;
	fputs("\"~^(?<ashlar_0>/(?:api/)?(?:v[0-9]/)?", stdout);
	for (int i = 0, part = 0; i < n; i++) {
		size_t literal = strcspn(p, "{"), name = strcspn(p + literal, "}") + 1;

		print_literal(p, literal);
		if (route_param_is_secret(r, i))
			printf(")[^/?]+(?<ashlar_%d>", ++part);
		else
			fputs("[^/?]+", stdout);
		p += literal + name;
	}
	fputs("[^?]*)\" \"$ashlar_0", stdout);
	for (int i = 0, part = 0; i < n; i++)
		if (route_param_is_secret(r, i))
			printf("{%s}$ashlar_%d", route_param(r, i).name, ++part);
	puts("\";");
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
	if (nginx) {
		cmd_config(); /* .slow_if */
		router_init();
		route_map_write(&b);
		fputs(buf_str(&b), stdout);
	}
	for (int i = 0; !nginx && (r = route_at(i)); i++) {
		if (nginx_log) {
			print_log_path(r);
			continue;
		}
		if (r->flags & LINK)
			continue;
		if (limits) {
			printf("%s\t%s\t%zu\t%s\n", method_name(r->method), r->path, route_max_body(r),
			       route_budget(r)->setting);
			continue;
		}
		b.n = 0;
		openapi_route(&b, r);
		puts(buf_str(&b));
	}
	arena_release(&a);
	return 0;
}
