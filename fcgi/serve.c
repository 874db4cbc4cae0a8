#include "fcgi/serve.h"

#include <assert.h>
#include <ctype.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <strings.h>

#include "build/sql/records/records.h"
#include "build/sql/runtime/share.h"
#include "fcgi/accept.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/bind.h"
#include "fcgi/choice.h"
#include "fcgi/error_note.h"
#include "fcgi/idem.h"
#include "fcgi/key_log.h"
#include "fcgi/key_use.h"
#include "fcgi/metrics.h"
#include "fcgi/request_log.h"
#include "fcgi/request_tail.h"
#include "fcgi/request_trace.h"
#include "fcgi/router.h"
#include "fcgi/share.h"
#include "fcgi/stream.h"
#include "fcgi/traffic.h"
#include "fcgi/usage_count.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/multipart.h"
#include "lib/base/nearest.h"
#include "lib/base/qs.h"
#include "lib/crypto/ticket.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/address.h"
#include "lib/host/config.h"
#include "lib/host/limit.h"
#include "lib/host/scoreboard.h"
#include "lib/host/shm.h"
#include "lib/host/span.h"

enum { LIMITS = 1 << 16 }; /* slots */

SHM_REGION(limits, struct limit_slot, LIMITS)

enum { MAX_RERUNS = 3, MAX_QUEUED_MS = 5000 };

/* Who is this request?  An id for logs. */

static void hex(char *out, int n)
{
	while (n > 0) {
		uint64_t r = span_random();

		for (int i = 0; i < 16 && n > 0; i++, n--, r >>= 4)
			*out++ = "0123456789abcdef"[r & 15];
	}
}

static bool is_hex(const char *p, size_t n)
{
	return strspn(p, "0123456789abcdef") >= n;
}

static const char *copy(struct req *rq, const char *text)
{
	return arena_dup(&rq->tx.arena, text ? text : "");
}

/* The client's X-Request-ID when it is sane, else a fresh UUID: nginx's 128 random bits, or ours. */
static const char *request_id(struct req *rq)
{
	const char *id = req_header(rq, "X-Request-ID");
	char digits[33] = "", *out, *p;
	size_t n = id ? strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") : 0;

	if (n && n <= 128 && !id[n])
		return copy(rq, id);
	id = req_param(rq, "REQUEST_ID");
	if (id && strlen(id) == 32 && is_hex(id, 32))
		memcpy(digits, id, 32);
	else
		hex(digits, 32);
	digits[12] = '4';                    /* RFC 9562: version 4, */
	digits[16] = "89ab"[digits[16] & 3]; /* variant 10 */
	out = p = arena_alloc(&rq->tx.arena, 37);
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*p++ = '-';
		*p++ = digits[i];
	}
	return out;
}

static void split_uri(struct req *rq)
{
	const char *uri = req_param(rq, "REQUEST_URI"), *question;

	if (!uri)
		uri = "/";
	question = strchr(uri, '?');
	rq->asked.path = question ? arena_dup_n(&rq->tx.arena, uri, (size_t)(question - uri)) : uri;
	rq->asked.query_string = question ? question + 1 : "";
}

/* Routing */

/* "v2" or "2" -> 2; 0 for anything else. */
static int version_number(const char *text)
{
	if (text && (*text == 'v' || *text == 'V'))
		text++;
	return text && isdigit((unsigned char)*text) && !text[1] ? *text - '0' : 0;
}

static const char *allow(struct req *rq)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 64);
	for (int m = 0; m < METHOD_COUNT; m++)
		if (m == OPTIONS || rq->asked.match.allowed & 1u << m)
			buf_fmt(&b, "%s%s", b.n ? ", " : "", method_name((enum method)m));
	return buf_str(&b);
}

/* The path decides; where it names no version, Accept-Version and then X-API-Version. */
static enum err choose_version(struct req *rq)
{
	const char *header = req_header(rq, "Accept-Version");
	const char *name = "Accept-Version";
	int newest = surface_of(rq->asked.route->id)->versions;

