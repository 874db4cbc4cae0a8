/*
 * What the files of the worker's master share: who it is, and the connection
 * for all but claims.
 */
#ifndef WORKER_MASTER_H
#define WORKER_MASTER_H

#include <stdbool.h>

#include "worker/pgpipe.h"

extern struct master {
	char id[40];       /* of its row in job_workers; "": not announced yet */
	unsigned identity; /* counts ids: an answer to an earlier one is none to us */
	bool is_stopping;
} master;

extern struct pgpipe control_link;

/* The lease is over: whatever we have is given to others, so let go of it. */
void master_lose_identity(const char *why);

#endif
