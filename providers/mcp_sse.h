/*
 * The older transport of the Model Context Protocol, HTTP with server-sent events
 * (revision 2024-11-05): a stream of the server's stays open, names where messages go,
 * and what those are answered with comes over it.
 *
 * The address where messages go is the server's word, and so has to be of its own
 * origin, and is asked under the guard for users' addresses, too.
 */
#ifndef PROVIDERS_MCP_SSE_H
#define PROVIDERS_MCP_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"

struct mcp_sse;

/* What is asked for, and for how long somebody waits. */
struct mcp_sse_call {
	const char *p; /* a message */
	size_t n;
	/* Given each message of the server's, until it says false: that was the answer.  NULL: none is waited
	 * for. */
	bool (*take)(void *to, const char *p, size_t n);
	void *to;
	long timeout_ms;
};

/*
 * Open the stream, and wait until it has said where messages go.
 *
 * url, headers  borrowed; "Name: value", NULL-terminated, or NULL
 * max_message   bytes of one of the server's
 * is_wanted     asked a few times a second; false ends the wait.  Or NULL
 * reason        set where it fails: why, for people, without a secret
 *
 * NULL: it fails.  Whoever has no use for it any more closes it; the arena's end does, too.
 */
struct mcp_sse *mcp_sse_open(struct arena *a, const char *url, const char *const *headers, size_t max_message,
			     int64_t deadline_ns, bool (*is_wanted)(void *to), void *to, const char **reason);

/*
 * Send a message, and wait for its answer, or until it is accepted.  False: neither came; *cut is the
 * beginning of an answer that was too long, of *cut_n bytes, or NULL.  Behind such a one nothing more comes.
 */
bool mcp_sse_ask(struct mcp_sse *s, const struct mcp_sse_call *call, const char **reason, const char **cut,
		 size_t *cut_n);

void mcp_sse_close(struct mcp_sse *s);

#endif
