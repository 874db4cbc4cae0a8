/*
 * Operations as tools of assistants: which of them, what each takes, and what it
 * comes to as a request.
 *
 * Never are rows of the operator, of keys and credentials, of exports, of files'
 * content and of the dashboard's team; and of the others those that the caller's
 * credentials are for.
 */
#ifndef ASHLAR_TOOL_H
#define ASHLAR_TOOL_H

#include <stdbool.h>

#include "fcgi/route.h"
#include "lib/base/buf.h"

struct json_object;

/* What credentials are for. */
struct tool_rights {
	bool has_key;               /* a secret one */
	bool has_user;              /* a user's token */
	struct json_object *scopes; /* of the key; NULL: all */
	bool allows_writes;
};

/* May the row be a tool at all, and one of whoever has these rights? */
bool tool_is_one(const struct route *r);
bool tool_may(const struct route *r, const struct tool_rights *rights);

/* The row whose tool has that name, which is its operation id; NULL: there is none. */
const struct route *tool_find(struct arena *a, const char *name);

/* The tool, as tools/list has it. */
void tool_write(struct buf *b, const struct route *r);

/* A request: what a call comes to. */
struct tool_request {
	const struct route *route;
	const char *method, *target, *body; /* body NULL: none */
	const char *workspace, *idempotency_key, *confirmation;
	long long continue_at; /* of the answer's bytes */
};

/* Of a row's tool with its arguments.  False: *problem says what is wrong with them. */
bool tool_request(struct arena *a, const struct route *r, struct json_object *args, struct tool_request *out,
		  const char **problem);

/* The same of call_api, whose arguments name method, path, query and body. */
bool tool_call_request(struct arena *a, struct json_object *args, struct tool_request *out,
		       const char **problem);

/* Does the row change something? */
bool tool_writes(const struct route *r);

#endif
