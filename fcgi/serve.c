#include "fcgi/serve.h"

#include <assert.h>
#include <ctype.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "build/sql/runtime/share.h"
#include "fcgi/accept.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/db.h"
#include "fcgi/idem.h"
#include "fcgi/key_use.h"
#include "fcgi/metrics.h"
#include "fcgi/request_log.h"
#include "fcgi/router.h"
#include "fcgi/share.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/nearest.h"
#include "lib/base/qs.h"
#include "lib/host/address.h"
#include "lib/host/config.h"
#include "lib/host/limit.h"
#include "lib/host/scoreboard.h"
#include "lib/host/shm.h"

enum { LIMITS = 1 << 16 }; /* slots */

SHM_REGION(limits, struct limit_slot, LIMITS)

enum { MAX_BODY = 1 << 20, MAX_RERUNS = 3, MAX_QUEUED_MS = 5000 };

/* Who is this request?  Ids for logs and traces. */

/* xorshift64*: ids of traces need to be distinct, not secret. */
static uint64_t random_id(void)
{
	static uint64_t s;

	while (!s)
		if (getrandom(&s, sizeof(s), 0) < 0)
			s = (uint64_t)clock_ns() ^ (uint64_t)getpid() << 32;
	s ^= s >> 12;
	s ^= s << 25;
	s ^= s >> 27;
	return s * 2685821657736338717u;
}

static void hex(char *out, int n, const char *digits)
{
	while (n > 0) {
		uint64_t r = random_id();

		for (int i = 0; i < 16 && n > 0; i++, n--, r >>= 4)
			*out++ = digits[r & 15];
	}
}

static bool is_hex(const char *p, size_t n)
{
	return strspn(p, "0123456789abcdef") >= n;
}

static const char *copy(struct req *rq, const char *text)
{
	return arena_dup(&rq->arena, text ? text : "");
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
		hex(digits, 32, "0123456789abcdef");
	digits[12] = '4';                    /* RFC 9562: version 4, */
	digits[16] = "89ab"[digits[16] & 3]; /* variant 10 */
	out = p = arena_alloc(&rq->arena, 37);
	for (int i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*p++ = '-';
		*p++ = digits[i];
	}
	return out;
}

/* W3C Trace Context: "00-<trace>-<span>-<flags>". */
static void trace(struct req *rq)
{
	const char *parent = req_header(rq, "traceparent");

	if (parent && strlen(parent) >= 55 && parent[2] == '-' && parent[35] == '-' && parent[52] == '-' &&
	    is_hex(parent, 2) && is_hex(parent + 3, 32) && is_hex(parent + 36, 16) &&
	    strncmp(parent, "ff", 2) && strspn(parent + 3, "0") < 32)
		memcpy(rq->log.trace_id, parent + 3, 32);
	else
		hex(rq->log.trace_id, 32, "0123456789abcdef");
	hex(rq->log.span_id, 16, "0123456789abcdef");
}

static void split_uri(struct req *rq)
{
	const char *uri = req_param(rq, "REQUEST_URI"), *question;

	if (!uri)
		uri = "/";
	question = strchr(uri, '?');
	rq->path = question ? arena_dup_n(&rq->arena, uri, (size_t)(question - uri)) : uri;
	rq->query_string = question ? question + 1 : "";
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

	buf_init(&b, &rq->arena, 64);
	for (int m = 0; m < METHOD_COUNT; m++)
		if (m == OPTIONS || rq->match.allowed & 1u << m)
			buf_fmt(&b, "%s%s", b.n ? ", " : "", method_name((enum method)m));
	return buf_str(&b);
}

/* The path decides; where it names no version, Accept-Version and then X-API-Version. */
static enum err choose_version(struct req *rq)
{
	const char *header = req_header(rq, "Accept-Version");
	const char *name = "Accept-Version";
	int newest = surface_of(rq->route->id)->versions;

