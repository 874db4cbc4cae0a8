/*
 * ashlar openapi: the API reference as data.
 */
#include "cmd/cmd.h"

#include "fcgi/reference/openapi.h"

static const struct cmd_usage usage = {
	"openapi",
	"Print the OpenAPI 3.1 document of all routes, made from the route tables.",
	NULL,
};

int cmd_openapi(int argc, char **argv)
{
	struct arena a;
	struct buf b;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	arena_init(&a, 65536);
	buf_init(&b, &a, 65536);
	openapi_write(&b);
	fwrite(b.p, 1, b.n, stdout);
	putchar('\n');
	arena_release(&a);
	return ferror(stdout) ? 1 : 0;
}
