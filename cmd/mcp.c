/*
 * ashlar mcp: the Model Context Protocol over standard input and output, for assistants
 * that start it themselves.  What they call goes to a server over HTTP, as from any
 * other client.
 */
#include "cmd/cmd.h"

#include "cmd/remote.h"
#include "fcgi/reference/assistant.h"
#include "fcgi/router.h"
#include "lib/base/jx.h"
#include "lib/crypto/secret.h"

enum { LINE_MOST = 1 << 20 };

static const char *writes, *deletes;

static const struct cmd_option options[] = {
	REMOTE_OPTIONS,
	{ "--allow-writes", NULL, &writes, "operations that change something, too" },
	{ "--allow-deletes", NULL, &deletes, "deletes without a second call that confirms them" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"mcp [--profile NAME] [--url URL] [--allow-writes [--allow-deletes]]",
	"Answer messages of the Model Context Protocol, a line each, until standard input ends:\n"
	"tools that describe the API, the guide's pages, and prompts.  With the key or the session\n"
	"of a profile (ashlar login), or with ASHLAR_API_KEY or ASHLAR_TOKEN, also the operations that these "
	"are for.",
	options,
};

static bool send_out(void *to, struct arena *a, const struct tool_request *ask, struct assistant_reply *out)
{
	struct remote_answer got;
	struct remote_call call = { .method = ask->method,
				    .target = ask->target,
				    .body = ask->body,
				    .workspace = ask->workspace,
				    .idempotency_key = ask->idempotency_key };

	if (!remote_call(to, a, &call, &got)) {
		*out = (struct assistant_reply){ .body = got.problem };
		return false;
	}
	*out = (struct assistant_reply){ got.status, got.request_id, got.body, got.n };
	return true;
}

static void answer(struct arena *a, const struct assistant_host *host, const char *line, size_t n)
{
	/* What a client speaks, and whether that has arrays, it says in a message; nothing is kept of it. */
	struct assistant mcp = { .arena = a, .host = host };
	const char *problem;
	struct buf out;
	enum err rc;

	buf_init(&out, a, 16384);
	rc = assistant_answer(&mcp, line, n, &out, &problem);
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
	unsigned char key[SECRET_BYTES];
	struct remote *remote;
	struct assistant_host host = { .send = send_out, .key = key, .who = "" };
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	struct arena a;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	if (deletes && !writes)
		cmd_misuse(&usage, "--allow-deletes wants --allow-writes, too");
	router_init();
	secret_random(key, sizeof(key)); /* a confirmation is of this process */
	remote = remote_open();
	host.to = remote;
	host.allows_writes = writes;
	host.allows_deletes = deletes;
	while ((n = getline(&line, &cap, stdin)) >= 0) {
		if (strspn(line, " \t\r\n") == (size_t)n)
			continue;
		if (n > LINE_MOST)
			cmd_die("a message of more than %d bytes", LINE_MOST);
		arena_init(&a, 65536);
		answer(&a, remote_has_credentials(remote) ? &host : NULL, line, (size_t)n);
		arena_release(&a);
	}
	free(line);
	return 0;
}
