/*
 * A child of the worker: runs one portion of jobs after the other.
 */
#ifndef WORKER_CHILD_H
#define WORKER_CHILD_H

#include "lib/host/scoreboard.h"
#include "worker/wire.h"

/*
 * Be a child: take portions from one socket, report on the other, and keep slot
 * (what is in hand) and line (that something is) true.  Ends the process: after
 * SIGTERM, behind the portion in hand, or after MAX_REQUESTS of them.
 */
_Noreturn void worker_child(int jobs_fd, int reports_fd, struct worker_slot *slot,
			    struct scoreboard_child *line);

#endif
