/*
 * Logging: one JSON line per event to stderr, for journald and whatever reads it.
 *
 * Never a secret, a token or a body; input is escaped.
 */
#ifndef ASHLAR_LOG_H
#define ASHLAR_LOG_H

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

#endif
