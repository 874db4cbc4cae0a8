#include "fcgi/answer.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi/accept.h"
#include "fcgi/outputs.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"
#include "lib/host/config.h"

enum { LATEST_VERSION = 2 };

/* Envelopes */

static bool is_bare(const struct req *rq)
{
	return rq->asked.route->flags & BARE;
}

static struct buf *body(struct req *rq)
{
	if (!rq->answer.out.p)
		buf_init(&rq->answer.out, &rq->tx.arena, 8192);
	rq->answer.out.n = 0;
	return &rq->answer.out;
}

static void envelope_open(struct req *rq, const char *surface_head)
{
	struct buf *b = body(rq);

	if (rq->asked.version > 1 && !is_bare(rq))
		buf_text(b, "{\"data\":");
	rq->answer.data_from = b->n;
	if (surface_head && !is_bare(rq))
		buf_text(b, surface_head);
}

static void envelope_close(struct req *rq, const char *surface_tail)
{
	struct buf *b = &rq->answer.out;

	if (rq->asked.route->done && surface_of(rq->asked.route->id)->object_tail == surface_tail) {
		buf_text(b, ",\"meta\":{\"message\":");
		jx_str(b, rq->asked.route->done);
		buf_char(b, '}');
	}
	if (surface_tail && !is_bare(rq))
		buf_text(b, surface_tail);
	rq->answer.data_to = b->n;
	if (rq->asked.version > 1 && !is_bare(rq)) {
		buf_text(b, ",\"meta\":{\"request_id\":");
		jx_str(b, rq->tx.log.request_id);
		buf_text(b, ",\"timestamp\":");
		jx_timestamptz(b, clock_pg_us());
		buf_fmt(b, ",\"version\":\"v%d\"}}", rq->asked.version);
	}
	rq->answer.status = route_status(rq->asked.route);
}

struct buf *answer_open(struct req *rq)
{
	envelope_open(rq, surface_of(rq->asked.route->id)->object_head);
	return &rq->answer.out;
}

enum err answer_close(struct req *rq)
{
	envelope_close(rq, surface_of(rq->asked.route->id)->object_tail);
	return ERR_OK;
}

enum err answer_redirect(struct req *rq, const char *url)
{
	req_set_header(rq, "Location", url);
	body(rq);
	rq->answer.status = route_status(rq->asked.route);
	rq->answer.updated_us = 0; /* what is there may be another one each time */
	assert(rq->answer.status / 100 == 3);
	return ERR_OK;
}

/* Rows */

/* What the last {name} of the path names: {webhook_event_id} is a "Webhook event"; NULL: there is none. */
static const char *resource_of_path(struct req *rq)
{
	int n = route_params(rq->asked.route);
	const char *name = n ? route_param(rq->asked.route, n - 1).name : "";
	size_t len = strlen(name);
	char *words;

	if (len > 3 && !strcmp(name + len - 3, "_id"))
		len -= 3;
	if (!len)
		return NULL;
	words = arena_dup_n(&rq->tx.arena, name, len);
	for (char *p = words; *p; p++)
		if (*p == '_')
			*p = ' ';
	*words = (char)toupper((unsigned char)*words);
	return words;
}

struct failure answer_absence(struct req *rq, const char *id)
{
	const struct shape *shape = rq->asked.route->out;
	const char *resource = !shape || shape->is_note ? resource_of_path(rq)
			       : shape->resource        ? shape->resource
							: shape->name;
	struct failure f;
	struct buf details;

	failure_set(&f, &rq->tx.arena, ERR_NOT_FOUND, NULL, "%s not found", resource ? resource : "resource");
	if (!resource)
		return f;
	buf_init(&details, &rq->tx.arena, 128);
	buf_text(&details, "\"resource\":");
	jx_str(&details, resource);
	if (id) {
		buf_text(&details, ",\"id\":");
		jx_str(&details, id);
	}
	f.details = buf_str(&details);
	return f;
}

enum err answer_not_found(struct req *rq, const char *id)
{
	rq->tx.fail = answer_absence(rq, id);
	return ERR_NOT_FOUND;
}

/* The id that the path asked for: its last parameter. */
static enum err no_row(struct req *rq)
{
	int n = route_params(rq->asked.route);

