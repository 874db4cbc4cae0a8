/*
 * What the master has claimed and has not heard the end of.
 */
#ifndef WORKER_CLAIMED_H
#define WORKER_CLAIMED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/job.h"

/* Which attempt of which job. */
struct attempt {
	char tenant_id[37], id[37];
	int number, max;
};

/* One job, or several of one tenant and of a kind that takes many at once; run by one child. */
struct portion_of_work {
	uint64_t number;
	int queue; /* of the worker's queues */
	char kind[101];
	size_t njobs;
	struct attempt *jobs;
	bool was_sent;
	bool is_not_ours; /* any more: what becomes of it is no concern of ours */
	int64_t claimed_ns, sent_ns;
	int timeout_s; /* the longest of its jobs' */
	char *message; /* as it goes to a child, until it has gone */
	size_t size;
	struct portion_of_work *next; /* in the order of claiming */
	struct portion_of_work *previous;
};

extern struct portion_of_work *claimed_first; /* all of them */
extern size_t claimed_jobs;                   /* in all of them */
extern size_t claimed_sent;                   /* how many were sent */

/*
 * Put a claimed job down.  One whose kind takes many joins the last portion of
 * its kind, if that is of the same tenant, not yet full and not yet sealed.
 */
void claimed_add(int queue, const char *worker, const struct job *job);

/* What comes now makes new portions: what there is may be sent. */
void claimed_seal(void);

/* The first that was not sent; NULL: none. */
struct portion_of_work *claimed_unsent(void);

void claimed_mark_sent(struct portion_of_work *p);

struct portion_of_work *claimed_find(uint64_t number);

/* How many jobs of a queue there are. */
size_t claimed_of_queue(int queue);

void claimed_remove(struct portion_of_work *p);

#endif
