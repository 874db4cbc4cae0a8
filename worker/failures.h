/*
 * Attempts that have failed, until PostgreSQL has taken that down: it may be
 * what they failed of.
 */
#ifndef WORKER_FAILURES_H
#define WORKER_FAILURES_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "worker/claimed.h"
#include "worker/pgpipe.h"

/* retry_after_s below 0: after the delay that the job asks for. */
void failures_add(const struct attempt *job, const char *worker, const char *error, bool retry,
		  double retry_after_s);

/* This program does not know the job's kind: a worker of another release may. */
void failures_add_unknown(const struct attempt *job, const char *worker, const char *error);

/* Send what has not been sent. */
void failures_send(struct pgpipe *l);

bool failures_none(void);

/* Append ",id" for each job. */
void failures_list(struct buf *ids);

/* They are no longer ours. */
void failures_drop(void);

#endif
