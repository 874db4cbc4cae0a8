#include "fcgi/req.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>

__attribute__((format(printf, 4, 0))) static enum err fail(struct req *rq, enum err e, const char *field,
							   const char *fmt, va_list ap)
{
	rq->fail = (struct failure){ .err = e, .field = field };
	if (fmt)
		rq->fail.message = arena_vfmt(&rq->arena, fmt, ap);
	return e;
}

enum err req_fail(struct req *rq, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(rq, e, NULL, fmt, ap);
	va_end(ap);
	return e;
}

enum err req_fail_field(struct req *rq, enum err e, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(rq, e, field, fmt, ap);
	va_end(ap);
	return e;
}

enum err req_refuse(struct req *rq, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(rq, e, NULL, fmt, ap);
	va_end(ap);
	rq->fail.is_kept = true;
	return e;
}

enum err req_refuse_field(struct req *rq, enum err e, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(rq, e, field, fmt, ap);
	va_end(ap);
	rq->fail.is_kept = true;
	return e;
}

enum err req_too_many(struct req *rq, long long seconds)
{
	req_set_header(rq, "Retry-After", arena_fmt(&rq->arena, "%lld", seconds));
	req_fail(rq, ERR_RATE_LIMIT, "too many requests: try again in %lld s", seconds);
	rq->fail.details = arena_fmt(&rq->arena, "\"retry_after\":%lld", seconds);
	rq->limit_left = 0;
	rq->limit_reset_s = (long)seconds;
	return ERR_RATE_LIMIT;
}

enum err req_retry_after(struct req *rq, long long seconds)
{
	req_too_many(rq, seconds);
	rq->fail.is_kept = true;
	if (!rq->route || rq->route->budget != &budget_counted)
		rq->limit_name = "attempts";
	return ERR_RATE_LIMIT;
}

enum err req_fail_inside(struct req *rq, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail(rq, e, NULL, fmt, ap);
	va_end(ap);
	rq->fail.reason = rq->fail.message;
	rq->fail.message = NULL;
	return e;
}

bool req_writes(const struct req *rq)
{
	return (rq->method != GET && rq->method != HEAD) || (rq->route && rq->route->flags & WRITES);
}

/* The path's values come first; see read_input(). */
const char *req_path_text(const struct req *rq, const char *name)
{
	size_t n = (size_t)route_params(rq->route);

	for (size_t i = 0; i < n && i < rq->nvalues; i++)
		if (!strcmp(rq->values[i].field->name, name))
			return rq->values[i].text;
	return NULL;
}

const char *req_param(const struct req *rq, const char *name)
{
	size_t n = strlen(name);

	for (char **p = rq->params; p && *p; p++)
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
	assert(rq->nheaders < (int)(sizeof(rq->headers) / sizeof(*rq->headers)));
	rq->headers[rq->nheaders++] = (struct header){ name, value };
}

/* Newest first, so that what a handler computed hides the field of the same name. */
const struct value *req_value(const struct req *rq, const char *name)
{
	for (size_t i = rq->nvalues; i-- > 0;)
		if (!strcmp(rq->values[i].field->name, name))
			return &rq->values[i];
	return NULL;
}

const char *req_text(const struct req *rq, const char *name)
{
	const struct value *v = req_value(rq, name);

	return v && !v->is_null ? v->text : NULL;
}

long long req_int(const struct req *rq, const char *name)
{
	const struct value *v = req_value(rq, name);

	return v && !v->is_null ? v->i : 0;
}

bool req_given(const struct req *rq, const char *name)
{
	const struct value *v = req_value(rq, name);

	return v && v->given;
}

void req_set(struct req *rq, const char *name, const char *text)
{
	struct field *f = arena_alloc(&rq->arena, sizeof(*f));

	if (rq->nvalues == rq->values_cap) {
		struct value *larger;

		rq->values_cap = rq->values_cap ? rq->values_cap * 2 : 16;
		larger = arena_alloc(&rq->arena, rq->values_cap * sizeof(*larger));
		if (rq->nvalues)
			memcpy(larger, rq->values, rq->nvalues * sizeof(*larger));
		rq->values = larger;
	}
	*f = (struct field){ .name = name, .type = F_TEXT };
	rq->values[rq->nvalues++] =
		(struct value){ .field = f, .given = true, .is_null = !text, .text = text };
}