	rq->asked.version = rq->asked.match.version;
	if (rq->asked.version)
		return ERR_OK;
	rq->asked.version = 1;
	if (!header) {
		header = req_header(rq, "X-API-Version");
		name = "X-API-Version";
	}
	req_set_header(rq, "Vary", "Accept-Version, X-API-Version");
	if (!header)
		return ERR_OK;
	rq->asked.version = version_number(header);
	if (rq->asked.version >= 1 && rq->asked.version <= newest)
		return ERR_OK;
	rq->asked.version = 1;
	return req_fail_field(rq, ERR_BAD_REQUEST, name, "%s must be v1 to v%d", name, newest);
}

static enum err find_route(struct req *rq)
{
	enum err rc;

	rq->asked.method = method_find(rq->asked.method_name);
	rc = router_find(rq->asked.method, rq->asked.path, &rq->asked.match);
	/* For answers that no route decides, the version that the path speaks of. */
	rq->asked.version = strncmp(rq->asked.path, "/api/v2/", 8) ? 1 : 2;
	if (rc == ERR_METHOD_NOT_ALLOWED) {
		req_set_header(rq, "Allow", allow(rq));
		return req_fail(rq, rc, NULL);
	}
	/* An authorizer of realtime (realtime/authorizer.c) lets in where no other pool does, and nowhere
	 * else.
	 */
	if (!rc && !(rq->asked.match.route->flags & REALTIME) != !req_param(rq, "REALTIME"))
		rc = ERR_NOT_FOUND;
	if (rc)
		return req_fail(rq, rc, "there is no such path");
	rq->asked.route = rq->asked.match.route;
	rq->tx.constraints = rq->asked.route->constraints;
	rq->tx.writes = req_writes(rq);
	rq->tx.is_light = !(rq->asked.route->flags & HASHES);
	return choose_version(rq);
}

/* Is it in the list? */
static bool names_header(const char *list, const char *name)
{
	size_t len;

	for (; list && *list; list += len) {
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len == strlen(name) && !strncasecmp(list, name, len))
			return true;
	}
	return false;
}

/*
 * Does the request that a preflight announces come with an API key, which will
 * say what its origins are?  Pages send theirs along wherever they call.
 */
static bool announces_key(const struct req *rq)
{
	const char *method = req_header(rq, "Access-Control-Request-Method");
	const char *headers = req_header(rq, "Access-Control-Request-Headers");
	struct match m;

	if (names_header(headers, "X-API-Key"))
		return true;
	return method && !router_find(method_find(method), rq->asked.path, &m) &&
	       caller_takes_key(m.route->caller);
}

/* A preflight (Fetch standard), or OPTIONS for its own sake. */
static void answer_options(struct req *rq)
{
	const char *methods = allow(rq);

	rq->tx.fail = (struct failure){ ERR_OK };
	rq->answer.status = 204;
	rq->answer.nheaders = 0;
	req_set_header(rq, "Allow", methods);
	rq->answer.any_origin = announces_key(rq);
	if (answer_origin(rq)) {
		req_set_header(rq, "Access-Control-Allow-Methods", methods);
		req_set_header(rq, "Access-Control-Allow-Headers",
			       "Authorization, Cache-Control, Content-Type, Idempotency-Key, If-Match, "
			       "If-None-Match, Last-Event-ID, Accept-Version, X-API-Version, X-API-Key, "
			       "X-Organization-Id, X-Workspace-Id, X-Test-Mode, X-Request-ID, traceparent, "
			       "tracestate, Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset");
		req_set_header(rq, "Access-Control-Max-Age", "600");
	}
}

/* Rate limits */

static long seconds(int64_t ns)
{
	return (long)((ns + 999999999) / 1000000000);
}

static enum err take_from_limit(struct req *rq)
{
	const struct budget *budget = rq->asked.route ? route_budget(rq->asked.route) : &budget_default;
	struct limit_state s;
	bool allowed;

