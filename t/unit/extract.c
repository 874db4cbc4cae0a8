/*
 * The text of files, friendly ones and others.
 */
#include "worker/extract.h"

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

int main(int argc, char **argv)
{
	sandbox_main(argc, argv, extract_tasks);
	arena_init(&a, 65536);
	test_plain();
	test_html();
	is_int(waitpid(-1, NULL, WNOHANG), -1, "no process is left");
	is_int(errno, ECHILD, "not even a dead one");
	arena_release(&a);
	return done_testing();
}
