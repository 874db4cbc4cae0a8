/*
 * Logging: one JSON line per event to stderr, for journald and whatever reads it.
 *
 * Never a secret, a token or a body; input is escaped.
 */
#ifndef ASHLAR_LOG_H
#define ASHLAR_LOG_H

#include <stdint.h>

struct req;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Take the level from cfg and a name for the "process" field, such as "api-main".  name is borrowed for good.
 */
void log_init(const char *process);

/* An event.  With rq its request_id, trace_id, span_id and "while" go along; rq may be NULL. */
void log_msg(enum log_level level, const struct req *rq, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The line that ends a request. */
void log_request(struct req *rq);

/* The line that ends a job's attempt, or that of many jobs of a kind at once: the first of them.  Never its
 * payload. */
struct log_job {
	const char *id, *kind, *queue, *tenant;
	int attempt;
	int jobs;        /* how many */
	int64_t wait_ns; /* until it was claimed */
	const char *outcome;
	const char *error; /* or NULL */
};

void log_job(enum log_level level, const struct req *rq, const struct log_job *job);

#endif