	return answer_not_found(rq, n ? req_text(rq, route_param(rq->asked.route, n - 1).name) : NULL);
}

/* What a shape has from version 2 on only. */
static const char *const *names_of_v2(struct arena *a, const struct shape *shape)
{
	size_t n = 0;
	const char **names;

	for (const struct field *f = shape->fields; f->name; f++)
		n += !!(f->flags & F_V2);
	if (!n)
		return NULL;
	names = arena_alloc(a, (n + 1) * sizeof(*names));
	n = 0;
	for (const struct field *f = shape->fields; f->name; f++)
		if (f->flags & F_V2)
			names[n++] = f->name;
	return names;
}

static struct rows *open_rows(struct req *rq, const PGresult *res, const struct shape *shape,
			      int first_column)
{
	struct rows_form form = { .has_micros = surface_of(rq->asked.route->id)->has_micros };

	if (shape && shape->fields) {
		form.is_whole = shape->fields->flags & F_WHOLE;
		form.without = rq->asked.version < 2 ? names_of_v2(&rq->tx.arena, shape) : NULL;
	}
	return rows_open(&rq->tx.arena, res, first_column, &form);
}

struct rows *answer_form(struct req *rq, const PGresult *res)
{
	return open_rows(rq, res, rq->asked.route->out, 0);
}

/* When a row was last changed. */
static int64_t updated_us(const PGresult *res)
{
	int64_t us = column_us(res, 0, "updated_at");

	return us ? us : column_us(res, 0, "_updated_at");
}

/* The rows of a child that belong to the one with this id; of a single row all do. */
static void write_family(struct buf *b, const PGresult *res, struct rows *rows, const char *id)
{
	int of = PQfnumber(res, "_of"), n = 0;

	buf_char(b, '[');
	for (int i = 0; i < PQntuples(res); i++) {
		if (of >= 0 &&
		    (!id || memcmp(PQgetvalue(res, i, of), id, (size_t)PQgetlength(res, i, of)) != 0))
			continue;
		if (n++)
			buf_char(b, ',');
		rows_object(b, rows, i);
	}
	buf_char(b, ']');
}

static void write_rows(struct req *rq, const PGresult *res, int first_column)
{
	struct rows *rows = open_rows(rq, res, rq->asked.route->out, first_column), *child_rows[MAX_CHILDREN];
	int n = PQntuples(res), id = PQfnumber(res, "id");
	struct buf *b = &rq->answer.out;

	/* An empty page may be one row of nulls beside its total. */
	if (first_column && n == 1 && PQgetisnull(res, 0, first_column))
		n = 0;
	for (int i = 0; i < rq->tx.nchildren; i++)
		child_rows[i] = open_rows(rq, rq->tx.children[i], NULL, 0);
	for (int i = 0; i < n; i++) {
		if (i)
			buf_char(b, ',');
		rows_object(b, rows, i);
		if (!rq->tx.nchildren)
			continue;
		b->n--; /* its brace */
		for (int c = 0; c < rq->tx.nchildren; c++) {
			jx_key(b, rq->asked.route->children[c].member);
			write_family(b, rq->tx.children[c], child_rows[c],
				     id < 0 ? NULL : PQgetvalue(res, i, id));
		}
		buf_char(b, '}');
	}
}

static long long number(const struct req *rq, const char *name)
{
	const char *text = req_text(rq, name);

	return text ? strtoll(text, NULL, 10) : 0;
}

/* A member of a list's form: see list.h. */
static void write_member(struct req *rq, const PGresult *res, const char *name, long long total)
{
	long long limit = number(rq, "limit"), skip = number(rq, "skip");
	struct buf *b = &rq->answer.out;

	jx_key(b, name);
	switch (list_kind(name)) {
	case LIST_TOTAL: jx_int(b, total); break;
	case LIST_LIMIT: jx_int(b, limit); break;
	case LIST_SKIP: jx_int(b, skip); break;
	case LIST_PAGE: jx_int(b, number(rq, "page")); break;
	case LIST_PAGES: jx_int(b, limit ? (total + limit - 1) / limit : 0); break;
	case LIST_NEXT: jx_bool(b, skip < total - limit); break;
	case LIST_PREV: jx_bool(b, skip > 0); break;
	case LIST_COLUMN:
		jx_int(b, PQntuples(res) ? column_int(res, 0, arena_fmt(&rq->tx.arena, "_%s", name)) : 0);
		break;
	}
}

