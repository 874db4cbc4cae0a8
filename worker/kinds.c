/*
 * All kinds of jobs, and what runs by the clock.
 */
#include "worker/deliver.h"
#include "worker/job.h"
#include "worker/worker.h"

#include <string.h>

#include "fcgi/req.h"
#include "worker/webhook_in.h"

/* For benchmarks and for looking whether a worker works: nothing, one by one and many at once. */
static enum err nothing_at_all(struct req *rq, const struct job *jobs, size_t n)
{
	(void)rq, (void)jobs, (void)n;
	return ERR_OK;
}

static const struct job_kind noop = { .name = "noop" };
static const struct job_kind noop_batch = { .name = "noop.batch",
					    .run_all = nothing_at_all,
					    .max_batch = 500 };
static const struct job_kind mail_decoy = { .name = "mail.decoy" }; /* see handlers/mail.h */

const struct job_kind *const job_kinds[] = {
	&noop,
	&noop_batch,
	&mail_decoy,
	&webhook_in_job,
	NULL,
};

const struct job_schedule job_schedules[] = {
	{ NULL },
};

const struct job_kind *job_kind_find(const char *name)
{
	for (const struct job_kind *const *k = job_kinds; *k; k++)
		if (!strcmp((*k)->name, name))
			return *k;
	return NULL;
}

const struct worker_lane worker_lanes[] = {
	{ "ashlar.webhooks", deliver_run },
	{ NULL, NULL },
};
