/*
 * What the master claims: how much of which queue, from where on in it, and in
 * between what has become due or has come late; see jobs_claim() and
 * jobs_promote() in sql/functions/ops/jobs.sql.  Rows become portions
 * (worker/claimed.h).
 */
#ifndef WORKER_CLAIMS_H
#define WORKER_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/options.h"
#include "worker/pgpipe.h"

/* Their connections, which the master's loop polls and pumps. */
extern struct pgpipe claim_link, sweep_link;

/* The queues are options', for good. */
void claims_setup(const struct worker_options *options);

/* The worker has an id, and no jobs yet: all queues are looked through from the start. */
void claims_begin(void);

/* Something may have come, anywhere: look soon. */
void claims_look(void);

/* Jobs went back to their queues, and so lie behind where the claims are. */
void claims_look_back(void);

/* An answer to a claim may have been lost: nothing is claimed until those jobs are found. */
void claims_doubt(void);

/* Ask for what there is room for; each time the loop comes round, and at claims_due_ns() of clock_ns(). */
void claims_ask(int64_t now);
int64_t claims_due_ns(void);

/* Is an answer on its way? */
bool claims_are_out(void);

/* The name of a queue of the worker's. */
const char *claims_queue(int i);

#endif
