#include "lib/base/jx.h"

#include <assert.h>
#include <endian.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/utf8.h"

void jx_key(struct buf *b, const char *name)
{
	/* Behind a brace or a comma nothing is to be separated; no value ends in either. */
	if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != ',')
		buf_char(b, ',');
	jx_text(b, name, strlen(name));
	buf_char(b, ':');
}

void jx_key_str(struct buf *b, const char *name, const char *text)
{
	if (!text)
		return;
	jx_key(b, name);
	jx_str(b, text);
}

void jx_key_text(struct buf *b, const char *name, const char *text)
{
	jx_key(b, name);
	if (text)
		jx_str(b, text);
	else
		jx_null(b);
}

void jx_key_int(struct buf *b, const char *name, long long v)
{
	jx_key(b, name);
	jx_int(b, v);
}

void jx_key_open(struct buf *b, const char *name, char bracket)
{
	jx_key(b, name);
	buf_char(b, bracket);
}

void jx_next(struct buf *b)
{
	if (b->n && b->p[b->n - 1] != '[' && b->p[b->n - 1] != ',')
		buf_char(b, ',');
}

/* Text */

static const bool plain[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... 0x7f] = true,
};

/*
 * The top bit of every byte that cannot be copied as it is: a control
 * character, quote or backslash, or not ASCII.  Borrows can also mark bytes
 * above such a one, so only the lowest bit is to be believed.
 */
static inline uint64_t odd_bytes(uint64_t word)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t control = word - each * ' ';
	uint64_t quote = (word ^ each * '"') - each;
	uint64_t backslash = (word ^ each * '\\') - each;

	return (word | control | quote | backslash) & each * 0x80;
}

/* Write what begins at p and is not plain; how many of the n bytes it was. */
static size_t add_odd(struct buf *b, const char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[' '] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
	};
	unsigned char c = (unsigned char)*p;
	size_t run = 0;
	int len = 0;

	if (c == '"' || c == '\\') {
		char escape[] = { '\\', (char)c };

		buf_add(b, escape, sizeof(escape));
		return 1;
	}
	if (c < ' ') {
		char escape[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

		escape[1] = letters[c] ? letters[c] : 'u';
		buf_add(b, escape, letters[c] ? 2 : sizeof(escape));
		return 1;
	}
	/* Text that is not ASCII is seldom so for one character only. */
	while (run < n && p[run] & 0x80 && (len = utf8_next(p + run, n - run)) > 0)
		run += (size_t)len;
	if (run) {
		buf_add(b, p, run);
		return run;
	}
	buf_text(b, "\xef\xbf\xbd"); /* U+FFFD */
	return (size_t)-len;
}

void jx_text(struct buf *b, const char *p, size_t n)
{
	const char *end = p + n;
	char *out;

	buf_char(b, '"');
	for (;;) {
		/* Room for the rest as it is, the last word's overhang and the closing quote. */
		out = buf_room(b, (size_t)(end - p) + sizeof(uint64_t) + 1);
		while (end - p >= (ptrdiff_t)sizeof(uint64_t)) {
			uint64_t word, odd;

			memcpy(&word, p, sizeof(word));
			memcpy(out, &word, sizeof(word));
			odd = odd_bytes(le64toh(word));
			if (odd) {
				int clean = __builtin_ctzll(odd) / 8;

				p += clean;
				out += clean;
				break;
			}
			p += sizeof(word);
			out += sizeof(word);
		}
		while (p < end && plain[(unsigned char)*p])
			*out++ = *p++;
		if (p == end)
			break;
		b->n = (size_t)(out - b->p);
		p += add_odd(b, p, (size_t)(end - p));
	}
	*out++ = '"';
	b->n = (size_t)(out - b->p);
}

void jx_str(struct buf *b, const char *s)
{
	if (s)
		jx_text(b, s, strlen(s));
	else
		jx_null(b);
}

/* Words and numbers */

void jx_json(struct buf *b, const char *p, size_t n)
{
	const char *end = p + n, *from = p;
	bool in_string = false;

	for (; p < end; p++) {
		if (*p == '"')
			in_string = !in_string;
		else if (*p == '\\')
			p++; /* JSON has them in strings only, and never last */
		else if (!in_string && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
			buf_add(b, from, (size_t)(p - from));
			from = p + 1;
		}
	}
	buf_add(b, from, (size_t)(end - from));
}

void jx_null(struct buf *b)
{
	buf_add(b, "null", 4);
}

void jx_bool(struct buf *b, bool v)
{
	buf_text(b, v ? "true" : "false");
}

/* Write v < 100 as two digits. */
static char *put_2(char *out, unsigned v)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	memcpy(out, pairs + 2 * (size_t)v, 2);
	return out + 2;
}

static char *put_4(char *out, unsigned v)
{
	return put_2(put_2(out, v / 100), v % 100);
}

