#include "fcgi/req.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/multipart.h"

enum err req_fail(struct req *rq, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vset(&rq->tx.fail, &rq->tx.arena, e, NULL, fmt, ap);
	va_end(ap);
	return e;
}

enum err req_fail_field(struct req *rq, enum err e, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vset(&rq->tx.fail, &rq->tx.arena, e, field, fmt, ap);
	va_end(ap);
	return e;
}

enum err req_refuse(struct req *rq, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vset(&rq->tx.fail, &rq->tx.arena, e, NULL, fmt, ap);
	va_end(ap);
	rq->tx.fail.is_kept = true;
	return e;
}

enum err req_refuse_field(struct req *rq, enum err e, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vset(&rq->tx.fail, &rq->tx.arena, e, field, fmt, ap);
	va_end(ap);
	rq->tx.fail.is_kept = true;
	return e;
}

enum err req_too_many(struct req *rq, long long seconds)
{
	req_fail(rq, ERR_RATE_LIMIT, "too many requests: try again in %lld s", seconds);
	rq->tx.fail.retry_after = seconds;
	rq->tx.fail.details = arena_fmt(&rq->tx.arena, "\"retry_after\":%lld", seconds);
	rq->limits.left = 0;
	rq->limits.reset_s = (long)seconds;
	return ERR_RATE_LIMIT;
}

enum err req_retry_after(struct req *rq, long long seconds)
{
	req_too_many(rq, seconds);
	rq->tx.fail.is_kept = true;
	if (!rq->asked.route || rq->asked.route->budget != &budget_counted)
		rq->limits.name = "attempts";
	return ERR_RATE_LIMIT;
}

enum err req_fail_inside(struct req *rq, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	failure_vhide(&rq->tx.fail, &rq->tx.arena, e, fmt, ap);
	va_end(ap);
	return e;
}

struct mapping {
	void *p;
	size_t n;
};

static void unmap(void *ptr)
{
	struct mapping *m = ptr;

	munmap(m->p, m->n);
}

enum err req_map_body(struct req *rq)
{
	struct mapping *m;

	if (rq->asked.body || !rq->asked.body_len)
		return ERR_OK;
	m = arena_alloc(&rq->tx.arena, sizeof(*m));
	m->n = rq->asked.body_len;
	m->p = mmap(NULL, m->n, PROT_READ, MAP_PRIVATE, rq->asked.body_fd, 0);
	if (m->p == MAP_FAILED)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "the body cannot be read: %s", strerror(errno));
	arena_defer(&rq->tx.arena, unmap, m);
	rq->asked.body = m->p;
	return ERR_OK;
}

bool req_writes(const struct req *rq)
{
	return (rq->asked.method != GET && rq->asked.method != HEAD) ||
	       (rq->asked.route && rq->asked.route->flags & WRITES);
}

/* The path's values come first; see read_input(). */
const char *req_path_text(const struct req *rq, const char *name)
{
	size_t n = (size_t)route_params(rq->asked.route);

	for (size_t i = 0; i < n && i < rq->tx.nvalues; i++)
		if (!strcmp(rq->tx.values[i].name, name))
			return rq->tx.values[i].text;
	return NULL;
}

const char *req_param(const struct req *rq, const char *name)
{
	size_t n = strlen(name);

	for (char **p = rq->asked.params; p && *p; p++)
		if (!strncmp(*p, name, n) && (*p)[n] == '=')
			return *p + n + 1;
	return NULL;
}

/* FastCGI spells the header If-Match "HTTP_IF_MATCH"; Content-Type has no prefix. */
const char *req_header(const struct req *rq, const char *name)
{
	char param[64] = "HTTP_";
	size_t n = 5;

	if (!strcasecmp(name, "Content-Type"))
		return req_param(rq, "CONTENT_TYPE");
	for (; *name; name++) {
		assert(n < sizeof(param) - 1);
		param[n++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
	}
	param[n] = '\0';
	return req_param(rq, param);
}

void req_set_header(struct req *rq, const char *name, const char *value)
{
	assert(rq->answer.nheaders < (int)(sizeof(rq->answer.headers) / sizeof(*rq->answer.headers)));
	rq->answer.headers[rq->answer.nheaders++] = (struct header){ name, value };
}

const struct value *req_value(const struct req *rq, const char *name)
{
	return tx_value(&rq->tx, name);
}

const struct part *req_part(const struct req *rq, const char *name)
{
	for (int i = 0; i < rq->asked.nparts; i++)
		if (!strcmp(rq->asked.parts[i].name, name) && rq->asked.parts[i].filename)
			return &rq->asked.parts[i];
	return NULL;
}

const char *req_text(const struct req *rq, const char *name)
{
	return tx_text(&rq->tx, name);
}

long long req_int(const struct req *rq, const char *name)
{
	const struct value *v = tx_value(&rq->tx, name);

	return v && !v->is_null ? v->i : 0;
}

bool req_given(const struct req *rq, const char *name)
{
	const struct value *v = tx_value(&rq->tx, name);

	return v && v->given;
}

void req_set(struct req *rq, const char *name, const char *text)
{
	tx_set(&rq->tx, name, text);
}
