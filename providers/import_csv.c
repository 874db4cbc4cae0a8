/*
 * Tables of text, by libcsv: what is between quotes may hold delimiters, line feeds and quotes that are
 * doubled, and a quote within a text is one (RFC 4180, and what does not follow it).  Blanks are part of a
 * cell.
 */
#include <csv.h>
#include <string.h>
#include <strings.h>
#include <unicode/ucnv.h>
#include <unistd.h>

#include "lib/base/utf8.h"
#include "providers/import_child.h"

enum { PIECE = 65536, SEEN = 40 };

/* What libcsv is in the middle of (csv.h has no names for it). */
enum { CSV_FIELD_BEGUN = 2 };

struct reader {
	struct import_child *to;
	UConverter *from, *utf8; /* NULL: it is UTF-8 */
	char raw[PIECE];
	size_t nraw, at; /* of it */
	bool is_end;
	UChar pivot[4096];
	UChar *pivot_from, *pivot_to;

	struct csv_parser csv;
	uint64_t line, quote_line; /* where it is, and where what is quoted began; from 1 */
	uint64_t fields;           /* that have ended */
	uint64_t row;              /* how many rows have, with the header */

	/* the row that is read */
	char *bytes;
	size_t nbytes, bytes_cap;
	size_t *ends; /* of each cell in bytes */
	size_t ncells, cells_cap;
	struct import_cell *cells;
};

/* What the file is in */

static ssize_t fill(char *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = read(0, p + got, n - got);

		if (k < 0)
			import_child_fail(IMPORT_READ, 0);
		if (!k)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

/* Bytes at the end of n that are the beginning of a character. */
static size_t unfinished(const char *p, size_t n)
{
	for (size_t k = 1; k <= 3 && k <= n; k++) {
		unsigned char c = (unsigned char)p[n - k];

		if ((c & 0xc0) == 0x80)
			continue;
		return (c >= 0xf0 && k < 4) || (c >= 0xe0 && k < 3) || (c >= 0xc0 && k < 2) ? k : 0;
	}
	return 0;
}

/* Looks through all of it, since one byte at its end can decide. */
static const char *find_encoding(void)
{
	static char p[PIECE + 4];
	size_t kept = 0;
	bool is_first = true, has_mark = false;

	for (;;) {
		size_t n = kept + (size_t)fill(p + kept, PIECE), tail;

		if (n == kept)
			return kept ? (has_mark ? NULL : "windows-1252") : "utf-8";
		if (is_first && n >= 2 && (!memcmp(p, "\xff\xfe", 2) || !memcmp(p, "\xfe\xff", 2)))
			return *p == '\xff' ? "utf-16le" : "utf-16be";
		has_mark |= is_first && n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3);
		is_first = false;
		if (memchr(p, '\0', n))
			import_child_fail(IMPORT_BINARY, 0);
		tail = unfinished(p, n);
		if (!utf8_valid(p, n - tail)) {
			while ((n = (size_t)fill(p, PIECE)))
				if (memchr(p, '\0', n))
					import_child_fail(IMPORT_BINARY, 0);
			return has_mark ? NULL : "windows-1252";
		}
		memmove(p, p + n - tail, tail);
		kept = tail;
	}
}

static void open_encoding(struct reader *r)
{
	const char *name = r->to->encoding;
	UErrorCode code = U_ZERO_ERROR;

	if (!strcmp(name, "-")) {
		name = find_encoding();
		if (!name)
			import_child_fail(IMPORT_ENCODING, 0);
		memcpy(r->to->encoding, name, strlen(name) + 1);
		if (lseek(0, 0, SEEK_SET) != 0)
			import_child_fail(IMPORT_READ, 0);
	}
	if (!strcasecmp(name, "utf-8")) {
		/* Who says so is not believed: PostgreSQL would take none of its rows. */
		const char *found = name == r->to->encoding ? find_encoding() : name;

		if (!found || strcmp(found, "utf-8") != 0)
			import_child_fail(IMPORT_ENCODING, 0);
		if (lseek(0, 0, SEEK_SET) != 0)
			import_child_fail(IMPORT_READ, 0);
		return;
	}
	r->from = ucnv_open(name, &code);
	r->utf8 = ucnv_open("UTF-8", &code);
	if (U_FAILURE(code))
		import_child_fail(IMPORT_ENCODING, 0);
	r->pivot_from = r->pivot_to = r->pivot;
}

/* The next bytes of UTF-8, without a byte order mark; 0 at the end. */
static size_t next(struct reader *r, char *out, size_t cap)
{
	bool is_first = !r->line;
	char *to = out;

	r->line = r->line ? r->line : 1;
	if (!r->from) {
		to += fill(out, cap);
	} else {
		while (to == out && !(r->is_end && r->at == r->nraw)) {
			const char *p = r->raw + r->at;
			UErrorCode code = U_ZERO_ERROR;

			if (r->at == r->nraw) {
				r->nraw = (size_t)fill(r->raw, sizeof(r->raw));
				r->is_end = r->nraw < sizeof(r->raw);
				p = r->raw;
			}
			ucnv_convertEx(r->utf8, r->from, &to, out + cap, &p, r->raw + r->nraw, r->pivot,
				       &r->pivot_from, &r->pivot_to,
				       r->pivot + sizeof(r->pivot) / sizeof(*r->pivot), false, r->is_end,
				       &code);
			r->at = (size_t)(p - r->raw);
			if (U_FAILURE(code) && code != U_BUFFER_OVERFLOW_ERROR)
				import_child_fail(IMPORT_ENCODING, 0);
			if (r->is_end && to == out)
				break;
		}
	}
	if (is_first && to - out >= 3 && !memcmp(out, "\xef\xbb\xbf", 3)) {
		memmove(out, out + 3, (size_t)(to - out) - 3);
		to -= 3;
	}
	if (r->from && memchr(out, '\0', (size_t)(to - out)))
		import_child_fail(IMPORT_BINARY, 0);
	return (size_t)(to - out);
}

