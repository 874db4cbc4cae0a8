#include "lib/db/rows.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/jx.h"
#include "lib/db/wire.h"

/* Writes one value that is not null; p is the n bytes that the server sent. */
typedef void writer(struct buf *b, const char *p, int n);

/* One writer per form */

static void write_bool(struct buf *b, const char *p, int n)
{
	jx_bool(b, wire_bool(p, n));
}

static void write_int2(struct buf *b, const char *p, int n)
{
	jx_int(b, wire_int2(p, n));
}

static void write_int4(struct buf *b, const char *p, int n)
{
	jx_int(b, wire_int4(p, n));
}

static void write_int8(struct buf *b, const char *p, int n)
{
	jx_int(b, wire_int8(p, n));
}

static void write_oid(struct buf *b, const char *p, int n)
{
	jx_int(b, (uint32_t)wire_int4(p, n));
}

static void write_float4(struct buf *b, const char *p, int n)
{
	int32_t bits = wire_int4(p, n);
	float v;

	memcpy(&v, &bits, sizeof(v));
	jx_float(b, v);
}

static void write_float8(struct buf *b, const char *p, int n)
{
	int64_t bits = wire_int8(p, n);
	double v;

	memcpy(&v, &bits, sizeof(v));
	jx_double(b, v);
}

static void write_numeric(struct buf *b, const char *p, int n)
{
	jx_numeric(b, p, (size_t)n);
}

static void write_text(struct buf *b, const char *p, int n)
{
	jx_text(b, p, (size_t)n);
}

static void write_uuid(struct buf *b, const char *p, int n)
{
	assert(n == 16);
	jx_uuid(b, (const unsigned char *)p);
}

/* A timestamp without a zone is taken to be in UTC: a client wants one form of time. */
static void write_timestamptz(struct buf *b, const char *p, int n)
{
	jx_timestamptz(b, wire_int8(p, n));
}

static void write_timestamptz_us(struct buf *b, const char *p, int n)
{
	jx_timestamptz_us(b, wire_int8(p, n));
}

static void write_date(struct buf *b, const char *p, int n)
{
	jx_date(b, wire_int4(p, n));
}

static void write_json(struct buf *b, const char *p, int n)
{
	jx_json(b, p, (size_t)n);
}

static void write_jsonb(struct buf *b, const char *p, int n)
{
	assert(n > 1 && p[0] == 1); /* the version of the wire form */
	jx_json(b, p + 1, (size_t)n - 1);
}

static void write_bytea(struct buf *b, const char *p, int n)
{
	jx_base64(b, p, (size_t)n);
}

/* Family, bits of the network, is it a cidr, how long the address is, and the address. */
static void write_inet(struct buf *b, const char *p, int n)
{
	enum { FAMILY_INET = 2, FAMILY_INET6 = 3 }; /* PostgreSQL's own, the same on every system */
	char text[INET6_ADDRSTRLEN];
	int bits, full;

	assert(n == 8 || n == 20);
	assert(p[0] == (n == 8 ? FAMILY_INET : FAMILY_INET6) && p[3] == n - 4);
	full = n == 8 ? 32 : 128;
	bits = (unsigned char)p[1];
	inet_ntop(n == 8 ? AF_INET : AF_INET6, p + 4, text, sizeof(text));
	buf_char(b, '"');
	buf_text(b, text);
	if (bits != full || p[2])
		buf_fmt(b, "/%d", bits);
	buf_char(b, '"');
}

static writer *find_writer(Oid type);

enum { ARRAY_HEAD = 12, ARRAY_DIMENSION = 8 };

/* Write dimension d of an array whose next element is at p; what is behind the last one written. */
static const char *write_dimension(struct buf *b, const char *array, int d, writer *element, const char *p,
				   const char *end)
{
	int dimensions = wire_int4(array, 4);
	int count = wire_int4(array + ARRAY_HEAD + d * ARRAY_DIMENSION, 4);
	int i;

	buf_char(b, '[');
	for (i = 0; i < count; i++) {
		int n;

		if (i)
			buf_char(b, ',');
		if (d + 1 < dimensions) {
			p = write_dimension(b, array, d + 1, element, p, end);
			continue;
		}
		assert(end - p >= 4);
		n = wire_int4(p, 4);
		p += 4;
		if (n < 0) {
			jx_null(b);
			continue;
		}
		assert(end - p >= n);
		element(b, p, n);
		p += n;
	}
	buf_char(b, ']');
	return p;
}