	if (rq->who.is_counted_apart && budget != &budget_counted)
		budget = &budget_key;
	if (!*budget->per_minute)
		return ERR_OK;
	allowed = limit_take(limits(), LIMITS,
			     (budget->by_address ? auth_budget_of_address(rq) : rq->who.key) +
				     budget->number * 0x9e3779b97f4a7c15u,
			     *budget->per_minute, clock_ns(), &s);
	rq->limits.limit = s.limit;
	rq->limits.left = s.left;
	rq->limits.reset_s = seconds(s.reset_ns);
	if (allowed)
		return ERR_OK;
	return req_too_many(rq, seconds(s.retry_ns));
}

long serve_limits_active(void)
{
	return limit_active(limits(), LIMITS, clock_ns());
}

/*
 * nginx has a wide limit for requests that look as if they had a secret key
 * ($ashlar_secret in nginx/http.conf.in), and cannot know whether they have.
 * So where none is read, and where too many were wrong, its narrow one is kept
 * here, before the database is asked.  Wrong keys have no tenant: this goes by
 * the address alone.
 */
enum { KEY_WRONG = 101, KEY_NARROW, MAX_WRONG_KEYS = 20 };

static bool shows_secret(const struct req *rq)
{
	const char *key = req_header(rq, "X-API-Key"), *authorization = req_header(rq, "Authorization");

	return (key && ticket_begins_secret(key)) ||
	       (authorization && !strncasecmp(authorization, "Bearer sk_", strlen("Bearer sk_")));
}

/* Does the row read that key? */
static bool reads_secret(const struct req *rq)
{
	const char *key = req_header(rq, "X-API-Key");

	return rq->asked.route && rq->asked.route->caller->key != KEY_UNREAD &&
	       ((key && ticket_begins_secret(key)) || rq->asked.route->caller->key_is_bearer);
}

static enum err take_from_narrow_limit(struct req *rq)
{
	struct limit_state s;

	if (!cfg.rate_limit_address || rq->asked.method == OPTIONS || !shows_secret(rq) ||
	    (reads_secret(rq) && !limit_is_over(limits(), LIMITS, shm_hash_address(KEY_WRONG, rq->asked.ip),
						MAX_WRONG_KEYS, clock_ns())))
		return ERR_OK;
	if (limit_take_in(limits(), LIMITS, shm_hash_address(KEY_NARROW, rq->asked.ip),
			  2 * cfg.rate_limit_address, 2000, clock_ns(), &s))
		return ERR_OK;
	rq->limits.limit = s.limit;
	rq->limits.window_s = 2;
	rq->limits.name = "address";
	return req_too_many(rq, seconds(s.retry_ns));
}

static void count_wrong_key(struct req *rq)
{
	if (rq->tx.fail.err == ERR_API_KEY && shows_secret(rq))
		limit_count(limits(), LIMITS, shm_hash_address(KEY_WRONG, rq->asked.ip), MAX_WRONG_KEYS,
			    clock_ns());
}

/*
 * Has a request whose answer takes a core waited for so long that the client that sent
 * it is about to give up?  Then the core is better spent on the next one.
 * REQUEST_MSEC is when nginx passed it on, in seconds since 1970.
 */
static enum err check_queued(struct req *rq)
{
	const char *sent = rq->asked.route->flags & HASHES ? req_param(rq, "REQUEST_MSEC") : NULL;

	if (!sent || (double)clock_unix_us() / 1e6 - strtod(sent, NULL) < MAX_QUEUED_MS / 1e3)
		return ERR_OK;
	return failure_retry(&rq->tx.fail, &rq->tx.arena, ERR_UNAVAILABLE, 5,
			     "too many sign-ins at once; try again in 5 seconds");
}

/*
 * Which refusal is told, of several: first who the caller is not (401), then that
 * there are too many, then what they may not do whatever it is about (403), then
 * what is wrong with the request itself, then what is not there (404), and in the
 * end what its state does not allow.  A right on the object is the query's to ask.
 */
static int rank(enum err e)
{
	switch (err_info(e)->status) {
	case 401: return 1;
	case 429: return 2;
	case 403: return 3;
	case 404: return 5;
	case 402: return 6;
	case 409:
	case 412: return 7;
	default: return err_info(e)->status < 500 ? 4 : 8;
	}
}

