/*
 * ashlar openapi: the API reference as data.
 */
#include "cmd/cmd.h"

#include "fcgi/reference/openapi.h"

static const char *name;

static const struct cmd_option options[] = {
	{ "--surface", "NAME", &name,
	  "only what this one has: app, platform, workspace, operations or observability" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"openapi [--surface NAME]",
	"Print the OpenAPI 3.1 document of all routes, made from the route tables.",
	options,
};

int cmd_openapi(int argc, char **argv)
{
	const struct surface *surface = NULL;
	struct arena a;
	struct buf b;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	if (name && !(surface = surface_find(name)))
		cmd_misuse(&usage, "--surface: there is no %s", name);
	arena_init(&a, 65536);
	buf_init(&b, &a, 65536);
	openapi_write(&b, surface);
	fwrite(b.p, 1, b.n, stdout);
	putchar('\n');
	arena_release(&a);
	return ferror(stdout) ? 1 : 0;
}
