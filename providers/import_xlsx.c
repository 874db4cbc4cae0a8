/*
 * Workbooks (ECMA-376, SpreadsheetML): an archive of XML parts, of which one sheet is read, row by row.
 *
 * What names the parts is followed, not guessed: content types, relationships.  Names of elements are taken
 * without what stands in front of a colon, since some write it and "strict" workbooks have other namespaces.
 * A part that declares a document type is refused: none has one, and entities are declared there.
 *
 * Cells are where their references say; what a sheet says of its size is not asked.  A number is a date if
 * its format is one's.  Cells that a merged range covers are blank.
 */
#include <expat.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/utf8.h"
#include "lib/host/sandbox.h"
#include "providers/import_child.h"
#include "providers/import_date.h"

enum { SHEETS = 1000, PATH = 512, COLUMNS = 16384, MERGES = 1000000, STYLES = 65536 };

struct sheet {
	char *name, *part;
	char rel[64];
};

struct range {
	uint32_t first_row, last_row;
	uint16_t first, last; /* columns, from 1 */
};

struct cell {
	enum import_kind kind;
	size_t at, n; /* in bytes */
};

struct book {
	struct import_child *to;
	XML_Parser xml;
	void (*begin)(struct book *b, const char *name, const char **attributes);
	void (*end)(struct book *b, const char *name);

	char main[PATH], strings_part[PATH], styles_part[PATH];
	struct sheet sheets[SHEETS];
	size_t nsheets;
	bool is_1904;
	unsigned char *shows; /* of each style: IMPORT_DATE_* */
	size_t nshows, shows_cap;
	struct {
		long id;
		unsigned char shows;
	} * formats; /* that have a code */
	size_t nformats, formats_cap;
	bool in_styles; /* among those of cells */
	struct import_strings *strings;

	/* text that is read */
	char *text;
	size_t ntext, text_cap;
	bool is_taken; /* the text in hand is wanted */
	int phonetic;  /* how deep in what says how others are read */

	/* the sheet */
	bool in_data, in_row, in_cell, in_inline, has_header, only_merges;
	uint64_t row;
	uint32_t column; /* of the cell in hand, from 1 */
	char type[12];
	unsigned long style;
	struct cell cells[IMPORT_COLUMNS_MAX];
	struct import_cell told[IMPORT_COLUMNS_MAX];
	size_t ncells; /* of this row, to the last one with something in it */
	char *bytes;
	size_t nbytes, bytes_cap;
	struct range *merges;
	size_t nmerges, merges_cap, next_merge, nactive;
	uint32_t *active; /* of merges: those that this row is in */
	size_t active_cap;
};

/* XML */