/* How many dimensions, has it nulls, the elements' type; per dimension its size and lower bound; the
 * elements. */
static void write_array(struct buf *b, const char *p, int n)
{
	enum { MAX_DIMENSIONS = 6 }; /* PostgreSQL's own limit */
	int dimensions;
	writer *element;

	assert(n >= ARRAY_HEAD);
	dimensions = wire_int4(p, 4);
	assert(dimensions >= 0 && dimensions <= MAX_DIMENSIONS);
	assert(n >= ARRAY_HEAD + dimensions * ARRAY_DIMENSION);
	element = find_writer((Oid)wire_int4(p + 8, 4));
	assert(element && element != write_array);
	if (dimensions)
		write_dimension(b, p, 0, element, p + ARRAY_HEAD + dimensions * ARRAY_DIMENSION, p + n);
	else
		buf_text(b, "[]");
}

/* clang-format off */
static const struct {
	Oid type;
	writer *write;
} writers[] = {
	{ UUID,        write_uuid },
	{ TEXT,        write_text },
	{ TIMESTAMPTZ, write_timestamptz },
	{ INT4,        write_int4 },
	{ INT8,        write_int8 },
	{ BOOL,        write_bool },
	{ JSONB,       write_jsonb },
	{ NUMERIC,     write_numeric },
	{ DATE,        write_date },
	{ FLOAT8,      write_float8 },
	{ FLOAT4,      write_float4 },
	{ VARCHAR,     write_text },
	{ BPCHAR,      write_text },
	{ NAME,        write_text },
	{ CHAR,        write_text },
	{ INT2,        write_int2 },
	{ OID,         write_oid },
	{ JSON,        write_json },
	{ BYTEA,       write_bytea },
	{ INET,        write_inet },
	{ CIDR,        write_inet },
	{ TIMESTAMP,   write_timestamptz },

	{ TEXT_ARRAY,        write_array },
	{ UUID_ARRAY,        write_array },
	{ INT4_ARRAY,        write_array },
	{ INT8_ARRAY,        write_array },
	{ BOOL_ARRAY,        write_array },
	{ INT2_ARRAY,        write_array },
	{ BPCHAR_ARRAY,      write_array },
	{ VARCHAR_ARRAY,     write_array },
	{ FLOAT4_ARRAY,      write_array },
	{ FLOAT8_ARRAY,      write_array },
	{ INET_ARRAY,        write_array },
	{ TIMESTAMP_ARRAY,   write_array },
	{ DATE_ARRAY,        write_array },
	{ TIMESTAMPTZ_ARRAY, write_array },
	{ NUMERIC_ARRAY,     write_array },
	{ JSONB_ARRAY,       write_array },
};
/* clang-format on */

static writer *find_writer(Oid type)
{
	size_t i;

	for (i = 0; i < sizeof(writers) / sizeof(*writers); i++)
		if (writers[i].type == type)
			return writers[i].write;
	return NULL;
}

bool rows_type_known(Oid type)
{
	return find_writer(type);
}

struct column {
	int number;
	const char *key; /* with the brace or comma in front and the colon behind */
	size_t key_len;
	writer *write;
};

struct rows {
	const PGresult *res;
	bool is_whole;    /* its one column is the answer */
	struct buf *text; /* of a string that is not as it is written */
	int ncolumns;
	struct column columns[];
};

static bool is_left_out(const struct rows_form *form, const char *name)
{
	if (*name == '_')
		return !form->has_hidden;
	for (const char *const *n = form->without; n && *n; n++)
		if (!strcmp(*n, name))
			return true;
	return false;
}

