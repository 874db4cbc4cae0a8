/*
 * What an organization has used in a period that is over, as items of the invoice that is drafted for it: the
 * job "billing.period".
 */
#ifndef WORKER_BILLING_PERIOD_H
#define WORKER_BILLING_PERIOD_H

#include "worker/job.h"

extern const struct job_kind billing_period_job;

#endif