/* Write v in as many digits as it needs, at most 20. */
static char *put_uint(char *out, uint64_t v)
{
	char digits[20];
	char *p = digits + sizeof(digits);

	while (v >= 100) {
		put_2(p -= 2, (unsigned)(v % 100));
		v /= 100;
	}
	if (v >= 10)
		put_2(p -= 2, (unsigned)v);
	else
		*--p = (char)('0' + v);
	memcpy(out, p, (size_t)(digits + sizeof(digits) - p));
	return out + (digits + sizeof(digits) - p);
}

/* Write the last width digits of v. */
static char *put_padded(char *out, uint64_t v, int width)
{
	char *p = out + width;

	while (p > out) {
		*--p = (char)('0' + v % 10);
		v /= 10;
	}
	return out + width;
}

void jx_int(struct buf *b, long long v)
{
	char *out = buf_room(b, 21);

	if (v < 0)
		*out++ = '-';
	out = put_uint(out, v < 0 ? -(uint64_t)v : (uint64_t)v);
	b->n = (size_t)(out - b->p);
}

/*
 * Most doubles in a database are short decimals: prices, ratios, percentages.
 * If v is m / 10^k with m below 10^15, then m and 10^k are exact, the division
 * rounds to v itself, and the smallest such k gives the shortest decimal.
 */
static bool add_short_decimal(struct buf *b, double v)
{
	static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10 };
	double size = fabs(v);
	unsigned k;

	if (size != 0 && size < 1e-5) /* reads better with an exponent */
		return false;
	for (k = 0; k < sizeof(powers) / sizeof(*powers) && size * powers[k] < 1e15; k++) {
		uint64_t m = (uint64_t)(size * powers[k] + 0.5);
		uint64_t unit = (uint64_t)powers[k];
		char *out;

		if ((double)m / powers[k] != size)
			continue;
		out = buf_room(b, 32);
		if (signbit(v))
			*out++ = '-';
		out = put_uint(out, m / unit);
		if (k) {
			*out++ = '.';
			out = put_padded(out, m % unit, (int)k);
		}
		b->n = (size_t)(out - b->p);
		return true;
	}
	return false;
}

struct format {
	int sure;   /* decimals of so many digits survive, so shorter ones need not be tried, */
	double min; /* but below this, numbers are less precise */
	bool single;
};

static bool reads_back(const char *text, double v, const struct format *f)
{
	return (f->single ? (double)strtof(text, NULL) : strtod(text, NULL)) == v;
}

/*
 * Below a power of two, numbers lie twice as close as above.  So the decimal
 * nearest to it can miss, from below, while the next one above reads back.
 */
static bool add_next_above(struct buf *b, double v, int digits, const struct format *f)
{
	size_t from = b->n;
	int exponent;
	char *e;

	if (fabs(frexp(v, &exponent)) != 0.5)
		return false;
	buf_fmt(b, "%.*e", digits - 1, v);
	e = strchr(buf_str(b) + from, 'e');
	if (e && e[-1] < '9') { /* a carry would give a shorter one, tried before */
		e[-1]++;
		if (reads_back(b->p + from, v, f))
			return true;
	}
	b->n = from;
	return false;
}

/* The general way to the shortest decimal: print with more digits until it reads back. */
static void add_shortest(struct buf *b, double v, const struct format *f)
{
	int digits = fabs(v) < f->min ? 1 : f->sure;
	size_t from = b->n;

	for (;;) {
		buf_fmt(b, "%.*g", digits, v);
		if (reads_back(buf_str(b) + from, v, f))
			return;
		b->n = from;
		if (add_next_above(b, v, digits, f))
			return;
		digits++;
	}
}

void jx_double(struct buf *b, double v)
{
	static const struct format format = { DBL_DIG, DBL_MIN, false };

	if (!isfinite(v))
		jx_null(b);
	else if (!add_short_decimal(b, v))
		add_shortest(b, v, &format);
}

void jx_float(struct buf *b, float v)
{
	static const struct format format = { FLT_DIG, FLT_MIN, true };

	if (isfinite(v))
		add_shortest(b, v, &format);
	else
		jx_null(b);
}

/* PostgreSQL's binary types */

void jx_uuid(struct buf *b, const unsigned char id[16])
{
	static const char hex[] = "0123456789abcdef";
	char *out = buf_room(b, 38);
	int i;

	*out++ = '"';
	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[id[i] >> 4];
		*out++ = hex[id[i] & 15];
	}
	*out++ = '"';
	b->n += 38;
}