static writer *writer_of(const PGresult *res, int column, const struct rows_form *form)
{
	writer *write = find_writer(PQftype(res, column));

	if (!write || PQfformat(res, column) != 1) {
		fprintf(stderr, "{\"level\":\"fatal\",\"message\":\"column %s: type %u, format %d\"}\n",
			PQfname(res, column), PQftype(res, column), PQfformat(res, column));
		abort();
	}
	return write == write_timestamptz && form->has_micros ? write_timestamptz_us : write;
}

struct rows *rows_open(struct arena *a, const PGresult *res, int first_column, const struct rows_form *form)
{
	int ncolumns = PQnfields(res);
	struct rows *r;
	int i;

	assert(first_column >= 0 && first_column <= ncolumns);
	r = arena_alloc(a, sizeof(*r) + (size_t)(ncolumns - first_column) * sizeof(*r->columns));
	r->res = res;
	r->is_whole = form->is_whole;
	r->text = arena_alloc(a, sizeof(*r->text));
	buf_init(r->text, a, 64);
	for (i = first_column; i < ncolumns; i++) {
		struct column *c = &r->columns[r->ncolumns];
		const char *name = PQfname(res, i);
		struct buf key;

		if (is_left_out(form, name))
			continue;
		c->number = i;
		c->write = writer_of(res, i, form);
		buf_init(&key, a, strlen(name) + 16);
		buf_char(&key, r->ncolumns ? ',' : '{');
		jx_key(&key, name);
		c->key = key.p;
		c->key_len = key.n;
		r->ncolumns++;
	}
	return r;
}

void rows_object(struct buf *b, const struct rows *r, int row)
{
	const struct column *c;

	if (!r->ncolumns)
		buf_char(b, '{');
	for (c = r->columns; c < r->columns + r->ncolumns; c++) {
		if (!r->is_whole)
			buf_add(b, c->key, c->key_len);
		if (PQgetisnull(r->res, row, c->number))
			jx_null(b);
		else
			c->write(b, PQgetvalue(r->res, row, c->number), PQgetlength(r->res, row, c->number));
	}
	if (!r->is_whole)
		buf_char(b, '}');
}

void rows_move(struct rows *r, const PGresult *res)
{
	r->res = res;
}

int rows_columns(const struct rows *r)
{
	return r->ncolumns;
}

const char *rows_name(const struct rows *r, int column)
{
	return PQfname(r->res, r->columns[column].number);
}

bool rows_is_null(const struct rows *r, int row, int column)
{
	return PQgetisnull(r->res, row, r->columns[column].number);
}

void rows_value(struct buf *b, const struct rows *r, int row, int column)
{
	const struct column *c = &r->columns[column];

	if (rows_is_null(r, row, column))
		jx_null(b);
	else
		c->write(b, PQgetvalue(r->res, row, c->number), PQgetlength(r->res, row, c->number));
}

/* The text that a JSON string of n bytes is; NULL: it is another value. */
static const char *unquoted(struct buf *b, const char *p, size_t *n)
{
	struct json_object *string;

	if (*n < 2 || *p != '"')
		return NULL;
	if (!memchr(p, '\\', *n)) {
		*n -= 2;
		return p + 1;
	}
	string = json_tokener_parse(p); /* PostgreSQL has checked it, and ends it with a NUL */
	b->n = 0;
	buf_add(b, json_object_get_string(string), (size_t)json_object_get_string_len(string));
	json_object_put(string);
	*n = b->n;
	return buf_str(b);
}

const char *rows_text(const struct rows *r, int row, int column, size_t *n)
{
	const struct column *c = &r->columns[column];
	bool has_version = c->write == write_jsonb;

	*n = (size_t)PQgetlength(r->res, row, c->number);
	if (c->write == write_text)
		return PQgetvalue(r->res, row, c->number);
	if ((!has_version && c->write != write_json) || rows_is_null(r, row, column))
		return NULL;
	*n -= has_version;
	return unquoted(r->text, PQgetvalue(r->res, row, c->number) + has_version, n);
}
