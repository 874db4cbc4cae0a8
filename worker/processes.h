/*
 * The processes of a worker: children that run jobs, the lanes of some queues,
 * and the host's notifier.
 */
#ifndef WORKER_PROCESSES_H
#define WORKER_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/options.h"

/*
 * Make the sockets and all processes.
 *
 * in_child     called in each new process first, to let go of what is the master's
 * ended        called for each child that runs jobs when it has ended, with the
 *              number of the portion that it had in hand (0: none) and why, for people
 *
 * false: it cannot be done, which was logged.
 */
bool processes_start(const struct worker_options *options, void (*in_child)(void),
		     void (*ended)(uint64_t portion, const char *why));

/* Reap who has ended, respawn whose time has come. */
void processes_care(void);

/* Send a portion to whichever child takes it first; false: the socket is full. */
bool processes_send(const void *portion, size_t size);

/* Take a sent portion back that no child has taken yet: its number, 0 when there is none. */
uint64_t processes_take_back(void);

/* Is there no portion on the way to the children? */
bool processes_has_none_waiting(void);

/* The socket of the children's reports. */
int processes_reports(void);

int processes_children(void); /* that live and run jobs */
int processes_busy(void);     /* that have something in hand */

/* Does a child have this portion in hand?  Since when; 0: none has. */
int64_t processes_has(uint64_t number);

/* Kill the child that has this portion in hand, if it still has: ended() is called. */
void processes_kill(uint64_t number, const char *why);

/* Replace all processes, each after the job in hand. */
void processes_reload(void);

/* Let all end: after the job in hand, or at once. */
void processes_dismiss(bool at_once);
bool processes_is_gone(void);

#endif
