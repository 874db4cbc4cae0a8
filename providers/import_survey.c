/*
 * What a file is about to hold, told by its first 1,000 rows; and by all of them, what cells mean that can be
 * two things, since a column is written by one hand: 1,5 in it says that commas stand before fractions, and
 * 31/01 that days come first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/jx.h"
#include "providers/import_child.h"
#include "providers/import_text.h"
#include "providers/record_geometry.h"

enum {
	LOOKED_AT = 1000,
	SAMPLES = 5,
	ROWS = 10,
	OPTIONS = 20,
	OPTIONS_FROM = 50,
	LONG_TEXT = 255,
	SHOWN = 255,
	SET = 2048,
	MERGED = 10000,
};

/* What a column's values can all be. */
enum {
	AS_BOOL = 1,
	AS_DAY_FIRST = 2,
	AS_MONTH_FIRST = 4,
	AS_POINT = 8,
	AS_COMMA = 16,
	AS_EMAIL = 32,
	AS_URL = 64,
	AS_PHONE = 128,
	AS_TREE = 256,
};

struct column {
	char *name;
	unsigned can_be;
	bool has_time, has_currency, has_percent, has_plain, has_comma, has_ambiguous_date;
	bool only_day_first, only_month_first, only_point, only_comma; /* some value is, in all of the file */
	double least, most;                                            /* of numbers */
	size_t longest;
	int blanks, values, unique;
	char *samples[SAMPLES], *options[OPTIONS + 1];
	int nsamples, noptions;
	uint64_t *seen; /* hashes of values, SET of them; 0: none */
};

static struct {
	struct column *columns;
	size_t n;
	uint64_t rows; /* with something in them */
	char *shown[ROWS];
	int nshown;
	char *merged[MERGED];
	int nmerged;
} survey;

static char *text_of(const char *p, size_t n, size_t max)
{
	char *copy;

	while (n > max) {
		n = max;
		while (n && ((unsigned char)p[n] & 0xc0) == 0x80)
			n--;
	}
	copy = import_child_alloc(n + 1);
	memcpy(copy, p, n);
	return copy;
}

/* Names: without blanks around them, none of them empty, and none twice. */
void import_child_header(struct import_child *c, const struct import_cell *cells, size_t n)
{
	(void)c;
	survey.columns = import_child_alloc((n + 1) * sizeof(*survey.columns));
	survey.n = n;
	for (size_t i = 0; i < n; i++) {
		struct column *col = &survey.columns[i];
		size_t len = cells[i].n;
		const char *p = import_text_trim(cells[i].p, &len);
		char with_number[300];
		int twin = 1;

		if (len) {
			col->name = text_of(p, len, SHOWN);
		} else {
			snprintf(with_number, sizeof(with_number), "column_%zu", i + 1);
			col->name = text_of(with_number, strlen(with_number), SHOWN);
		}
		for (size_t k = 0; k < i; k++) {
			if (strcmp(survey.columns[k].name, col->name) != 0)
				continue;
			if (twin == 1)
				p = col->name;
			snprintf(with_number, sizeof(with_number), "%s_%d", p, ++twin);
			col->name = text_of(with_number, strlen(with_number), sizeof(with_number));
			k = (size_t)-1;
		}
		col->can_be = ~0U;
	}
}

static bool has(const char *p, size_t n, const char *signs)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] && strchr(signs, p[i]))
			return true;
	return false;
}

static bool is_phone(const char *p, size_t n)
{
	size_t digits = 0, parts[4] = { 0 }, nparts = 0;
	bool has_sign = false;

	for (size_t i = 0; i < n; i++) {
		if (p[i] >= '0' && p[i] <= '9') {
			digits++;
			parts[nparts]++;
			continue;
		}
		if (!p[i] || (!strchr(" ()-./", p[i]) && (p[i] != '+' || i)))
			return false;
		has_sign = true;
		nparts += nparts < 3;
	}
	/* Three short numbers look like a day, if of no calendar. */
	if (nparts == 2 && parts[1] <= 2 &&
	    ((parts[0] <= 2 && parts[2] <= 4) || (parts[0] == 4 && parts[2] <= 2)))
		return false;
	return digits >= 7 && digits <= 15 && (has_sign || *p == '0');
}

static bool is_url(const char *p, size_t n)
{
	return ((n > 7 && !strncasecmp(p, "http://", 7)) || (n > 8 && !strncasecmp(p, "https://", 8))) &&
	       !has(p, n, " \t\r\n<>\"");
}

