/*
 * Records of what is no more: "records.remove" takes away what a recordset held before it was emptied or
 * deleted; nobody finds these records any more.  And of a member who goes: "records.give" makes theirs
 * another member's.  "records.fill" writes the slots of a recordset's records, where its schema has come to
 * use others, and "records.fill_all" finds recordsets that nobody fills.  Batch after batch, each a
 * transaction, so that no lock is held for long.  "records.unique" is one: it gives the records of a large
 * recordset the keys of what has become unique.  "record.runs" ends imports and exports whose job has died.
 * "records.place" writes where records are, where a recordset's settings have come to say so.
 */
#ifndef WORKER_RECORDS_H
#define WORKER_RECORDS_H

#include "worker/job.h"

extern const struct job_kind records_remove_job, records_give_job, records_fill_job, records_fill_all_job,
	record_runs_job, records_unique_job, records_place_job;

#endif
