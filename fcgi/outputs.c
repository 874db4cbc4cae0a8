#include "fcgi/outputs.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/jx.h"
#include "lib/db/rows.h"

/* CSV */

/* Also one that has a ' in front already: whoever reads the file takes one away. */
static bool is_formula(const char *p, size_t n)
{
	while (n && *p == '\'')
		p++, n--;
	return n && memchr("=+-@\t\r", *p, 6);
}

/* A text: quoted where it would end its cell, or be taken for null. */
static void write_cell(struct buf *b, const char *p, size_t n)
{
	bool quotes =
		!n || memchr(p, '"', n) || memchr(p, ',', n) || memchr(p, '\n', n) || memchr(p, '\r', n);

	if (quotes)
		buf_char(b, '"');
	if (is_formula(p, n))
		buf_char(b, '\'');
	for (const char *end = p + n; p < end;) {
		const char *quote = memchr(p, '"', (size_t)(end - p)), *to = quote ? quote + 1 : end;

		buf_add(b, p, (size_t)(to - p));
		if (quote)
			buf_char(b, '"');
		p = to;
	}
	if (quotes)
		buf_char(b, '"');
}

static void csv_head(struct buf *b, const struct rows *r)
{
	for (int i = 0; i < rows_columns(r); i++) {
		const char *name = rows_name(r, i);

		if (i)
			buf_char(b, ',');
		write_cell(b, name, strlen(name));
	}
	buf_text(b, "\r\n");
}

/* Quote what was written from there on, where it stands: no memory for each of many rows. */
static void quote(struct buf *b, size_t from)
{
	size_t n = b->n - from, quotes = 0;
	char *p, *to;

	for (size_t i = 0; i < n; i++)
		quotes += b->p[from + i] == '"';
	buf_room(b, quotes + 2);
	p = b->p + from;
	to = p + n + quotes + 1;
	*to = '"';
	while (n > 0) {
		*--to = p[--n];
		if (*to == '"')
			*--to = '"';
	}
	*p = '"';
	b->n += quotes + 2;
}

static void csv_row(struct buf *b, const struct rows *r, int row, bool is_first)
{
	(void)is_first;
	for (int i = 0; i < rows_columns(r); i++) {
		size_t n, from = b->n;
		const char *text;

		if (i) {
			buf_char(b, ',');
			from++;
		}
		if (rows_is_null(r, row, i))
			continue;
		text = rows_text(r, row, i, &n);
		if (text) {
			write_cell(b, text, n);
			continue;
		}
		/* A number, a time, an id, or JSON, which may need quotes. */
		rows_value(b, r, row, i);
		n = b->n - from;
		if (n > 1 && b->p[from] == '"') { /* a string of letters, digits and signs only */
			memmove(b->p + from, b->p + from + 1, n - 2);
			b->n -= 2;
		} else if (memchr(b->p + from, ',', n) || memchr(b->p + from, '"', n)) {
			quote(b, from);
		}
	}
	buf_text(b, "\r\n");
}

/* NDJSON */

static void ndjson_row(struct buf *b, const struct rows *r, int row, bool is_first)
{
	(void)is_first;
	rows_object(b, r, row);
	buf_char(b, '\n');
}

/* GeoJSON */

static void geojson_head(struct buf *b, const struct rows *r)
{
	(void)r;
	buf_text(b, "{\"type\":\"FeatureCollection\",\"features\":[");
}

static void geojson_row(struct buf *b, const struct rows *r, int row, bool is_first)
{
	bool is_next = false;

	buf_text(b,
		 is_first ? "{\"type\":\"Feature\",\"geometry\":" : ",{\"type\":\"Feature\",\"geometry\":");
	for (int i = 0; i < rows_columns(r); i++) {
		if (!strcmp(rows_name(r, i), "geometry"))
			rows_value(b, r, row, i);
	}
	buf_text(b, ",\"properties\":{");
	for (int i = 0; i < rows_columns(r); i++) {
		if (!strcmp(rows_name(r, i), "geometry"))
			continue;
		if (is_next)
			buf_char(b, ',');
		is_next = true;
		jx_str(b, rows_name(r, i));
		buf_char(b, ':');
		rows_value(b, r, row, i);
	}
	buf_text(b, "}}");
}

/* clang-format off */
const struct output outputs[] = {
	{ AS_CSV,     "text/csv",             "text/csv; charset=utf-8; header=present", "csv",    csv_head,     csv_row,     "" },
	{ AS_NDJSON,  "application/x-ndjson", "application/x-ndjson",                    "ndjson", NULL,         ndjson_row,  "" },
	{ AS_GEOJSON, "application/geo+json", "application/geo+json",                    NULL,     geojson_head, geojson_row, "]}" },
	{ 0 },
};
/* clang-format on */