static bool is_email(const char *p, size_t n)
{
	const char *at = memchr(p, '@', n), *dot;

	if (!at || at == p || n > 254 || has(p, n, " \t\r\n,;<>\"") ||
	    memchr(at + 1, '@', n - (size_t)(at + 1 - p)))
		return false;
	dot = memchr(at, '.', n - (size_t)(at - p));
	return dot && dot > at + 1 && dot + 1 < p + n;
}

/* Evidence, of every row of the file. */
static void look_at_dates(struct column *col, const char *p, size_t n)
{
	enum import_time day, month;

	if (n < 6 || n > 48) {
		col->can_be &= ~(unsigned)(AS_DAY_FIRST | AS_MONTH_FIRST);
		return;
	}
	day = import_text_time(p, n, IMPORT_DAY_FIRST, NULL);
	month = import_text_time(p, n, IMPORT_MONTH_FIRST, NULL);
	if (!day)
		col->can_be &= ~(unsigned)AS_DAY_FIRST;
	if (!month)
		col->can_be &= ~(unsigned)AS_MONTH_FIRST;
	col->only_day_first |= day && !month;
	col->only_month_first |= month && !day;
	if (day && month && !import_text_time(p, n, IMPORT_ORDER_UNKNOWN, NULL))
		col->has_ambiguous_date = true;
	col->has_time |= (day ? day : month) == IMPORT_DATETIME;
}

static void look_at_numbers(struct column *col, const char *p, size_t n)
{
	enum import_number point = import_text_number(p, n, IMPORT_POINT, NULL),
			   comma = import_text_number(p, n, IMPORT_COMMA, NULL), any = point ? point : comma;

	if (!point)
		col->can_be &= ~(unsigned)AS_POINT;
	if (!comma)
		col->can_be &= ~(unsigned)AS_COMMA;
	col->only_point |= point && !comma;
	col->only_comma |= comma && !point;
	col->has_comma |= point && comma && memchr(p, ',', n) != NULL;
	col->has_currency |= any == IMPORT_CURRENCY;
	col->has_percent |= any == IMPORT_PERCENT;
	col->has_plain |= any == IMPORT_NUMBER;
	if (point) {
		char text[80];
		double value;

		memcpy(text, p, n < sizeof(text) ? n : sizeof(text) - 1);
		text[n < sizeof(text) ? n : sizeof(text) - 1] = '\0';
		if (sscanf(text, "%lf", &value) == 1) {
			col->least = value < col->least ? value : col->least;
			col->most = value > col->most ? value : col->most;
		}
	}
}

static uint64_t hash(const char *p, size_t n)
{
	uint64_t h = 14695981039346656037U;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 1099511628211U;
	return h ? h : 1;
}

/* Is it the first of its like? */
static bool is_new(struct column *col, uint64_t h)
{
	size_t at = h % SET;

	if (!col->seen)
		col->seen = import_child_alloc(SET * sizeof(*col->seen));
	for (; col->seen[at]; at = (at + 1) % SET)
		if (col->seen[at] == h)
			return false;
	col->seen[at] = h;
	return true;
}

static void look_at_text(struct column *col, const char *p, size_t n)
{
	bool as_bool;

	col->can_be &= ~(unsigned)AS_TREE;
	if (!import_text_bool(p, n, &as_bool) || (n == 1 && (*p == '0' || *p == '1')))
		col->can_be &= ~(unsigned)AS_BOOL;
	if ((col->can_be & AS_EMAIL) && !is_email(p, n))
		col->can_be &= ~(unsigned)AS_EMAIL;
	if ((col->can_be & AS_URL) && !is_url(p, n))
		col->can_be &= ~(unsigned)AS_URL;
	if ((col->can_be & AS_PHONE) && !is_phone(p, n))
		col->can_be &= ~(unsigned)AS_PHONE;
	if (col->can_be & (AS_DAY_FIRST | AS_MONTH_FIRST))
		look_at_dates(col, p, n);
	if (col->can_be & (AS_POINT | AS_COMMA))
		look_at_numbers(col, p, n);
}

static void look_closely(struct column *col, const char *p, size_t n)
{
	col->values++;
	if (n > col->longest)
		col->longest = n;
	if (!is_new(col, hash(p, n)))
		return;
	col->unique++;
	if (col->nsamples < SAMPLES)
		col->samples[col->nsamples++] = text_of(p, n, SHOWN);
	if (col->noptions <= OPTIONS && n <= SHOWN)
		col->options[col->noptions++] = text_of(p, n, SHOWN);
}

/* Of a row behind those: only what decides between two meanings. */
static void look_for_evidence(struct column *col, const char *p, size_t n)
{
	unsigned can_be = col->can_be;

	if ((can_be & (AS_DAY_FIRST | AS_MONTH_FIRST)) && has(p, n, "/-"))
		look_at_dates(col, p, n);
	if ((can_be & (AS_POINT | AS_COMMA)) && has(p, n, ",."))
		look_at_numbers(col, p, n);
	/* One that is something else is an error of its row. */
	col->can_be = can_be;
}

