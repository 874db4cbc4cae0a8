#include "lib/base/multipart.h"

#include "t/unit/tap.h"

static struct arena arena;
static struct part *parts;
static int count;

#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define TYPE "multipart/form-data; boundary=xx"
#define HEAD "Content-Disposition: form-data; name=\"a\"\r\n\r\n"

/* NULL when the body was read into parts, else the problem. */
static const char *read_as(const char *type, const char *body, size_t n)
{
	const char *problem = NULL;
	/* A copy of just this size, so that the sanitizer sees a read behind it. */
	char *copy = memcpy(arena_alloc_raw(&arena, n), body, n);
	enum err rc = multipart_read(&arena, type, copy, n, &parts, &count, &problem);

	if (rc == ERR_OK)
		return NULL;
	if (rc == ERR_UNSUPPORTED_MEDIA_TYPE)
		return arena_fmt(&arena, "415: %s", problem);
	return problem;
}

static const char *read_body(const char *body)
{
	return read_as(TYPE, body, strlen(body));
}

static const char *at(int byte, const char *what)
{
	return arena_fmt(&arena, "invalid multipart body at byte %d: %s", byte, what);
}

static void part_is(int i, const char *name, const char *filename, const char *content_type,
		    const char *bytes)
{
	if (!ok(i < count, "there is a part %d", i))
		return;
	is_str(parts[i].name, name, "its name");
	is_str(parts[i].filename, filename, "its file name");
	is_str(parts[i].content_type, content_type, "its type");
	is_bytes(parts[i].bytes, parts[i].n, bytes, "its content");
}

static void test_good(void)
{
	char nul[] = "--xx\r\n" HEAD "a?b\r\n--xx--";

	is_str(read_body("--xx\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA title\r\n"
			 "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\n"
			 "Content-Type: text/plain; charset=utf-8\r\n\r\nline 1\r\nline 2\r\n\r\n"
			 "--xx--\r\n"),
	       NULL, "a form with a file");
	is_int(count, 2, "has two parts");
	part_is(0, "title", NULL, NULL, "A title");
	part_is(1, "file", "a b.txt", "text/plain; charset=utf-8", "line 1\r\nline 2\r\n");

	is_str(read_body("--xx\r\n" HEAD "\r\n--xx\r\n" HEAD "-xx--\r\n\r\n--xx--"), NULL,
	       "empty and odd content");
	part_is(0, "a", NULL, NULL, "");
	part_is(1, "a", NULL, NULL, "-xx--\r\n");

	is_str(read_body("--xx\r\nContent-Disposition: form-data; name=a\r\n\r\n--xx--"), NULL,
	       "an empty part may share its CRLF with the boundary");
	part_is(0, "a", NULL, NULL, "");

	is_str(read_body("preamble\r\n--xx \t\r\n" HEAD "1\r\n--xx--epilogue\r\n--xx\r\n"), NULL,
	       "preamble, blanks behind a boundary and epilogue are ignored");
	is_int(count, 1, "and are no parts");
	part_is(0, "a", NULL, NULL, "1");

	is_str(read_body("--xx--\r\n"), NULL, "a form without fields");
	is_int(count, 0, "has no parts");

	is_str(read_body("--xx\r\n" HEAD "\r-\n--x\n--xx\r--xx\r\n-\r\n--x\r\n--xx--"), NULL,
	       "all but a boundary");
	part_is(0, "a", NULL, NULL, "\r-\n--x\n--xx\r--xx\r\n-\r\n--x");

	*strchr(nul, '?') = '\0';
	is_str(read_as(TYPE, nul, sizeof(nul) - 1), NULL, "content with a NUL");
	ok(parts[0].n == 3 && !memcmp(parts[0].bytes, "a\0b", 3), "is kept");

	is_str(read_body("--xx\r\ncontent-disposition:form-data;NAME=a;FileName=\"\";\r\nCONTENT-TYPE:\ta/b "
			 "\r\n"
			 "X-Other: 1\r\nContent-Transfer-Encoding: binary\r\n\r\nz\r\n--xx--"),
	       NULL, "names of headers and parameters in any case");
	part_is(0, "a", "", "a/b", "z");

	is_str(read_body("--xx\r\nContent-Disposition: form-data; name=\"a\\\"b\\\\c\\d;x=\"; "
			 "filename*=UTF-8''n; "
			 "filename=\"\xc3\xa4 %22.txt\"\r\n\r\n\r\n--xx--"),
	       NULL, "quoted names");
	part_is(0, "a\"b\\c\\d;x=", "\xc3\xa4 %22.txt", NULL, "");

	is_str(read_body("--xx\r\n" HEAD "1\r\n--xx\r\n" HEAD "2\r\n--xx--"), NULL,
	       "a name given twice is two parts");
	part_is(1, "a", NULL, NULL, "2");
}

