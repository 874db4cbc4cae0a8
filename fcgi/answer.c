#include "fcgi/answer.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/outputs.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"

/* Envelopes */

static bool is_bare(const struct req *rq)
{
	return rq->asked.route->flags & BARE;
}

struct buf *answer_body(struct req *rq)
{
	if (!rq->answer.out.p)
		buf_init(&rq->answer.out, &rq->tx.arena, 8192);
	rq->answer.out.n = 0;
	return &rq->answer.out;
}

static void envelope_open(struct req *rq, const char *surface_head)
{
	struct buf *b = answer_body(rq);

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
	answer_body(rq);
	rq->answer.status = rq->asked.route->redirect ? route_status(rq->asked.route) : 302;
	rq->answer.updated_us = 0; /* what is there may be another one each time */
	assert(rq->asked.route->redirect || rq->asked.route->flags & SENDS_FILE);
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
	case LIST_PAGE: jx_int(b, req_value(rq, "page") ? number(rq, "page") : skip / limit + 1); break;
	case LIST_PAGES: jx_int(b, limit ? (total + limit - 1) / limit : 0); break;
	case LIST_NEXT: jx_bool(b, skip < total - limit); break;
	case LIST_PREV: jx_bool(b, skip > 0); break;
	case LIST_CURSOR:
		if (PQntuples(res) && column_text(res, PQntuples(res) - 1, "_next_cursor"))
			jx_str(b, column_text(res, PQntuples(res) - 1, "_next_cursor"));
		else
			jx_null(b);
		break;
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
	if (l->counts) {
		const char *summary = PQntuples(res) ? column_text(res, 0, "_summary") : NULL;

		jx_key(b, "summary");
		jx_json(b, summary ? summary : "null", summary ? strlen(summary) : 4);
	}
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
	answer_body(rq);
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

enum err answer_page(struct req *rq, const PGresult *res, long long total)
{
	rq->answer.total = total;
	write_list(rq, res, true);
	return ERR_OK;
}

/* What the row says of itself, beside it. */
static void write_says(struct req *rq, const PGresult *res)
{
	const char *says = rq->asked.route->says, *because = rq->asked.route->because;

	buf_text(&rq->answer.out, ",\"meta\":{");
	jx_str(&rq->answer.out, says);
	buf_char(&rq->answer.out, ':');
	jx_bool(&rq->answer.out, column_bool(res, 0, arena_fmt(&rq->tx.arena, "_%s", says)));
	if (because) {
		const char *text = column_text(res, 0, arena_fmt(&rq->tx.arena, "_%s", because));

		jx_key(&rq->answer.out, because);
		if (text)
			jx_str(&rq->answer.out, text);
		else
			jx_null(&rq->answer.out);
	}
	buf_char(&rq->answer.out, '}');
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
		if (rq->asked.route->says)
			write_says(rq, res);
		return answer_close(rq);
	case SHAPE_ROWS:
	case SHAPE_PAGE: write_list(rq, res, q->shape == SHAPE_PAGE); return ERR_OK;
	}
	answer_body(rq);
	rq->answer.status = route_status(rq->asked.route);
	return ERR_OK;
}