/* What is of a kind, and not text that looks like it. */
static void look_at_kind(struct column *col, const struct import_cell *cell)
{
	char text[40] = { 0 };
	double value;

	switch (cell->kind) {
	case IMPORT_DIGITS:
		memcpy(text, cell->p, cell->n < sizeof(text) ? cell->n : sizeof(text) - 1);
		value = strtod(text, NULL);
		col->can_be &= AS_POINT | AS_COMMA;
		col->has_plain = true;
		col->least = value < col->least ? value : col->least;
		col->most = value > col->most ? value : col->most;
		return;
	case IMPORT_MOMENT:
		col->can_be &= AS_DAY_FIRST | AS_MONTH_FIRST;
		for (size_t i = 10; i < cell->n; i++)
			col->has_time |= cell->p[i] >= '1' && cell->p[i] <= '9';
		return;
	case IMPORT_TRUTH: col->can_be &= AS_BOOL; return;
	case IMPORT_TREE: col->can_be &= AS_TREE; return;
	default: return;
	}
}

static void show(const struct import_cell *cells, size_t n)
{
	struct arena a;
	struct buf b;

	arena_init(&a, 65536);
	buf_init(&b, &a, 4096);
	buf_char(&b, '{');
	for (size_t i = 0; i < survey.n; i++) {
		char *text = i < n && cells[i].kind && cells[i].kind != IMPORT_FAULT
				     ? text_of(cells[i].p, cells[i].n, SHOWN)
				     : NULL;

		jx_key(&b, survey.columns[i].name), jx_str(&b, text);
	}
	buf_char(&b, '}');
	survey.shown[survey.nshown++] = text_of(b.p, b.n, b.n);
	arena_release(&a);
}

void import_child_merged(struct import_child *c, const char *range)
{
	(void)c;
	if (survey.nmerged < MERGED)
		survey.merged[survey.nmerged++] = text_of(range, strlen(range), 40);
}

void import_child_row(struct import_child *c, uint64_t number, const struct import_cell *cells, size_t n)
{
	bool is_blank = true;

	(void)c, (void)number;
	for (size_t i = 0; i < n && is_blank; i++)
		is_blank = !cells[i].kind;
	if (is_blank)
		return;
	survey.rows++;
	for (size_t i = 0; i < survey.n; i++) {
		struct column *col = &survey.columns[i];
		size_t len = i < n && cells[i].kind != IMPORT_FAULT ? cells[i].n : 0;
		bool is_text = len && (cells[i].kind == IMPORT_TEXT || cells[i].kind == IMPORT_STRING);
		const char *p = is_text ? import_text_trim(cells[i].p, &len) : len ? cells[i].p : "";

		if (survey.rows > LOOKED_AT) {
			if (len && is_text)
				look_for_evidence(col, p, len);
		} else if (!len) {
			col->blanks++;
		} else {
			if (is_text)
				look_at_text(col, p, len);
			else
				look_at_kind(col, &cells[i]);
			look_closely(col, p, len);
		}
	}
	if (survey.nshown < ROWS)
		show(cells, n);
}

/* Does its name have one of these words in it? */
static bool is_called(const struct column *col, const char *const *words)
{
	for (; *words; words++)
		if (strcasestr(col->name, *words))
			return true;
	return false;
}

static bool is_exactly(const struct column *col, const char *const *words)
{
	for (; *words; words++)
		if (!strcasecmp(col->name, *words))
			return true;
	return false;
}

/* All values are numbers, and what commas mean in them is known. */
static bool is_number(const struct column *col)
{
	bool point = col->can_be & AS_POINT, comma = col->can_be & AS_COMMA;

	return point != comma || (point && (!col->has_comma || col->only_point != col->only_comma));
}

/* "date", "datetime", or NULL: not all values are, or nobody can tell days from months. */
static const char *date_type(const struct column *col)
{
	bool day = col->can_be & AS_DAY_FIRST, month = col->can_be & AS_MONTH_FIRST;

	if (!day && !month)
		return NULL;
	if (day && month && col->has_ambiguous_date && col->only_day_first == col->only_month_first)
		return NULL;
	return col->has_time ? "datetime" : "date";
}