/* clang-format off */
static const struct {
	const char *type, *problem; /* problem NULL: good */
} types[] = {
	{ "multipart/form-data; boundary=xx",                NULL },
	{ "Multipart/Form-Data;BOUNDARY=\"xx\"",             NULL },
	{ "multipart/form-data; charset=utf-8; boundary=xx;", NULL },
	{ NULL,                                 "415: the body must be multipart/form-data" },
	{ "",                                   "415: the body must be multipart/form-data" },
	{ "application/json",                   "415: the body must be multipart/form-data" },
	{ "multipart/mixed; boundary=xx",       "415: the body must be multipart/form-data" },
	{ "multipart/form-database; boundary=xx", "415: the body must be multipart/form-data" },
	{ "multipart/form-data",                "Content-Type must name one boundary" },
	{ "multipart/form-data; boundary",      "Content-Type must name one boundary" },
	{ "multipart/form-data; boundary=",     "Content-Type must name one boundary" },
	{ "multipart/form-data; boundary=\"xx", "Content-Type must name one boundary" },
	{ "multipart/form-data; boundary=xx y", "Content-Type must name one boundary" },
	{ "multipart/form-data; boundary=xx; boundary=yy", "Content-Type must name one boundary" },
	{ "multipart/form-data; boundary=\"\"",    "the boundary in Content-Type must be 1 to 70 of the characters that RFC 2046 allows" },
	{ "multipart/form-data; boundary=\"xx \"", "the boundary in Content-Type must be 1 to 70 of the characters that RFC 2046 allows" },
	{ "multipart/form-data; boundary=x!x",     "the boundary in Content-Type must be 1 to 70 of the characters that RFC 2046 allows" },
	{ "multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
		"the boundary in Content-Type must be 1 to 70 of the characters that RFC 2046 allows" },
};

static const struct {
	const char *body;
	int at;
	const char *problem;
} bad[] = {
	{ "",                            1, "the body ends before its closing boundary" },
	{ "no boundary",                12, "the body ends before its closing boundary" },
	{ "--x",                         4, "the body ends before its closing boundary" },
	{ "preamble--xx\r\n",           15, "the body ends before its closing boundary" },
	{ "--xx",                        5, "the body ends before its closing boundary" },
	{ "--xx\r",                      5, "the body ends before its closing boundary" },
	{ "--xx-",                       5, "the body ends before its closing boundary" },
	{ "--xx\n" HEAD,                 5, "a boundary must be followed by the end of its line or by \"--\"" },
	{ "--xxy\r\n" HEAD,              5, "a boundary must be followed by the end of its line or by \"--\"" },
	{ "--xx\r\n",                    7, "the body ends inside a part's headers" },
	{ "--xx\r\nContent-",            7, "the body ends inside a part's headers" },
	{ "--xx\r\nX-A: 1\r\n",         15, "the body ends inside a part's headers" },
	{ "--xx\r\n" HEAD,              51, "the body ends before its closing boundary" },
	{ "--xx\r\n" HEAD "1\r\n--xx",  58, "the body ends before its closing boundary" },
	{ "--xx\r\n" HEAD "1\r\n--x--", 59, "the body ends before its closing boundary" },
	{ "--xx\r\n" HEAD "1\r\n--xxy--", 58, "a boundary must be followed by the end of its line or by \"--\"" },
	{ "--xx\r\n\r\n1\r\n--xx--",     7, "a part without Content-Disposition" },
	{ "--xx\r\nContent-Type: a/b\r\n\r\n1\r\n--xx--", 7, "a part without Content-Disposition" },
	{ "--xx\r\nno colon\r\n\r\n",    7, "malformed header" },
	{ "--xx\r\n: value\r\n\r\n",     7, "malformed header" },
	{ "--xx\r\nX A: 1\r\n\r\n",      7, "malformed header" },
	{ "--xx\r\nX-A : 1\r\n\r\n",     7, "malformed header" },
	{ "--xx\r\nX-A: 1\r\n folded\r\n\r\n", 15, "malformed header" },
	{ "--xx\r\nContent-Disposition: attachment; name=a\r\n\r\n",       28, "Content-Disposition must be form-data" },
	{ "--xx\r\nContent-Disposition: form-database; name=a\r\n\r\n",    28, "Content-Disposition must be form-data" },
	{ "--xx\r\nContent-Disposition: form-data\r\n\r\n",                28, "Content-Disposition has no name" },
	{ "--xx\r\nContent-Disposition: form-data; filename=a\r\n\r\n",    28, "Content-Disposition has no name" },
	{ "--xx\r\nContent-Disposition: form-data; name=\"a\r\n\r\n",      28, "malformed Content-Disposition" },
	{ "--xx\r\nContent-Disposition: form-data; name=\"a\\\"\r\n\r\n",  28, "malformed Content-Disposition" },
	{ "--xx\r\nContent-Disposition: form-data; name=\"a\"b\r\n\r\n",   28, "malformed Content-Disposition" },
	{ "--xx\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n", 28, "malformed Content-Disposition" },
	{ "--xx\r\nContent-Disposition: form-data; name=a; filename=b; filename=c\r\n\r\n", 28, "malformed Content-Disposition" },
	{ "--xx\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n", 28, "names must be UTF-8 without control characters" },
	{ "--xx\r\nContent-Disposition: form-data; name=\"a\nb\"\r\n\r\n", 28, "names must be UTF-8 without control characters" },
	{ "--xx\r\nContent-Disposition: form-data; name=a; filename=\"\x7f\"\r\n\r\n", 28, "names must be UTF-8 without control characters" },
	{ "--xx\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n", 68, "a second Content-Disposition" },
	{ "--xx\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n\r\n",        26, "a second Content-Type" },
	{ "--xx\r\nContent-Type: a\rb\r\n\r\n",                            21, "Content-Type must be UTF-8 without control characters" },
	{ "--xx\r\nContent-Transfer-Encoding: base64\r\n\r\n",             34, "Content-Transfer-Encoding is not supported" },
};
/* clang-format on */

