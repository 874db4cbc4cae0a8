/*
 * Jobs about imports: "record.import" makes records of an uploaded file's rows, "record.uploads" is by the
 * clock, for files that nobody has used.
 *
 * Rows are read in a closed child (providers/import_file.h), become values here, and are written in batches,
 * each in a transaction that also says up to which row it has come: a job that is killed goes on there.
 */
#ifndef WORKER_RECORD_IMPORT_H
#define WORKER_RECORD_IMPORT_H

#include "worker/job.h"

extern const struct job_kind record_import_job, record_uploads_job;

#endif
