#include "worker/job_trace.h"

#include <stdio.h>

#include "lib/host/log.h"
#include "lib/host/span.h"
#include "worker/job.h"

/* A child runs one portion at a time. */
static struct span own;
static bool is_on;

void job_trace_begin(const struct job *jobs, size_t n)
{
	struct trace_context maker;
	bool is_one = n == 1 && trace_context_read(jobs->trace, &maker);

	is_on = span_is_on;
	if (!is_on)
		return;
	span_enter(&own, SPAN_CONSUMER, is_one ? &maker : NULL, NULL);
	span_text(&own, SPAN_MESSAGING_SYSTEM, "ashlar");
	span_text(&own, SPAN_MESSAGING_OPERATION, "process");
	span_text(&own, SPAN_MESSAGING_OPERATION_TYPE, "process");
	span_text(&own, SPAN_MESSAGING_DESTINATION, jobs->queue);
	span_text(&own, SPAN_TENANT, jobs->tenant_id);
	if (n == 1) {
		span_text(&own, SPAN_MESSAGING_ID, jobs->id);
		span_number(&own, SPAN_JOB_ATTEMPT, jobs->attempt);
	} else {
		span_number(&own, SPAN_MESSAGING_BATCH, (int64_t)n);
	}
}

void job_trace_ids(struct log_context *out)
{
	if (!is_on)
		return;
	trace_context_hex(own.trace, sizeof(own.trace), out->trace_id);
	trace_context_hex(own.id, sizeof(own.id), out->span_id);
}

void job_trace_failed(const char *error)
{
	if (!is_on || own.is_error)
		return;
	own.is_error = true;
	span_text(&own, SPAN_ERROR_TYPE, error);
}

void job_trace_end(const struct job *jobs, size_t n, const char *kind)
{
	struct trace_context maker;
	char name[128];

	if (!is_on)
		return;
	span_text(&own, SPAN_JOB_KIND, kind);
	for (size_t i = 0; n > 1 && i < n; i++)
		if (trace_context_read(jobs[i].trace, &maker))
			span_link(&own, &maker);
	snprintf(name, sizeof(name), "process %s", jobs->queue);
	span_leave(&own, name);
}
