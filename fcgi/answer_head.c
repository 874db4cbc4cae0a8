/* What stands in front of the body: entity tags and headers. */
#include "fcgi/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/crypto/ticket.h"
#include "lib/host/config.h"

enum { LATEST_VERSION = 2 };

/* Entity tags: "<updated_at in hex microseconds>-<hash of the data>" */

static uint32_t data_hash(const struct req *rq)
{
	uint32_t h = 2166136261u;

	for (size_t i = rq->answer.data_from; i < rq->answer.data_to; i++)
		h = (h ^ (unsigned char)rq->answer.out.p[i]) * 16777619u;
	return h;
}

/*
 * The next entity tag of a list, with its quotes and without W/: what nginx
 * compresses it weakens, and the time in our tags is as strong as before.
 */
static bool next_tag(const char **list, const char **tag, size_t *len)
{
	const char *p = *list + strspn(*list, " ,\t"), *end;

	if (!strncmp(p, "W/", 2))
		p += 2;
	end = *p == '"' ? strchr(p + 1, '"') : NULL;
	end = end ? end + 1 : p + strcspn(p, ",");
	*tag = p;
	*len = (size_t)(end - p);
	*list = end;
	return *len > 0;
}

static bool is_any(const char *list)
{
	list += strspn(list, " \t");
	return *list == '*' && !list[1 + strspn(list + 1, " \t")];
}

static bool lists_tag(const char *list, const char *tag)
{
	const char *p;
	size_t len;

	while (next_tag(&list, &p, &len))
		if (len == strlen(tag) && !memcmp(p, tag, len))
			return true;
	return false;
}

void answer_finish(struct req *rq)
{
	const char *if_none_match;
	char *tag;

	if (!rq->answer.updated_us || rq->answer.status == 204)
		return;
	tag = arena_fmt(&rq->tx.arena, "\"%llx-%08x\"", (long long)rq->answer.updated_us, data_hash(rq));
	req_set_header(rq, "ETag", tag);
	if_none_match =
		rq->asked.method == GET || rq->asked.method == HEAD ? req_header(rq, "If-None-Match") : NULL;
	if (if_none_match && (is_any(if_none_match) || lists_tag(if_none_match, tag))) {
		rq->answer.status = 304;
		rq->answer.out.n = 0;
	}
}

const char *answer_if_match(struct req *rq)
{
	const char *list = req_header(rq, "If-Match"), *tag;
	struct buf b;
	size_t len;

	if (!list || is_any(list))
		return NULL;
	buf_init(&b, &rq->tx.arena, 64);
	/* -1 never matches: a tag that is not of ours refuses the write. */
	buf_text(&b, "{-1");
	while (next_tag(&list, &tag, &len)) {
		size_t digits = strspn(tag + 1, "0123456789abcdef");

		if (*tag == '"' && digits >= 1 && digits <= 16 && tag[1 + digits] == '-')
			buf_fmt(&b, ",%lld", (long long)strtoull(tag + 1, NULL, 16));
	}
	buf_char(&b, '}');
	return buf_str(&b);
}

/* Headers */

/*
 * A page must be able to read why it was refused, or its user sees a network
 * error.  Whether it is one of a public key's own may be unknown by then, or be
 * the very reason; but a refusal holds nothing, and no client sends a cookie here.
 */
static bool is_readable_refusal(const struct req *rq)
{
	const char *key = req_header(rq, "X-API-Key");

	if (!rq->tx.fail.err || (key && ticket_begins_secret(key)))
		return false;
	return key || rq->tx.fail.err == ERR_ORIGIN ||
	       (rq->asked.route && caller_takes_key(rq->asked.route->caller));
}

const char *answer_origin(const struct req *rq)
{
	const char *origin = req_header(rq, "Origin");

	/* It goes back as a header of ours. */
	for (const char *p = origin; p && *p; p++)
		if (*p <= ' ' || *p == 127)
			return NULL;
	/* the door lets a public key in from its own origins only. */
	if (rq->answer.any_origin || rq->tx.found_beside ||
	    (rq->tx.entered && rq->who.api_key && !rq->who.is_secret) || is_readable_refusal(rq))
		return origin;
	for (const char *const *o = cfg.cors_origins; origin && o && *o; o++)
		if (!strcmp(*o, "*") || !strcmp(*o, origin))
			return origin;
	return NULL;
}

/* The deprecation headers of version 1, or NULL when it is not deprecated. */
static const char *deprecation;