static const char *local(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static bool is(const char *name, const char *wanted)
{
	return !strcmp(name, wanted);
}

/* The value of an attribute; NULL: there is none. */
static const char *value(const char **attributes, const char *wanted)
{
	for (; *attributes; attributes += 2)
		if (is(local(*attributes), wanted))
			return attributes[1];
	return NULL;
}

static bool is_true(const char *text)
{
	return text && (is(text, "1") || is(text, "true") || is(text, "on"));
}

static void on_begin(void *to, const XML_Char *name, const XML_Char **attributes)
{
	struct book *b = to;

	b->begin(b, local(name), attributes);
}

static void on_end(void *to, const XML_Char *name)
{
	struct book *b = to;

	if (b->end)
		b->end(b, local(name));
}

static void on_text(void *to, const XML_Char *p, int n)
{
	struct book *b = to;
	size_t k = (size_t)n;

	if (!b->is_taken)
		return;
	if (b->ntext + k > IMPORT_CELL_MAX)
		import_child_fail(IMPORT_CELL, b->row);
	if (b->ntext + k + 1 > b->text_cap) {
		b->text_cap = 2 * (b->ntext + k) + 1024;
		b->text = import_child_grow(b->text, b->text_cap);
	}
	memcpy(b->text + b->ntext, p, k);
	b->ntext += k;
}

static void on_doctype(void *to, const XML_Char *name, const XML_Char *system, const XML_Char *public,
		       int is_inside)
{
	(void)to, (void)name, (void)system, (void)public, (void)is_inside;
	import_child_fail(IMPORT_DOCTYPE, 0);
}

static bool feed(void *to, const char *p, size_t n)
{
	struct book *b = to;

	if (XML_Parse(b->xml, p, (int)n, 0) == XML_STATUS_ERROR) {
		if (XML_GetErrorCode(b->xml) == XML_ERROR_NO_MEMORY)
			sandbox_no_memory();
		import_child_fail(IMPORT_XML, b->row);
	}
	return true;
}

/* Read a part.  False: there is none. */
static bool read_part(struct book *b, const char *part,
		      void (*begin)(struct book *, const char *, const char **),
		      void (*end)(struct book *, const char *))
{
	static const XML_Memory_Handling_Suite memory = { malloc, realloc, free };
	bool is_there;

	b->xml = XML_ParserCreate_MM(NULL, &memory, NULL);
	if (!b->xml)
		sandbox_no_memory();
	b->begin = begin;
	b->end = end;
	b->is_taken = false;
	b->ntext = 0;
	XML_SetUserData(b->xml, b);
	XML_SetElementHandler(b->xml, on_begin, on_end);
	XML_SetCharacterDataHandler(b->xml, on_text);
	XML_SetStartDoctypeDeclHandler(b->xml, on_doctype);
	is_there = import_child_part(part, feed, b);
	if (is_there && XML_Parse(b->xml, "", 0, 1) == XML_STATUS_ERROR)
		import_child_fail(IMPORT_XML, b->row);
	XML_ParserFree(b->xml);
	b->xml = NULL;
	return is_there;
}

/* Which parts there are */

static void copy(char *out, size_t cap, const char *text)
{
	size_t n = strlen(text);

	if (n >= cap)
		import_child_fail(IMPORT_BOOK, 0);
	memcpy(out, text, n + 1);
}

static char *dup(const char *text)
{
	size_t n = strlen(text) + 1;

	return memcpy(import_child_alloc(n), text, n);
}

/* A target as the part of a name that it is: absolute, or from where the workbook is. */
static void resolve(const struct book *b, const char *target, char out[PATH])
{
	const char *slash = strrchr(b->main, '/');
	size_t n = *target == '/' || !slash ? 0 : (size_t)(slash - b->main) + 1;

	memcpy(out, b->main, n);
	out[n] = '\0';
	for (target += *target == '/'; *target;) {
		size_t k = strcspn(target, "/");

		if (k == 2 && !memcmp(target, "..", 2)) {
			n -= n > 0;
			while (n && out[n - 1] != '/')
				n--;
		} else if (k && !(k == 1 && *target == '.')) {
			if (n + k + 2 > PATH)
				import_child_fail(IMPORT_BOOK, 0);
			memcpy(out + n, target, k);
			n += k;
			if (target[k])
				out[n++] = '/';
		}
		target += k + (target[k] != '\0');
	}
	out[n] = '\0';
}

static void begin_types(struct book *b, const char *name, const char **attributes)
{
	static const char *const books[] = {
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml",
		"application/vnd.ms-excel.sheet.macroEnabled.main+xml",
		"application/vnd.ms-excel.template.macroEnabled.main+xml",
	};
	const char *type = value(attributes, "ContentType"), *part = value(attributes, "PartName");

	for (size_t i = 0; type && i < sizeof(books) / sizeof(*books); i++)
		if (!strcasecmp(type, books[i]) && !*b->main)
			copy(b->main, sizeof(b->main),
			     is(name, "Override") && part ? part + (*part == '/') : "xl/workbook.xml");
}

static void begin_book(struct book *b, const char *name, const char **attributes)
{
	if (is(name, "workbookPr")) {
		b->is_1904 = is_true(value(attributes, "date1904"));
	} else if (is(name, "sheet")) {
		const char *called = value(attributes, "name"), *rel = NULL;

		for (const char **a = attributes; *a; a += 2)
			if (strchr(*a, ':') && is(local(*a), "id"))
				rel = a[1];
		if (!called || !rel)
			return;
		if (b->nsheets == SHEETS)
			import_child_fail(IMPORT_PARTS, 0);
		copy(b->sheets[b->nsheets].rel, sizeof(b->sheets->rel), rel);
		b->sheets[b->nsheets++].name = dup(called);
	}
}

static void begin_rels(struct book *b, const char *name, const char **attributes)
{
	const char *id = value(attributes, "Id"), *type = value(attributes, "Type"),
		   *target = value(attributes, "Target"), *mode = value(attributes, "TargetMode"), *kind;
	char part[PATH];

	if (!is(name, "Relationship") || !id || !type || !target || (mode && !strcasecmp(mode, "External")))
		return;
	kind = strrchr(type, '/');
	kind = kind ? kind + 1 : type;
	resolve(b, target, part);
	if (is(kind, "sharedStrings"))
		memcpy(b->strings_part, part, sizeof(part));
	else if (is(kind, "styles"))
		memcpy(b->styles_part, part, sizeof(part));
	for (size_t i = 0; is(kind, "worksheet") && i < b->nsheets; i++)
		if (is(b->sheets[i].rel, id) && !b->sheets[i].part)
			b->sheets[i].part = dup(part);
}

/* What is none, such as a chart, goes. */
static void keep_worksheets(struct book *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->nsheets; i++)
		if (b->sheets[i].part)
			b->sheets[n++] = b->sheets[i];
	b->nsheets = n;
}

