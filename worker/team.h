/*
 * The processes of a worker: children that run jobs, the lanes of some queues,
 * and the host's notifier.
 */
#ifndef WORKER_TEAM_H
#define WORKER_TEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/worker.h"

/* A process, or the place of one that is to come. */
struct member {
	pid_t pid;         /* 0: none */
	bool wanted;       /* respawn when it ends */
	void (*run)(void); /* what it does; NULL: it runs jobs */
	struct worker_slot *slot;
	struct shm_child *line;
	int64_t started_ns, respawn_at_ns;
	int backoff_ms;
};

/*
 * Make the sockets and all processes.
 *
 * in_child     called in each new process first, to let go of what is the master's
 * ended        called for each child that runs jobs when it has ended, with the
 *              number of the portion that it had in hand (0: none) and why, for people
 *
 * false: it cannot be done, which was logged.
 */
bool team_start(const struct worker_options *options, void (*in_child)(void),
		void (*ended)(uint64_t portion, const char *why));

/* Reap who has ended, respawn whose time has come. */
void team_care(void);

/* Send a portion to whichever child takes it first; false: the socket is full. */
bool team_send(const void *portion, size_t size);

/* Take a sent portion back that no child has taken yet: its number, 0 when there is none. */
uint64_t team_take_back(void);

/* Is there no portion on the way to the children? */
bool team_has_none_waiting(void);

/* The socket of the children's reports. */
int team_reports(void);

int team_children(void); /* that live and run jobs */
int team_busy(void);     /* that have something in hand */

/* Does a child have this portion in hand?  Since when; 0: none has. */
int64_t team_has(uint64_t number);

/* Kill the child that has this portion in hand, if it still has: ended() is called. */
void team_kill(uint64_t number, const char *why);

/* Replace all processes, each after the job in hand. */
void team_reload(void);

/* Let all end: after the job in hand, or at once. */
void team_dismiss(bool at_once);
bool team_is_gone(void);

#endif
