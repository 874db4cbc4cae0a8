/*
 * What a provider of payments knows: the job "billing.look" reads one object, "billing.reconcile" has all
 * compared.  "billing.remind" finds what is due about payments and trials, "billing.do" does what is to be
 * done there.
 */
#ifndef WORKER_BILLING_H
#define WORKER_BILLING_H

#include "worker/job.h"

extern const struct job_kind billing_look_job, billing_retire_job, billing_reconcile_job, billing_remind_job,
	billing_do_job;

#endif
