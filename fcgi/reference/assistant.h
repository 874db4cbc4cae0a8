/*
 * The Model Context Protocol (2025-03-26 to 2025-11-25): what assistants ask of this
 * program, and what it answers.  How a message comes and an answer goes is its
 * caller's affair: `ashlar mcp` has a pipe, handlers/ops/mcp.c has HTTP.
 *
 * There is no session: each message is answered by itself.
 */
#ifndef ASHLAR_ASSISTANT_H
#define ASHLAR_ASSISTANT_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/reference/tool.h"
#include "lib/base/buf.h"

/* The versions that are spoken, the newest first; NULL-terminated. */
extern const char *const assistant_versions[];

struct assistant_reply {
	int status; /* 0: there was none */
	const char *request_id, *body;
	size_t n;
};

/* What somebody has said to a question. */
enum assistant_word { ASSISTANT_UNASKED, ASSISTANT_YES, ASSISTANT_NO };

/* Who sends requests for an assistant, with whatever credentials it was given. */
struct assistant_host {
	/* Ask, and wait for the answer; its texts are the arena's.  False: nobody answered, and the reply's
	 * body says why. */
	bool (*send)(void *to, struct arena *a, const struct tool_request *ask, struct assistant_reply *out);
	void *to;
	const char
		*who; /* a text that only these credentials have: what was confirmed is confirmed for them */
	const unsigned char *key; /* SECRET_BYTES, which sign confirmations */
	bool allows_writes;       /* whatever the key was made for */
	bool allows_deletes;      /* without confirmation */
	/*
	 * Ask the person whether that is meant (elicitation, 2025-06-18), and wait for what they say.
	 * ASSISTANT_UNASKED: they cannot be asked, so that a second call has to confirm it, as where this is
	 * NULL.
	 */
	enum assistant_word (*ask)(void *to, struct arena *a, const char *question);
};

struct assistant {
	struct arena *arena;
	const char *version; /* of assistant_versions: what the client has said it speaks; NULL: it has not */
	const struct assistant_host *host; /* NULL: there are no credentials, and so nothing to call */

	/* what has been found out about the credentials */
	bool has_asked;
	struct tool_rights rights;
	const char *refusal; /* why they are no good; NULL: they are */
};

/* Is it one of assistant_versions?  Returns that, or NULL. */
const char *assistant_version(const char *text);

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
enum err assistant_answer(struct assistant *mcp, const char *text, size_t n, struct buf *out,
			  const char **problem);

/* Operations as tools (assistant_call.c) */

/* Find out what the credentials are for, once.  False: they open nothing. */
bool assistant_rights(struct assistant *mcp);

/*
 * Append the operations' tools from the from-th on, at most so many, each behind a comma unless the array was
 * just opened.  Returns where the next ones begin; 0: there are none.
 */
long assistant_list_calls(struct assistant *mcp, struct buf *b, long from, int most);

/*
 * Call a tool of those.  text: what the model is told; *is_error: that it failed.  False: there is no such
 * tool for these credentials.
 */
bool assistant_call(struct assistant *mcp, const char *name, struct json_object *args, struct buf *text,
		    bool *is_error);

#endif
