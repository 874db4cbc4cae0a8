#include "providers/clickhouse_rows.h"

#include <stdlib.h>
#include <string.h>

#include "lib/db/wire.h"

static void clear(void *res)
{
	PQclear(res);
}

void clickhouse_rows_init(struct clickhouse_rows *r, struct arena *a)
{
	*r = (struct clickhouse_rows){ .arena = a };
	buf_init(&r->line, a, 4096);
	buf_init(&r->cell, a, 1024);
}

static bool fail(struct clickhouse_rows *r, const char *what)
{
	r->rc = failure_hide(r->why, r->arena, ERR_UNAVAILABLE, "ClickHouse: %s", what);
	return false;
}

static bool begins(const char *p, size_t n, const char *word)
{
	return n >= strlen(word) && !memcmp(p, word, strlen(word));
}

/* What a type of theirs is here. */
static Oid type_of(const char *p, size_t n)
{
	static const char *const wraps[] = { "Nullable(", "LowCardinality(", "Nullable(" };

	for (size_t i = 0; i < sizeof(wraps) / sizeof(*wraps); i++)
		if (begins(p, n, wraps[i])) {
			p += strlen(wraps[i]);
			n -= strlen(wraps[i]);
		}
	if (begins(p, n, "Bool"))
		return BOOL;
	if (begins(p, n, "Int128") || begins(p, n, "Int256"))
		return TEXT;
	if (begins(p, n, "Int") || begins(p, n, "UInt"))
		return INT8;
	if (begins(p, n, "DateTime64"))
		return TIMESTAMPTZ;
	return begins(p, n, "Decimal") ? JSONB : TEXT;
}

/* The next of a line's values; its end is moved behind the tab.  NULL: there is none. */
static const char *next_of(const char **at, const char *end, size_t *n)
{
	const char *from = *at, *tab;

	if (!from)
		return NULL;
	tab = memchr(from, '\t', (size_t)(end - from));
	*n = (size_t)((tab ? tab : end) - from);
	*at = tab ? tab + 1 : NULL;
	return from;
}

static bool read_names(struct clickhouse_rows *r, const char *p, const char *end)
{
	const char *at = p, *name;
	size_t n;

	for (r->ncolumns = 1; (p = memchr(p, '\t', (size_t)(end - p))); p++)
		r->ncolumns++;
	r->columns = arena_alloc(r->arena, sizeof(*r->columns) * (size_t)r->ncolumns);
	for (int i = 0; (name = next_of(&at, end, &n)); i++)
		r->columns[i] = (PGresAttDesc){ .name = arena_dup_n(r->arena, name, n), .format = 1 };
	return true;
}

static PGresult *new_result(struct clickhouse_rows *r)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	if (res && PQsetResultAttrs(res, r->ncolumns, r->columns))
		return res;
	PQclear(res);
	fail(r, "out of memory");
	return NULL;
}

static bool read_types(struct clickhouse_rows *r, const char *p, const char *end)
{
	const char *type;
	size_t n;
	int i = 0;

	for (; (type = next_of(&p, end, &n)); i++) {
		if (i == r->ncolumns)
			return fail(r, "there are more types than columns");
		r->columns[i].typid = type_of(type, n);
		r->columns[i].typlen = -1;
		r->columns[i].atttypmod = -1;
	}
	if (i < r->ncolumns)
		return fail(r, "there are more columns than types");
	if (r->each)
		return true;
	r->res = new_result(r);
	if (r->res)
		arena_defer(r->arena, clear, r->res);
	return r->res;
}

/* A value without its escapes. */
static void unescape(struct buf *out, const char *p, size_t n)
{
	static const char from[] = "bfnrt0", to[] = "\b\f\n\r\t";
	const char *end = p + n;

	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p)), *found;

		buf_add(out, p, (size_t)((slash ? slash : end) - p));
		if (!slash || slash + 1 == end)
			return;
		found = strchr(from, slash[1]);
		buf_char(out, found && slash[1] ? to[found - from] : slash[1]);
		p = slash + 2;
	}
}

static void add_int8(struct buf *out, int64_t value)
{
	uint64_t v = htobe64((uint64_t)value);

	buf_add(out, &v, sizeof(v));
}

/* Seconds since 1970 with a fraction, in microseconds since 2000. */
static int64_t timestamp(const char *text)
{
	const int64_t epoch_us = INT64_C(946684800000000);
	char *end;
	int64_t us = strtoll(text, &end, 10) * 1000000, unit = 100000;

	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
			us += (*end - '0') * unit;
	return us - epoch_us;
}

/* The value in its binary form, in r->cell. */
static void write_cell(struct clickhouse_rows *r, Oid type, const char *p, size_t n)
{
	struct buf *out = &r->cell;
	char digits[48];

	out->n = 0;
	if (type == TEXT || type == JSONB) {
		if (type == JSONB)
			buf_char(out, 1);
		unescape(out, p, n);
		return;
	}
	if (type == BOOL) {
		buf_char(out, n && *p == 't');
		return;
	}
	n = n < sizeof(digits) ? n : sizeof(digits) - 1;
	memcpy(digits, p, n);
	digits[n] = '\0';
	if (type == TIMESTAMPTZ)
		add_int8(out, timestamp(digits));
	else
		add_int8(out, (int64_t)(*digits == '-' ? strtoll(digits, NULL, 10)
						       : (long long)strtoull(digits, NULL, 10)));
}

static bool read_row(struct clickhouse_rows *r, const char *p, const char *end)
{
	PGresult *res = r->each ? new_result(r) : r->res;
	int row = res ? PQntuples(res) : 0, i = 0;
	const char *value;
	bool ok = res;
	size_t n;

	for (; ok && (value = next_of(&p, end, &n)); i++) {
		bool is_null = n == 2 && value[0] == '\\' && value[1] == 'N';

		if (i == r->ncolumns) {
			ok = fail(r, "there are more values than columns");
			break;
		}
		if (!is_null)
			write_cell(r, r->columns[i].typid, value, n);
		if (!PQsetvalue(res, row, i, is_null ? NULL : buf_str(&r->cell),
				is_null ? -1 : (int)r->cell.n))
			ok = fail(r, "out of memory");
	}
	if (ok && i < r->ncolumns)
		ok = fail(r, "there are more columns than values");
	if (ok && r->each) {
		r->rc = r->each(r->to, res, r->why);
		ok = !r->rc;
	}
	if (r->each)
		PQclear(res);
	return ok;
}

static bool read_line(struct clickhouse_rows *r, const char *p, const char *end)
{
	switch (r->lines++) {
	case 0: return read_names(r, p, end);
	case 1: return read_types(r, p, end);
	default: return read_row(r, p, end);
	}
}

bool clickhouse_rows_take(void *rows, const char *p, size_t n)
{
	struct clickhouse_rows *r = rows;
	const char *end = p + n, *feed;

	for (; (feed = memchr(p, '\n', (size_t)(end - p))); p = feed + 1) {
		bool ok;

		if (!r->line.n) {
			ok = read_line(r, p, feed);
		} else {
			buf_add(&r->line, p, (size_t)(feed - p));
			ok = read_line(r, r->line.p, r->line.p + r->line.n);
			r->line.n = 0;
		}
		if (!ok)
			return false;
	}
	buf_add(&r->line, p, (size_t)(end - p));
	return true;
}
