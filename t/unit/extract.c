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

int main(int argc, char **argv)
{
	sandbox_main(argc, argv, extract_tasks);
	arena_init(&a, 65536);
	test_plain();
	test_html();
	test_documents();
	test_bad_documents();
	is_int(waitpid(-1, NULL, WNOHANG), -1, "no process is left");
	is_int(errno, ECHILD, "not even a dead one");
	arena_release(&a);
	return done_testing();
}
