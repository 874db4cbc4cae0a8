/*
 * The text of files, friendly ones and others.
 */
#include "worker/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/mman.h>

#include "lib/base/buf.h"
#include "t/unit/tap.h"
#include "t/unit/unit_filter.h"
#include "t/unit/ways_out.h"

static struct arena a;
static struct extracted text;
static const char *reason;
static bool is_final;

/* The text of n bytes, or "!" and the reason. */
static const char *text_of_bytes(const void *p, size_t n, const char *media_type,
				 const struct extract_limits *limits)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	bool has_text;

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		exit(2);
	has_text = extract_text(&a, fd, media_type, limits, &text, &reason, &is_final);
	close(fd);
	return has_text ? text.text : arena_fmt(&a, "!%s", reason);
}

static const char *text_of(const char *p, const char *media_type)
{
	return text_of_bytes(p, strlen(p), media_type, &extract_usual);
}

static void test_plain(void)
{
	struct extract_limits five = extract_usual, ten = extract_usual;

	five.text_bytes = 5;
	ten.unpacked_bytes = 10;
	is_str(text_of("Grüße\n", "text/plain"), "Grüße\n", "text is its text");
	is_str(text_of("# A\n\n- b\n", "text/markdown; charset=utf-8"), "# A\n\n- b\n", "so is Markdown");
	is_str(text_of("a,b\r\n1,2\r\n", "text/csv;charset=\"UTF-8\""), "a,b\n1,2\n",
	       "and CSV, whose lines end with one character");
	is_str(text_of("{\"a\": 1}", "application/JSON"), "{\"a\": 1}", "and JSON");
	is_str(text_of("\xef\xbb\xbf"
		       "a",
		       "text/plain"),
	       "a", "without a byte order mark");
	is_str(text_of("", "text/plain"), "", "of an empty file it is empty");
	is_str(text_of("a\x1b[31mb\x7f\tc", "text/plain"), "a [31mb \tc", "without what commands terminals");
	is_str(text_of("Gr\xfc\xdf"
		       "e",
		       "text/plain"),
	       "!the text is not in UTF-8", "Latin-1 is refused");
	is_str(text_of("a", "text/plain; charset=iso-8859-1"), "!the text is not in UTF-8",
	       "also where only the type says so");
	is_str(text_of_bytes("\xff\xfe"
			     "a\0",
			     4, "text/plain", &extract_usual),
	       "!the text is not in UTF-8", "UTF-16 is");
	is_str(text_of_bytes("a\0b\0", 4, "text/plain", &extract_usual), "!the text is not in UTF-8",
	       "without a mark, too");
	is_str(text_of("a", "image/png"), "!there is no text in files of this type", "other types have none");
	ok(is_final, "and never will");
	ok(!extract_knows("image/png") && !extract_knows("text/plainer") && extract_knows("text/plain;x=y"),
	   "that can be known before");
	is_str(text_of_bytes("12345", 5, "text/plain", &five), "12345", "as much as may be is all of it");
	ok(!text.was_cut, "nothing is cut");
	is_str(text_of_bytes("1234ü6", 7, "text/plain", &five), "1234",
	       "what is more is cut behind a character");
	ok(text.was_cut, "and said so");
	is_str(text_of_bytes("1234567890", 10, "text/plain", &ten), "1234567890",
	       "the largest file that is read");
	is_str(text_of_bytes("1234567890a", 11, "text/plain", &ten),
	       "!the file is larger than it may be to be read", "one that is larger");
}