static const char *type_of(const struct column *col)
{
	static const char *const latitudes[] = { "lat", "latitude", "y_lat", NULL };
	static const char *const longitudes[] = { "lng", "lon", "long", "longitude", "x_lng", NULL };
	static const char *const phones[] = { "phone", "mobile", "telephone", "fax", NULL };

	if (!col->values)
		return "text";
	if (col->can_be & AS_BOOL)
		return "boolean";
	if (col->can_be == AS_TREE)
		return "json";
	if (date_type(col))
		return date_type(col);
	if (is_number(col)) {
		if (col->has_percent && !col->has_plain && !col->has_currency)
			return "percent";
		if (col->has_currency && !col->has_percent)
			return "currency";
		if (is_called(col, phones))
			return "phone";
		if (is_exactly(col, latitudes) && col->least >= -90 && col->most <= 90)
			return "latitude";
		if (is_exactly(col, longitudes) && col->least >= -180 && col->most <= 180)
			return "longitude";
		if (!col->has_percent)
			return "number";
	}
	if (col->can_be & AS_EMAIL)
		return "email";
	if (col->can_be & AS_URL)
		return "url";
	if (col->can_be & AS_PHONE)
		return "phone";
	if (col->longest > LONG_TEXT)
		return "long_text";
	return col->unique <= OPTIONS && col->noptions == col->unique && col->values >= OPTIONS_FROM
		       ? "select"
		       : "text";
}

static void tell_column(struct buf *b, const struct column *col)
{
	const char *type = type_of(col);

	buf_char(b, '{');
	jx_key_str(b, "name", col->name);
	jx_key_str(b, "inferred_type", type);
	jx_key_open(b, "sample_values", '[');
	for (int i = 0; i < col->nsamples; i++)
		jx_next(b), jx_str(b, col->samples[i]);
	buf_char(b, ']');
	jx_key_int(b, "null_count", col->blanks);
	jx_key_int(b, "unique_count", col->unique);
	jx_key_open(b, "options", '[');
	for (int i = 0; !strcmp(type, "select") && i < col->noptions; i++)
		jx_next(b), jx_str(b, col->options[i]);
	buf_char(b, ']');
	jx_key_text(b, "date_format",
		    col->only_day_first == col->only_month_first ? NULL
		    : col->only_day_first                        ? "dmy"
								 : "mdy");
	jx_key_text(b, "decimal",
		    col->only_comma && !col->only_point                                              ? ","
		    : (col->only_point && !col->only_comma) || (!col->has_comma && !col->only_comma) ? "."
												     : NULL);
	buf_char(b, '}');
}

void import_child_tell(struct import_child *c)
{
	const char *delimiter = c->delimiter ? (const char[]){ (char)c->delimiter, '\0' } : NULL;
	struct arena a;
	struct buf b;
	uint32_t len;
	char kind = 'S';

	arena_init(&a, 1 << 20);
	buf_init(&b, &a, 1 << 16);
	buf_char(&b, '{');
	jx_key_str(&b, "encoding", c->encoding);
	jx_key_text(&b, "delimiter", delimiter);
	jx_key_int(&b, "total_rows", (long long)survey.rows);
	if (!strcmp(c->format, "geojson")) {
		jx_key(&b, "has_geometry"), jx_bool(&b, c->geometry_types != 0);
		jx_key_open(&b, "geometry_types", '[');
		for (unsigned i = 0; record_geometry_types[i]; i++)
			if (c->geometry_types & 1U << i)
				jx_next(&b), jx_str(&b, record_geometry_types[i]);
		buf_char(&b, ']');
		jx_key_int(&b, "srid", c->srid);
		jx_key_open(&b, "box", '[');
		for (int i = 0; c->has_box && i < 4; i++)
			jx_next(&b), buf_fmt(&b, "%.17g", c->box[i]);
		buf_char(&b, ']');
	}
	if (c->sheets) {
		jx_key_str(&b, "sheet", c->sheet);
		jx_key_open(&b, "sheets", '[');
		for (char **s = c->sheets; *s; s++)
			jx_next(&b), jx_str(&b, *s);
		buf_char(&b, ']');
		jx_key_open(&b, "merged", '[');
		for (int i = 0; i < survey.nmerged; i++)
			jx_next(&b), jx_str(&b, survey.merged[i]);
		buf_char(&b, ']');
	}
	jx_key_open(&b, "columns", '[');
	for (size_t i = 0; i < survey.n; i++)
		jx_next(&b), tell_column(&b, &survey.columns[i]);
	buf_char(&b, ']');
	jx_key_open(&b, "sample_rows", '[');
	for (int i = 0; i < survey.nshown; i++)
		jx_next(&b), buf_text(&b, survey.shown[i]);
	buf_text(&b, "]}");
	len = (uint32_t)b.n;
	import_child_put(&kind, 1);
	import_child_put(&len, sizeof(len));
	import_child_put(b.p, b.n);
}