static void write_list(struct req *rq, const PGresult *res, bool is_page)
{
	static const struct list array = { NULL };
	const struct list *l = rq->asked.route->list ? rq->asked.route->list : &array;
	const char *items = rq->asked.route->list ? route_items(rq->asked.route) : NULL;
	long long total = is_page ? rq->answer.total : PQntuples(res);
	struct buf *b;

	envelope_open(rq, NULL);
	b = &rq->answer.out;
	if (items) {
		buf_char(b, '{');
		jx_key(b, items);
	}
	buf_char(b, '[');
	write_rows(rq, res, is_page);
	buf_char(b, ']');
	if (l->meta)
		jx_key_open(b, l->meta, '{');
	for (size_t i = 0; i < sizeof(l->members) / sizeof(*l->members) && l->members[i]; i++)
		write_member(rq, res, l->members[i], total);
	if (l->meta)
		buf_char(b, '}');
	if (items)
		buf_char(b, '}');
	envelope_close(rq, NULL);
}

/* Outputs: rows one by one, sent whenever there is a chunk of them */

enum { CHUNK = 64 * 1024 };

static enum err send_chunk(struct req *rq, struct failure *why)
{
	rq->answer.status = route_status(rq->asked.route);
	if (!rq->answer.send || rq->answer.send(rq))
		return ERR_OK;
	return failure_hide(why, &rq->tx.arena, ERR_UNAVAILABLE, "nobody waits for the answer");
}

/* The query's columns are known: begin. */
static void open_output(struct req *rq, const PGresult *res)
{
	bool is_page = PQnfields(res) && !strcmp(PQfname(res, 0), "total");

	rq->answer.rows = open_rows(rq, res, rq->asked.route->out, is_page);
	rq->answer.row_count = 0;
	body(rq);
	if (rq->answer.output->head)
		rq->answer.output->head(&rq->answer.out, rq->answer.rows);
}

static enum err write_output_row(void *to, const PGresult *res, struct failure *why)
{
	struct req *rq = to;

	if (!rq->answer.rows)
		open_output(rq, res);
	rows_move(rq->answer.rows, res);
	/* An empty page may be one row of nulls beside its total. */
	if (!rows_columns(rq->answer.rows) ||
	    (PQnfields(res) > 1 && !strcmp(PQfname(res, 0), "total") && PQgetisnull(res, 0, 1)))
		return ERR_OK;
	rq->answer.output->row(&rq->answer.out, rq->answer.rows, 0, !rq->answer.row_count++);
	return rq->answer.out.n < CHUNK ? ERR_OK : send_chunk(rq, why);
}

/* "attachment; filename=\"audit-logs.csv\"": what the path names last, where that is no id. */
static const char *disposition(struct req *rq)
{
	const char *name = strrchr(rq->asked.route->path, '/') + 1;

	return arena_fmt(&rq->tx.arena, "attachment; filename=\"%s.%s\"", *name == '{' ? "rows" : name,
			 rq->answer.output->extension);
}

static enum err answer_output(struct req *rq, const struct query *q)
{
	PGresult *res;
	enum err rc;

	req_set_header(rq, "Content-Type", rq->answer.output->content_type);
	req_set_header(rq, "Vary", "Accept");
	if (rq->answer.output->extension)
		req_set_header(rq, "Content-Disposition", disposition(rq));
	rq->answer.rows = NULL;
	rq->tx.each = write_output_row;
	rq->tx.each_to = rq;
	rc = tx_call_family(&rq->tx, q, NULL, true, &res);
	rq->tx.each = NULL;
	if (rc)
		return rc;
	if (!rq->answer.rows)
		open_output(rq, res);
	buf_text(&rq->answer.out, rq->answer.output->tail);
	rq->answer.status = route_status(rq->asked.route);
	return rq->answer.is_sent ? send_chunk(rq, &rq->tx.fail) : ERR_OK;
}

/* How many a page is of; behind the last page there is no row that tells it. */
static enum err count_page(struct req *rq, const struct query *q, const PGresult *page)
{
	PGresult *res;
	enum err rc;