static void test_html(void)
{
	static const char html[] = "text/html; charset=utf-8";
	struct buf b;

	is_str(text_of("<!doctype html><title>A &amp; B</title><style>p{}</style><h1>Head</h1><p>One\n  "
		       "<b>two</b>&nbsp;three"
		       "<script>alert(1)</script><p>four<br>five<div>six</div>",
		       html),
	       "A & B\n\nHead\n\nOne two\xc2\xa0three\n\nfour\nfive\n\nsix",
	       "a page is its title and its blocks");
	is_str(text_of("<table><tr><td>a<td>b<tr><td>c<td>d</table>", html), "a b\nc d",
	       "a row of a table is a line");
	is_str(text_of("<ul><li>a<li>b</ul>c", html), "a\nb\n\nc", "so is an item of a list");
	is_str(text_of("a<pre>\n x\n  y</pre>b", html), "a\n\n x\n  y\n\nb",
	       "what is set as it stands stays so");
	is_str(text_of("a<template>b</template><noscript>c</noscript><p hidden>d</p><!-- e "
		       "--><svg><text>f</text></svg>g",
		       html),
	       "ag", "what is not seen is left out");
	is_str(text_of("<p>a</p", html), "a", "a page that ends too early");
	is_str(text_of("", html), "", "an empty one");
	is_str(text_of("<p>Gr\xfc\xdf"
		       "e",
		       html),
	       "!the text is not in UTF-8", "one that is not in UTF-8");
	is_str(text_of("<a href='javascript:x' onclick='y'>z</a>", html), "z", "attributes are no text");

	buf_init(&b, &a, 1 << 20);
	for (int i = 0; i < 20000; i++)
		buf_text(&b, "<div>");
	buf_text(&b, "deep");
	is_str(text_of(buf_str(&b), html), "deep", "20,000 elements in one another");
}

#define OFFICE "application/vnd.openxmlformats-officedocument."
#define WORD OFFICE "wordprocessingml.document"
#define SHEET OFFICE "spreadsheetml.sheet"
#define SLIDES OFFICE "presentationml.presentation"

static struct archive *zip;
static char *zip_bytes;
static size_t zip_n;

static void zip_begin(size_t max)
{
	zip_bytes = arena_alloc(&a, max);
	zip = archive_write_new();
	if (archive_write_set_format_zip(zip) || archive_write_set_bytes_in_last_block(zip, 1) ||
	    archive_write_open_memory(zip, zip_bytes, max, &zip_n))
		exit(2);
}

static void zip_add_bytes(const char *name, const char *p, size_t n)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_size(entry, (la_int64_t)n);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	if (archive_write_header(zip, entry) || archive_write_data(zip, p, n) != (la_ssize_t)n)
		exit(2);
	archive_entry_free(entry);
}

static void zip_add(const char *name, const char *p)
{
	zip_add_bytes(name, p, strlen(p));
}

static const char *text_of_zip(const char *media_type)
{
	if (archive_write_free(zip))
		exit(2);
	return text_of_bytes(zip_bytes, zip_n, media_type, &extract_usual);
}

#define W(text) "<w:document xmlns:w='urn:w'><w:body>" text "</w:body></w:document>"
#define SLIDE(text) "<p:sld xmlns:p='urn:p' xmlns:a='urn:a'>" text "</p:sld>"

