/*
 * What a run has to say of single rows or records, as a CSV that is stored.
 */
#ifndef WORKER_RUN_REPORT_H
#define WORKER_RUN_REPORT_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/db/query.h"

struct tx;

/*
 * Write the rows of a query into a file and store it; the run's "organization" and "run" are set.  Behind it
 * "object" and "sha256" are, which its end takes: NULL where there is no row, or no room for it.  Values are
 * the arena's.
 *
 * ERR_OK, or as tx_call and storage_put_file fail.
 */
enum err run_report(struct tx *tx, struct arena *a, const struct query *q);

#endif
