/*
 * Logging: one JSON line per event to stderr, for journald and whatever reads it.
 *
 * Never a secret, a token or a body; input is escaped.
 */
#ifndef ASHLAR_LOG_H
#define ASHLAR_LOG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* What a line is about: a request, and what is being done for it. */
struct log_context {
	const char *request_id;
	char trace_id[33], span_id[17];
	const char *doing; /* "preparing project_list": the stage, printed in every error line */
};

/* Take the level from cfg and a name for the "process" field, such as "api-main".  name is borrowed for good.
 */
void log_init(const char *process);

/* An event.  With about its request_id, trace_id, span_id and "while" go along; about may be NULL. */
void log_msg(enum log_level level, const struct log_context *about, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Is this level written? */
bool log_writes(enum log_level level);

/*
 * A line of other members: begin it, add what has a bound before what may have
 * to be cut, and end it.  about may be NULL; a text that is NULL is no member.
 */
void log_begin(struct buf *b, struct arena *a, enum log_level level, const char *message,
	       const struct log_context *about);
void log_text(struct buf *b, const char *name, const char *text);
void log_int(struct buf *b, const char *name, long long v);
void log_ms(struct buf *b, const char *name, int64_t ns); /* as milliseconds with three decimals */
void log_end(struct buf *b);

/*
 * Lines that can wait for a moment: a process that has work at hand writes several
 * at once, in their order, and at the latest before it waits for more work.  They
 * are in memory that it shares with the process that started it, which writes what
 * one that was killed had not.
 */
struct log_kept {
	size_t n;
	char lines[PIPE_BUF]; /* no more than a pipe takes in one piece */
};

/* Keep lines there, from now on; NULL: nowhere, each is written at once. */
void log_keep(struct log_kept *kept);

/* As log_end, of a line that can wait.  A line that cannot is written behind those that wait. */
void log_end_later(struct buf *b);

/* Write what is kept: this process's, or that of one that has ended. */
void log_flush(void);
void log_flush_of(struct log_kept *kept);

#endif
