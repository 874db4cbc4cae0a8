/*
 * ashlar mcp: the Model Context Protocol over standard input and output, for assistants
 * that start it themselves.  What they call goes to a server over HTTP, as from any
 * other client.
 */
#include "cmd/cmd.h"

#include <json-c/json.h>

#include "cmd/remote.h"
#include "fcgi/reference/assistant.h"
#include "fcgi/router.h"
#include "lib/base/json.h"
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

/* What the client has said, a line each; what came while an answer of its own was waited for comes first. */

struct line {
	struct line *next;
	size_t n;
	char text[];
};

static struct line *kept, **last_kept = &kept;

static void keep(const char *text, size_t n)
{
	struct line *l = malloc(sizeof(*l) + n + 1);

	if (!l)
		cmd_die("no memory");
	*l = (struct line){ .n = n };
	memcpy(l->text, text, n + 1);
	*last_kept = l;
	last_kept = &l->next;
}

/* The next line of standard input, until the next call; -1: it has ended. */
static ssize_t read_line(const char **line)
{
	static char *text;
	static size_t cap;
	ssize_t n;

	do
		n = getline(&text, &cap, stdin);
	while (n >= 0 && strspn(text, " \t\r\n") == (size_t)n);
	if (n > LINE_MOST)
		cmd_die("a message of more than %d bytes", LINE_MOST);
	*line = text;
	return n;
}

static void say(const char *p, size_t n)
{
	if (fwrite(p, 1, n, stdout) != n || fputc('\n', stdout) == EOF || fflush(stdout))
		exit(1); /* whoever asked has gone */
}

/* Asking the person (elicitation) */

static bool may_ask; /* the client has said that it can */
static unsigned asked;

/* Of a client that introduces itself, whether the person there can be asked: by a form, which is what an
 * empty object means, too. */
static void note_client(struct arena *a, const char *line, size_t n)
{
	struct json_object *o, *can;
	const char *problem, *method;

	if (!memmem(line, n, "\"initialize\"", strlen("\"initialize\"")) ||
	    json_read(a, line, n, &o, &problem))
		return;
	method = json_text(json_at(o, "method", NULL), 64);
	if (!method || strcmp(method, "initialize") != 0)
		return;
	can = json_at(json_at(o, "params", "capabilities"), "elicitation", NULL);
	may_ask = json_object_is_type(can, json_type_object) &&
		  (!json_object_object_length(can) || json_at(can, "form", NULL));
}

/* Is it the answer to that?  *out is what was said. */
static bool is_answer(struct arena *a, const char *line, size_t n, const char *id, enum assistant_word *out)
{
	struct json_object *o;
	const char *problem, *of, *action;

	if (!memmem(line, n, id, strlen(id)) || json_read(a, line, n, &o, &problem) ||
	    json_at(o, "method", NULL))
		return false;
	of = json_text(json_at(o, "id", NULL), 64);
	if (!of || strcmp(of, id) != 0)
		return false;
	action = json_text(json_at(o, "result", "action"), 32);
	*out = !json_at(o, "result", NULL) ? ASSISTANT_UNASKED
	       : action && !strcmp(action, "accept") &&
			       json_object_get_boolean(
				       json_at(json_at(o, "result", "content"), "delete", NULL))
		       ? ASSISTANT_YES
		       : ASSISTANT_NO;
	return true;
}

static enum assistant_word ask_person(void *to, struct arena *a, const char *question)
{
	const char *id = arena_fmt(a, "ashlar-%u", ++asked), *line;
	enum assistant_word word;
	struct buf b;
	ssize_t n;

	(void)to;
	if (!may_ask)
		return ASSISTANT_UNASKED;
	buf_init(&b, a, 1024);
	buf_text(&b, "{\"jsonrpc\":\"2.0\",\"id\":");
	jx_str(&b, id);
	buf_text(&b, ",\"method\":\"elicitation/create\",\"params\":{\"message\":");
	jx_str(&b, question);
	buf_text(&b,
		 ",\"requestedSchema\":{\"type\":\"object\",\"properties\":{\"delete\":{\"type\":\"boolean\","
		 "\"title\":\"Delete it\",\"default\":false}},\"required\":[\"delete\"]}}}");
	say(b.p, b.n);
	while ((n = read_line(&line)) >= 0) {
		if (is_answer(a, line, (size_t)n, id, &word))
			return word;
		keep(line, (size_t)n);
	}
	exit(0); /* the client has gone, and so has whoever would know of the answer */
}

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

	note_client(a, line, n);
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
	say(out.p, out.n);
}

static void answer_kept(struct arena *a, const struct assistant_host *host)
{
	while (kept) {
		struct line *l = kept;

		kept = l->next;
		if (!kept)
			last_kept = &kept;
		arena_reset(a);
		answer(a, host, l->text, l->n);
		free(l);
	}
}

int cmd_mcp(int argc, char **argv)
{
	unsigned char key[SECRET_BYTES];
	struct remote *remote;
	struct assistant_host host = { .send = send_out, .ask = ask_person, .key = key, .who = "" };
	const struct assistant_host *credentials;
	const char *line;
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
	credentials = remote_has_credentials(remote) ? &host : NULL;
	while ((n = read_line(&line)) >= 0) {
		arena_init(&a, 65536);
		answer(&a, credentials, line, (size_t)n);
		answer_kept(&a, credentials);
		arena_release(&a);
	}
	return 0;
}
