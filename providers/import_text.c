#include "providers/import_text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* UTF-8's no-break spaces, which are blanks between groups of digits. */
static size_t space(const char *p, size_t n)
{
	if (n >= 1 && (*p == ' ' || *p == '\t'))
		return 1;
	if (n >= 2 && !memcmp(p, "\xc2\xa0", 2))
		return 2;
	if (n >= 3 && (!memcmp(p, "\xe2\x80\xaf", 3) || !memcmp(p, "\xe2\x80\x89", 3)))
		return 3;
	return 0;
}

const char *import_text_trim(const char *p, size_t *n)
{
	while (*n && (isspace((unsigned char)*p) || space(p, *n))) {
		size_t k = space(p, *n);

		k = k ? k : 1;
		p += k;
		*n -= k;
	}
	while (*n && (isspace((unsigned char)p[*n - 1]) || (*n >= 2 && space(p + *n - 2, 2) == 2) ||
		      (*n >= 3 && space(p + *n - 3, 3) == 3)))
		*n -= isspace((unsigned char)p[*n - 1]) ? 1 : *n >= 3 && space(p + *n - 3, 3) == 3 ? 3 : 2;
	return p;
}

/* A sign of a currency at p: how long it is. */
static size_t currency(const char *p, size_t n)
{
	static const char *const signs[] = {
		"$",   "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5", "\xe2\x82\xb9", "\xe2\x82\xa9", "USD",
		"EUR", "GBP",          "CHF",      "JPY",      "CAD",          "AUD",          "CNY",
		"INR", "SEK",          "NOK",      "DKK",      "PLN"
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		size_t k = strlen(signs[i]);

		if (n >= k && !memcmp(p, signs[i], k))
			return k;
	}
	return 0;
}

/* The same at the end of n bytes. */
static size_t currency_behind(const char *p, size_t n)
{
	for (size_t k = 1; k <= 3 && k <= n; k++)
		if (currency(p + n - k, k) == k)
			return k;
	return 0;
}

struct parts {
	bool is_negative;
	enum import_number kind;
};

/* Take away what is around the digits. */
static const char *strip(const char *p, size_t *n, struct parts *parts)
{
	size_t k;

	p = import_text_trim(p, n);
	if (*n >= 3 && *p == '(' && p[*n - 1] == ')') {
		parts->is_negative = true;
		p++, *n -= 2;
		p = import_text_trim(p, n);
	}
	for (int i = 0; i < 2; i++) { /* -$5, $-5 */
		if (*n && (*p == '-' || *p == '+') && !parts->is_negative) {
			parts->is_negative = *p == '-';
			p++, --*n;
		} else if (*n >= 3 && !memcmp(p, "\xe2\x88\x92", 3)) { /* a minus */
			parts->is_negative = true;
			p += 3, *n -= 3;
		}
		k = parts->kind == IMPORT_NUMBER ? currency(p, *n) : 0;
		if (!k)
			break;
		parts->kind = IMPORT_CURRENCY;
		p += k, *n -= k;
		p = import_text_trim(p, n);
	}
	if (*n && p[*n - 1] == '%' && parts->kind == IMPORT_NUMBER) {
		parts->kind = IMPORT_PERCENT;
		--*n;
	} else if (parts->kind == IMPORT_NUMBER && (k = currency_behind(p, *n))) {
		parts->kind = IMPORT_CURRENCY;
		*n -= k;
	}
	return import_text_trim(p, n);
}

/*
 * Digits, in groups or not: what is left is the fraction.  Groups are of three digits, but for the first one,
 * which has up to three.  False: they are none.
 */
static bool whole(const char *p, size_t n, char group, size_t *used, char *digits, size_t *ndigits)
{
	size_t i = 0, in_group = 0, max = 32;
	bool is_grouped = false;

	*ndigits = 0;
	while (i < n) {
		size_t k;

		if (isdigit((unsigned char)p[i])) {
			if (*ndigits == max)
				return false;
			digits[(*ndigits)++] = p[i++];
			in_group++;
			continue;
		}
		k = p[i] == group || p[i] == '\'' ? 1 : space(p + i, n - i);
		if (!k || !in_group || in_group > 3 || (is_grouped && in_group != 3))
			break;
		if (i + k >= n || !isdigit((unsigned char)p[i + k]))
			break;
		is_grouped = true;
		in_group = 0;
		i += k;
	}
	*used = i;
	return !is_grouped || in_group == 3;
}

enum { MOST_DIGITS = 15 };

enum import_number import_text_number(const char *p, size_t n, enum import_decimal decimal, struct buf *b)
{
	struct parts parts = { .kind = IMPORT_NUMBER };
	char point = decimal == IMPORT_COMMA ? ',' : '.', group = decimal == IMPORT_COMMA ? '.' : ',';
	char digits[32], fraction[32];
	size_t nwhole, nfraction = 0, used, lead;
	int exponent = 0;
	bool has_exponent = false;

