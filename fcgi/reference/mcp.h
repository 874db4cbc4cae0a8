/*
 * The Model Context Protocol (2025-03-26 to 2025-11-25): what assistants ask of this
 * program, and what it answers.  How a message comes and an answer goes is its
 * caller's affair: `ashlar mcp` has a pipe, handlers/ops/mcp.c has HTTP.
 *
 * There is no session: each message is answered by itself.
 */
#ifndef ASHLAR_MCP_H
#define ASHLAR_MCP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

/* The versions that are spoken, the newest first; NULL-terminated. */
extern const char *const mcp_versions[];

struct mcp {
	struct arena *arena;
	const char *version; /* of mcp_versions: what the client has said it speaks; NULL: it has not */
};

/* Is it one of mcp_versions?  Returns that, or NULL. */
const char *mcp_version(const char *text);

/*
 * Answer a message, or several in an array, as the versions before 2025-06-18 have it.
 *
 * out      the answer is appended, in one line
 * problem  when refused: what is wrong
 *
 * ERR_OK; ERR_NOT_FOUND: there is nothing to answer, since nothing was asked;
 * ERR_BAD_REQUEST: no JSON, no message, or an array in a version that has none.
 * What is wrong with a message by itself is an answer.
 */
enum err mcp_answer(struct mcp *mcp, const char *text, size_t n, struct buf *out, const char **problem);

#endif