static void test_documents(void)
{
	zip_begin(65536);
	zip_add("[Content_Types].xml", "<Types/>");
	zip_add("word/footnotes.xml", W("<w:p><w:r><w:t>note</w:t></w:r></w:p>"));
	zip_add("word/document.xml", W("<w:p><w:r><w:t>Grü</w:t></w:r><w:r><w:t xml:space='preserve'>ße "
				       "&amp; </w:t></w:r><w:r><w:t>more</w:t>"
				       "<w:tab/><w:t>x</w:t><w:instrText>PAGE</w:instrText><w:delText>gone</"
				       "w:delText></w:r></w:p><w:p/>"
				       "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t><w:br/><w:t>b</w:t></w:r></"
				       "w:p></w:tc></w:tr></w:tbl>"));
	zip_add("word/styles.xml", W("<w:t>style</w:t>"));
	is_str(text_of_zip(WORD), "Grüße & more x\na\nb\n\nnote",
	       "a document is its paragraphs, then its notes");

	zip_begin(65536);
	zip_add("xl/worksheets/sheet10.xml", "<worksheet><row><c><v>10</v></c></row></worksheet>");
	zip_add("xl/worksheets/sheet2.xml",
		"<worksheet><sheetData><row><c r='A1' t='s'><v>1</v></c><c><f>1+1</f><v>2</v></c></row>"
		"<row><c t='inlineStr'><is><t>in line</t></is></c><c t='str'><v>str</v></c><c "
		"t='s'><v>9</v></c><c/></row>"
		"</sheetData></worksheet>");
	zip_add("xl/sharedStrings.xml",
		"<sst><si/><si><r><t>sh</t></r><r><t>ared</t></r><rPh><t>said</t></rPh></si></sst>");
	is_str(text_of_zip(SHEET), "shared 2\nin line str\n\n10",
	       "a workbook is its cells, a row a line, by the sheets' numbers");

	zip_begin(65536);
	zip_add("ppt/slides/slide10.xml", SLIDE("<a:p><a:r><a:t>ten</a:t></a:r></a:p>"));
	zip_add("ppt/slides/slide2.xml",
		SLIDE("<a:p><a:r><a:t>two</a:t></a:r></a:p><a:p><a:t>2</a:t></a:p>"));
	is_str(text_of_zip(SLIDES), "two\n2\n\nten", "a presentation is its slides, by their numbers");
}

static void test_bad_documents(void)
{
	size_t many = (size_t)100 << 20;
	char *zeros = arena_alloc(&a, many);
	int texts = 0;

	zip_begin(65536);
	zip_add("word/document.xml",
		"<!DOCTYPE w [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
		"<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>" W("<w:p><w:t>&c;</w:t></w:p>"));
	is_str(text_of_zip(WORD), "!the file cannot be read", "a billion laughs");
	zip_begin(65536);
	zip_add("word/document.xml",
		"<!DOCTYPE w [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" W("<w:p><w:t>&a;</w:t></w:p>"));
	is_str(text_of_zip(WORD), "!the file cannot be read", "an entity that is a file of ours");
	zip_begin(1 << 20);
	zip_add_bytes("word/document.xml", zeros, many);
	is_str(text_of_zip(WORD), "!the file unpacks to more than it may", "100 MiB in a thousandth of it");
	zip_begin(4 << 20);
	for (int i = 0; i < 10000; i++)
		zip_add(arena_fmt(&a, "word/header%d.xml", i), W(""));
	is_str(text_of_zip(WORD), "!the file has more parts than it may", "10,000 parts");
	zip_begin(65536);
	zip_add("/word/document.xml", W("<w:t>x</w:t>"));
	zip_add("../word/document.xml", W("<w:t>x</w:t>"));
	is_str(text_of_zip(WORD), "!the file cannot be read", "parts outside of it are none");
	zip_begin(65536);
	zip_add("word/document.xml", W("<w:p><w:t>x</w:p>"));
	is_str(text_of_zip(WORD), "!the file cannot be read", "XML that is not well-formed");
	zip_begin(65536);
	zip_add("word/document.xml", W("<w:p><w:t>x</w:t></w:p>"));
	is_str(text_of_zip(WORD), "x", "a document");
	for (size_t n = 0; n < zip_n; n += 11)
		texts += *text_of_bytes(zip_bytes, n, WORD, &extract_usual) != '!';
	is_int(texts, 0, "has no text wherever it is cut off");
	ok(is_final, "and never will");
	is_str(text_of("PK\3\4 but no zip", WORD), "!the file cannot be read",
	       "what only begins as an archive");
	is_str(text_of("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...", WORD), "!the file is encrypted",
	       "one that wants a password");
}

#define PDF "application/pdf"

/* A PDF in the making: objects, of which the table says where each is. */
static struct buf pdf;
enum { FIRST_OF_MANY = 64 };
static size_t pdf_at[FIRST_OF_MANY + 10001];
static int pdf_n;

