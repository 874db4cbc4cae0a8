/*
 * A client of the Model Context Protocol (revision 2025-06-18,
 * https://modelcontextprotocol.io/specification): the tools of somebody's server, over
 * streamable HTTP, or the older transport (mcp_sse.h).
 *
 * The server's address is a user's, so it is asked under the guard for such.  What it
 * says goes to a model, so it is bounded, and where it was cut it says so.
 */
#ifndef PROVIDERS_MCP_H
#define PROVIDERS_MCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

enum {
	MCP_MAX_TOOLS = 64,         /* of one server; further ones are left out */
	MCP_MAX_ANSWER = 1 << 20,   /* bytes of an answer that are read */
	MCP_MAX_TEXT = 64 * 1024,   /* bytes of a tool's result that are handed on */
	MCP_MAX_SCHEMA = 32 * 1024, /* bytes of a tool's schema; one with more is left out */
	MCP_CALL_MS = 20000,        /* one call */
};

struct mcp_tool {
	const char *name, *about; /* about may be NULL */
	const char *schema;       /* of its arguments, a JSON schema */
};

struct mcp_server {
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated, or NULL */
	bool is_sse;                /* it speaks the older transport */
	/* Asked a few times a second: does somebody still want what is waited for?  NULL: yes. */
	bool (*is_wanted)(void *to);
	void *to;
};

/* A session with a server; all that is in it is the arena's. */
struct mcp {
	struct arena *arena;
	const struct mcp_server *server;
	struct mcp_sse *sse; /* NULL: streamable HTTP */
	int64_t deadline_ns; /* clock_ns(), of the whole session */
	const char *session; /* what the server calls it; NULL: nothing */
	const char *version; /* the revision that both speak */
	long long calls;
	const char *reason; /* why the last call failed, for people; no secret */
};

/*
 * Begin a session: introduce us.  server is borrowed.
 *
 * False: it cannot be reached, or speaks no revision that we do; reason says why.
 */
bool mcp_open(struct mcp *m, struct arena *a, const struct mcp_server *server, int64_t deadline_ns);

/* Which tools it has, at most max.  How many; -1: it did not say, and reason why. */
int mcp_list(struct mcp *m, struct mcp_tool *out, int max);

/*
 * Call a tool with arguments, a JSON object.  What it says is appended to out, as text
 * for a model, of at most MCP_MAX_TEXT bytes and a note; also where it fails.
 *
 * False: it says that it failed, or there was no answer.
 */
bool mcp_call(struct mcp *m, const char *tool, const char *arguments, struct buf *out);

/* End the session, if the server wants to be told.  It takes a second at most. */
void mcp_close(struct mcp *m);

#endif