static void read_book(struct book *b)
{
	char rels[PATH + 16];
	const char *slash;

	if (!read_part(b, "[Content_Types].xml", begin_types, NULL) || !*b->main ||
	    !read_part(b, b->main, begin_book, NULL))
		import_child_fail(IMPORT_BOOK, 0);
	slash = strrchr(b->main, '/');
	snprintf(rels, sizeof(rels), "%.*s_rels/%s.rels", slash ? (int)(slash - b->main) + 1 : 0, b->main,
		 slash ? slash + 1 : b->main);
	if (!read_part(b, rels, begin_rels, NULL))
		import_child_fail(IMPORT_BOOK, 0);
	keep_worksheets(b);
	if (!b->nsheets)
		import_child_fail(IMPORT_BOOK, 0);
}

/* The sheet that is asked for: by its name, or its number from 1; else the first one. */
static const struct sheet *choose(const struct book *b, const char *wanted)
{
	char *end;
	unsigned long nr;

	if (!*wanted)
		return &b->sheets[0];
	for (size_t i = 0; i < b->nsheets; i++)
		if (is(b->sheets[i].name, wanted))
			return &b->sheets[i];
	nr = strtoul(wanted, &end, 10);
	if (*wanted < '1' || *wanted > '9' || *end || nr > b->nsheets)
		import_child_fail(IMPORT_SHEET, 0);
	return &b->sheets[nr - 1];
}

/* What cells look like, of which one thing matters: is a number a date? */

static void begin_styles(struct book *b, const char *name, const char **attributes)
{
	const char *id = value(attributes, "numFmtId"), *code = value(attributes, "formatCode");
	unsigned shows;

	if (is(name, "cellXfs"))
		b->in_styles = true;
	if (is(name, "numFmt") && id && code) {
		if (b->nformats == b->formats_cap) {
			b->formats_cap = b->formats_cap ? 2 * b->formats_cap : 64;
			b->formats = import_child_grow(b->formats, b->formats_cap * sizeof(*b->formats));
		}
		if (b->nformats == STYLES)
			return;
		b->formats[b->nformats].id = strtol(id, NULL, 10);
		b->formats[b->nformats++].shows = (unsigned char)import_date_code(code);
	}
	if (!is(name, "xf") || !b->in_styles || b->nshows == STYLES)
		return;
	shows = import_date_built_in(id ? strtol(id, NULL, 10) : 0);
	for (size_t i = 0; id && i < b->nformats; i++)
		if (b->formats[i].id == strtol(id, NULL, 10))
			shows = b->formats[i].shows;
	if (b->nshows == b->shows_cap) {
		b->shows_cap = b->shows_cap ? 2 * b->shows_cap : 256;
		b->shows = import_child_grow(b->shows, b->shows_cap);
	}
	b->shows[b->nshows++] = (unsigned char)shows;
}