/* Write YYYY-MM-DD for days since 2000-01-01; NULL when the year is not 0001 to 9999. */
static char *put_date(char *out, int64_t days)
{
	enum { DAYS_400_YEARS = 146097 };
	int64_t from_march = days - 60; /* since 2000-03-01: a leap day is then its year's last day */
	int64_t era = from_march / DAYS_400_YEARS - (from_march % DAYS_400_YEARS < 0);
	int day = (int)(from_march - era * DAYS_400_YEARS); /* of 400 years */
	/* Take out the leap days (each 4 years, not each 100), and all years are of one length. */
	int year = (day - day / 1460 + day / 36524 - day / (DAYS_400_YEARS - 1)) / 365;
	int month;
	int64_t full_year;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153; /* from March: 31 30 31 30 31 days, twice, and what is left */
	day -= (153 * month + 2) / 5;
	full_year = 2000 + 400 * era + year + (month >= 10);
	if (full_year < 1 || full_year > 9999)
		return NULL;
	out = put_4(out, (unsigned)full_year);
	*out++ = '-';
	out = put_2(out, (unsigned)(month < 10 ? month + 3 : month - 9));
	*out++ = '-';
	return put_2(out, (unsigned)day + 1);
}

static void put_time(struct buf *b, int64_t us, int digits)
{
	const int64_t us_per_day = INT64_C(86400000000);
	int64_t before = us % us_per_day < 0; /* then / has rounded towards a later day */
	int64_t days = us / us_per_day - before;
	int64_t in_day = us % us_per_day + before * us_per_day;
	unsigned ms = (unsigned)(in_day / 1000);
	char *out = buf_room(b, 29);

	*out = '"';
	out = put_date(out + 1, days); /* the infinities are the ends of int64, far outside its years */
	if (!out) {
		jx_null(b);
		return;
	}
	*out++ = 'T';
	out = put_2(out, ms / 3600000);
	*out++ = ':';
	out = put_2(out, ms / 60000 % 60);
	*out++ = ':';
	out = put_2(out, ms / 1000 % 60);
	*out++ = '.';
	out = digits == 6 ? put_padded(out, (unsigned)(in_day % 1000000), 6) : put_padded(out, ms % 1000, 3);
	*out++ = 'Z';
	*out++ = '"';
	b->n = (size_t)(out - b->p);
}

void jx_timestamptz(struct buf *b, int64_t us)
{
	put_time(b, us, 3);
}

void jx_timestamptz_us(struct buf *b, int64_t us)
{
	put_time(b, us, 6);
}

void jx_date(struct buf *b, int32_t days)
{
	char *out = buf_room(b, 12);

	*out = '"';
	out = put_date(out + 1, days);
	if (!out) {
		jx_null(b);
		return;
	}
	*out++ = '"';
	b->n = (size_t)(out - b->p);
}

static unsigned get_16(const char *p)
{
	return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

/*
 * The wire form: counts of base-10000 digits, weight of the first one, sign,
 * decimals to show, then the digits.  Zeros at either end are left out.
 */
void jx_numeric(struct buf *b, const char *p, size_t n)
{
	enum { POSITIVE = 0, NEGATIVE = 0x4000 }; /* all else is NaN or infinite */
	int count, weight, scale, shown, i;
	unsigned sign;
	char *out, *first;

	assert(n >= 8);
	count = (int)get_16(p);
	weight = (int16_t)get_16(p + 2);
	sign = get_16(p + 4);
	scale = (int)get_16(p + 6);
	assert(n == 8 + 2 * (size_t)count);
	p += 8;
	if (sign != POSITIVE && sign != NEGATIVE) {
		jx_null(b);
		return;
	}
	out = buf_room(b, (weight < 0 ? 4 : 4 * ((size_t)weight + 1)) + (size_t)scale + 8);
	if (sign == NEGATIVE)
		*out++ = '-';
	if (weight < 0)
		*out++ = '0';
	for (first = out, i = 0; i <= weight; i++) {
		unsigned digit = i < count ? get_16(p + 2 * i) : 0;

		if (out > first)
			out = put_4(out, digit);
		else if (digit || i == weight)
			out = put_uint(out, digit);
	}
	if (scale)
		*out++ = '.';
	for (i = weight + 1, shown = 0; shown < scale; i++, shown += 4)
		out = put_4(out, i >= 0 && i < count ? get_16(p + 2 * i) : 0);
	out -= shown - scale;
	b->n = (size_t)(out - b->p);
}

void jx_base64(struct buf *b, const void *p, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = p;
	char *out = buf_room(b, (n + 2) / 3 * 4 + 2);

	*out++ = '"';
	for (; n >= 3; n -= 3, in += 3) {
		*out++ = letters[in[0] >> 2];
		*out++ = letters[(in[0] & 3) << 4 | in[1] >> 4];
		*out++ = letters[(in[1] & 15) << 2 | in[2] >> 6];
		*out++ = letters[in[2] & 63];
	}
	if (n) {
		unsigned second = n == 2 ? in[1] : 0;

		*out++ = letters[in[0] >> 2];
		*out++ = letters[(in[0] & 3) << 4 | second >> 4];
		*out++ = n == 2 ? letters[(second & 15) << 2] : '=';
		*out++ = '=';
	}
	*out++ = '"';
	b->n = (size_t)(out - b->p);
}
