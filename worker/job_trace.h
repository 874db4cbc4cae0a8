/*
 * The span of a portion of jobs that a child runs, by OpenTelemetry's conventions for messaging: a
 * part of the trace of the request that made the job; of many jobs at once, linked to those of theirs.
 */
#ifndef WORKER_JOB_TRACE_H
#define WORKER_JOB_TRACE_H

#include <stddef.h>

struct job;
struct log_context;

/* A child begins with n jobs of a kind. */
void job_trace_begin(const struct job *jobs, size_t n);

/* What log lines say of it: nothing, where there are no traces. */
void job_trace_ids(struct log_context *out);

/* An attempt has failed; error is an error's public code. */
void job_trace_failed(const char *error);

/* They have ended; kind is its name in kinds.c. */
void job_trace_end(const struct job *jobs, size_t n, const char *kind);

#endif
