/*
 * What an agent has on this host (AGENTS_DIR): a workspace, the environment of its unit, and that it is to
 * stand still.
 */
#ifndef HOST_AGENTS_H
#define HOST_AGENTS_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

struct json_object;

/*
 * A verb (host_verbs.h), agents.apply: carry out what is wanted of an agent, all of it, whatever of that is
 *there already.
 *
 *	do        "start": make what is missing, and start its unit; "make": the same, and a step that fails
 *is told among the steps, and no error; "stop"; "restart": stop and start, with a second between instance
 *TENANT-NAME wish      a number; what is wanted by a lower one than the last is refused
 *
 * One agent is dealt with by one process at a time.
 */
const char *agents_apply(struct arena *a, struct json_object *asked, struct buf *out);

#endif
