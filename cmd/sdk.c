/*
 * ashlar sdk: clients of the API.
 */
#include "cmd/cmd.h"

#include "fcgi/reference/tell.h"
#include "fcgi/router.h"

static const struct cmd_usage usage = {
	"sdk template",
	"Print a client of the end users' operations: one file of JavaScript without dependencies,\n"
	"for pages and for servers.",
	NULL,
};

int cmd_sdk(int argc, char **argv)
{
	const char *verb;
	int operand = cmd_verb(&usage, argc, argv, &verb);
	struct arena a;
	struct buf b;

	if (!verb || strcmp(verb, "template") != 0)
		cmd_misuse(&usage, "the one thing it can do is \"template\"");
	if (operand < argc)
		cmd_misuse(&usage, "unexpected \"%s\"", argv[operand]);
	router_init();
	arena_init(&a, 65536);
	buf_init(&b, &a, 65536);
	tell_template(&b);
	fwrite(b.p, 1, b.n, stdout);
	arena_release(&a);
	return ferror(stdout) ? 1 : 0;
}
