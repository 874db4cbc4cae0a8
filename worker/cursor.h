/*
 * How far a queue has been taken, priority by priority: where the next claim
 * begins (see jobs_claim in sql/functions/ops/jobs.sql).
 */
#ifndef WORKER_CURSOR_H
#define WORKER_CURSOR_H

#include <stdint.h>

#include "lib/base/buf.h"

enum { CURSOR_PRIORITIES = 8 };

struct cursor {
	int n; /* priorities known, lowest first; of more than there is room for, the lowest */
	struct {
		int priority;
		int64_t run_us; /* microseconds since 1970 */
		char id[37];
	} at[CURSOR_PRIORITIES];
};

/* One that is zeroed begins at the start of the queue. */

/* A job was taken: go behind it, unless that is backwards. */
void cursor_pass(struct cursor *c, int priority, int64_t run_us, const char *id);

/* Jobs of a priority were queued that could run from a time on: go back in front of them. */
void cursor_back(struct cursor *c, int priority, int64_t run_us);

/* The three arrays that jobs_claim takes, as PostgreSQL reads them; the buffers are empty. */
void cursor_write(const struct cursor *c, struct buf *priorities, struct buf *run_us, struct buf *ids);

#endif
