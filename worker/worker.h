/*
 * A worker: a master process that claims jobs, and children that run them.
 *
 * The master talks to PostgreSQL without ever waiting for it, and hands what it
 * claimed to whichever child is free: all children read from one socket, so
 * nothing stands behind a slow job while another child has nothing to do.  A
 * portion is one job, or many of a kind that takes many at once.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/host/scoreboard.h"

enum {
	WORKER_QUEUES = 16,
	WORKER_CHILDREN = 128,
	WORKER_PORTION_BYTES = 96 * 1024, /* what a socket takes in one piece, with room to spare */
	WORKER_ERROR_BYTES = 2000,
};

struct worker_options {
	struct {
		char name[101];
		int cap; /* at most so many at once; 0: as many as there are children */
	} queues[WORKER_QUEUES];
	int nqueues;
	int concurrency; /* children */
};

/*
 * Run until SIGTERM or SIGINT, which let the jobs in hand end (DRAIN_TIMEOUT_S)
 * and give the others back; SIGHUP replaces the children.  Returns the exit
 * status.
 */
int worker_run(const struct worker_options *options);

/* A process that a queue brings along, beside the children; worker/kinds.c lists them. */
struct worker_lane {
	const char *queue;
	void (*run)(void); /* does not return; ends on SIGTERM */
};

extern const struct worker_lane worker_lanes[]; /* ends with a NULL queue */

/* What a child has in hand; shared with the master, which looks when the child dies or is too slow. */
struct worker_slot {
	_Atomic uint64_t portion; /* its number; 0: none */
	_Atomic int64_t since_ns;
};

/* The head of a portion on the socket.  Behind it, for each job, struct portion_job and five strings. */
struct portion {
	uint64_t number;
	int32_t njobs;
	char worker[40];
};

struct portion_job {
	int32_t attempt, max_attempts, timeout_s;
	int32_t has_payload; /* 0: it is too long; the child reads it itself */
	double wait_ms;
};

/*
 * What a child tells the master: what happened to a job that it has not
 * completed itself, and the portion's end.
 */
struct report {
	uint64_t portion;
	enum { R_DONE, R_ALL_TO_COMPLETE, R_TO_COMPLETE, R_FAILED, R_GAVE_UP, R_LOST } what;
	int32_t job;          /* which of the portion's */
	double retry_after_s; /* below 0: as the job says */
	char error[WORKER_ERROR_BYTES];
};

/* Be a child; does not return. */
_Noreturn void worker_child(int jobs_fd, int reports_fd, struct worker_slot *slot,
			    struct scoreboard_child *line);

#endif
