/*
 * Rows to JSON, on results made here: libpq builds them, the bytes are what a
 * server sends in the binary format.
 */
#include "fcgi/outputs.h"
#include "lib/db/rows.h"

#include <math.h>

#include "lib/db/column.h"
#include "t/unit/tap.h"

/* clang-format off */
enum {
	BOOL = 16, BYTEA = 17, CHAR = 18, NAME = 19, INT8 = 20, INT2 = 21, INT4 = 23, TEXT = 25, OID = 26,
	JSON = 114, POINT = 600, CIDR = 650, FLOAT4 = 700, FLOAT8 = 701, INET = 869, INT4_ARRAY = 1007,
	TEXT_ARRAY = 1009, VARCHAR_ARRAY = 1015, INT8_ARRAY = 1016, BPCHAR = 1042, VARCHAR = 1043, DATE = 1082,
	TIMESTAMP = 1114, TIMESTAMPTZ = 1184, TIMESTAMPTZ_ARRAY = 1185, INTERVAL = 1186, NUMERIC = 1700,
	UUID = 2950, UUID_ARRAY = 2951, JSONB = 3802, JSONB_ARRAY = 3807,
};
/* clang-format on */

struct cell {
	const char *name;
	Oid type;
	const char *bytes; /* NULL: null */
	int n;
};

#define CELL(name, type, bytes)                           \
	{                                                 \
		name, type, bytes, (int)sizeof(bytes) - 1 \
	}
#define NULL_CELL(name, type)        \
	{                            \
		name, type, NULL, -1 \
	}
#define COUNT(table) (int)(sizeof(table) / sizeof(*(table)))

static struct arena arena;
static struct buf out;

/* A result of rows of so many cells each; the caller clears it. */
static PGresult *result(struct cell *cells, int ncolumns, int nrows)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[40];
	int i;

	memset(columns, 0, sizeof(columns));
	for (i = 0; i < ncolumns; i++) {
		columns[i].name = (char *)(uintptr_t)cells[i].name;
		columns[i].format = 1;
		columns[i].typid = cells[i].type;
	}
	PQsetResultAttrs(res, ncolumns, columns);
	for (i = 0; i < ncolumns * nrows; i++)
		PQsetvalue(res, i / ncolumns, i % ncolumns, (char *)(uintptr_t)cells[i].bytes, cells[i].n);
	return res;
}

/* The object that one row of cells becomes. */
static const char *object(struct cell *cells, int n, const char *const *without, int first_column)
{
	PGresult *res = result(cells, n, 1);

	out.n = 0;
	rows_object(&out, rows_open(&arena, res, first_column, &(struct rows_form){ .without = without }), 0);
	PQclear(res);
	return buf_str(&out);
}