	rq->answer.total = PQntuples(page) ? column_int(page, 0, "total") : 0;
	if (PQntuples(page) || !q->total || !(number(rq, "skip") || number(rq, "offset")))
		return ERR_OK;
	rc = tx_total(&rq->tx, q, &res);
	if (!rc)
		rq->answer.total = column_int(res, 0, "total");
	return rc;
}

/* Of a row with .redirect: its _location; where that is null, itself, if there is something to show. */
static enum err write_redirect(struct req *rq, const PGresult *res)
{
	const char *location = PQntuples(res) ? column_text(res, 0, "_location") : NULL;

	if (location)
		return answer_redirect(rq, location);
	if (!rq->asked.route->out || !PQntuples(res))
		return no_row(rq);
	rq->answer.updated_us = updated_us(res);
	answer_open(rq);
	write_rows(rq, res, 0);
	answer_close(rq);
	rq->answer.status = 200;
	return ERR_OK;
}

enum err answer_rows(struct req *rq, const struct query *q)
{
	PGresult *res;
	enum err rc;

	if (rq->answer.output)
		return answer_output(rq, q);
	rc = tx_call_family(&rq->tx, q, rq->asked.route->children, true, &res);
	if (!rc && q->shape == SHAPE_PAGE)
		rc = count_page(rq, q, res);
	if (rc)
		return rc;
	if (rq->asked.route->redirect)
		return write_redirect(rq, res);
	switch (q->shape) {
	case SHAPE_EXEC: break;
	case SHAPE_MAYBE:
	case SHAPE_ROW:
		if (PQntuples(res) == 0 && q->shape == SHAPE_ROW)
			return no_row(rq);
		rq->answer.updated_us = PQntuples(res) ? updated_us(res) : 0;
		if (route_status(rq->asked.route) == 204)
			break;
		answer_open(rq);
		if (PQntuples(res))
			write_rows(rq, res, 0);
		else
			jx_null(&rq->answer.out);
		return answer_close(rq);
	case SHAPE_ROWS:
	case SHAPE_PAGE: write_list(rq, res, q->shape == SHAPE_PAGE); return ERR_OK;
	}
	body(rq);
	rq->answer.status = route_status(rq->asked.route);
	return ERR_OK;
}

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

/* Errors */

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

static void write_error(struct req *rq)
{
	const struct err_info *info = err_info(rq->tx.fail.err);
	const char *message = rq->tx.fail.message ? rq->tx.fail.message : info->message;
	const char *detail = detail_of(rq, message);
	const char *accept = req_header(rq, "Accept");
	struct buf *b = body(rq);

	rq->answer.status = status_of(rq);
	rq->answer.updated_us = 0;
	if (rq->answer.output) { /* whose headers were of rows */
		rq->answer.nheaders = drop_header(rq, "Content-Type");
		rq->answer.nheaders = drop_header(rq, "Content-Disposition");
	}
	if (rq->answer.status == 401)
		req_set_header(rq, "WWW-Authenticate", challenge(rq));
	if (rq->tx.fail.retry_after)
		req_set_header(rq, "Retry-After", arena_fmt(&rq->tx.arena, "%lld", rq->tx.fail.retry_after));
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

/* Headers */

/*
 * A page must be able to read why it was refused, or its user sees a network
 * error.  Whether it is one of a public key's own may be unknown by then, or be
 * the very reason; but a refusal holds nothing, and no client sends a cookie here.
 */
static bool is_readable_refusal(const struct req *rq)
{
	const char *key = req_header(rq, "X-API-Key");

	if (!rq->tx.fail.err || (key && !strncmp(key, "sk_", 3)))
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
			"Idempotent-Replayed\r\n",
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
			     "Content-Security-Policy: default-src 'self'\r\n"
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
	bool has_type = rq->answer.status != 204 && rq->answer.status / 100 != 3, has_cache = false;

	add_number(b, "Status", rq->answer.status);
	for (int i = 0; i < rq->answer.nheaders; i++) {
		has_type = has_type && strcmp(rq->answer.headers[i].name, "Content-Type");
		has_cache = has_cache || !strcmp(rq->answer.headers[i].name, "Cache-Control");
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