enum err serve_begin(struct req *rq)
{
	enum err rc, limited;

	rq->tx.log.doing = "routing";
	rq->asked.start_ns = clock_ns();
	/* Copied, since the log is written when the answer is sent and the environment gone. */
	rq->asked.ip = copy(rq, req_param(rq, "REMOTE_ADDR"));
	rq->asked.method_name = copy(rq, req_param(rq, "REQUEST_METHOD"));
	rq->tx.log.request_id = request_id(rq);
	request_trace_begin(rq);
	split_uri(rq);
	rc = find_route(rq);
	request_trace_routed(rq);
	limited = take_from_narrow_limit(rq);
	if (limited)
		return limited;
	/*
	 * Credentials before the limit, since they say whose it is; but what they lack is
	 * told after it: an unknown caller has the address's, which keeps guessers away.
	 */
	rq->tx.log.doing = "checking the credentials";
	if (!rc || rc == ERR_METHOD_NOT_ALLOWED || rc == ERR_NOT_FOUND) {
		enum err credentials = auth_check(rq);

		rc = rc ? rc : credentials;
	}
	rc = rc ? rc : check_queued(rq);
	rq->tx.log.doing = "counting the request";
	limited = rq->asked.method == OPTIONS ? ERR_OK : take_from_limit(rq);
	return limited ? limited : rc;
}

size_t serve_max_body(const struct req *rq)
{
	return rq->asked.route ? route_max_body(rq->asked.route) : ROUTE_MAX_BODY;
}

/* Input */

/* All that can be read is there afterwards, whatever is wrong with the rest: the door asks about an
 * organization. */
static struct failure read_path(struct req *rq, struct value *values)
{
	const struct match *m = &rq->asked.match;
	struct failure first = { ERR_OK };
	int n = route_params(rq->asked.route);

	for (int i = 0; i < n; i++) {
		struct field f = route_param(rq->asked.route, i);
		struct failure why = { ERR_OK };
		const char *problem = NULL;
		char *text = qs_decode(&rq->tx.arena, m->params[i], m->params_len[i], false, &problem);

		if (!problem && !field_from_text(&rq->tx.arena, &f, text, &values[i], &why))
			continue;
		values[i] = (struct value){ .name = f.name, .is_null = true };
		if (first.err)
			continue;
		/* What cannot be an id is the id of nothing; but where ids are numbers a word is a mistake,
		 * and where a name has a form (.fits), what has not. */
		first = problem || (f.type != F_INT && !f.fits) ? answer_absence(rq, problem ? NULL : text)
								: why;
	}
	rq->tx.nvalues = (size_t)n;
	return first;
}

/* A filter that is misspelt would be no filter: the whole list would pass for what was asked for. */
static enum err check_names(struct req *rq, const struct field *table, const struct qs_pair *pairs, int n)
{
	size_t known = field_count(table);
	const char **names, *meant;

	if (!n || !route_is_strict(rq->asked.route))
		return ERR_OK;
	names = arena_alloc(&rq->tx.arena, (known + 1) * sizeof(*names));
	for (size_t i = 0; i < known; i++)
		names[i] = table[i].name;
	for (int k = 0; k < n; k++) {
		size_t i = 0;

		while (i < known && strcmp(names[i], pairs[k].name) != 0)
			i++;
		if (i < known)
			continue;
		meant = nearest_word(pairs[k].name, names, known);
		return req_fail_field(rq, ERR_VALIDATION, pairs[k].name,
				      "there is no query parameter %.64s here%s%s", pairs[k].name,
				      meant ? "; did you mean " : "", meant ? meant : "");
	}
	return ERR_OK;
}

static enum err read_query(struct req *rq, const struct field *table, struct value *values)
{
	struct arena *a = &rq->tx.arena;
	struct qs_pair *pairs = NULL;
	const char *problem = NULL;
	int n = qs_parse(a, rq->asked.query_string, &pairs, &problem);
	enum err named;