static void pdf_begin(void)
{
	buf_init(&pdf, &a, 65536);
	buf_text(&pdf, "%PDF-1.5\n%\xe2\xe3\xcf\xd3\n");
	memset(pdf_at, 0, sizeof(pdf_at));
	pdf_n = 1;
}

/* Object n begins; what stands between is written by buf_ calls. */
static void pdf_object(int n)
{
	pdf_at[n] = pdf.n;
	pdf_n = n >= pdf_n ? n + 1 : pdf_n;
	buf_fmt(&pdf, "%d 0 obj\n", n);
}

static void pdf_add(int n, const char *object)
{
	pdf_object(n);
	buf_text(&pdf, object);
	buf_text(&pdf, "\nendobj\n");
}

/* RFC 1950: what gzip has between its head and its sums, behind another head; its own sum is not asked for.
 */
static char *deflated(const char *p, size_t n, size_t *packed_n)
{
	struct archive *gz = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t max = n + 65536;
	char *out = arena_alloc(&a, max);

	if (archive_write_set_format_raw(gz) || archive_write_add_filter_gzip(gz) ||
	    archive_write_set_bytes_in_last_block(gz, 1) || archive_write_open_memory(gz, out, max, packed_n))
		exit(2);
	archive_entry_set_filetype(entry, AE_IFREG);
	if (archive_write_header(gz, entry) || archive_write_data(gz, p, n) != (la_ssize_t)n ||
	    archive_write_free(gz))
		exit(2);
	archive_entry_free(entry);
	memcpy(out + 8, "\x78\x9c", 2);
	*packed_n -= 8;
	return out + 8;
}

static void pdf_stream(int n, const char *more, const char *p, size_t len)
{
	pdf_object(n);
	buf_fmt(&pdf, "<< /Length %zu %s >>\nstream\n", len, more);
	buf_add(&pdf, p, len);
	buf_text(&pdf, "\nendstream\nendobj\n");
}

static void pdf_packed(int n, const char *content)
{
	size_t packed_n;
	char *packed = deflated(content, strlen(content), &packed_n);

	pdf_stream(n, "/Filter /FlateDecode", packed, packed_n);
}

static void pdf_end(const char *more)
{
	size_t at = pdf.n;

	buf_fmt(&pdf, "xref\n0 %d\n0000000000 65535 f \n", pdf_n);
	for (int i = 1; i < pdf_n; i++)
		buf_fmt(&pdf, "%010zu 00000 %c \n", pdf_at[i], pdf_at[i] ? 'n' : 'f');
	buf_fmt(&pdf, "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%zu\n%%%%EOF\n", pdf_n, more, at);
}

static const char *text_of_pdf(void)
{
	return text_of_bytes(pdf.p, pdf.n, PDF, &extract_usual);
}

/* Objects 1 to 3 are what a document of one page has; 4 is its content, 5 and 6 its fonts, 7 the latter's
 * letters. */
#define CATALOG "<< /Type /Catalog /Pages 2 0 R >>"
#define PAGES(kids, count) "<< /Type /Pages /Kids [" kids "] /Count " count " >>"
#define FONTS "/Resources << /Font << /F1 5 0 R /F2 6 0 R >> /XObject << /X 8 0 R >> >>"
#define PAGE(content) \
	"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] " FONTS " /Contents " content " 0 R >>"
#define SAYS(text) "BT /F1 12 Tf 72 700 Td (" text ") Tj ET\n"