/* The sign between cells: the one that the first lines have, each as often as the others. */
static char find_delimiter(const char *p, size_t n)
{
	static const char signs[] = ",;\t|";
	int counts[4][SEEN] = { 0 }, lines = 0, best = 0, best_score = 0;
	bool is_quoted = false;

	for (size_t i = 0; i < n && lines < SEEN; i++) {
		const char *sign = p[i] ? strchr(signs, p[i]) : NULL;

		if (p[i] == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && sign)
			counts[sign - signs][lines]++;
		else if (!is_quoted && (p[i] == '\n' || (p[i] == '\r' && !(i + 1 < n && p[i + 1] == '\n'))))
			lines++;
	}
	/* What stands behind the last line feed counts only where there is no other line. */
	lines = lines ? lines : 1;
	for (int k = 0; k < 4; k++) {
		int same = 0;

		for (int i = 0; i < lines; i++)
			same += counts[k][0] && counts[k][i] == counts[k][0];
		/* As often in each line, then as many. */
		if (same * 1000 + counts[k][0] > best_score && counts[k][0]) {
			best = k;
			best_score = same * 1000 + counts[k][0];
		}
	}
	return signs[best];
}

/* Cells and rows */

static void each_field(void *p, size_t n, void *to)
{
	struct reader *r = to;

	r->fields++;
	if (r->ncells == IMPORT_COLUMNS_MAX)
		import_child_fail(IMPORT_COLUMNS, r->row + 1);
	if (n > IMPORT_CELL_MAX)
		import_child_fail(IMPORT_CELL, r->row + 1);
	if (r->ncells == r->cells_cap) {
		r->cells_cap = r->cells_cap ? 2 * r->cells_cap : 64;
		r->ends = import_child_grow(r->ends, r->cells_cap * sizeof(*r->ends));
		r->cells = import_child_grow(r->cells, r->cells_cap * sizeof(*r->cells));
	}
	if (r->nbytes + n > r->bytes_cap) {
		r->bytes_cap = 2 * (r->nbytes + n) + 4096;
		r->bytes = import_child_grow(r->bytes, r->bytes_cap);
	}
	if (n)
		memcpy(r->bytes + r->nbytes, p, n);
	r->nbytes += n;
	r->ends[r->ncells++] = r->nbytes;
}

/* A ' in front of what a spreadsheet would take for a formula is put there by who writes a file
 * (fcgi/outputs.h does), and is no part of the text. */
static bool is_neutralised(const char *p, size_t n)
{
	bool has_mark = n && *p == '\'';

	while (n && *p == '\'')
		p++, n--;
	return has_mark && n && memchr("=+-@\t\r", *p, 6);
}

static void each_row(int end, void *to)
{
	struct reader *r = to;
	size_t from = 0;

	(void)end;
	for (size_t i = 0; i < r->ncells; i++) {
		size_t n = r->ends[i] - from;
		const char *p = r->bytes ? r->bytes + from : "";

		if (is_neutralised(p, n))
			p++, n--;
		r->cells[i] = (struct import_cell){ n ? IMPORT_TEXT : IMPORT_BLANK, p, n };
		from = r->ends[i];
	}
	if (!r->row++)
		r->to->header(r->to, r->cells, r->ncells);
	else
		r->to->row(r->to, r->row, r->cells, r->ncells);
	r->ncells = 0;
	r->nbytes = 0;
}

static int no_blank(unsigned char c)
{
	(void)c;
	return 0;
}

static bool is_in_quotes(const struct reader *r)
{
	return r->csv.quoted && r->csv.pstate == CSV_FIELD_BEGUN;
}

static void parse(struct reader *r, const char *p, size_t n)
{
	while (n) {
		const char *end = memchr(p, '\n', n);
		size_t k = end ? (size_t)(end - p) + 1 : n;
		bool was_in = is_in_quotes(r);
		uint64_t fields = r->fields;

		if (csv_parse(&r->csv, p, k, each_field, each_row, r) != k)
			import_child_fail(csv_error(&r->csv) == CSV_EPARSE ? IMPORT_FORM : IMPORT_CELL,
					  r->row + 1);
		if (is_in_quotes(r) && (!was_in || r->fields != fields))
			r->quote_line = r->line;
		if (r->csv.entry_pos > IMPORT_CELL_MAX)
			import_child_fail(is_in_quotes(r) ? IMPORT_QUOTE : IMPORT_CELL,
					  is_in_quotes(r) ? r->quote_line : r->row + 1);
		r->line += end != NULL;
		p += k;
		n -= k;
	}
}

void import_child_csv(struct import_child *c)
{
	struct reader *r = import_child_alloc(sizeof(*r));
	char *piece = import_child_alloc(PIECE);
	size_t n;

	r->to = c;
	open_encoding(r);
	n = next(r, piece, PIECE);
	if (!c->delimiter)
		c->delimiter = (unsigned char)find_delimiter(piece, n);
	if (csv_init(&r->csv, 0))
		import_child_fail(IMPORT_READ, 0);
	csv_set_delim(&r->csv, (unsigned char)c->delimiter);
	csv_set_space_func(&r->csv, no_blank);
	for (; n; n = next(r, piece, PIECE))
		parse(r, piece, n);
	if (is_in_quotes(r))
		import_child_fail(IMPORT_QUOTE, r->quote_line);
	csv_fini(&r->csv, each_field, each_row, r);
	if (!r->row)
		import_child_fail(IMPORT_EMPTY, 0);
}
