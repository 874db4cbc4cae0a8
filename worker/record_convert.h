/*
 * Jobs that go through a recordset's records for a run: "record.convert" gives the values of a field another
 * type, "record.undo" takes back what a run has done.
 *
 * Both do a batch in a transaction, which also says how far they are: one that is killed goes on there.
 */
#ifndef WORKER_RECORD_CONVERT_H
#define WORKER_RECORD_CONVERT_H

#include "worker/job.h"

extern const struct job_kind record_convert_job, record_undo_job;

#endif
