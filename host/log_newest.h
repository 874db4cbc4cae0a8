/*
 * Of any number of entries of logs the newest few, in memory that depends on those
 * alone; and how many there were.
 */
#ifndef HOST_LOG_NEWEST_H
#define HOST_LOG_NEWEST_H

#include "host/log_line.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"

enum {
	LOG_NEWEST_MOST = 1000,
	LOG_NEWEST_LINE = 3000,      /* of a line so many bytes are kept */
	LOG_NEWEST_ANSWER = 6000000, /* and of an answer: what is older is left out */
};

/* What is looked for; NULL: anything. */
struct log_wanted {
	const char *agent, *q; /* of letters beyond ASCII in q the case counts */
	int level;             /* LOG_LINE_LEVELS: any */
};

struct log_entry {
	int64_t at_us;
	long seq;         /* of two of one time the later one is the newer */
	const char *file; /* or NULL; borrowed */
	const char *agent;
	size_t agent_n, n;
	enum log_line_level level;
	bool is_json;
	unsigned message_at, message_n; /* in line */
	char *line;
};

struct log_newest {
	struct arena *a;
	struct log_wanted wanted;
	struct log_entry entries[LOG_NEWEST_MOST]; /* a heap, the oldest first */
	int n, most;
	long seq, total;
};

/*
 * Look at a line.
 *
 * at_us  the time of one that says none
 * file   where it stands, and agent whose file that is, or NULL; both are borrowed until the end
 */
void log_newest_add(struct log_newest *to, const char *line, size_t n, const struct log_line *read,
		    int64_t at_us, const char *file, const char *agent);

/* {"entries":[…],"total":n}, the newest first. */
void log_newest_write(struct log_newest *from, struct buf *out);

#endif
