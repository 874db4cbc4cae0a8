/*
 * Records of what is no more: "records.remove" takes away what a recordset held before it was emptied or
 * deleted, batch after batch, each a transaction, so that no lock is held for long.  Nobody finds these
 * records any more.
 */
#ifndef WORKER_RECORDS_H
#define WORKER_RECORDS_H

#include "worker/job.h"

extern const struct job_kind records_remove_job;

#endif
