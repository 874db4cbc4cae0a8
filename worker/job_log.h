/*
 * The line that ends a job's attempt, or that of many jobs of a kind at once: the
 * first of them.  Never its payload.
 */
#ifndef ASHLAR_JOB_LOG_H
#define ASHLAR_JOB_LOG_H

#include <stdint.h>

#include "lib/host/log.h"

struct job_log {
	const struct log_context *about; /* whose trace it is of; or NULL */
	const char *id, *kind, *queue, *tenant;
	int attempt;
	int jobs;                   /* how many */
	int64_t wait_ns;            /* until it was claimed */
	int64_t duration_ns, db_ns; /* of the attempt; duration_ns 0: it never began */
	const char *outcome;
	const char *error; /* or NULL */
};

void job_log(enum log_level level, const struct job_log *job);

#endif