static void pdf_fonts(void)
{
	pdf_add(5, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
	pdf_add(6,
		"<< /Type /Font /Subtype /Type0 /BaseFont /Odd /Encoding /Identity-H /ToUnicode 7 0 R "
		"/DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Odd "
		"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 1000 >>] >>");
	pdf_packed(7, "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
		      "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
		      "4 beginbfchar <0001> <6f22> <0002> <5b57> <0003> <0416> <0004> <d83dde00> endbfchar\n"
		      "endcmap end end");
}

/* A document of one page with this content, not yet ended. */
static void pdf_one_page(const char *content)
{
	pdf_begin();
	pdf_add(1, CATALOG);
	pdf_add(2, PAGES("3 0 R", "1"));
	pdf_add(3, PAGE("4"));
	pdf_packed(4, content);
	pdf_fonts();
}

static void test_pdf(void)
{
	ok(extract_knows(PDF), "there is text in PDF");
	pdf_begin();
	pdf_add(1, CATALOG);
	pdf_add(2, PAGES("3 0 R 9 0 R 10 0 R 12 0 R", "4"));
	pdf_add(3, PAGE("4"));
	pdf_packed(4, SAYS("Gr\\374\\337e") "BT /F1 12 Tf 72 680 Td (second line) Tj ET\n"
					    "BT /F2 12 Tf 72 660 Td <0001000200030004> Tj ET");
	pdf_fonts();
	pdf_add(9, PAGE("11"));
	pdf_add(10, PAGE("13"));
	pdf_packed(11, SAYS("page two, with a") "BT /F1 12 Tf 72 686 Td (line that goes on) Tj ET");
	pdf_add(12, PAGE("14"));
	pdf_packed(13, "0 0 100 100 re f");
	pdf_packed(14, SAYS("the last page"));
	pdf_end("");
	is_str(text_of_pdf(),
	       "Grüße\nsecond line\n漢字Ж😀\n\npage two, with a\nline that goes on\n\nthe last page",
	       "a document is its pages, in Unicode, from packed streams");
	ok(!text.was_cut, "all of them");
	pdf_begin();
	pdf_add(1, CATALOG);
	pdf_add(2, PAGES("", "0"));
	pdf_end("");
	is_str(text_of_pdf(), "!the file cannot be read", "one without pages has none");
}

static void test_pdf_loops(void)
{
	struct buf b;

	pdf_begin();
	pdf_add(1, CATALOG);
	pdf_add(2, PAGES("2 0 R 3 0 R", "2"));
	pdf_add(3, "<< /Type /Pages /Kids [2 0 R 3 0 R] /Parent 2 0 R /Count 9 >>");
	pdf_end("");
	is_str(text_of_pdf(), "!the file cannot be read", "a tree of pages that is in itself");
	pdf_one_page(SAYS("to be read"));
	pdf_end(arena_fmt(&a, "/Prev %zu", pdf.n));
	is_str(text_of_pdf(), "to be read", "a table that names itself as the one before");
	pdf_one_page(SAYS("before") "/X Do BT /F1 12 Tf 72 600 Td (behind) Tj ET");
	pdf_stream(8, "/Type /XObject /Subtype /Form /BBox [0 0 9 9] " FONTS, "/X Do /X Do /X Do", 17);
	pdf_end("");
	is_str(text_of_pdf(), "before\nbehind", "a form that is in itself");
	pdf_begin();
	pdf_add(1, CATALOG);
	pdf_add(2, PAGES("3 0 R", "1"));
	pdf_add(3, "3 0 R");
	pdf_end("");
	is_int(*text_of_pdf(), '!', "a page that is a reference to itself");
	pdf_one_page(SAYS("x"));
	pdf_stream(4, "/Filter 4 0 R /Length 4 0 R", "x", 1);
	pdf_end("");
	is_str(text_of_pdf(), "", "a stream whose filter and length are itself");

	/* The table is a stream (ISO 32000-1, 7.5.8); 1 and 5 are packed into 5. */
	pdf_begin();
	pdf_at[5] = pdf.n;
	pdf_stream(5, "/Type /ObjStm /N 2 /First 9 /Extends 5 0 R",
		   "1 0 5 33 << /Type /Catalog /Pages 2 0 R >> null", 47);
	pdf_at[6] = pdf.n;
	buf_init(&b, &a, 64);
	for (int i = 0; i < 7; i++) {
		bool is_packed = i == 1 || i == 5;

		buf_char(&b, is_packed ? 2 : i == 6 ? 1 : 0);
		buf_char(&b, is_packed ? 0 : (char)(pdf_at[i] >> 8));
		buf_char(&b, is_packed ? 5 : (char)pdf_at[i]);
		buf_char(&b, (char)(i == 5));
	}
	pdf_stream(6, "/Type /XRef /W [1 2 1] /Index [0 7] /Size 7 /Root 1 0 R", b.p, b.n);
	buf_fmt(&pdf, "startxref\n%zu\n%%%%EOF\n", pdf_at[6]);
	is_int(*text_of_pdf(), '!', "an object that is packed into itself");
}

static void test_bad_pdf(void)
{
	struct extract_limits little = extract_usual, moment = extract_usual;
	size_t many = (size_t)64 << 20, n, again_n;
	char *zeros = arena_alloc(&a, many);
	const char *said;
	struct buf b;
	int reasons = 0;

	buf_init(&b, &a, 4 << 20);
	for (int i = 0; i < 1000000; i++)
		buf_char(&b, '[');
	pdf_one_page(buf_str(&b));
	pdf_add(8, buf_str(&b));
	pdf_end("");
	said = text_of_pdf();
	ok(!*said || *said == '!', "a million arrays in one another");
	buf_init(&b, &a, 4 << 20);
	for (int i = 0; i < 1000000; i++)
		buf_text(&b, "q ");
	buf_text(&b, SAYS("x"));
	pdf_one_page(buf_str(&b));
	pdf_end("");
	is_int(strcspn(text_of_pdf(), "!x"), 0, "a million states that are kept");

	pdf_begin();
	pdf_add(1, CATALOG);
	pdf_add(2, PAGES("3 0 R", "2000000000"));
	pdf_add(3, PAGE("4"));
	pdf_packed(4, SAYS("one of many"));
	pdf_fonts();
	pdf_end("");
	said = text_of_pdf();
	ok(*said == '!' || !strcmp(said, "one of many"), "two thousand million pages, of which there is one");
	pdf_one_page(SAYS("page"));
	buf_init(&b, &a, 1 << 20);
	buf_text(&b, "<< /Type /Pages /Kids [");
	for (int i = 0; i < 10001; i++) {
		buf_fmt(&b, "%d 0 R ", FIRST_OF_MANY + i);
		pdf_add(FIRST_OF_MANY + i, PAGE("4"));
	}
	buf_text(&b, "] /Count 10001 >>");
	pdf_add(2, buf_str(&b));
	pdf_end("");
	is_int(strncmp(text_of_pdf(), "page\n\npage\n", 11), 0, "of 10,001 pages");
	ok(text.was_cut, "not all are told");

	pdf_one_page(SAYS("x"));
	pdf_add(8, "<< /Filter /Standard /V 2 /R 3 /Length 128 /P -44 "
		   "/O (01234567890123456789012345678901) /U (01234567890123456789012345678901) >>");
	pdf_end("/Encrypt 8 0 R /ID [(0123456789abcdef) (0123456789abcdef)]");
	is_str(text_of_pdf(), "!the file is encrypted", "one that wants a password");

	/* 64 MiB of spaces in 64 KiB, those in less. */
	memset(zeros, ' ', many);
	said = deflated(zeros, many, &n);
	said = deflated(said, n, &again_n);
	moment.cpu_s = 1;
	pdf_one_page("");
	pdf_object(4);
	buf_fmt(&pdf, "<< /Length %zu /Filter [/FlateDecode /FlateDecode] >>\nstream\n", again_n);
	buf_add(&pdf, said, again_n);
	buf_text(&pdf, "\nendstream\nendobj\n");
	buf_init(&b, &a, 4096);
	buf_text(&b, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents [");
	for (int i = 0; i < 400; i++)
		buf_text(&b, "4 0 R ");
	buf_text(&b, "] >>");
	pdf_add(3, buf_str(&b));
	pdf_end("");
	ok(pdf.n < 65536, "25 GiB in %zu bytes", pdf.n);
	is_str(text_of_bytes(pdf.p, pdf.n, PDF, &moment), "!it took too long", "take too long");

	little.text_bytes = 1000;
	buf_init(&b, &a, 1 << 20);
	for (int i = 0; i < 60; i++)
		buf_fmt(&b, "BT /F1 9 Tf 9 %d Td (This is line %d of what is written on the page) Tj ET\n",
			780 - 12 * i, i);
	pdf_one_page(buf_str(&b));
	pdf_end("");
	said = text_of_bytes(pdf.p, pdf.n, PDF, &little);
	is_int((long long)strlen(said), 1000, "more text than may be is cut");
	ok(text.was_cut && !strncmp(said, "This is line 0 of", 17), "and said so");

	pdf_one_page(SAYS("All of it."));
	pdf_end("");
	is_str(text_of_pdf(), "All of it.", "a document");
	for (n = 0; n < pdf.n; n += 41) {
		said = text_of_bytes(pdf.p, n, PDF, &extract_usual);
		reasons += *said == '!';
		if (*said != '!' && strncmp(said, "All of it.", strlen(said)) != 0)
			diag("cut at %zu: %s", n, said), reasons = -1000;
	}
	ok(reasons > 0, "has its text or a reason wherever it is cut off");
	is_str(text_of("%PDF-1.7 but nothing more", PDF), "!the file cannot be read",
	       "what only begins as one");
	is_str(text_of("", PDF), "!the file cannot be read", "nothing at all");
}

/* The worker's own filter lets the library be loaded. */
static void test_in_the_unit(void)
{
	struct buf out;
	struct sandbox_limits limits = {
		.cpu_s = 5, .wall_ms = 60000, .memory_bytes = (size_t)512 << 20, .output_bytes = 4096
	};
	int wait_status = 0, status, fd = memfd_create("file", MFD_CLOEXEC);
	pid_t pid;

	buf_init(&out, &a, 4096);
	is_int(sandbox_run("try", "README.md", fd, &limits, &out, &status), SANDBOX_ENDED,
	       "the child that has loaded what reads PDF tries what it can");
	is_int(status, WAYS_OUT_STATUS, "to its end");
	ok(ways_out_are_closed(buf_str(&out)), "nothing of it works");
	pdf_one_page(SAYS("in the unit"));
	pdf_end("");
	pid = fork();
	if (!pid) {
		if (!unit_filter())
			_exit(1);
		if (strcmp(text_of_pdf(), "in the unit") != 0)
			_exit(2);
		buf_init(&out, &a, 4096);
		if (sandbox_run("try", "README.md", fd, &limits, &out, &status) != SANDBOX_ENDED ||
		    status != WAYS_OUT_STATUS || !ways_out_are_closed(buf_str(&out)))
			_exit(3);
		_exit(0);
	}
	ok(pid > 0 && waitpid(pid, &wait_status, 0) == pid,
	   "a process under the filter of the worker's unit");
	is_int(wait_status, 0, "has the text of a PDF, and nothing works there, either");
	close(fd);
}

static void load_and_prepare(const char *arg)
{
	for (const struct sandbox_task *task = extract_tasks; task->name; task++)
		if (task->prepare)
			task->prepare("");
	ways_out_prepare(arg);
}

static const struct sandbox_task tries[] = { { "try", load_and_prepare, ways_out }, { NULL } };

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "try"))
		sandbox_main(argc, argv, (const struct sandbox_task *const[]){ tries, NULL });
	sandbox_main(argc, argv, (const struct sandbox_task *const[]){ extract_tasks, NULL });
	arena_init(&a, 65536);
	test_plain();
	test_html();
	test_documents();
	test_bad_documents();
	test_pdf();
	test_pdf_loops();
	test_bad_pdf();
	test_in_the_unit();
	is_int(waitpid(-1, NULL, WNOHANG), -1, "no process is left");
	is_int(errno, ECHILD, "not even a dead one");
	arena_release(&a);
	return done_testing();
}
