#include "fcgi/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

#include "fcgi/clock.h"
#include "fcgi/config.h"
#include "fcgi/jx.h"
#include "fcgi/req.h"

/*
 * A line is one write of no more than a pipe takes in one piece, so that lines
 * of several processes never mix.  What would make it longer is cut.
 */
enum { LINE_BYTES = PIPE_BUF, END_BYTES = 2, TEXT_BYTES = 1024, MEMBER_BYTES = 1536 };

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static const int64_t SLOW_NS = 1000000000; /* such a request is always written */
static enum log_level lowest = LOG_INFO;
static const char *process_name = "ashlar";
static pid_t pid;

static void learn_pid(void)
{
	pid = getpid();
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

/* Escaped, a text may be six times as long; it is halved until it fits. */
static void member(struct buf *b, const char *name, const char *text)
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

static void member_int(struct buf *b, const char *name, long long v)
{
	jx_key(b, name);
	jx_int(b, v);
}

/* Nanoseconds as milliseconds with three decimals; without the cost of printing a double. */
static void member_ms(struct buf *b, const char *name, int64_t ns)
{
	int us = (int)(ns / 1000 % 1000);
	const char decimals[] = { '.', (char)('0' + us / 100), (char)('0' + us / 10 % 10),
				  (char)('0' + us % 10) };

	member_int(b, name, ns / 1000000);
	buf_add(b, decimals, sizeof(decimals));
}

static void line_begin(struct buf *b, struct arena *a, enum log_level level, const char *message,
		       const struct req *rq)
{
	buf_init(b, a, 1024);
	buf_text(b, "{\"timestamp\":");
	jx_timestamptz(b, clock_pg_us());
	member(b, "level", level_names[level]);
	member(b, "message", message);
	member(b, "process", process_name);
	if (!pid)
		learn_pid();
	member_int(b, "pid", pid);
	if (!rq)
		return;
	member(b, "request_id", rq->id);
	if (rq->trace_id[0]) {
		member(b, "trace_id", rq->trace_id);
		member(b, "span_id", rq->span_id);
	}
}

static void line_end(struct buf *b)
{
	const char *p, *end;

	buf_text(b, "}\n");
	for (p = b->p, end = p + b->n; p < end;) {
		ssize_t k = write(STDERR_FILENO, p, (size_t)(end - p));

		/* Nothing can be done about a log that cannot be written. */
		if (k < 0 && errno != EINTR)
			return;
		if (k > 0)
			p += k;
	}
}

void log_msg(enum log_level level, const struct req *rq, const char *fmt, ...)
{
	struct arena a;
	struct buf b;
	va_list ap;

	if (level < lowest)
		return;
	arena_init(&a, LINE_BYTES);
	va_start(ap, fmt);
	line_begin(&b, &a, level, arena_vfmt(&a, fmt, ap), rq);
	va_end(ap);
	if (rq && level >= LOG_WARNING)
		member(&b, "while", rq->doing);
	line_end(&b);
	arena_release(&a);
}

/* Is it one of those of which LOG_SAMPLE writes some: neither wrong nor slow? */
static bool is_usual(const struct req *rq)
{
	return rq->status >= 200 && rq->status <= 299 && clock_ns() - rq->start_ns < SLOW_NS;
}

/* The id decides, so that all who write about a request write or do not. */
static bool is_chosen(const struct req *rq)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (const char *p = rq->trace_id[0] ? rq->trace_id : rq->id; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	return (hash >> 32) % (uint64_t)cfg.log_sample == 0;
}

void log_request(struct req *rq)
{
	const struct failure *fail = &rq->fail;
	bool is_sampled = cfg.log_sample > 1 && is_usual(rq);
	enum log_level level = LOG_INFO;
	struct buf b;

	if (rq->status >= 500)
		level = rq->status == 503 ? LOG_WARNING : LOG_ERROR;
	if (level < lowest || (is_sampled && !is_chosen(rq)))
		return;
	line_begin(&b, &rq->arena, level, "request", rq);
	/* What has a bound stands in front of what may have to be cut. */
	member_int(&b, "status", rq->status);
	member_ms(&b, "duration_ms", clock_ns() - rq->start_ns);
	member_ms(&b, "db_ms", rq->db_ns);
	member_int(&b, "bytes", (long long)(rq->sent + rq->out.n));
	if (is_sampled)
		member_int(&b, "sample", cfg.log_sample);
	member(&b, "route", rq->route ? rq->route->path : "(none)");
	member(&b, "method", rq->method_name);
	member(&b, "ip", rq->ip);
	member(&b, "client_ip", rq->who.client_ip);
	if (rq->who.kind != ANONYMOUS) {
		member(&b, "user", rq->who.subject);
		member(&b, "actor", rq->who.actor);
		member(&b, "tenant", rq->who.tenant_id);
		/* As much of the hash as finds the key's row. */
		if (rq->who.api_key)
			member(&b, "key", arena_fmt(&rq->arena, "%.16s", rq->who.api_key + 2));
	}
	if (fail->err) {
		member(&b, "code", err_info(fail->err)->code);
		member(&b, "field", fail->field);
		member(&b, "reason", fail->reason);
		member(&b, "while", rq->doing);
	}
	line_end(&b);
}

void log_job(enum log_level level, const struct req *rq, const struct log_job *job)
{
	struct arena a;
	struct buf b;

	if (level < lowest)
		return;
	arena_init(&a, LINE_BYTES);
	line_begin(&b, &a, level, "job", NULL);
	member(&b, "job", job->id);
	member(&b, "kind", job->kind);
	member(&b, "queue", job->queue);
	member(&b, "tenant", job->tenant);
	member(&b, "outcome", job->outcome);
	member_int(&b, "attempt", job->attempt);
	if (job->jobs != 1)
		member_int(&b, "jobs", job->jobs);
	if (rq) {
		member_ms(&b, "duration_ms", clock_ns() - rq->start_ns);
		member_ms(&b, "db_ms", rq->db_ns);
	}
	member_ms(&b, "wait_ms", job->wait_ns > 0 ? job->wait_ns : 0);
	member(&b, "error", job->error);
	line_end(&b);
	arena_release(&a);
}