static void end_styles(struct book *b, const char *name)
{
	if (is(name, "cellXfs"))
		b->in_styles = false;
}

/* Texts */

static int hex(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i], small = (char)(c | ' ');

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (small >= 'a' && small <= 'f')
			v = v << 4 | (small - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* "_x000D_" is a carriage return (ECMA-376, 22.9.2.19: ST_Xstring); NUL and halves of pairs stay as they are.
 */
static void unescape(struct book *b)
{
	size_t n = 0;

	if (b->ntext < 7 || !memchr(b->text, '_', b->ntext))
		return;
	for (size_t i = 0; i < b->ntext;) {
		const char *p = b->text + i;
		int c = b->ntext - i >= 7 && p[0] == '_' && p[1] == 'x' && p[6] == '_' ? hex(p + 2) : -1;

		if (c <= 0 || (c >= 0xd800 && c <= 0xdfff)) {
			b->text[n++] = b->text[i++];
			continue;
		}
		n += (size_t)utf8_put(b->text + n, (unsigned)c);
		i += 7;
	}
	b->ntext = n;
}

static void begin_strings(struct book *b, const char *name, const char **attributes)
{
	(void)attributes;
	if (is(name, "si"))
		b->ntext = 0;
	else if (is(name, "rPh"))
		b->phonetic++;
	else if (is(name, "t"))
		b->is_taken = !b->phonetic;
}

static void end_strings(struct book *b, const char *name)
{
	if (is(name, "t")) {
		b->is_taken = false;
	} else if (is(name, "rPh")) {
		b->phonetic -= b->phonetic > 0;
	} else if (is(name, "si")) {
		unescape(b);
		import_child_add_string(b->strings, b->text, b->ntext);
	}
}

/* Cells */

/* "BC12" to a column and a row, from 1; false: it is none. */
static bool reference(const char *p, uint32_t *column, uint32_t *row)
{
	uint32_t c = 0, r = 0;

	for (; (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z'); p++)
		if ((c = c * 26 + (uint32_t)((*p | ' ') - 'a' + 1)) > COLUMNS)
			return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if ((r = r * 10 + (uint32_t)(*p - '0')) > 100000000)
			return false;
	*column = c;
	*row = r;
	return c && r && (!*p || *p == ':');
}

static void add_merge(struct book *b, const char *text)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	uint32_t columns[2], rows[2];

	if (!colon || !reference(text, &columns[0], &rows[0]) ||
	    !reference(colon + 1, &columns[1], &rows[1]) || columns[1] < columns[0] || rows[1] < rows[0])
		return;
	if (b->nmerges == MERGES)
		import_child_fail(IMPORT_PARTS, 0);
	if (b->nmerges == b->merges_cap) {
		b->merges_cap = b->merges_cap ? 2 * b->merges_cap : 64;
		b->merges = import_child_grow(b->merges, b->merges_cap * sizeof(*b->merges));
	}
	b->merges[b->nmerges++] =
		(struct range){ rows[0], rows[1], (uint16_t)columns[0], (uint16_t)columns[1] };
	if (b->to->merged)
		b->to->merged(b->to, text);
}

static int compare(const void *one, const void *other)
{
	const struct range *a = one, *b = other;

	return (a->first_row > b->first_row) - (a->first_row < b->first_row);
}

/* Which merged ranges the row is in. */
static void activate(struct book *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->nactive; i++)
		if (b->merges[b->active[i]].last_row >= b->row)
			b->active[n++] = b->active[i];
	for (; b->next_merge < b->nmerges && b->merges[b->next_merge].first_row <= b->row; b->next_merge++) {
		if (b->merges[b->next_merge].last_row < b->row)
			continue;
		if (n == b->active_cap) {
			b->active_cap = b->active_cap ? 2 * b->active_cap : 64;
			b->active = import_child_grow(b->active, b->active_cap * sizeof(*b->active));
		}
		b->active[n++] = (uint32_t)b->next_merge;
	}
	b->nactive = n;
}

static bool is_covered(const struct book *b)
{
	for (size_t i = 0; i < b->nactive; i++) {
		const struct range *m = &b->merges[b->active[i]];

		if (b->column >= m->first && b->column <= m->last &&
		    (b->column != m->first || b->row != m->first_row))
			return true;
	}
	return false;
}

static void put(struct book *b, enum import_kind kind, const char *p, size_t n)
{
	struct cell *cell;

	if (!n)
		return;
	if (b->column > IMPORT_COLUMNS_MAX)
		import_child_fail(IMPORT_COLUMNS, b->row);
	if (b->nbytes + n > b->bytes_cap) {
		b->bytes_cap = 2 * (b->nbytes + n) + 4096;
		b->bytes = import_child_grow(b->bytes, b->bytes_cap);
	}
	memcpy(b->bytes + b->nbytes, p, n);
	while (b->ncells < b->column)
		b->cells[b->ncells++] = (struct cell){ IMPORT_BLANK };
	cell = &b->cells[b->column - 1];
	*cell = (struct cell){ kind, b->nbytes, n };
	b->nbytes += n;
}

/* As few digits as give the same number, as JSON has it. */
static void put_number(struct book *b, double d)
{
	char text[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d == 0 ? 0 : d);
		if (strtod(text, NULL) == d)
			break;
	}
	put(b, IMPORT_DIGITS, text, strlen(text));
}