static void test_bounds(void)
{
	char body[20000] = "", type[200];
	char *p;
	int i;

	snprintf(type, sizeof(type), "multipart/form-data; boundary=%070d", 0);
	snprintf(body, sizeof(body), "--%070d--", 0);
	is_str(read_as(type, body, strlen(body)), NULL, "a boundary of 70 characters");

	for (p = body, i = 0; i < MULTIPART_MAX_PARTS; i++)
		p = stpcpy(p, i ? "\r\n--xx\r\n" HEAD : "--xx\r\n" HEAD);
	stpcpy(p, "\r\n--xx--");
	is_str(read_body(body), NULL, "100 parts are read");
	is_int(count, 100, "all of them");
	stpcpy(p, "\r\n--xx\r\n" HEAD "\r\n--xx--");
	has_str(read_body(body), "more than 100 parts", "101 are not");

	/* 8192 bytes of headers: this one, the first, and the empty line. */
	snprintf(body, sizeof(body), "--xx\r\nX-A: %0*d\r\n" HEAD "\r\n--xx--",
		 MULTIPART_MAX_HEADER - (int)strlen("X-A: \r\n" HEAD), 0);
	is_str(read_body(body), NULL, "8 KiB of headers are read");
	snprintf(body, sizeof(body), "--xx\r\nX-A: %0*d\r\n" HEAD "\r\n--xx--",
		 MULTIPART_MAX_HEADER + 1 - (int)strlen("X-A: \r\n" HEAD), 0);
	is_str(read_body(body), at(7, "the headers of a part are longer than 8192 bytes"),
	       "one byte more is not");

	/* Parameters without number must not take memory without bound. */
	p = stpcpy(body, "--xx\r\nContent-Disposition: form-data; name=a");
	for (i = 0; i < 2000; i++)
		p = stpcpy(p, ";x=y");
	stpcpy(p, "\r\n\r\n\r\n--xx--");
	arena_reset(&arena);
	is_str(read_body(body), NULL, "2000 parameters");
	ok(arena.used < 100000, "take little memory");
}

int main(void)
{
	size_t i;

	arena_init(&arena, 1 << 16);
	test_good();
	for (i = 0; i < COUNT(types); i++)
		is_str(read_as(types[i].type, "--xx--", 6), types[i].problem, "Content-Type: %s",
		       types[i].type ? types[i].type : "none");
	for (i = 0; i < COUNT(bad); i++)
		is_str(read_body(bad[i].body), at(bad[i].at, bad[i].problem), "case %zu: %s", i,
		       bad[i].problem);
	is_str(read_as(TYPE, "--xx\r\nX-A: \0\r\n\r\n", 16), at(7, "a NUL in a header"), "a NUL in a header");
	test_bounds();
	arena_release(&arena);
	return done_testing();
}
