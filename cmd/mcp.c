/*
 * ashlar mcp: the Model Context Protocol over standard input and output, for assistants
 * that start it themselves.
 */
#include "cmd/cmd.h"

#include "fcgi/reference/mcp.h"
#include "fcgi/router.h"
#include "lib/base/jx.h"

enum { LINE_MOST = 1 << 20 };

static const struct cmd_usage usage = {
	"mcp",
	"Answer messages of the Model Context Protocol, a line each, until standard input ends:\n"
	"tools that describe the API, the guide's pages, and prompts.",
	NULL,
};

static void answer(struct arena *a, const char *line, size_t n)
{
	/* What a client speaks, and whether that has arrays, it says in a message; nothing is kept of it. */
	struct mcp mcp = { .arena = a, .version = NULL };
	const char *problem;
	struct buf out;
	enum err rc;

	buf_init(&out, a, 16384);
	rc = mcp_answer(&mcp, line, n, &out, &problem);
	if (rc == ERR_NOT_FOUND)
		return;
	if (rc) {
		out.n = 0;
		buf_text(&out, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":");
		jx_str(&out, problem);
		buf_text(&out, "}}");
	}
	buf_char(&out, '\n');
	if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout))
		exit(1); /* whoever asked has gone */
}

int cmd_mcp(int argc, char **argv)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	struct arena a;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	router_init();
	while ((n = getline(&line, &cap, stdin)) >= 0) {
		if (strspn(line, " \t\r\n") == (size_t)n)
			continue;
		if (n > LINE_MOST)
			cmd_die("a message of more than %d bytes", LINE_MOST);
		arena_init(&a, 65536);
		answer(&a, line, (size_t)n);
		arena_release(&a);
	}
	free(line);
	return 0;
}
