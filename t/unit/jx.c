/*
 * The JSON writer, value by value.  What PostgreSQL sends is written out here
 * byte by byte, so no server is needed.
 */
#include "lib/base/jx.h"

#include <float.h>
#include <limits.h>
#include <math.h>

#include "t/unit/tap.h"

static struct arena arena;
static struct buf out;

#define WRITES(call, want) (out.n = 0, (call), is_bytes(out.p, out.n, want, "%s", #call))

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static void test_text(void)
{
	char text[64], want[64];
	bool same = true;
	size_t n;

	WRITES(jx_str(&out, "plain"), "\"plain\"");
	WRITES(jx_str(&out, ""), "\"\"");
	WRITES(jx_str(&out, NULL), "null");
	WRITES(jx_str(&out, "say \"hi\" \\ /"), "\"say \\\"hi\\\" \\\\ /\"");
	WRITES(jx_str(&out, "\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
	WRITES(jx_str(&out, "\x01\x1f\x7f"), "\"\\u0001\\u001f\x7f\"");
	WRITES(jx_text(&out, "a\0b", 3), "\"a\\u0000b\"");
	WRITES(jx_str(&out, "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80"),
	       "\"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80\"");
	WRITES(jx_str(&out, "\xff|\xc0\x80|\xed\xa0\x80|\xe2\x82|\xf0\x9f\x98"),
	       "\"\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd|"
	       "\xef\xbf\xbd\"");
	WRITES(jx_text(&out, "\xe2\x82\xac", 2), "\"\xef\xbf\xbd\"");
	WRITES(jx_text(&out, NULL, 0), "\"\"");

	/* One odd byte at each place of texts of each length around the word size. */
	for (n = 1; n < 30; n++) {
		size_t at;

		for (at = 0; at < n; at++) {
			memset(text, 'x', n);
			text[at] = '"';
			memset(want, 'x', sizeof(want));
			want[0] = '"';
			want[1 + at] = '\\';
			want[2 + at] = '"';
			want[n + 2] = '"';
			out.n = 0;
			jx_text(&out, text, n);
			same &= out.n == n + 3 && !memcmp(out.p, want, n + 3);
		}
	}
	ok(same, "an escape is found at every place of a text");

	/* Every byte by itself: what comes out has no raw control character and is as long as it must be. */
	for (same = true, n = 0; n < 256; n++) {
		size_t want_n = n == '"' || n == '\\' ? 4 : n >= 128 ? 5 : n >= ' ' ? 3 : 8;

		if (n && n < ' ' && strchr("\b\f\n\r\t", (int)n))
			want_n = 4;
		text[0] = (char)n;
		out.n = 0;
		jx_text(&out, text, 1);
		same &= out.n == want_n;
	}
	ok(same, "every byte has its form");
}

static void test_words_and_integers(void)
{
	WRITES(jx_null(&out), "null");
	WRITES(jx_bool(&out, true), "true");
	WRITES(jx_bool(&out, false), "false");
	WRITES(jx_int(&out, 0), "0");
	WRITES(jx_int(&out, 7), "7");
	WRITES(jx_int(&out, 10), "10");
	WRITES(jx_int(&out, -99), "-99");
	WRITES(jx_int(&out, 100), "100");
	WRITES(jx_int(&out, -1), "-1");
	WRITES(jx_int(&out, 9007199254740993), "9007199254740993");
	WRITES(jx_int(&out, LLONG_MAX), "9223372036854775807");
	WRITES(jx_int(&out, LLONG_MIN), "-9223372036854775808");
}

static void test_doubles(void)
{
	bool same = true;
	uint64_t bits = 1;
	int i;

	WRITES(jx_double(&out, 0), "0");
	WRITES(jx_double(&out, -0.0), "-0");
	WRITES(jx_double(&out, 1), "1");
	WRITES(jx_double(&out, -2.5), "-2.5");
	WRITES(jx_double(&out, 0.1), "0.1");
	WRITES(jx_double(&out, 0.1 + 0.2), "0.30000000000000004");
	WRITES(jx_double(&out, 19.99), "19.99");
	WRITES(jx_double(&out, 100.05), "100.05");
	WRITES(jx_double(&out, 1234567.000001), "1234567.000001");
	WRITES(jx_double(&out, 1e-5), "0.00001");
	WRITES(jx_double(&out, 1.5e-7), "1.5e-07");
	WRITES(jx_double(&out, 1.0 / 3), "0.3333333333333333");
	WRITES(jx_double(&out, 2.0 / 3), "0.6666666666666666");
	WRITES(jx_double(&out, 1e15), "1e+15");
	WRITES(jx_double(&out, 999999999999999), "999999999999999");
	WRITES(jx_double(&out, 9007199254740993.0), "9007199254740992");
	WRITES(jx_double(&out, 1e23), "1e+23");
	WRITES(jx_double(&out, DBL_MAX), "1.7976931348623157e+308");
	WRITES(jx_double(&out, -DBL_MIN), "-2.2250738585072014e-308");
	WRITES(jx_double(&out, 5e-324), "5e-324");
	WRITES(jx_double(&out, 0x1p-44), "5.684341886080802e-14"); /* one above the nearest with 16 digits */
	WRITES(jx_double(&out, -0x1p-44), "-5.684341886080802e-14");
	WRITES(jx_double(&out, NAN), "null");
	WRITES(jx_double(&out, INFINITY), "null");
	WRITES(jx_double(&out, -INFINITY), "null");

	WRITES(jx_float(&out, 0.1f), "0.1");
	WRITES(jx_float(&out, 16777216), "16777216");
	WRITES(jx_float(&out, 3.4028235e38f), "3.4028235e+38");
	WRITES(jx_float(&out, 1e-45f), "1e-45");
	WRITES(jx_float(&out, -1.5f), "-1.5");
	WRITES(jx_float(&out, NAN), "null");
	WRITES(jx_float(&out, -INFINITY), "null");

	/* Bit patterns of all sizes, from a generator whose period is long enough. */
	for (i = 0; i < 20000; i++) {
		double v;
		float f;

		bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		memcpy(&v, &bits, sizeof(v));
		memcpy(&f, (char *)&bits + 4, sizeof(f));
		if (!isfinite(v) || !isfinite(f))
			continue;
		out.n = 0;
		jx_double(&out, v);
		same &= strtod(buf_str(&out), NULL) == v && out.n <= 24;
		out.n = 0;
		jx_float(&out, f);
		same &= strtof(buf_str(&out), NULL) == f && out.n <= 16;
	}
	ok(same, "doubles and floats read back as they were");
}

static const struct {
	int64_t us;
	const char *want;
} times[] = {
	{ 0, "\"2000-01-01T00:00:00.000Z\"" },
	{ 1, "\"2000-01-01T00:00:00.000Z\"" },
	{ 999, "\"2000-01-01T00:00:00.000Z\"" },
	{ 1000, "\"2000-01-01T00:00:00.001Z\"" },
	{ -1, "\"1999-12-31T23:59:59.999Z\"" },
	{ -1000, "\"1999-12-31T23:59:59.999Z\"" },
	{ -1001, "\"1999-12-31T23:59:59.998Z\"" },
	{ INT64_C(-946684800000000), "\"1970-01-01T00:00:00.000Z\"" },
	{ INT64_C(5183999999999), "\"2000-02-29T23:59:59.999Z\"" },
	{ INT64_C(5184000000000), "\"2000-03-01T00:00:00.000Z\"" },
	{ INT64_C(762523200123000), "\"2024-02-29T12:00:00.123Z\"" },
	{ INT64_C(3160857600000000), "\"2100-03-01T00:00:00.000Z\"" },
	{ INT64_C(-63082281600000000), "\"0001-01-01T00:00:00.000Z\"" },
	{ INT64_C(-63082281600000001), "null" }, /* 1 BC */
	{ INT64_C(252455615999999999), "\"9999-12-31T23:59:59.999Z\"" },
	{ INT64_C(252455616000000000), "null" },  /* 10000 */
	{ INT64_C(-211813488000000000), "null" }, /* 4713 BC, PostgreSQL's first */
	{ INT64_C(9223371331199999999), "null" }, /* 294276, its last */
	{ INT64_MAX, "null" },                    /* infinity */
	{ INT64_MIN, "null" },                    /* -infinity */
};

/* Write each day of some years and compare it with a calendar that counts days. */
static bool dates_follow_each_other(int32_t days, int year, int last_year)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	char want[40];

	for (; year <= last_year; year++) {
		bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
		int month, day;

		for (month = 1; month <= 12; month++) {
			for (day = 1; day <= lengths[month - 1] + (leap && month == 2); day++) {
				snprintf(want, sizeof(want), "\"%04d-%02d-%02d\"", year, month, day);
				out.n = 0;
				jx_date(&out, days++);
				if (strcmp(buf_str(&out), want) != 0) {
					diag("%s is not %s", out.p, want);
					return false;
				}
			}
		}
	}
	return true;
}

static void test_times(void)
{
	size_t i;

	for (i = 0; i < COUNT(times); i++) {
		out.n = 0;
		jx_timestamptz(&out, times[i].us);
		is_bytes(out.p, out.n, times[i].want, "timestamptz %lld", (long long)times[i].us);
	}
	WRITES(jx_timestamptz_us(&out, 0), "\"2000-01-01T00:00:00.000000Z\"");
	WRITES(jx_timestamptz_us(&out, 1), "\"2000-01-01T00:00:00.000001Z\"");
	WRITES(jx_timestamptz_us(&out, -1), "\"1999-12-31T23:59:59.999999Z\"");
	WRITES(jx_timestamptz_us(&out, 86399999999), "\"2000-01-01T23:59:59.999999Z\"");
	WRITES(jx_timestamptz_us(&out, INT64_MAX), "null");
	WRITES(jx_date(&out, 0), "\"2000-01-01\"");
	WRITES(jx_date(&out, -1), "\"1999-12-31\"");
	WRITES(jx_date(&out, 59), "\"2000-02-29\"");
	WRITES(jx_date(&out, -730119), "\"0001-01-01\"");
	WRITES(jx_date(&out, -730120), "null");
	WRITES(jx_date(&out, 2921939), "\"9999-12-31\"");
	WRITES(jx_date(&out, 2921940), "null");
	WRITES(jx_date(&out, INT32_MAX), "null");
	WRITES(jx_date(&out, INT32_MIN), "null");
	ok(dates_follow_each_other(-146097, 1600, 2399), "each day of 800 years has its date");
}

/* A numeric as PostgreSQL sends it; digits are base 10000. */
static struct {
	char bytes[8 + 2 * 100];
	size_t n;
} wire;

static void numeric(unsigned sign, int weight, int scale, int count, const unsigned *digits)
{
	unsigned head[4] = { (unsigned)count, (unsigned)weight, sign, (unsigned)scale };
	char *p = wire.bytes;
	int i;

	for (i = 0; i < 4 + count; i++) {
		unsigned v = i < 4 ? head[i] : digits[i - 4];

		*p++ = (char)(v >> 8);
		*p++ = (char)v;
	}
	wire.n = (size_t)(p - wire.bytes);
	out.n = 0;
	jx_numeric(&out, wire.bytes, wire.n);
}

#define DIGITS(...)                                             \
	(int)COUNT(((unsigned[]){ __VA_ARGS__ })), (unsigned[]) \
	{                                                       \
		__VA_ARGS__                                     \
	}
#define NUMERIC(want, sign, weight, scale, ...) \
	(numeric(sign, weight, scale, __VA_ARGS__), is_bytes(out.p, out.n, want, "numeric %s", want))

static void jx_numeric_cut(void *unused)
{
	(void)unused;
	jx_numeric(&out, wire.bytes, wire.n - 2);
}

static void test_numerics(void)
{
	enum {
		PLUS = 0,
		MINUS = 0x4000,
		NOT_A_NUMBER = 0xc000,
		PLUS_INFINITY = 0xd000,
		MINUS_INFINITY = 0xf000
	};
	bool same = true;
	size_t i;

	NUMERIC("0", PLUS, 0, 0, 0, NULL);
	NUMERIC("0.00", PLUS, 0, 2, 0, NULL);
	NUMERIC("1", PLUS, 0, 0, DIGITS(1));
	NUMERIC("-1", MINUS, 0, 0, DIGITS(1));
	NUMERIC("9999", PLUS, 0, 0, DIGITS(9999));
	NUMERIC("10000", PLUS, 1, 0, DIGITS(1));
	NUMERIC("120000000", PLUS, 2, 0, DIGITS(1, 2000));
	NUMERIC("10002", PLUS, 1, 0, DIGITS(1, 2));
	NUMERIC("1.5", PLUS, 0, 1, DIGITS(1, 5000));
	NUMERIC("1.50", PLUS, 0, 2, DIGITS(1, 5000));
	NUMERIC("1.50000", PLUS, 0, 5, DIGITS(1, 5000));
	NUMERIC("-19.99", MINUS, 0, 2, DIGITS(19, 9900));
	NUMERIC("0.1", PLUS, -1, 1, DIGITS(1000));
	NUMERIC("0.0001", PLUS, -1, 4, DIGITS(1));
	NUMERIC("0.00001", PLUS, -2, 5, DIGITS(1000));
	NUMERIC("-0.000000000012", MINUS, -3, 12, DIGITS(12));
	NUMERIC("12345678901234567890.123456789", PLUS, 4, 9,
		DIGITS(1234, 5678, 9012, 3456, 7890, 1234, 5678, 9000));
	NUMERIC("18446744073709551616", PLUS, 4, 0, DIGITS(1844, 6744, 737, 955, 1616));
	NUMERIC("null", NOT_A_NUMBER, 0, 0, 0, NULL);
	NUMERIC("null", PLUS_INFINITY, 0, 0x20, 0, NULL);
	NUMERIC("null", MINUS_INFINITY, 0, 0x20, 0, NULL);

	numeric(PLUS, 32767, 16383, DIGITS(12));
	for (i = 2; i < 2 + 4 * 32767; i++)
		same &= out.p[i] == '0';
	same &= !memcmp(out.p, "12", 2) && out.p[i++] == '.';
	for (; i < out.n; i++)
		same &= out.p[i] == '0';
	ok(same, "the largest numeric there can be keeps all its zeros");
	is_int(out.n, 2 + 4 * 32767 + 1 + 16383, "and is as long as it must be");
	numeric(PLUS, -4096, 16383, DIGITS(10));
	same = !memcmp(out.p, "0.000", 5) && out.n == 2 + 16383 && out.p[out.n - 1] == '1';
	ok(same, "and so does the smallest");
	dies(jx_numeric_cut, NULL, "a numeric that is cut short ends the process");
}

static void test_other_forms(void)
{
	static const unsigned char id[16] = { 0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0x1f };

	WRITES(jx_uuid(&out, id), "\"00000000-0000-7000-8000-00000000001f\"");
	WRITES(jx_uuid(&out, (const unsigned char
				      *)"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10"),
	       "\"01234567-89ab-cdef-fedc-ba9876543210\"");
	WRITES(jx_base64(&out, "", 0), "\"\"");
	WRITES(jx_base64(&out, "f", 1), "\"Zg==\"");
	WRITES(jx_base64(&out, "fo", 2), "\"Zm8=\"");
	WRITES(jx_base64(&out, "foo", 3), "\"Zm9v\"");
	WRITES(jx_base64(&out, "foobar", 6), "\"Zm9vYmFy\"");
	WRITES(jx_base64(&out, "\xff\xfe\xfb\x00", 4), "\"//77AA==\"");
}

static void test_commas(void)
{
	out.n = 0;
	buf_char(&out, '{');
	jx_key(&out, "a");
	jx_int(&out, 1);
	jx_key(&out, "b\"c");
	buf_char(&out, '[');
	jx_next(&out);
	jx_str(&out, "{");
	jx_next(&out);
	jx_str(&out, "[");
	jx_next(&out);
	jx_null(&out);
	buf_char(&out, ']');
	jx_key(&out, "d");
	buf_text(&out, "{}}");
	is_bytes(out.p, out.n, "{\"a\":1,\"b\\\"c\":[\"{\",\"[\",null],\"d\":{}}",
		 "keys and elements set their commas");
	out.n = 0;
	buf_text(&out, "{\"a\":1,");
	jx_key(&out, "b");
	is_bytes(out.p, out.n, "{\"a\":1,\"b\":", "a comma that is there is not set again");
}

int main(void)
{
	arena_init(&arena, 1 << 16);
	buf_init(&out, &arena, 8);
	test_text();
	test_words_and_integers();
	test_doubles();
	test_times();
	test_numerics();
	test_other_forms();
	test_commas();
	arena_release(&arena);
	return done_testing();
}
