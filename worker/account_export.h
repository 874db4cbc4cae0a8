/*
 * The job "account.export": all that is a person's as a ZIP, for them.
 *
 * What goes into it is one statement's, and so of one moment; rows are written while they come, so that
 * memory does not grow with them.  A job that is killed begins anew: nothing is shown before the file is
 * whole.
 */
#ifndef WORKER_ACCOUNT_EXPORT_H
#define WORKER_ACCOUNT_EXPORT_H

#include "worker/job.h"

extern const struct job_kind account_export_job;

#endif