	rq->version = rq->match.version;
	if (rq->version)
		return ERR_OK;
	rq->version = 1;
	if (!header) {
		header = req_header(rq, "X-API-Version");
		name = "X-API-Version";
	}
	req_set_header(rq, "Vary", "Accept-Version, X-API-Version");
	if (!header)
		return ERR_OK;
	rq->version = version_number(header);
	if (rq->version >= 1 && rq->version <= newest)
		return ERR_OK;
	rq->version = 1;
	return req_fail_field(rq, ERR_BAD_REQUEST, name, "%s must be v1 to v%d", name, newest);
}

static enum err find_route(struct req *rq)
{
	enum err rc;

	rq->method = method_find(rq->method_name);
	rc = router_find(rq->method, rq->path, &rq->match);
	/* For answers that no route decides, the version that the path speaks of. */
	rq->version = strncmp(rq->path, "/api/v2/", 8) ? 1 : 2;
	if (rc == ERR_METHOD_NOT_ALLOWED) {
		req_set_header(rq, "Allow", allow(rq));
		return req_fail(rq, rc, NULL);
	}
	/* An authorizer of realtime (realtime/authorizer.c) lets in where no other pool does, and nowhere
	 * else.
	 */
	if (!rc && !(rq->match.route->flags & REALTIME) != !req_param(rq, "REALTIME"))
		rc = ERR_NOT_FOUND;
	if (rc)
		return req_fail(rq, rc, "there is no such path");
	rq->route = rq->match.route;
	rq->constraints = rq->route->constraints;
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
	return method && !router_find(method_find(method), rq->path, &m) && caller_takes_key(m.route->caller);
}