/* clang-format off */
static struct {
	struct cell cell;
	const char *want; /* of {"x":…} */
} forms[] = {
	{ CELL("bool", BOOL, "\1"), "true" },
	{ CELL("bool", BOOL, "\0"), "false" },
	{ CELL("int2", INT2, "\x80\x00"), "-32768" },
	{ CELL("int2", INT2, "\x7f\xff"), "32767" },
	{ CELL("int4", INT4, "\x80\x00\x00\x00"), "-2147483648" },
	{ CELL("int4", INT4, "\x00\x00\x01\x00"), "256" },
	{ CELL("int8", INT8, "\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807" },
	{ CELL("int8", INT8, "\x80\0\0\0\0\0\0\0"), "-9223372036854775808" },
	{ CELL("int8", INT8, "\x00\x20\x00\x00\x00\x00\x00\x01"), "9007199254740993" },
	{ CELL("oid", OID, "\xff\xff\xff\xff"), "4294967295" },
	{ CELL("float4", FLOAT4, "\x3d\xcc\xcc\xcd"), "0.1" },
	{ CELL("float4", FLOAT4, "\x7f\xc0\x00\x00"), "null" },
	{ CELL("float8", FLOAT8, "\x3f\xb9\x99\x99\x99\x99\x99\x9a"), "0.1" },
	{ CELL("float8", FLOAT8, "\x7f\xf0\0\0\0\0\0\0"), "null" },
	{ CELL("numeric", NUMERIC, "\0\2\0\0\0\0\0\2\x00\x13\x26\xac"), "19.99" },
	{ CELL("numeric", NUMERIC, "\0\0\0\0\xc0\0\0\0"), "null" },
	{ CELL("text", TEXT, "a\"b\n\xc3\xa4\xff"), "\"a\\\"b\\n\xc3\xa4\xef\xbf\xbd\"" },
	{ CELL("text", TEXT, ""), "\"\"" },
	{ CELL("varchar", VARCHAR, "v"), "\"v\"" },
	{ CELL("bpchar", BPCHAR, "b  "), "\"b  \"" },
	{ CELL("name", NAME, "n"), "\"n\"" },
	{ CELL("char", CHAR, "c"), "\"c\"" },
	{ CELL("uuid", UUID, "\0\1\2\3\4\5\6\7\x88\x99\xaa\xbb\xcc\xdd\xee\xff"), "\"00010203-0405-0607-8899-aabbccddeeff\"" },
	{ CELL("timestamptz", TIMESTAMPTZ, "\0\0\0\0\0\0\x03\xe8"), "\"2000-01-01T00:00:00.001Z\"" },
	{ CELL("timestamptz", TIMESTAMPTZ, "\x7f\xff\xff\xff\xff\xff\xff\xff"), "null" },
	{ CELL("timestamp", TIMESTAMP, "\0\0\0\0\0\0\0\0"), "\"2000-01-01T00:00:00.000Z\"" },
	{ CELL("date", DATE, "\0\0\0\x3b"), "\"2000-02-29\"" },
	{ CELL("date", DATE, "\x80\0\0\0"), "null" },
	{ CELL("json", JSON, "{\"a\": [1,\n 2], \"b c\" : \" \\\" : \"}"), "{\"a\":[1,2],\"b c\":\" \\\" : \"}" },
	{ CELL("jsonb", JSONB, "\1{\"a\": 1}"), "{\"a\":1}" },
	{ CELL("jsonb", JSONB, "\1null"), "null" },
	{ CELL("bytea", BYTEA, "\0\xff\x10"), "\"AP8Q\"" },
	{ CELL("bytea", BYTEA, ""), "\"\"" },
	{ CELL("inet", INET, "\2\x20\0\4\x7f\0\0\1"), "\"127.0.0.1\"" },
	{ CELL("inet", INET, "\2\x08\0\4\x0a\0\0\1"), "\"10.0.0.1/8\"" },
	{ CELL("inet", INET, "\3\x80\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), "\"2001:db8::1\"" },
	{ CELL("cidr", CIDR, "\2\x20\1\4\x7f\0\0\1"), "\"127.0.0.1/32\"" },
	{ CELL("text[]", TEXT_ARRAY, "\0\0\0\0" "\0\0\0\0" "\0\0\0\x19"), "[]" },
	{ CELL("text[]", TEXT_ARRAY, "\0\0\0\1" "\0\0\0\1" "\0\0\0\x19" "\0\0\0\3\0\0\0\1"
		"\0\0\0\2a\"" "\xff\xff\xff\xff" "\0\0\0\0"), "[\"a\\\"\",null,\"\"]" },
	{ CELL("varchar[]", VARCHAR_ARRAY, "\0\0\0\1" "\0\0\0\0" "\0\0\x04\x13" "\0\0\0\1\0\0\0\1" "\0\0\0\1v"), "[\"v\"]" },
	{ CELL("int4[]", INT4_ARRAY, "\0\0\0\1" "\0\0\0\0" "\0\0\0\x17" "\0\0\0\2\0\0\0\1"
		"\0\0\0\4\0\0\0\7" "\0\0\0\4\xff\xff\xff\xff"), "[7,-1]" },
	{ CELL("int8[]", INT8_ARRAY, "\0\0\0\1" "\0\0\0\0" "\0\0\0\x14" "\0\0\0\1\0\0\0\1"
		"\0\0\0\x08\x7f\xff\xff\xff\xff\xff\xff\xff"), "[9223372036854775807]" },
	{ CELL("uuid[]", UUID_ARRAY, "\0\0\0\1" "\0\0\0\0" "\0\0\x0b\x86" "\0\0\0\1\0\0\0\1"
		"\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"), "[\"00000000-0000-0000-0000-000000000001\"]" },
	{ CELL("timestamptz[]", TIMESTAMPTZ_ARRAY, "\0\0\0\1" "\0\0\0\0" "\0\0\x04\xa0" "\0\0\0\1\0\0\0\1"
		"\0\0\0\x08\0\0\0\0\0\0\0\0"), "[\"2000-01-01T00:00:00.000Z\"]" },
	{ CELL("jsonb[]", JSONB_ARRAY, "\0\0\0\1" "\0\0\0\0" "\0\0\x0e\xda" "\0\0\0\1\0\0\0\1" "\0\0\0\3\1{}"), "[{}]" },
	{ CELL("int4[] of two dimensions", INT4_ARRAY, "\0\0\0\2" "\0\0\0\0" "\0\0\0\x17" "\0\0\0\2\0\0\0\1" "\0\0\0\1\0\0\0\1"
		"\0\0\0\4\0\0\0\1" "\0\0\0\4\0\0\0\2"), "[[1],[2]]" },
};

static const char *const without[] = { "is_hot", "ghost", NULL };
/* clang-format on */

static void open_with_an_unknown_type(void *unused)
{
	struct cell cells[] = { CELL("where", POINT, "0123456789abcdef") };

	(void)unused;
	rows_open(&arena, result(cells, 1, 1), 0, &(struct rows_form){ NULL });
}

static void open_with_a_text_column(void *unused)
{
	PGresAttDesc column = { .name = (char[]){ "a" }, .typid = TEXT, .format = 0 };
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	(void)unused;
	PQsetResultAttrs(res, 1, &column);
	rows_open(&arena, res, 0, &(struct rows_form){ NULL });
}

static void write_a_short_int(void *unused)
{
	struct cell cells[] = { CELL("a", INT4, "\0\0\1") };

	(void)unused;
	object(cells, 1, NULL, 0);
}

static void test_forms(void)
{
	int i;

	for (i = 0; i < COUNT(forms); i++) {
		struct cell cell = forms[i].cell;

		cell.name = "x";
		is_str(object(&cell, 1, NULL, 0), arena_fmt(&arena, "{\"x\":%s}", forms[i].want), "%s as %s",
		       forms[i].cell.name, forms[i].want);
		cell.bytes = NULL;
		cell.n = -1;
		is_str(object(&cell, 1, NULL, 0), "{\"x\":null}", "a null %s", forms[i].cell.name);
		ok(rows_type_known(cell.type), "%s is known", forms[i].cell.name);
	}
	ok(!rows_type_known(POINT) && !rows_type_known(INTERVAL) && !rows_type_known(0),
	   "other types are not");
	dies(open_with_an_unknown_type, NULL, "a column of an unknown type ends the process");
	dies(open_with_a_text_column, NULL, "and so does one that is not binary");
	dies(write_a_short_int, NULL, "and a value that is shorter than its type");
}

static void test_objects(void)
{
	struct cell cells[] = {
		CELL("total", INT8, "\0\0\0\0\0\0\0\2"),
		CELL("is_hot", BOOL, "\1"),
		CELL("id", INT4, "\0\0\0\1"),
		CELL("say \"x\"", TEXT, "one"),
		CELL("name", TEXT, "alpha"),

		CELL("total", INT8, "\0\0\0\0\0\0\0\2"),
		NULL_CELL("is_hot", BOOL),
		CELL("id", INT4, "\0\0\0\2"),
		CELL("say \"x\"", TEXT, "two"),
		NULL_CELL("name", TEXT),
	};
	struct rows *r;
	PGresult *res;

	is_str(object(cells, 5, NULL, 0),
	       "{\"total\":2,\"is_hot\":true,\"id\":1,\"say \\\"x\\\"\":\"one\",\"name\":\"alpha\"}",
	       "an object has the columns in their order, its keys escaped");
	is_str(object(cells, 5, NULL, 1),
	       "{\"is_hot\":true,\"id\":1,\"say \\\"x\\\"\":\"one\",\"name\":\"alpha\"}",
	       "first_column skips the total");
	is_str(object(cells, 5, without, 1), "{\"id\":1,\"say \\\"x\\\"\":\"one\",\"name\":\"alpha\"}",
	       "a column is left out, also as the first");
	is_str(object(cells, 2, without, 1), "{}", "an object of no columns");
	is_str(object(cells, 5, NULL, 5), "{}", "or when all come before the first");

	res = result(cells, 5, 2);
	r = rows_open(&arena, res, 2, &(struct rows_form){ NULL });
	out.n = 0;
	rows_object(&out, r, 0);
	rows_object(&out, r, 1);
	is_str(buf_str(&out),
	       "{\"id\":1,\"say \\\"x\\\"\":\"one\",\"name\":\"alpha\"}{\"id\":2,\"say "
	       "\\\"x\\\"\":\"two\",\"name\":null}",
	       "one preparation serves all rows");
	PQclear(res);
}

static PGresult *typed;

static void get_a_missing_column(void *col)
{
	column_int(typed, 0, col);
}

static void get_text_as_bool(void *col)
{
	column_bool(typed, 0, col);
}

static void get_bool_as_text(void *col)
{
	column_text(typed, 0, col);
}

static void get_behind_the_last_row(void *col)
{
	column_text(typed, 1, col);
}

static void test_getters(void)
{
	struct cell cells[] = {
		CELL("two", INT2, "\xff\xfe"),
		CELL("four", INT4, "\0\1\0\0"),
		CELL("eight", INT8, "\xff\xff\xff\xff\xff\xff\xff\xff"),
		CELL("yes", BOOL, "\1"),
		CELL("text", TEXT, "words"),
		NULL_CELL("no_int", INT8),
		NULL_CELL("no_bool", BOOL),
		NULL_CELL("no_text", VARCHAR),
		CELL("updated_at", TIMESTAMPTZ, "\0\0\0\0\0\0\0\7"),
		CELL("Upper", INT2, "\0\3"),
	};
	struct cell never[] = { CELL("updated_at", TIMESTAMPTZ, "\x7f\xff\xff\xff\xff\xff\xff\xff") };
	struct cell unset[] = { NULL_CELL("updated_at", TIMESTAMPTZ) };
	PGresult *res;

	typed = result(cells, COUNT(cells), 1);
	is_int(column_int(typed, 0, "two"), -2, "column_int of an int2");
	is_int(column_int(typed, 0, "four"), 65536, "column_int of an int4");
	is_int(column_int(typed, 0, "eight"), -1, "column_int of an int8");
	is_int(column_int(typed, 0, "Upper"), 3, "a name is taken as it is, whatever its case");
	ok(column_bool(typed, 0, "yes"), "column_bool");
	is_str(column_text(typed, 0, "text"), "words", "column_text");
	is_int(column_int(typed, 0, "no_int"), 0, "a null integer is 0");
	ok(!column_bool(typed, 0, "no_bool"), "a null bool is false");
	is_str(column_text(typed, 0, "no_text"), NULL, "a null text is NULL");
	dies(get_a_missing_column, (void *)(uintptr_t) "three",
	     "a column that is not there ends the process");
	dies(get_a_missing_column, (void *)(uintptr_t) "text", "so does text taken for an integer");
	dies(get_text_as_bool, (void *)(uintptr_t) "text", "text taken for a bool");
	dies(get_bool_as_text, (void *)(uintptr_t) "yes", "a bool taken for text");
	dies(get_behind_the_last_row, (void *)(uintptr_t) "text", "and a row behind the last");
	is_int(column_us(typed, 0, "updated_at"), 946684800000007, "column_us counts from 1970");
	PQclear(typed);

	res = result(never, 1, 1);
	is_int(column_us(res, 0, "updated_at"), 0, "updated at infinity is never");
	PQclear(res);
	res = result(unset, 1, 1);
	is_int(column_us(res, 0, "updated_at"), 0, "and so is null");
	PQclear(res);
	res = result(cells, 3, 1);
	is_int(column_us(res, 0, "updated_at"), 0, "and a result without updated_at");
	PQclear(res);
}

/* What a row is in one of the outputs. */
static const char *written(unsigned bit, struct cell *cells, int n)
{
	PGresult *res = result(cells, n, 1);
	struct rows *rows = rows_open(&arena, res, 0, &(struct rows_form){ NULL });
	const struct output *o = outputs;

	while (o->bit != bit)
		o++;
	out.n = 0;
	if (o->head)
		o->head(&out, rows);
	o->row(&out, rows, 0, true);
	buf_text(&out, o->tail);
	PQclear(res);
	return buf_str(&out);
}

static void test_outputs(void)
{
	struct cell cells[] = {
		CELL("name", TEXT, "a, \"b\""),
		CELL("formula", TEXT, "=1"),
		CELL("empty", TEXT, ""),
		NULL_CELL("null", TEXT),
		CELL("n", INT4, "\xff\xff\xff\xfe"),
		CELL("json", JSONB, "\1{\"a\":[1,2]}"),
		CELL("at", TIMESTAMPTZ, "\0\0\0\0\0\0\0\0"),
	};
	struct cell place[] = { CELL("geometry", JSON, "{\"type\":\"Point\",\"coordinates\":[1,2]}"),
				CELL("name", TEXT, "x") };

	is_str(written(AS_CSV, cells, COUNT(cells)),
	       "name,formula,empty,null,n,json,at\r\n"
	       "\"a, \"\"b\"\"\",'=1,\"\",,-2,\"{\"\"a\"\":[1,2]}\",2000-01-01T00:00:00.000Z\r\n",
	       "CSV: a text is quoted where it must be and no formula, a number is a number");
	is_str(written(AS_NDJSON, cells, 1), "{\"name\":\"a, \\\"b\\\"\"}\n", "NDJSON: an object a line");
	is_str(written(AS_GEOJSON, place, 2),
	       "{\"type\":\"FeatureCollection\",\"features\":[{\"type\":\"Feature\",\"geometry\":"
	       "{\"type\":\"Point\",\"coordinates\":[1,2]},\"properties\":{\"name\":\"x\"}}]}",
	       "GeoJSON: the geometry, and the rest as properties");
}

int main(void)
{
	arena_init(&arena, 1 << 16);
	buf_init(&out, &arena, 64);
	test_forms();
	test_objects();
	test_getters();
	test_outputs();
	arena_release(&arena);
	return done_testing();
}
