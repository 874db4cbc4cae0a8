/*
 * Office Open XML (ECMA-376): a zip archive of XML parts.  Text documents are
 * their paragraphs, workbooks their cells, a row a line, presentations their
 * slides.
 *
 * An archive is small and what is in it need not be: parts are counted, and
 * what they unpack to is measured while they do, against a limit and against
 * the archive's own size.  A part that declares a document type is refused,
 * since no part has one and entities are declared there.
 */
#include <archive.h>
#include <archive_entry.h>
#include <libxml/xmlreader.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/host/sandbox.h"
#include "worker/extractor.h"

enum { MAX_PARTS = 5000, MAX_RATIO = 200, FREE_BYTES = 1 << 20 };

struct part {
	const char *prefix; /* of its kind, NULL: it is no part that has text */
	long number;        /* of slide12.xml */
	char *xml;
	size_t n;
};

static struct part parts[MAX_PARTS];
static size_t nparts;

/* What has text, in the order in which it is told. */
static const char *const kinds[] = {
	"word/document",    "word/footnotes",
	"word/endnotes",    "word/comments",
	"word/header",      "word/footer",
	"xl/shared",        "xl/worksheets/sheet",
	"ppt/slides/slide", "ppt/notesSlides/notesSlide",
};

static bool find_kind(const char *name, struct part *part)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t n = strlen(kinds[i]);
		char *end;

		if (strncmp(name, kinds[i], n) != 0)
			continue;
		part->prefix = kinds[i];
		if (!strcmp(name + n, "Strings.xml"))
			return true;
		part->number = strtol(name + n, &end, 10);
		return !strcmp(end, ".xml");
	}
	return false;
}

static size_t kind_rank(const struct part *part)
{
	size_t i = 0;

	while (kinds[i] != part->prefix)
		i++;
	return i;
}