/* Midnight UTC of a day written YYYY-MM-DD, which config.c has checked; 0 for "". */
static time_t day(const char *text)
{
	struct tm tm = { 0 };

	if (!text || sscanf(text, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return timegm(&tm);
}

void answer_init(void)
{
	static struct arena memory;
	time_t since = day(cfg.deprecated_at_v1), sunset = day(cfg.sunset_at_v1);
	char date[64] = "", since_text[32] = "true";
	struct tm tm;

	arena_release(&memory);
	deprecation = NULL;
	if (!since)
		return;
	if (sunset && gmtime_r(&sunset, &tm))
		strftime(date, sizeof(date), "Sunset: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	if (!strcmp(cfg.deprecation_format, "date"))
		snprintf(since_text, sizeof(since_text), "@%lld", (long long)since);
	arena_init(&memory, 1024);
	deprecation = arena_fmt(&memory,
				"Deprecation: %s\r\n%sX-Deprecation-Notice: %s\r\n"
				"Link: </api/v2/>; rel=\"successor-version\"\r\n",
				since_text, date, cfg.deprecation_notice_v1);
}

static void cors_headers(struct req *rq, struct buf *b)
{
	const char *origin;

	origin = answer_origin(rq);
	if ((!cfg.cors_origins || !*cfg.cors_origins) && !origin && !req_header(rq, "X-API-Key") &&
	    !(rq->asked.route && caller_takes_key(rq->asked.route->caller)))
		return;
	buf_text(b, "Vary: Origin\r\n");
	if (origin)
		buf_fmt(b,
			"Access-Control-Allow-Origin: %s\r\nAccess-Control-Expose-Headers: "
			/* nginx/snippets/ashlar-error.conf has the same. */
			"Allow, ETag, Retry-After, WWW-Authenticate, X-Request-ID, X-API-Version, "
			"X-API-Latest-Version, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
			"RateLimit, RateLimit-Policy, Deprecation, Sunset, X-Deprecation-Notice, Link, "
			"Idempotent-Replayed, X-Error-Code, Location, Tus-Resumable, Upload-Offset, "
			"Upload-Length, Upload-Expires\r\n",
			origin);
}

static void limit_headers(const struct req *rq, struct buf *b)
{
	long reset;

	if (!rq->limits.limit)
		return;
	reset = rq->limits.reset_s;
	buf_fmt(b,
		"X-RateLimit-Limit: %ld\r\nX-RateLimit-Remaining: %ld\r\nX-RateLimit-Reset: %lld\r\n"
		"RateLimit-Policy: \"default\";q=%ld;w=%ld\r\nRateLimit: \"%s\";r=%ld;t=%ld\r\n",
		rq->limits.limit, rq->limits.left, (long long)(clock_unix_us() / 1000000 + reset),
		rq->limits.limit, rq->limits.window_s ? rq->limits.window_s : 60,
		rq->limits.name ? rq->limits.name : "default", rq->limits.left, reset);
}

/* What every answer carries whatever happened: ARCHITECTURE.md, "Surfaces". */
static const char always[] = "X-API-Latest-Version: v2\r\n"
			     "X-Content-Type-Options: nosniff\r\n"
			     "X-Frame-Options: DENY\r\n"
			     "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
			     "Referrer-Policy: no-referrer\r\n";
_Static_assert(LATEST_VERSION == 2, "the headers above name it");

/* Whatever a value is made of, it stays one line. */
static void add_header(struct buf *b, const char *name, const char *value)
{
	size_t from;

	buf_text(b, name);
	buf_text(b, ": ");
	from = b->n;
	buf_text(b, value);
	for (char *p = b->p + from; p < b->p + b->n; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	buf_text(b, "\r\n");
}

static void add_number(struct buf *b, const char *name, long long value)
{
	buf_text(b, name);
	buf_text(b, ": ");
	jx_int(b, value);
	buf_text(b, "\r\n");
}

void answer_head(struct req *rq, struct buf *b)
{
	const char *type = rq->asked.route && rq->asked.route->content_type && !rq->tx.fail.err
				   ? rq->asked.route->content_type
				   : "application/json";
	bool is_empty = rq->answer.status == 204 || (rq->answer.status == 202 && !rq->answer.out.n);
	bool has_type = !is_empty && rq->answer.status / 100 != 3, has_cache = false, has_policy = false;

	add_number(b, "Status", rq->answer.status);
	for (int i = 0; i < rq->answer.nheaders; i++) {
		has_type = has_type && strcmp(rq->answer.headers[i].name, "Content-Type");
		has_cache = has_cache || !strcmp(rq->answer.headers[i].name, "Cache-Control");
		has_policy = has_policy || !strcmp(rq->answer.headers[i].name, "Content-Security-Policy");
		add_header(b, rq->answer.headers[i].name, rq->answer.headers[i].value);
	}
	if (has_type)
		add_header(b, "Content-Type", type);
	if (rq->answer.status != 204 && rq->answer.status != 304 && !rq->answer.is_sent)
		add_number(b, "Content-Length", (long long)rq->answer.out.n);
	if (!has_cache)
		buf_text(b, rq->answer.updated_us ? "Cache-Control: private, no-cache\r\n"
						  : "Cache-Control: no-store\r\n");
	add_header(b, "X-Request-ID", rq->tx.log.request_id);
	buf_text(b, "X-API-Version: v");
	jx_int(b, rq->asked.version);
	buf_text(b, "\r\n");
	buf_add(b, always, sizeof(always) - 1);
	if (!has_policy)
		buf_text(b, "Content-Security-Policy: default-src 'self'\r\n");
	limit_headers(rq, b);
	cors_headers(rq, b);
	if (rq->asked.version == 1 && deprecation && rq->asked.route &&
	    surface_of(rq->asked.route->id)->versions > 1)
		buf_text(b, deprecation);
	if (config_is_development())
		buf_fmt(b, "Server-Timing: db;dur=%.3f, total;dur=%.3f\r\n", (double)rq->tx.ns / 1e6,
			(double)(clock_ns() - rq->asked.start_ns) / 1e6);
	buf_text(b, "\r\n");
}
