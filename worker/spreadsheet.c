#include "worker/spreadsheet.h"

#include <ctype.h>
#include <string.h>
#include <xlsxwriter.h>

#include "lib/base/buf.h"
#include "lib/db/column.h"
#include "lib/db/rows.h"
#include "lib/host/spool.h"

enum { LINES = 1048576, MOST_CHARACTERS = 32767, DIGITS = 15, TIMESTAMP = 1114, TIMESTAMPTZ = 1184 };

struct spreadsheet {
	lxw_workbook *book;
	lxw_worksheet *sheet;
	lxw_format *bold, *time;
	lxw_row_t line; /* the next one */
	lxw_error error;
	struct buf scratch, value;
};

struct spreadsheet *spreadsheet_new(struct arena *a, int fd)
{
	struct spreadsheet *s = arena_alloc(a, sizeof(*s));
	lxw_workbook_options options = { .constant_memory = LXW_TRUE,
					 .tmpdir = arena_dup(a, spool_place(a)) };

	/* It opens files by their names alone. */
	s->book = workbook_new_opt(arena_fmt(a, "/proc/self/fd/%d", fd), &options);
	if (!s->book)
		return NULL;
	s->bold = workbook_add_format(s->book);
	s->time = workbook_add_format(s->book);
	format_set_bold(s->bold);
	format_set_num_format(s->time, "yyyy-mm-dd hh:mm:ss.000");
	buf_init(&s->scratch, a, 1024);
	buf_init(&s->value, a, 256);
	return s;
}

static void note(struct spreadsheet *s, lxw_error error)
{
	if (!s->error)
		s->error = error;
}

/* "_x0041_" in a workbook is the letter A (ECMA-376, 22.9.2.19: ST_Xstring); libxlsxwriter writes so what
 * does not show. */
static bool looks_escaped(const char *p, size_t n)
{
	return n >= 7 && p[0] == '_' && p[1] == 'x' && p[6] == '_' && isxdigit((unsigned char)p[2]) &&
	       isxdigit((unsigned char)p[3]) && isxdigit((unsigned char)p[4]) &&
	       isxdigit((unsigned char)p[5]);
}

/*
 * Up to as many characters as a cell takes; none that XML has no place for, U+FFFE and U+FFFF; and what only
 * looks as if it were escaped, escaped.
 */
static void clean(struct buf *b, const char *p, size_t n)
{
	size_t characters = 0;

	b->n = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((c & 0xc0) != 0x80 && ++characters > MOST_CHARACTERS)
			break;
		if (c == 0xef && i + 2 < n && (unsigned char)p[i + 1] == 0xbf &&
		    (unsigned char)p[i + 2] >= 0xbe) {
			buf_text(b, "\xef\xbf\xbd");
			i += 2;
			continue;
		}
		if (looks_escaped(p + i, n - i))
			buf_text(b, "_x005F");
		buf_char(b, (char)c);
	}
}

static void write_text(struct spreadsheet *s, lxw_col_t column, const char *p, size_t n, lxw_format *format)
{
	clean(&s->scratch, p, n);
	note(s, worksheet_write_string(s->sheet, s->line, column, buf_str(&s->scratch), format));
}

/* A number that a spreadsheet keeps as it is? */
static bool is_number(const char *p, size_t n)
{
	size_t digits = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)p[i]) && !memchr("+-.eE", p[i], 5))
			return false;
		digits += isdigit((unsigned char)p[i]) != 0;
	}
	return n && digits && digits <= DIGITS;
}

/* What is no text, as JSON has it. */
static void write_value(struct spreadsheet *s, lxw_col_t column, const struct rows *r)
{
	struct buf *b = &s->value;
	const char *value;

	b->n = 0;
	rows_value(b, r, 0, column);
	value = buf_str(b);
	if (!strcmp(value, "true") || !strcmp(value, "false")) {
		note(s, worksheet_write_boolean(s->sheet, s->line, column, *value == 't', NULL));
	} else if (is_number(value, b->n)) {
		note(s, worksheet_write_number(s->sheet, s->line, column, strtod(value, NULL), NULL));
	} else {
		bool is_quoted = b->n > 1 && *value == '"'; /* of letters, digits and signs alone */

		write_text(s, column, value + is_quoted, b->n - 2 * (size_t)is_quoted, NULL);
	}
}

/* Days since the end of 1899, which was before a leap day that 1900 did not have. */
static bool write_time(struct spreadsheet *s, lxw_col_t column, const PGresult *res, const char *name)
{
	double days = (double)column_us(res, 0, name) / 86400e6 + 25569;

	if (days < 61 || days >= 2958466)
		return false;
	note(s, worksheet_write_number(s->sheet, s->line, column, days, s->time));
	return true;
}

static bool is_time(const PGresult *res, const char *name)
{
	Oid type = PQftype(res, PQfnumber(res, name));

	return type == TIMESTAMPTZ || type == TIMESTAMP;
}

/* The columns' names, in front of a sheet's rows. */
static void begin_sheet(struct spreadsheet *s, const struct rows *r, const PGresult *res)
{
	s->sheet = workbook_add_worksheet(s->book, NULL);
	s->line = 0;
	if (!s->sheet) {
		note(s, LXW_ERROR_MEMORY_MALLOC_FAILED);
		return;
	}
	worksheet_freeze_panes(s->sheet, 1, 0);
	for (int i = 0; i < rows_columns(r); i++) {
		const char *name = rows_name(r, i);

		if (res && is_time(res, name))
			worksheet_set_column(s->sheet, (lxw_col_t)i, (lxw_col_t)i, 24, NULL);
		write_text(s, (lxw_col_t)i, name, strlen(name), s->bold);
	}
	s->line++;
}

bool spreadsheet_add(struct spreadsheet *s, const struct rows *r, const PGresult *res)
{
	if (!s->sheet || s->line == LINES)
		begin_sheet(s, r, res);
	for (int i = 0; !s->error && i < rows_columns(r); i++) {
		size_t n;
		const char *text;

		if (rows_is_null(r, 0, i))
			continue;
		text = rows_text(r, 0, i, &n);
		if (text)
			write_text(s, (lxw_col_t)i, text, n, NULL);
		else if (!is_time(res, rows_name(r, i)) || !write_time(s, (lxw_col_t)i, res, rows_name(r, i)))
			write_value(s, (lxw_col_t)i, r);
	}
	s->line++;
	return !s->error;
}

const char *spreadsheet_end(struct spreadsheet *s, const struct rows *r)
{
	lxw_error error;

	if (!s->sheet && !s->error && r)
		begin_sheet(s, r, NULL);
	if (s->error) {
		spreadsheet_free(s);
		return lxw_strerror(s->error);
	}
	error = workbook_close(s->book);
	s->book = NULL;
	return error ? lxw_strerror(error) : NULL;
}

void spreadsheet_free(struct spreadsheet *s)
{
	if (s && s->book)
		lxw_workbook_free(s->book);
	if (s)
		s->book = NULL;
}