static void number(struct book *b)
{
	unsigned shows = b->style < b->nshows ? b->shows[b->style] : 0;
	char out[IMPORT_DATE_TEXT], *end;
	bool is_date;
	double d;

	d = strtod(b->text, &end);
	while (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t')
		end++;
	if (end == b->text || *end || !isfinite(d))
		put(b, IMPORT_TEXT, b->text, b->ntext);
	else if (shows && import_date_write(out, d, b->is_1904, shows, &is_date))
		put(b, is_date ? IMPORT_MOMENT : IMPORT_TEXT, out, strlen(out));
	else
		put_number(b, d);
}

static void shared(struct book *b)
{
	char *end;
	unsigned long long nr = strtoull(b->text, &end, 10);
	const char *p;
	size_t n;

	if (end == b->text || *end || *b->text == '-')
		import_child_fail(IMPORT_XML, b->row);
	p = b->strings ? import_child_string(b->strings, nr, &n) : NULL;
	if (!p)
		import_child_fail(IMPORT_XML, b->row);
	put(b, IMPORT_TEXT, p, n);
}

static void end_cell(struct book *b)
{
	if (!b->ntext || is_covered(b))
		return;
	b->text[b->ntext] = '\0'; /* on_text() leaves room for it */
	if (is(b->type, "s")) {
		shared(b);
	} else if (is(b->type, "inlineStr") || is(b->type, "str")) {
		unescape(b);
		put(b, IMPORT_TEXT, b->text, b->ntext);
	} else if (is(b->type, "b")) {
		bool is_yes = is_true(b->text);

		put(b, IMPORT_TRUTH, is_yes ? "true" : "false", is_yes ? 4 : 5);
	} else if (is(b->type, "e")) {
		put(b, IMPORT_FAULT, b->text, b->ntext);
	} else if (is(b->type, "d")) {
		put(b, IMPORT_MOMENT, b->text, b->ntext);
	} else {
		number(b);
	}
}

static void begin_row(struct book *b, const char *nr)
{
	uint64_t row = nr ? strtoull(nr, NULL, 10) : b->row + 1;

	if (row <= b->row || row > UINT32_MAX)
		import_child_fail(IMPORT_XML, b->row);
	b->row = row;
	b->column = 0;
	b->ncells = b->nbytes = 0;
	activate(b);
}

static void end_row(struct book *b)
{
	for (size_t i = 0; i < b->ncells; i++) {
		const struct cell *c = &b->cells[i];

		b->told[i] = (struct import_cell){ c->kind, c->n ? b->bytes + c->at : "", c->n };
	}
	if (!b->ncells)
		return;
	if (b->has_header)
		b->to->row(b->to, b->row, b->told, b->ncells);
	else
		b->to->header(b->to, b->told, b->ncells);
	b->has_header = true;
}

static void begin_cell(struct book *b, const char **attributes)
{
	const char *ref = value(attributes, "r"), *type = value(attributes, "t"),
		   *style = value(attributes, "s");
	uint32_t column, row;

	b->column++;
	if (ref) {
		if (!reference(ref, &column, &row) || row != b->row)
			import_child_fail(IMPORT_XML, b->row);
		b->column = column;
	}
	if (b->column > COLUMNS)
		import_child_fail(IMPORT_COLUMNS, b->row);
	snprintf(b->type, sizeof(b->type), "%s", type ? type : "n");
	b->style = style ? strtoul(style, NULL, 10) : 0;
	b->in_cell = true;
	b->ntext = 0;
}

static void begin_sheet(struct book *b, const char *name, const char **attributes)
{
	if (is(name, "sheetData")) {
		b->in_data = true;
	} else if (is(name, "mergeCell")) {
		if (b->only_merges || b->to->merged)
			add_merge(b, value(attributes, "ref"));
	} else if (!b->in_data || b->only_merges) {
		return;
	} else if (is(name, "row")) {
		b->in_row = true;
		begin_row(b, value(attributes, "r"));
	} else if (is(name, "c") && b->in_row) {
		begin_cell(b, attributes);
	} else if (!b->in_cell) {
		return;
	} else if (is(name, "v")) {
		b->is_taken = !is(b->type, "inlineStr");
	} else if (is(name, "is")) {
		b->in_inline = true;
	} else if (is(name, "rPh")) {
		b->phonetic++;
	} else if (is(name, "t")) {
		b->is_taken = b->in_inline && !b->phonetic;
	}
}

static void end_sheet(struct book *b, const char *name)
{
	if (is(name, "sheetData")) {
		b->in_data = false;
	} else if (!b->in_data || b->only_merges) {
		return;
	} else if (is(name, "v") || is(name, "t")) {
		b->is_taken = false;
	} else if (is(name, "is")) {
		b->in_inline = false;
	} else if (is(name, "rPh")) {
		b->phonetic -= b->phonetic > 0;
	} else if (is(name, "c") && b->in_cell) {
		b->in_cell = false;
		end_cell(b);
	} else if (is(name, "row") && b->in_row) {
		b->in_row = false;
		end_row(b);
	}
}

/* Which cells are merged, a sheet says behind its rows. */
static void read_merges(struct book *b, const char *part)
{
	int64_t unpacked = import_child_unpacked();

	b->only_merges = true;
	read_part(b, part, begin_sheet, end_sheet);
	b->only_merges = false;
	if (b->nmerges)
		qsort(b->merges, b->nmerges, sizeof(*b->merges), compare);
	import_child_forget(import_child_unpacked() - unpacked);
}

void import_child_xlsx(struct import_child *c)
{
	struct book *b = import_child_alloc(sizeof(*b));
	const struct sheet *sheet;

	b->to = c;
	memcpy(c->encoding, "utf-8", 6);
	read_book(b);
	sheet = choose(b, c->sheet);
	c->sheet = sheet->name;
	c->sheets = import_child_alloc((b->nsheets + 1) * sizeof(*c->sheets));
	for (size_t i = 0; i < b->nsheets; i++)
		c->sheets[i] = b->sheets[i].name;
	if (*b->styles_part)
		read_part(b, b->styles_part, begin_styles, end_styles);
	if (*b->strings_part) {
		b->strings = import_child_strings(sandbox_spill());
		read_part(b, b->strings_part, begin_strings, end_strings);
		import_child_end_strings(b->strings);
	}
	if (c->has_merges)
		read_merges(b, sheet->part);
	if (!read_part(b, sheet->part, begin_sheet, end_sheet))
		import_child_fail(IMPORT_BOOK, 0);
	if (!b->has_header)
		import_child_fail(IMPORT_EMPTY, 0);
}
