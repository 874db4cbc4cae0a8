/* Errors: one shape on all surfaces, or RFC 9457's. */
#include "fcgi/answer.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/accept.h"
#include "fcgi/req.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"

static int status_of(const struct req *rq)
{
	if (rq->tx.fail.err == ERR_VALIDATION && rq->asked.route)
		return surface_of(rq->asked.route->id)->validation_status;
	return err_info(rq->tx.fail.err)->status;
}

/* The members of details, without braces. */
static void write_details(struct req *rq, struct buf *b)
{
	const struct failure *f = &rq->tx.fail;
	size_t from = b->n;

	if (f->field) {
		buf_text(b, "\"field\":");
		jx_str(b, f->field);
	}
	if (f->field && rq->asked.route && surface_of(rq->asked.route->id)->maps_fields &&
	    strcmp(f->field, "field")) {
		buf_char(b, ',');
		jx_str(b, f->field);
		buf_char(b, ':');
		jx_str(b, f->message ? f->message : err_info(f->err)->message);
	}
	if (f->details) {
		if (b->n > from)
			buf_char(b, ',');
		buf_text(b, f->details);
	}
	if (rq->answer.status >= 500) {
		if (b->n > from)
			buf_char(b, ',');
		buf_text(b, "\"request_id\":");
		jx_str(b, rq->tx.log.request_id);
	}
}

/* RFC 9110 15.5.2: what would be taken instead. */
static const char *challenge(const struct req *rq)
{
	if (rq->tx.fail.err == ERR_API_KEY)
		return "ApiKey realm=\"api\"";
	return req_header(rq, "Authorization") ? "Bearer realm=\"api\", error=\"invalid_token\""
					       : "Bearer realm=\"api\"";
}

/* "detail": the message, or what the surface's clients compare. */
static const char *detail_of(const struct req *rq, const char *message)
{
	const struct literal *l = rq->asked.route ? surface_of(rq->asked.route->id)->literals : NULL;

	for (; l && l->err; l++)
		if (l->err == rq->tx.fail.err)
			return l->detail;
	return message;
}

static void write_more(struct req *rq, struct buf *b)
{
	if (rq->tx.fail.more) {
		buf_char(b, ',');
		buf_text(b, rq->tx.fail.more);
	}
	buf_char(b, '}');
}

/* What the surface calls the error; the message stays the one that says what it is. */
static void rename_error(struct req *rq)
{
	enum err as = rq->asked.route ? route_error(rq->asked.route, rq->tx.fail.err) : rq->tx.fail.err;

	if (as == rq->tx.fail.err)
		return;
	if (!rq->tx.fail.message)
		rq->tx.fail.message = err_info(rq->tx.fail.err)->message;
	rq->tx.fail.err = as;
}

/* How many headers are left without this one. */
static int drop_header(struct req *rq, const char *name)
{
	int n = 0;

	for (int i = 0; i < rq->answer.nheaders; i++)
		if (strcmp(rq->answer.headers[i].name, name))
			rq->answer.headers[n++] = rq->answer.headers[i];
	return n;
}

static bool has_header(const struct req *rq, const char *name)
{
	for (int i = 0; i < rq->answer.nheaders; i++)
		if (!strcmp(rq->answer.headers[i].name, name))
			return true;
	return false;
}

/* The row's own word for the error, unless its handler has said one. */
static void write_code(struct req *rq)
{
	const struct error_code *c = rq->asked.route ? rq->asked.route->codes : NULL;

	if (!c || has_header(rq, "X-Error-Code"))
		return;
	for (; c->err; c++)
		if (c->err == rq->tx.fail.err)
			req_set_header(rq, "X-Error-Code", c->code);
}

static void write_error(struct req *rq)
{
	const struct err_info *info = err_info(rq->tx.fail.err);
	const char *message = rq->tx.fail.message ? rq->tx.fail.message : info->message;
	const char *detail = detail_of(rq, message);
	const char *accept = req_header(rq, "Accept");
	struct buf *b = answer_body(rq);

	rq->answer.status = status_of(rq);
	rq->answer.updated_us = 0;
	if (rq->answer.output) { /* whose headers were of rows */
		rq->answer.nheaders = drop_header(rq, "Content-Type");
		rq->answer.nheaders = drop_header(rq, "Content-Disposition");
	}
	write_code(rq);
	if (rq->answer.status == 401)
		req_set_header(rq, "WWW-Authenticate", challenge(rq));
	if (rq->tx.fail.retry_after)
		req_set_header(rq, "Retry-After", arena_fmt(&rq->tx.arena, "%lld", rq->tx.fail.retry_after));
	if (rq->asked.route && rq->asked.route->refuse && rq->asked.route->refuse(rq, message))
		return;
	if (accept_names_problem(accept)) {
		/* RFC 9457 */
		req_set_header(rq, "Content-Type", accept_problem_json);
		buf_fmt(b, "{\"type\":\"%s/errors.html#%s\",\"title\":", cfg.public_url, info->code);
		jx_str(b, info->message);
		buf_fmt(b, ",\"status\":%d,\"detail\":", rq->answer.status);
		jx_str(b, detail);
		buf_text(b, ",\"instance\":");
		jx_str(b, rq->asked.path);
		buf_fmt(b, ",\"code\":\"%s\",\"details\":{", info->code);
		write_details(rq, b);
		buf_char(b, '}');
		write_more(rq, b);
		return;
	}
	buf_fmt(b, "{\"error\":{\"code\":\"%s\",\"message\":", info->code);
	jx_str(b, message);
	buf_text(b, ",\"details\":{");
	write_details(rq, b);
	buf_text(b, "}},\"detail\":");
	jx_str(b, detail);
	write_more(rq, b);
}

void answer_error(struct req *rq)
{
	rename_error(rq);
	write_error(rq);
}
