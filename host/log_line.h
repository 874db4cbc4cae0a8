/*
 * A line of a log: a JSON object with the members that programs use, or text that
 * begins with a time and a level, or any other.
 */
#ifndef HOST_LOG_LINE_H
#define HOST_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_line_level { LOG_LINE_ERROR, LOG_LINE_WARN, LOG_LINE_INFO, LOG_LINE_LEVELS };

extern const char *const log_line_levels[LOG_LINE_LEVELS];

/* Pieces of the line, which is borrowed. */
struct log_line {
	bool is_json; /* it looks like an object; whether it is one is seen when it is read */
	bool has_time;
	int64_t at_us;             /* since 1970 */
	enum log_line_level level; /* info, where it says nothing */
	const char *message, *agent;
	size_t message_n, agent_n; /* of an object's strings, as they stand there */
};

/*
 * RFC 3339, or with a blank for the T; without an offset it is UTC.  How many bytes
 * it takes; 0: none begins here.
 */
size_t log_line_time(const char *p, size_t n, int64_t *us);

void log_line_read(const char *p, size_t n, struct log_line *l);

#endif