static int compare(const void *one, const void *other)
{
	const struct part *a = one, *b = other;
	size_t ra = kind_rank(a), rb = kind_rank(b);

	if (ra != rb)
		return ra < rb ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

/* All of the parts that have text; what they unpack to, and how many there are, is bounded. */
static void unpack(char *p, size_t n, size_t max)
{
	size_t most = n < max / MAX_RATIO ? n * MAX_RATIO + FREE_BYTES : max;
	struct archive *zip = archive_read_new();
	struct archive_entry *entry;
	size_t total = 0, entries = 0;
	int rc;

	if (most > max)
		most = max;
	if (!zip)
		sandbox_no_memory();
	if (archive_read_support_format_zip_seekable(zip) || archive_read_open_memory(zip, p, n))
		_exit(EXTRACTOR_READ);
	while ((rc = archive_read_next_header(zip, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		const char *name = archive_entry_pathname(entry);
		struct part part = { 0 };
		size_t room = 0;

		if (++entries > MAX_PARTS)
			_exit(EXTRACTOR_PARTS);
		if (archive_entry_is_encrypted(entry))
			_exit(EXTRACTOR_ENCRYPTED);
		if (!name || !find_kind(name, &part))
			continue; /* libarchive skips what is not read without unpacking it */
		for (;;) {
			ssize_t got;

			if (room - part.n < 65536) {
				room = room * 2 + 131072;
				part.xml = realloc(part.xml, room);
				if (!part.xml)
					sandbox_no_memory();
			}
			got = archive_read_data(zip, part.xml + part.n, 65536);
			if (got == 0)
				break;
			if (got < 0)
				_exit(EXTRACTOR_READ);
			part.n += (size_t)got;
			total += (size_t)got;
			if (total > most)
				_exit(EXTRACTOR_UNPACKS);
		}
		/* Thousands of small parts would not fit with the room that each was read into. */
		part.xml = realloc(part.xml, part.n + 1);
		if (!part.xml)
			sandbox_no_memory();
		parts[nparts++] = part;
	}
	if (rc != ARCHIVE_EOF || !nparts)
		_exit(EXTRACTOR_READ);
	qsort(parts, nparts, sizeof(*parts), compare);
}

static xmlTextReader *open_part(const struct part *part)
{
	xmlTextReader *r = xmlReaderForMemory(part->xml, (int)part->n, NULL, NULL,
					      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

	if (!r)
		sandbox_no_memory();
	return r;
}

/* The next node; false at the end.  Ends the process where there is no well-formed one. */
static bool next(xmlTextReader *r)
{
	int rc = xmlTextReaderRead(r);
	int type = xmlTextReaderNodeType(r);

	if (rc < 0 || type == XML_READER_TYPE_DOCUMENT_TYPE || type == XML_READER_TYPE_ENTITY_REFERENCE)
		_exit(EXTRACTOR_READ);
	return rc > 0;
}

static bool is_text(int type)
{
	return type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_SIGNIFICANT_WHITESPACE ||
	       type == XML_READER_TYPE_WHITESPACE || type == XML_READER_TYPE_CDATA;
}

static bool is_name(xmlTextReader *r, const char *name)
{
	const xmlChar *local = xmlTextReaderConstLocalName(r);

	return local && !strcmp((const char *)local, name);
}

/* Paragraphs: w:p and a:p, with runs of text w:t and a:t. */
static void tell_paragraphs(const struct part *part)
{
	xmlTextReader *r = open_part(part);
	bool in_text = false;

	extractor_break(2);
	while (next(r)) {
		int type = xmlTextReaderNodeType(r);

		if (is_text(type)) {
			const char *p = (const char *)xmlTextReaderConstValue(r);

			if (in_text && p)
				extractor_text(p, strlen(p));
		} else if (type == XML_READER_TYPE_ELEMENT || type == XML_READER_TYPE_END_ELEMENT) {
			if (is_name(r, "t"))
				in_text = type == XML_READER_TYPE_ELEMENT && !xmlTextReaderIsEmptyElement(r);
			else if (is_name(r, "p") || is_name(r, "br") || is_name(r, "cr"))
				extractor_break(1);
			else if (is_name(r, "tab") || is_name(r, "tc"))
				extractor_gap();
		}
	}
}

struct text {
	char *p;
	size_t n, room;
};

static void append(struct text *t, const xmlChar *text)
{
	const char *p = text ? (const char *)text : "";
	size_t n = strlen(p);

	if (t->room - t->n <= n) {
		t->room = t->room * 2 + n + 64;
		t->p = realloc(t->p, t->room);
		if (!t->p)
			sandbox_no_memory();
	}
	memcpy(t->p + t->n, p, n + 1);
	t->n += n;
}

static char **strings;
static size_t nstrings;

/* The strings that cells name by their number: si, of one or more t; rPh is how one is pronounced. */
static void load_strings(const struct part *part)
{
	xmlTextReader *r = open_part(part);
	struct text t = { 0 };
	bool in_text = false, in_phonetic = false;
	size_t room = 0;

	while (next(r)) {
		int type = xmlTextReaderNodeType(r);
		bool begins = type == XML_READER_TYPE_ELEMENT && !xmlTextReaderIsEmptyElement(r);

		if (is_text(type)) {
			if (in_text && !in_phonetic)
				append(&t, xmlTextReaderConstValue(r));
		} else if (is_name(r, "t")) {
			in_text = begins;
		} else if (is_name(r, "rPh")) {
			in_phonetic = begins;
		} else if (is_name(r, "si") && (type == XML_READER_TYPE_END_ELEMENT || !begins)) {
			if (nstrings == room) {
				room = room * 2 + 1024;
				strings = realloc(strings, room * sizeof(*strings));
				if (!strings)
					sandbox_no_memory();
			}
			strings[nstrings++] = t.p;
			t = (struct text){ 0 };
		}
	}
}

static void tell_cell(const char *kind, const char *value)
{
	if (!strcmp(kind, "s")) {
		char *end;
		unsigned long i = strtoul(value, &end, 10);

		value = *value && !*end && i < nstrings ? strings[i] : NULL;
	}
	if (value)
		extractor_flow(value, strlen(value));
	extractor_gap();
}

/* Cells: c of kind t, with a value v, or a string of its own in is. */
static void tell_cells(const struct part *part)
{
	xmlTextReader *r = open_part(part);
	struct text value = { 0 };
	bool in_value = false;
	char kind[16] = "";

	extractor_break(2);
	while (next(r)) {
		int type = xmlTextReaderNodeType(r);
		bool begins = type == XML_READER_TYPE_ELEMENT && !xmlTextReaderIsEmptyElement(r);

		if (is_text(type)) {
			if (in_value)
				append(&value, xmlTextReaderConstValue(r));
		} else if (is_name(r, "row")) {
			extractor_break(1);
		} else if (is_name(r, "v") || is_name(r, "t")) {
			in_value = begins;
		} else if (is_name(r, "c") && begins) {
			xmlChar *t = xmlTextReaderGetAttribute(r, BAD_CAST "t");

			snprintf(kind, sizeof(kind), "%s", t ? (const char *)t : "n");
			xmlFree(t);
			value.n = 0;
		} else if (is_name(r, "c") && type == XML_READER_TYPE_END_ELEMENT && value.n) {
			tell_cell(kind, value.p);
		}
	}
}

int extractor_ooxml(const char *arg)
{
	size_t max, n;
	char *p;

	extractor_begin(arg, &max);
	p = extractor_file(max, &n);
	if (n >= 8 && !memcmp(p, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
			      8)) /* MS-OFFCRYPTO puts it into another container */
		return EXTRACTOR_ENCRYPTED;
	unpack(p, n, max);
	free(p);
	for (size_t i = 0; i < nparts; i++) {
		if (!strcmp(parts[i].prefix, "xl/shared"))
			load_strings(&parts[i]);
		else if (!strncmp(parts[i].prefix, "xl/", 3))
			tell_cells(&parts[i]);
		else
			tell_paragraphs(&parts[i]);
		free(parts[i].xml);
	}
	return extractor_end();
}
