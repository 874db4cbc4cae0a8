/*
 * A child: takes one request after the other, one at a time, until told to stop.
 */
#ifndef ASHLAR_CHILD_H
#define ASHLAR_CHILD_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/host/scoreboard.h"

/*
 * Serve requests from the listening socket socket_fd; does not return.
 *
 * SIGTERM: stop after the request in hand.  SIGQUIT: stop when no client waits
 * any more.  Both stay blocked but while the child waits for work.
 *
 * ends_at_ns: in memory that the master shares, when a handler that waits for
 * others has to come to its end, by clock_ns(); 0: not at all.
 */
_Noreturn void child_run(int socket_fd, struct scoreboard_child *slot, const _Atomic int64_t *ends_at_ns);

#endif
