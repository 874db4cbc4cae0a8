/*
 * The job "record.export": records of a recordset as a file, for the member who asked for it.
 *
 * They come in batches, each a transaction that asks anew what the member may see, so that no snapshot is
 * held for long and what is made is of no more than a record's size in memory.  A job that is killed begins
 * anew: nothing is shown before the file is whole.
 */
#ifndef WORKER_RECORD_EXPORT_H
#define WORKER_RECORD_EXPORT_H

#include "worker/job.h"

extern const struct job_kind record_export_job;

#endif
