#include "lib/host/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"

/*
 * A line is one write of no more than a pipe takes in one piece, so that lines
 * of several processes never mix.  What would make it longer is cut.
 */
enum { LINE_BYTES = PIPE_BUF, END_BYTES = 2, TEXT_BYTES = 1024, MEMBER_BYTES = 1536 };

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static enum log_level lowest = LOG_INFO;
static const char *process_name = "ashlar";
static pid_t pid;
static struct log_kept *kept; /* lines that wait */

static void learn_pid(void)
{
	pid = getpid();
	kept = NULL; /* it is the parent's */
}

void log_init(const char *process)
{
	process_name = process;
	learn_pid();
	pthread_atfork(NULL, NULL, learn_pid);
	for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
		if (cfg.log_level && !strcmp(cfg.log_level, level_names[i]))
			lowest = (enum log_level)i;
}

bool log_writes(enum log_level level)
{
	return level >= lowest;
}

/* Escaped, a text may be six times as long; it is halved until it fits. */
void log_text(struct buf *b, const char *name, const char *text)
{
	size_t from = b->n, n;

	if (!text)
		return;
	for (n = strnlen(text, TEXT_BYTES); n; n /= 2) {
		jx_key(b, name);
		jx_text(b, text, n);
		if (b->n - from <= MEMBER_BYTES && b->n <= LINE_BYTES - END_BYTES)
			return;
		b->n = from;
	}
}

void log_int(struct buf *b, const char *name, long long v)
{
	jx_key(b, name);
	jx_int(b, v);
}

/* Without the cost of printing a double. */
void log_ms(struct buf *b, const char *name, int64_t ns)
{
	int us = (int)(ns / 1000 % 1000);
	const char decimals[] = { '.', (char)('0' + us / 100), (char)('0' + us / 10 % 10),
				  (char)('0' + us % 10) };

	log_int(b, name, ns / 1000000);
	buf_add(b, decimals, sizeof(decimals));
}

void log_begin(struct buf *b, struct arena *a, enum log_level level, const char *message,
	       const struct log_context *about)
{
	buf_init(b, a, 1024);
	buf_text(b, "{\"timestamp\":");
	jx_timestamptz(b, clock_pg_us());
	log_text(b, "level", level_names[level]);
	log_text(b, "message", message);
	log_text(b, "process", process_name);
	if (!pid)
		learn_pid();
	log_int(b, "pid", pid);
	if (!about)
		return;
	log_text(b, "request_id", about->request_id);
	if (about->trace_id[0]) {
		log_text(b, "trace_id", about->trace_id);
		log_text(b, "span_id", about->span_id);
	}
}

/* Nothing can be done about a log that cannot be written. */
static void write_out(const char *p, size_t n)
{
	for (const char *end = p + n; p < end;) {
		ssize_t k = write(STDERR_FILENO, p, (size_t)(end - p));

		if (k < 0 && errno != EINTR)
			return;
		if (k > 0)
			p += k;
	}
}

void log_keep(struct log_kept *where)
{
	log_flush();
	kept = where;
}

void log_flush_of(struct log_kept *whose)
{
	if (whose->n && whose->n <= sizeof(whose->lines))
		write_out(whose->lines, whose->n);
	whose->n = 0;
}

void log_flush(void)
{
	if (kept)
		log_flush_of(kept);
}

void log_end(struct buf *b)
{
	buf_text(b, "}\n");
	log_flush();
	write_out(b->p, b->n);
}

void log_end_later(struct buf *b)
{
	if (!kept || b->n + END_BYTES > sizeof(kept->lines)) {
		log_end(b);
		return;
	}
	buf_text(b, "}\n");
	if (kept->n + b->n > sizeof(kept->lines))
		log_flush();
	memcpy(kept->lines + kept->n, b->p, b->n);
	/* Only now is it there, for who looks when this process has been killed. */
	atomic_signal_fence(memory_order_release);
	kept->n += b->n;
}

void log_msg(enum log_level level, const struct log_context *about, const char *fmt, ...)
{
	struct arena a;
	struct buf b;
	va_list ap;

	if (level < lowest)
		return;
	arena_init(&a, LINE_BYTES);
	va_start(ap, fmt);
	log_begin(&b, &a, level, arena_vfmt(&a, fmt, ap), about);
	va_end(ap);
	if (about && level >= LOG_WARNING)
		log_text(&b, "while", about->doing);
	log_end(&b);
	arena_release(&a);
}