	if (n < 0 && table)
		return req_fail(rq, ERR_BAD_REQUEST, "the query string is malformed: %s", problem);
	named = check_names(rq, table, pairs, n < 0 ? 0 : n);
	if (named)
		return named;
	for (size_t i = 0; table && table[i].type != F_END; i++) {
		const char *given = NULL;
		enum err rc;

		for (int k = 0; k < n; k++) {
			if (strcmp(pairs[k].name, table[i].name))
				continue;
			if (given)
				return req_fail_field(rq, ERR_VALIDATION, table[i].name,
						      "%s may be given once only", table[i].name);
			given = pairs[k].value;
		}
		rc = given ? field_from_text(a, &table[i], given, &values[i], &rq->tx.fail)
			   : field_absent(a, &table[i], &values[i], &rq->tx.fail);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static bool is_json(const char *content_type)
{
	static const char json[] = "application/json";
	size_t n = content_type ? strcspn(content_type, "; \t") : 0;

	return n == sizeof(json) - 1 && !strncasecmp(content_type, json, n);
}

static enum err read_body(struct req *rq, struct value *values)
{
	const struct field *table = rq->asked.route->body;
	const struct choice *choice = rq->asked.route->choice;
	const char *problem = NULL;
	enum err rc;

	if (!table)
		return ERR_OK;
	if (rq->asked.body_len) {
		if (!is_json(req_header(rq, "Content-Type"))) {
			req_set_header(rq, "Accept", "application/json");
			return req_fail(rq, ERR_UNSUPPORTED_MEDIA_TYPE, NULL);
		}
		rc = json_read(&rq->tx.arena, rq->asked.body, rq->asked.body_len, &rq->asked.json, &problem);
		if (rc)
			return req_fail(rq, rc, "%s", problem);
		if (!json_object_is_type(rq->asked.json, json_type_object))
			return req_fail(rq, ERR_BAD_REQUEST, "the body must be a JSON object");
	}
	rc = field_from_json(&rq->tx.arena, table, rq->asked.json, values, &rq->tx.fail);
	if (!rc && choice)
		rc = choice_check(choice, &rq->tx.arena, values, field_count(table), &rq->tx.fail);
	return rc;
}

/* A form: its parts are as nginx got them, and stay where they are. */
static enum err read_parts(struct req *rq, const struct field *table)
{
	const char *problem = NULL;
	enum err rc = ERR_OK;

	if (rq->asked.body_len)
		rc = multipart_read(&rq->tx.arena, req_header(rq, "Content-Type"), rq->asked.body,
				    rq->asked.body_len, &rq->asked.parts, &rq->asked.nparts, &problem);
	if (rc == ERR_UNSUPPORTED_MEDIA_TYPE)
		req_set_header(rq, "Accept", "multipart/form-data");
	if (rc)
		return req_fail(rq, rc, "%s", problem);
	for (; table->type != F_END; table++)
		if (table->flags & F_REQUIRED && !req_part(rq, table->name))
			return req_fail_field(rq, ERR_VALIDATION, table->name,
					      "the form needs a file in its field %s", table->name);
	return ERR_OK;
}

/* For whom a server calls.  Of other callers it proves nothing: any client could claim any address. */
static enum err read_client_ip(struct req *rq)
{
	const char *text = rq->who.is_secret ? req_header(rq, "X-Client-IP") : NULL;

	if (!text)
		return ERR_OK;
	rq->who.client_ip = address_text(&rq->tx.arena, text);
	return rq->who.client_ip
		       ? ERR_OK
		       : req_fail_field(rq, ERR_BAD_REQUEST, "X-Client-IP",
					"X-Client-IP must be one IPv4 or IPv6 address, the end user's");
}

/* Query string, body and headers. */
static enum err read_form(struct req *rq, size_t nparams, size_t nquery)
{
	const struct route *r = rq->asked.route;
	const char *type = r->content_type ? r->content_type : "application/json";
	enum err rc = read_client_ip(rq);

	if (rc)
		return rc;
	rq->answer.output = accept_choose(req_header(rq, "Accept"), r->outputs);
	if (!rq->answer.output && !(r->flags & SENDS_FILE) &&
	    !accept_allows(req_header(rq, "Accept"), type) &&
	    !(r->flags & STREAMS && accept_allows(req_header(rq, "Accept"), stream_type)) &&
	    !(r->refuse && accept_allows(req_header(rq, "Accept"), route_protobuf)))
		return req_fail(rq, ERR_NOT_ACCEPTABLE, "the answer is %s, which Accept excludes", type);
	if (r->method != GET && !route_has_if_match(r) && req_header(rq, "If-Match"))
		return req_fail_field(rq, ERR_BAD_REQUEST, "If-Match",
				      "If-Match cannot be honoured here; leave it out");
	rc = idem_check(rq);
	if (!rc)
		rc = read_query(rq, r->query, rq->tx.values + nparams);
	if (!rc && r->parts)
		rc = read_parts(rq, r->parts);
	else if (!rc && !(r->flags & RAW))
		rc = read_body(rq, rq->tx.values + nparams + nquery);
	return rc;
}

/* What queries call @session, @chosen, @origin and @public_url: the request's own, whatever its fields are
 * called. */
static void set_own(struct req *rq)
{
	const char *origin = req_header(rq, "Origin");

	req_set(rq, "@session", rq->who.session);
	req_set(rq, "@chosen", rq->who.workspace);
	req_set(rq, "@origin", origin ? arena_lower(&rq->tx.arena, origin) : NULL);
	req_set(rq, "@public_url", cfg.public_url);
	req_set(rq, "if_match", rq->asked.method == GET ? NULL : answer_if_match(rq));
	/* Rows for a file are all there are, where the client did not say how many. */
	if (rq->answer.output && !req_given(rq, "limit"))
		req_set(rq, "limit", NULL);
}

static enum err read_input(struct req *rq)
{
	const struct route *r = rq->asked.route;
	size_t nparams = (size_t)route_params(r), nquery = field_count(r->query),
	       nbody = r->flags & RAW ? 0 : field_count(r->body);
	struct failure path;
	enum err rc;

	rq->tx.log.doing = "checking the input";
	rq->tx.values_cap = nparams + nquery + nbody + 16;
	rq->tx.values = arena_alloc(&rq->tx.arena, rq->tx.values_cap * sizeof(*rq->tx.values));
	path = read_path(rq, rq->tx.values);
	rc = auth_check_use(rq);
	if (!rc)
		rc = read_form(rq, nparams, nquery);
	auth_door(rq);
	if (rc && (!path.err || rank(rc) <= rank(path.err)))
		return rc;
	rq->tx.fail = path;
	if (path.err)
		return path.err;
	rq->tx.nvalues += nquery + nbody;
	rq->tx.derive = bind_derive;
	route_list_bind(rq->asked.route, &rq->tx);
	set_own(rq);
	return ERR_OK;
}

/* The handler, in its transaction */

/* Are no credentials read? */
static bool is_nobodys(const struct req *rq)
{
	return rq->asked.route->caller->key == KEY_UNREAD && !rq->asked.route->caller->is_project;
}

/*
 * Before a handler can wait for another server.  Whose an API key is only the door
 * knows, so that is asked in a separate transaction; where no credentials are
 * read the tenant is the handler's to find out, and the share its to take.
 */
static enum err take_share(struct req *rq)
{
	PGresult *res;
	enum err rc;

	if (!route_is_slow(rq->asked.route) || is_nobodys(rq))
		return ERR_OK;
	if (!rq->who.tenant_id) {
		rc = tx_call(&rq->tx, &q_share_tenant, true, &res);
		if (rc)
			return rc;
		rq->who.tenant_id = arena_dup(&rq->tx.arena, column_text(res, 0, "tenant"));
	}
	return share_take(rq);
}

/* The door does not know the foreign token's subject yet, or this user was never on this surface. */
static bool is_new_user(const struct failure *f)
{
	return failure_is(f, "AS001") || failure_is(f, "AS009");
}

/*
 * The door has not been asked yet whether the caller may come in, and rc says what comes
 * of the request.  A caller who may not is not told that, unless it comes first.  A
 * new user is made first, where the request is one that would have been answered.
 */
static enum err ask_who_calls(struct req *rq, enum err rc, bool is_well_formed)
{
	struct failure who;

	if (rq->tx.asked || !rq->tx.door || is_nobodys(rq))
		return rc;
	who = tx_knock(&rq->tx);
	if (!who.err)
		return rc;
	if (rc && (is_new_user(&who) ? !is_well_formed
				     : err_info(who.err)->status < 500 && rank(who.err) >= rank(rc)))
		return rc;
	rq->tx.fail = who;
	return who.err;
}

static enum err run_once(struct req *rq)
{
	enum err rc;

	rq->tx.log.doing = "running the handler";
	rc = rq->asked.route->run ? rq->asked.route->run(rq) : answer_rows(rq, rq->asked.route->sql);
	/* A handler that asked the database nothing has not asked who calls either. */
	rc = ask_who_calls(rq, rc, true);
	if (!rc)
		answer_finish(rq);
	if (!rc && rq->tx.frame != NULL && !rq->answer.is_sent)
		rc = idem_store(rq);
	if (rc) {
		tx_finish(&rq->tx, rq->tx.fail.is_kept);
		return rq->tx.fail.err;
	}
	return tx_finish(&rq->tx, true);
}

static enum err run(struct req *rq)
{
	size_t nvalues = rq->tx.nvalues;
	int nheaders = rq->answer.nheaders,
	    provisioned = 0; /* first the user, then what the surface wants of one */

	for (int reruns = 0;; reruns++) {
		enum err rc = run_once(rq);

		assert(rc == rq->tx.fail.err);
		if (failure_is(&rq->tx.fail, "AS002")) /* idempotency_begin() found a stored answer */
			return idem_replay(rq);
		if (is_new_user(&rq->tx.fail) && provisioned++ < 2) {
			if (!(failure_is(&rq->tx.fail, "AS001") ? auth_provision(rq) : auth_sign_up(rq)))
				return req_fail_inside(rq, ERR_UNAVAILABLE, "the new user could not be made");
		} else if (!rc || !rq->tx.may_rerun || rq->answer.is_sent || reruns == MAX_RERUNS) {
			return rc;
		}
		rq->tx.fail = (struct failure){ ERR_OK };
		rq->tx.may_rerun = false;
		rq->tx.nvalues = nvalues;
		rq->answer.nheaders = nheaders;
		rq->answer.updated_us = 0;
	}
}

void serve_answer(struct req *rq, enum err rc)
{
	if (rq->asked.method == OPTIONS && rq->asked.match.allowed) {
		answer_options(rq);
		return;
	}
	if (!rc) {
		rc = read_input(rq);
		rc = rc ? ask_who_calls(rq, rc, false) : ERR_OK;
	}
	if (!rc)
		rc = take_share(rq);
	if (!rc) {
		idem_begin(rq);
		rc = run(rq);
	}
	count_wrong_key(rq);
	if (rc && !rq->answer.is_sent)
		answer_error(rq);
	else if (!rc)
		tx_ask_beside(&rq->tx); /* a handler may have asked the database nothing */
}

/* A field that large recordsets are asked for gets an index: that it was asked for is counted here. */
static void note_slots(void)
{
	char text[DB_NOTE];
	const char *note = text;

	if (db_noted(text))
		PQclear(db_outside(&q_record_slots_used, &note));
}

void serve_end(struct req *rq)
{
	metrics_count(rq->asked.route ? rq->asked.match.index : METRICS_NO_ROUTE, rq->answer.status,
		      clock_ns() - rq->asked.start_ns);
	atomic_fetch_add_explicit(&scoreboard()->db_ns, (uint64_t)rq->tx.ns, memory_order_relaxed);
	key_use_note(rq);
	key_log_note(rq);
	note_slots();
	usage_count_note(rq);
	traffic_note(rq);
	request_tail_note(rq);
	error_note_put(rq);
	request_trace_end(rq);
	request_log(rq); /* the last: whoever reads the line finds the rest done */
}
