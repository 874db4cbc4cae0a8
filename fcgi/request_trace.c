#include "fcgi/request_trace.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/req.h"
#include "lib/host/config.h"
#include "lib/host/span.h"

/* A process answers one request at a time. */
static struct span own;
static char state[TRACE_CONTEXT_STATE];

void request_trace_aside(struct request_trace_kept *kept)
{
	kept->own = own;
	memcpy(kept->state, state, sizeof(state));
	span_aside(&kept->place);
}

void request_trace_back(const struct request_trace_kept *kept)
{
	own = kept->own;
	memcpy(state, kept->state, sizeof(state));
	span_back(&kept->place);
}

void request_trace_begin(struct req *rq)
{
	struct trace_context parent;
	bool has_parent = trace_context_read(req_header(rq, "traceparent"), &parent);

	*state = '\0';
	if (span_is_on && has_parent)
		trace_context_state(req_header(rq, "tracestate"), state);
	span_enter(&own, SPAN_SERVER, has_parent ? &parent : NULL, state);
	span_began(&own, rq->asked.start_ns);
	trace_context_hex(own.trace, sizeof(own.trace), rq->tx.log.trace_id);
	trace_context_hex(own.id, sizeof(own.id), rq->tx.log.span_id);
}

/* May the i-th part of the path be told?  Ids may; what else is in a path somebody wrote. */
static bool is_id(const struct req *rq, int i)
{
	const struct match *m = &rq->asked.match;
	enum field_type type = route_param(rq->asked.route, i).type;
	const char *digits = type == F_UUID ? "0123456789abcdefABCDEF-" : "0123456789";
	size_t most = type == F_UUID ? 36 : 18;

	return (type == F_UUID || type == F_INT) && m->params_len[i] <= most &&
	       strspn(m->params[i], digits) >= m->params_len[i];
}

/* The path, with the names of what is no id in its place. */
static const char *path_of(struct req *rq)
{
	const struct match *m = &rq->asked.match;
	int n = route_params(rq->asked.route);
	const char *p = rq->asked.path;
	struct buf b;

	buf_init(&b, &rq->tx.arena, 256);
	for (int i = 0; i < n; i++) {
		buf_add(&b, p, (size_t)(m->params[i] - p));
		if (is_id(rq, i))
			buf_add(&b, m->params[i], m->params_len[i]);
		else
			buf_fmt(&b, "{%s}", route_param(rq->asked.route, i).name);
		p = m->params[i] + m->params_len[i];
	}
	buf_text(&b, p);
	return buf_str(&b);
}

/* What clients call us: PUBLIC_URL's, and not what a header says. */
static void add_server(struct req *rq, struct span *s)
{
	const char *host = strstr(cfg.public_url, "://"), *colon;
	bool is_tls = !strncmp(cfg.public_url, "https:", 6);
	size_t n;

	if (!host)
		return;
	host += 3;
	n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	colon = host + n;
	span_text(s, SPAN_URL_SCHEME, is_tls ? "https" : "http");
	span_text(s, SPAN_SERVER_ADDRESS, arena_dup_n(&rq->tx.arena, host, n));
	span_number(s, SPAN_SERVER_PORT, *colon == ':' ? strtol(colon + 1, NULL, 10) : is_tls ? 443 : 80);
}

static const char *method_of(const struct req *rq)
{
	return rq->asked.method < METHOD_COUNT ? method_name(rq->asked.method) : NULL;
}

/* Now, since the path is gone when the answer is sent.  What is asked for most stands first: it finds room.
 */
void request_trace_routed(struct req *rq)
{
	const struct route *r = rq->asked.route;
	const char *method = method_of(rq);

	if (r && r->flags & UNTRACED)
		span_forget();
	if (!span_is_recorded)
		return;
	span_text(&own, SPAN_HTTP_METHOD, method ? method : "_OTHER");
	if (!r)
		return;
	span_text(&own, SPAN_HTTP_ROUTE, r->path);
	span_text(&own, SPAN_URL_PATH, path_of(rq));
}

void request_trace_end(struct req *rq)
{
	const struct route *r = rq->asked.route;
	const char *method = method_of(rq), *name = method ? method : "HTTP";

	if (span_is_recorded) {
		span_number(&own, SPAN_HTTP_STATUS, rq->answer.status);
		own.is_error = rq->answer.status >= 500;
		if (rq->tx.fail.err)
			span_text(&own, SPAN_ERROR_TYPE, err_info(rq->tx.fail.err)->code);
		span_text(&own, SPAN_TENANT, rq->who.tenant_id);
		add_server(rq, &own);
		name = r ? arena_fmt(&rq->tx.arena, "%s %s", name, r->path) : name;
	}
	span_leave(&own, name);
}