	p = strip(p, &n, &parts);
	if (!n || n > 64 || !whole(p, n, group, &used, digits, &nwhole))
		return IMPORT_NO_NUMBER;
	p += used, n -= used;
	if (n && *p == point) {
		p++, n--;
		while (n && isdigit((unsigned char)*p) && nfraction < sizeof(fraction))
			fraction[nfraction++] = *p++, n--;
		if (!nfraction)
			return IMPORT_NO_NUMBER;
	}
	if (!nwhole && !nfraction)
		return IMPORT_NO_NUMBER;
	if (n >= 2 && (*p == 'e' || *p == 'E')) {
		bool is_negative;

		p++, n--;
		is_negative = *p == '-';
		if (*p == '-' || *p == '+')
			p++, n--;
		if (!n || n > 3)
			return IMPORT_NO_NUMBER;
		for (; n && isdigit((unsigned char)*p); p++, n--)
			exponent = exponent * 10 + (*p - '0');
		exponent = is_negative ? -exponent : exponent;
		has_exponent = true;
	}
	if (n)
		return IMPORT_NO_NUMBER;
	/* 007 is no seven; but 0.5 is a half. */
	if (nwhole > 1 && digits[0] == '0')
		return IMPORT_NO_NUMBER;
	lead = nwhole && digits[0] == '0' ? 1 : 0;
	if (nwhole - lead + nfraction > MOST_DIGITS || exponent > 15 || exponent < -30)
		return IMPORT_NO_NUMBER;
	if (!b)
		return parts.kind;
	if (parts.is_negative)
		buf_char(b, '-');
	if (nwhole)
		buf_add(b, digits, nwhole);
	else
		buf_char(b, '0');
	if (nfraction) {
		buf_char(b, '.');
		buf_add(b, fraction, nfraction);
	}
	if (has_exponent)
		buf_fmt(b, "e%d", exponent);
	return parts.kind;
}

/* Dates */

struct reader {
	const char *p;
	size_t n;
};

/* At most max digits as a number; how many there were. */
static int number(struct reader *r, int max, int *out)
{
	int k = 0;

	*out = 0;
	while (r->n && k < max && isdigit((unsigned char)*r->p)) {
		*out = *out * 10 + (*r->p - '0');
		r->p++, r->n--, k++;
	}
	return k;
}

static bool take(struct reader *r, const char *signs)
{
	if (!r->n || !strchr(signs, *r->p) || !*r->p)
		return false;
	r->p++, r->n--;
	return true;
}

static void skip_blanks(struct reader *r)
{
	while (r->n && *r->p == ' ')
		r->p++, r->n--;
}

/* The name of a month, whole or its first three letters. */
static int month(struct reader *r)
{
	static const char *const names[] = { "january",   "february", "march",    "april",
					     "may",       "june",     "july",     "august",
					     "september", "october",  "november", "december" };
	size_t k = 0;

	while (k < r->n && isalpha((unsigned char)r->p[k]))
		k++;
	for (int i = 0; k >= 3 && i < 12; i++) {
		if ((k != 3 && k != strlen(names[i]) && !(i == 8 && k == 4)) ||
		    strncasecmp(r->p, names[i], k) != 0)
			continue;
		r->p += k, r->n -= k;
		if (r->n && *r->p == '.')
			r->p++, r->n--;
		return i + 1;
	}
	return 0;
}

static int days_of(int year, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[m - 1] + (m == 2 && (year % 4 == 0 && (year % 100 || year % 400 == 0)));
}

struct date {
	int year, month, day;
};

/* Of two digits a year is of this century, until 2069; else of the one before. */
static int year_of(int k, int y)
{
	return k == 4 ? y : k == 2 ? y + (y < 70 ? 2000 : 1900) : 0;
}

static bool month_by_name(struct reader *r, struct date *d)
{
	int k, y;

	if (r->n && isalpha((unsigned char)*r->p)) { /* Jan 31, 2026 */
		d->month = month(r);
		skip_blanks(r);
		if (!d->month || !number(r, 2, &d->day))
			return false;
		take(r, ",");
	} else { /* 31 Jan 2026, 31-Jan-26 */
		if (!number(r, 2, &d->day))
			return false;
		take(r, ".");
		if (!take(r, "-/"))
			skip_blanks(r);
		d->month = month(r);
		if (!d->month)
			return false;
		take(r, "-/,");
	}
	skip_blanks(r);
	k = number(r, 4, &y);
	d->year = year_of(k, y);
	return d->year;
}

