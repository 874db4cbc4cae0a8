/*
 * What goes between the master and its children: portions in one direction,
 * reports in the other, over sockets that keep messages whole (SOCK_SEQPACKET);
 * and in memory that both see, what a child has in hand.
 */
#ifndef WORKER_WIRE_H
#define WORKER_WIRE_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	WIRE_PORTION_BYTES = 96 * 1024, /* what a socket takes in one piece, with room to spare */
	WIRE_ERROR_BYTES = 2000,
};

/* The head of a portion.  Behind it, for each job, struct portion_job and six strings: whose, id, queue,
 * kind, payload, trace. */
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
	enum { R_DONE, R_ALL_TO_COMPLETE, R_TO_COMPLETE, R_FAILED, R_GAVE_UP, R_UNKNOWN, R_LOST } what;
	int32_t job;          /* which of the portion's */
	double retry_after_s; /* below 0: as the job says */
	char error[WIRE_ERROR_BYTES];
};

/* What a child has in hand; the master looks when the child dies or is too slow. */
struct worker_slot {
	_Atomic uint64_t portion; /* its number; 0: none */
	_Atomic int64_t since_ns;
};

#endif
