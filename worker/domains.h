/*
 * Looking again for the records by which domains are workspaces': "domains.due", by the clock, finds those
 * that are due, over all tenants, and each is a job, "domain.check".
 */
#ifndef WORKER_DOMAINS_H
#define WORKER_DOMAINS_H

#include "worker/job.h"

extern const struct job_kind domains_due_job, domain_check_job;

#endif