static bool date(struct reader *r, enum import_order order, struct date *d)
{
	struct reader from = *r;
	int first, second, third, k;
	char sign;

	k = number(r, 4, &first);
	if (k && r->n && strchr("-/.", *r->p)) {
		sign = *r->p;
		r->p++, r->n--;
		if (number(r, 2, &second) && r->n && *r->p == sign) {
			int n;

			r->p++, r->n--;
			n = number(r, 4, &third);
			if (k == 4) {
				*d = (struct date){ first, second, third };
				return n == 1 || n == 2;
			}
			if (k > 2 || !n)
				return false;
			if (sign == '.')
				order = IMPORT_DAY_FIRST;
			*d = order == IMPORT_MONTH_FIRST ? (struct date){ year_of(n, third), first, second }
							 : (struct date){ year_of(n, third), second, first };
			return order != IMPORT_ORDER_UNKNOWN && d->year;
		}
	}
	*r = from;
	return month_by_name(r, d);
}

struct clock {
	int hour, minute, second, zone; /* minutes east */
	char fraction[8];
};

static bool zone(struct reader *r, struct clock *c)
{
	int h, m = 0;
	bool is_west;

	skip_blanks(r);
	if (!r->n)
		return true;
	if (take(r, "zZ"))
		return true;
	if (r->n >= 3 && (!strncasecmp(r->p, "UTC", 3) || !strncasecmp(r->p, "GMT", 3))) {
		r->p += 3, r->n -= 3;
		if (!r->n)
			return true;
	}
	is_west = r->n && *r->p == '-';
	if (!take(r, "+-") || number(r, 2, &h) != 2)
		return false;
	take(r, ":");
	if (r->n && number(r, 2, &m) != 2)
		return false;
	c->zone = (h * 60 + m) * (is_west ? -1 : 1);
	return h <= 14 && m < 60;
}

static bool clock_of(struct reader *r, struct clock *c)
{
	size_t k = 0;

	if (!number(r, 2, &c->hour) || !take(r, ":") || number(r, 2, &c->minute) != 2)
		return false;
	if (take(r, ":")) {
		if (number(r, 2, &c->second) != 2)
			return false;
		if (take(r, ".,"))
			while (r->n && isdigit((unsigned char)*r->p)) {
				if (k < 6)
					c->fraction[k++] = *r->p;
				r->p++, r->n--;
			}
	}
	if (c->fraction[strspn(c->fraction, "0")] == '\0')
		*c->fraction = '\0';
	skip_blanks(r);
	if (r->n >= 2 && (r->p[0] | 32) >= 'a' && strchr("aApP", *r->p) && strchr("mM", r->p[1])) {
		if (!c->hour || c->hour > 12)
			return false;
		c->hour = c->hour % 12 + ((*r->p | 32) == 'p' ? 12 : 0);
		r->p += 2, r->n -= 2;
	}
	return c->hour < 24 && c->minute < 60 && c->second < 60 && zone(r, c) && !r->n;
}

/* Into UTC: at most a day away. */
static void shift(struct date *d, struct clock *c)
{
	int minutes = c->hour * 60 + c->minute - c->zone;

	if (minutes < 0) {
		minutes += 1440;
		if (!--d->day) {
			if (!--d->month)
				d->month = 12, d->year--;
			d->day = days_of(d->year, d->month);
		}
	} else if (minutes >= 1440) {
		minutes -= 1440;
		if (++d->day > days_of(d->year, d->month)) {
			d->day = 1;
			if (++d->month > 12)
				d->month = 1, d->year++;
		}
	}
	c->hour = minutes / 60;
	c->minute = minutes % 60;
}

enum import_time import_text_time(const char *p, size_t n, enum import_order order, struct buf *b)
{
	struct clock c = { 0 };
	struct reader r;
	struct date d;

	p = import_text_trim(p, &n);
	r = (struct reader){ p, n };
	if (n < 6 || n > 48 || !date(&r, order, &d) || d.year < 1 || d.month < 1 || d.month > 12 ||
	    d.day < 1 || d.day > days_of(d.year, d.month))
		return IMPORT_NO_TIME;
	if (!r.n) {
		if (b)
			buf_fmt(b, "%04d-%02d-%02d", d.year, d.month, d.day);
		return IMPORT_DATE;
	}
	if (!take(&r, "tT")) {
		take(&r, ",");
		if (!r.n || *r.p != ' ')
			return IMPORT_NO_TIME;
		skip_blanks(&r);
	}
	if (!clock_of(&r, &c))
		return IMPORT_NO_TIME;
	shift(&d, &c);
	if (d.year < 1 || d.year > 9999)
		return IMPORT_NO_TIME;
	if (b)
		buf_fmt(b, "%04d-%02d-%02dT%02d:%02d:%02d%s%sZ", d.year, d.month, d.day, c.hour, c.minute,
			c.second, *c.fraction ? "." : "", c.fraction);
	return IMPORT_DATETIME;
}

bool import_text_bool(const char *p, size_t n, bool *out)
{
	static const char *const words[] = { "false", "true", "no",  "yes", "n", "y",
					     "f",     "t",    "off", "on",  "0", "1" };

	p = import_text_trim(p, &n);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (n == strlen(words[i]) && !strncasecmp(p, words[i], n)) {
			*out = i % 2;
			return true;
		}
	return false;
}