/* A preflight (Fetch standard), or OPTIONS for its own sake. */
static void answer_options(struct req *rq)
{
	const char *methods = allow(rq);

	rq->fail = (struct failure){ 0 };
	rq->status = 204;
	rq->nheaders = 0;
	req_set_header(rq, "Allow", methods);
	rq->any_origin = announces_key(rq);
	if (answer_origin(rq)) {
		req_set_header(rq, "Access-Control-Allow-Methods", methods);
		req_set_header(rq, "Access-Control-Allow-Headers",
			       "Authorization, Cache-Control, Content-Type, Idempotency-Key, If-Match, "
			       "If-None-Match, Last-Event-ID, Accept-Version, X-API-Version, X-API-Key, "
			       "X-Organization-Id, X-Workspace-Id, X-Test-Mode, X-Request-ID, traceparent, "
			       "tracestate");
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
	const struct budget *budget = rq->route ? route_budget(rq->route) : &budget_default;
	struct limit_state s;
	bool allowed;

	if (rq->who.is_counted_apart && budget != &budget_counted)
		budget = &budget_key;
	if (!*budget->per_minute)
		return ERR_OK;
	allowed = limit_take(limits(), LIMITS, rq->who.key + budget->number * 0x9e3779b97f4a7c15u,
			     *budget->per_minute, clock_ns(), &s);
	rq->limit = s.limit;
	rq->limit_left = s.left;
	rq->limit_reset_s = seconds(s.reset_ns);
	if (allowed)
		return ERR_OK;
	return req_too_many(rq, seconds(s.retry_ns));
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

	return (key && !strncmp(key, "sk_", 3)) ||
	       (authorization && !strncasecmp(authorization, "Bearer sk_", strlen("Bearer sk_")));
}

/* Does the row read that key? */
static bool reads_secret(const struct req *rq)
{
	const char *key = req_header(rq, "X-API-Key");

	return rq->route && rq->route->caller->key != KEY_UNREAD &&
	       ((key && !strncmp(key, "sk_", 3)) || rq->route->caller->key_is_bearer);
}

static enum err take_from_narrow_limit(struct req *rq)
{
	struct limit_state s;

	if (!cfg.rate_limit_address || rq->method == OPTIONS || !shows_secret(rq) ||
	    (reads_secret(rq) && !limit_is_over(limits(), LIMITS, shm_hash_address(KEY_WRONG, rq->ip),
						MAX_WRONG_KEYS, clock_ns())))
		return ERR_OK;
	if (limit_take_in(limits(), LIMITS, shm_hash_address(KEY_NARROW, rq->ip), 2 * cfg.rate_limit_address,
			  2000, clock_ns(), &s))
		return ERR_OK;
	rq->limit = s.limit;
	rq->limit_window_s = 2;
	rq->limit_name = "address";
	return req_too_many(rq, seconds(s.retry_ns));
}

static void count_wrong_key(struct req *rq)
{
	if (rq->fail.err == ERR_API_KEY && shows_secret(rq))
		limit_count(limits(), LIMITS, shm_hash_address(KEY_WRONG, rq->ip), MAX_WRONG_KEYS,
			    clock_ns());
}

/*
 * Has a request whose answer takes a core waited for so long that the client that sent
 * it is about to give up?  Then the core is better spent on the next one.
 * REQUEST_MSEC is when nginx passed it on, in seconds since 1970.
 */
static enum err check_queued(struct req *rq)
{
	const char *sent = rq->route->flags & HASHES ? req_param(rq, "REQUEST_MSEC") : NULL;

	if (!sent || (double)clock_unix_us() / 1e6 - strtod(sent, NULL) < MAX_QUEUED_MS / 1e3)
		return ERR_OK;
	req_set_header(rq, "Retry-After", "5");
	return req_fail(rq, ERR_UNAVAILABLE, "too many sign-ins at once; try again in 5 seconds");
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
	struct failure refused;
	enum err rc, limited;

	rq->log.doing = "routing";
	rq->start_ns = clock_ns();
	/* Copied, since the log is written when the answer is sent and the environment gone. */
	rq->ip = copy(rq, req_param(rq, "REMOTE_ADDR"));
	rq->method_name = copy(rq, req_param(rq, "REQUEST_METHOD"));
	rq->log.request_id = request_id(rq);
	trace(rq);
	split_uri(rq);
	rc = find_route(rq);
	limited = take_from_narrow_limit(rq);
	if (limited)
		return limited;
	/*
	 * Credentials before the limit, since they say whose it is; but what they lack is
	 * told after it: an unknown caller has the address's, which keeps guessers away.
	 */
	rq->log.doing = "checking the credentials";
	if (!rc || rc == ERR_METHOD_NOT_ALLOWED || rc == ERR_NOT_FOUND) {
		enum err credentials = auth_check(rq);

		rc = rc ? rc : credentials;
	}
	rc = rc ? rc : check_queued(rq);
	refused = rq->fail;
	rq->log.doing = "counting the request";
	limited = rq->method == OPTIONS ? ERR_OK : take_from_limit(rq);
	if (limited)
		return limited;
	rq->fail = refused;
	return rc;
}

size_t serve_max_body(const struct req *rq)
{
	size_t surface = rq->route ? surface_of(rq->route->id)->max_body : 0;

	if (rq->route && rq->route->max_body)
		return rq->route->max_body;
	return surface ? surface : MAX_BODY;
}

/* Input */

/* All that can be read is there afterwards, whatever is wrong with the rest: the door asks about an
 * organization. */
static enum err read_path(struct req *rq, struct value *values)
{
	int n = route_params(rq->route);
	struct failure first = { 0 };

	for (int i = 0; i < n; i++) {
		struct field *f = arena_alloc(&rq->arena, sizeof(*f));
		const char *problem = NULL;
		char *text;

		*f = route_param(rq->route, i);
		text = pct_decode(&rq->arena, rq->match.params[i], rq->match.params_len[i], false, &problem);
		/* What cannot be an id is the id of nothing; but where ids are numbers a word is a mistake.
		 */
		if ((problem || field_from_text(rq, f, text, &values[i])) && (problem || f->type != F_INT))
			req_not_found(rq, problem ? NULL : text);
		if (rq->fail.err) {
			values[i] = (struct value){ .field = f, .is_null = true };
			first = first.err ? first : rq->fail;
			rq->fail = (struct failure){ 0 };
		}
	}
	rq->nvalues = (size_t)n;
	rq->fail = first;
	return first.err;
}

/* A filter that is misspelt would be no filter: the whole list would pass for what was asked for. */
static enum err check_names(struct req *rq, const struct field *table, const struct qs_pair *pairs, int n)
{
	size_t known = field_count(table);
	const char **names, *meant;

	if (!n || !route_is_strict(rq->route))
		return ERR_OK;
	names = arena_alloc(&rq->arena, (known + 1) * sizeof(*names));
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
	struct qs_pair *pairs = NULL;
	const char *problem = NULL;
	int n = qs_parse(&rq->arena, rq->query_string, &pairs, &problem);
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
		rc = given ? field_from_text(rq, &table[i], given, &values[i])
			   : field_absent(rq, &table[i], &values[i]);
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

static enum err read_body(struct req *rq, const struct field *table, struct value *values)
{
	const char *problem = NULL;
	enum err rc;

	if (!table)
		return ERR_OK;
	if (rq->body_len) {
		if (!is_json(req_header(rq, "Content-Type"))) {
			req_set_header(rq, "Accept", "application/json");
			return req_fail(rq, ERR_UNSUPPORTED_MEDIA_TYPE, NULL);
		}
		rc = json_read(&rq->arena, rq->body, rq->body_len, &rq->json, &problem);
		if (rc)
			return req_fail(rq, rc, "%s", problem);
		if (!json_object_is_type(rq->json, json_type_object))
			return req_fail(rq, ERR_BAD_REQUEST, "the body must be a JSON object");
	}
	return field_from_json(rq, table, rq->json, values);
}

/* For whom a server calls.  Of other callers it proves nothing: any client could claim any address. */
static enum err read_client_ip(struct req *rq)
{
	const char *text = rq->who.is_secret ? req_header(rq, "X-Client-IP") : NULL;

	if (!text)
		return ERR_OK;
	rq->who.client_ip = address_text(&rq->arena, text);
	return rq->who.client_ip
		       ? ERR_OK
		       : req_fail_field(rq, ERR_BAD_REQUEST, "X-Client-IP",
					"X-Client-IP must be one IPv4 or IPv6 address, the end user's");
}

/* Query string, body and headers. */
static enum err read_form(struct req *rq, size_t nparams, size_t nquery)
{
	const struct route *r = rq->route;
	const char *type = r->content_type ? r->content_type : "application/json";
	enum err rc = read_client_ip(rq);

	if (rc)
		return rc;
	rq->output = accept_choose(req_header(rq, "Accept"), r->outputs);
	if (!rq->output && !accept_allows(req_header(rq, "Accept"), type))
		return req_fail(rq, ERR_NOT_ACCEPTABLE, "the answer is %s, which Accept excludes", type);
	if (r->method != GET && !route_has_if_match(r) && req_header(rq, "If-Match"))
		return req_fail_field(rq, ERR_BAD_REQUEST, "If-Match",
				      "If-Match cannot be honoured here; leave it out");
	rc = idem_check(rq);
	if (!rc)
		rc = read_query(rq, r->query, rq->values + nparams);
	if (!rc && !(r->flags & RAW))
		rc = read_body(rq, r->body, rq->values + nparams + nquery);
	return rc;
}

static enum err read_input(struct req *rq)
{
	const struct route *r = rq->route;
	size_t nparams = (size_t)route_params(r), nquery = field_count(r->query),
	       nbody = r->flags & RAW ? 0 : field_count(r->body);
	struct failure unknown;
	enum err rc, path;

	rq->log.doing = "checking the input";
	rq->values_cap = nparams + nquery + nbody + 8;
	rq->values = arena_alloc(&rq->arena, rq->values_cap * sizeof(*rq->values));
	path = read_path(rq, rq->values);
	unknown = rq->fail;
	rq->fail = (struct failure){ 0 };
	rc = auth_check_use(rq);
	if (!rc)
		rc = read_form(rq, nparams, nquery);
	auth_door(rq);
	if (rc && (!path || rank(rc) <= rank(path)))
		return rc;
	rq->fail = unknown;
	if (path)
		return path;
	rq->nvalues += nquery + nbody;
	list_bind(rq);
	return ERR_OK;
}

/* The handler, in its transaction */

/*
 * Before a handler can wait for another server.  Whose an API key is only the door
 * knows, so that is asked in a separate transaction; where no credentials are
 * read the tenant is the handler's to find out, and db.c takes the share then.
 */
static enum err take_share(struct req *rq)
{
	PGresult *res;
	enum err rc;

	if (!(rq->route->flags & SLOW))
		return ERR_OK;
	rq->shares_late = rq->route->caller->key == KEY_UNREAD;
	if (rq->shares_late)
		return ERR_OK;
	if (!rq->who.tenant_id) {
		rc = db_call(rq, &q_share_tenant, true, &res);
		if (rc)
			return rc;
		rq->who.tenant_id = arena_dup(&rq->arena, db_text(res, 0, "tenant"));
	}
	return share_take(rq);
}

/*
 * The door has not been asked yet whether the caller may come in, and rc says what comes
 * of the request.  A caller who may not is not told that, unless it comes first.
 */
static enum err ask_who_calls(struct req *rq, enum err rc)
{
	struct failure found = rq->fail;
	enum err entered;

	if (rq->asked || !rq->door || rq->route->caller->key == KEY_UNREAD)
		return rc;
	entered = db_enter(rq);
	if (entered && !(rc && rq->is_new_user) &&
	    (!rc || err_info(entered)->status >= 500 || rank(entered) < rank(rc)))
		return entered;
	rq->fail = found;
	return rc;
}

static enum err run_once(struct req *rq)
{
	enum err rc;

	rq->log.doing = "running the handler";
	rc = rq->route->run ? rq->route->run(rq) : req_answer(rq, rq->route->sql);
	/* A handler that asked the database nothing has not asked who calls either. */
	rc = ask_who_calls(rq, rc);
	if (!rc)
		answer_finish(rq);
	if (!rc && rq->frame != NULL)
		rc = idem_store(rq);
	if (rc) {
		db_finish(rq, rq->fail.is_kept);
		return rq->fail.err;
	}
	return db_finish(rq, true);
}

static enum err run(struct req *rq)
{
	size_t nvalues = rq->nvalues;
	int nheaders = rq->nheaders;
	bool provisioned = false;
	enum err rc;

	for (int reruns = 0;; reruns++) {
		rc = run_once(rq);
		assert(rc == rq->fail.err);
		if (rq->is_replay)
			return idem_replay(rq);
		if (rq->is_new_user && !provisioned)
			provisioned = auth_provision(rq);
		else if (!rc || !rq->may_rerun || rq->is_sent || reruns == MAX_RERUNS)
			return rc;
		if (rq->is_new_user && !provisioned)
			return req_fail_inside(rq, ERR_UNAVAILABLE, "the new user could not be made");
		rq->fail = (struct failure){ 0 };
		rq->may_rerun = rq->is_new_user = false;
		rq->nvalues = nvalues;
		rq->nheaders = nheaders;
		rq->updated_us = 0;
	}
}

void serve_answer(struct req *rq, enum err rc)
{
	if (rq->method == OPTIONS && rq->match.allowed) {
		answer_options(rq);
		return;
	}
	if (!rc) {
		rc = read_input(rq);
		rc = rc ? ask_who_calls(rq, rc) : ERR_OK;
	}
	if (!rc) {
		req_set(rq, "if_match", rq->method == GET ? NULL : answer_if_match(rq));
		rc = take_share(rq);
	}
	if (!rc) {
		idem_begin(rq);
		rc = run(rq);
	}
	count_wrong_key(rq);
	if (rc && !rq->is_sent)
		answer_error(rq);
	else if (!rc)
		db_ask_page(rq); /* a handler may have asked the database nothing */
}

void serve_end(struct req *rq)
{
	metrics_count(rq->route ? rq->match.index : METRICS_NO_ROUTE, rq->status, clock_ns() - rq->start_ns);
	atomic_fetch_add_explicit(&scoreboard()->db_ns, (uint64_t)rq->db_ns, memory_order_relaxed);
	request_log(rq);
	key_use_note(rq);
}
