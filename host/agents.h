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
 * there already.  Asked are:
 *
 * instance  TENANT-NAME
 * wish      a number; what is wanted by a lower one than the last is refused
 * do        what: "start" makes what is missing, and starts its unit.  "make" is the same, and a step that
 * fails is told among the steps, and no error.  "stop".  "restart" is stop and start, with a second between.
 *           "run" starts the unit, and looks at nothing.
 *
 * One agent is dealt with by one process at a time.
 */
const char *agents_apply(struct arena *a, struct json_object *asked, struct buf *out);

#endif
