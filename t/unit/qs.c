#include "lib/base/qs.h"

#include "t/unit/tap.h"

static struct arena arena;

static const char *const BAD_ESCAPE = "a % must be followed by two hexadecimal digits";
static const char *const BAD_NUL = "a NUL is not allowed";
static const char *const BAD_UTF8 = "the decoded text must be UTF-8";

/* The decoded text, or the problem in brackets. */
static const char *decoded_n(const char *text, size_t n, bool plus_is_space)
{
	const char *problem = NULL;
	char *copy = memcpy(arena_alloc_raw(&arena, n), text, n);
	const char *out = qs_decode(&arena, copy, n, plus_is_space, &problem);

	return out ? out : arena_fmt(&arena, "[%s]", problem);
}

static const char *decoded(const char *text)
{
	return decoded_n(text, strlen(text), false);
}

static const char *refused(const char *problem)
{
	return arena_fmt(&arena, "[%s]", problem);
}

/* A query string's pairs as "name=value|name=value", or the problem in brackets. */
static const char *parsed(const char *qs)
{
	const char *problem = NULL;
	struct qs_pair *pairs;
	char *all = arena_dup(&arena, "");
	int n = qs_parse(&arena, qs, &pairs, &problem);
	int i;

	if (n < 0)
		return refused(problem);
	for (i = 0; i < n; i++)
		all = arena_fmt(&arena, "%s%s%s=%s", all, i ? "|" : "", pairs[i].name, pairs[i].value);
	return all;
}

/* Pairs behind a text, as qs_add writes them. */
static const char *added(const char *to)
{
	struct buf b;

	buf_init(&b, &arena, 16);
	buf_text(&b, to);
	qs_add(&b, "a", "1 2");
	qs_add(&b, "b", "");
	return buf_str(&b);
}

static const char *encoded(const char *text)
{
	struct buf b;

	buf_init(&b, &arena, 1);
	qs_encode(&b, text);
	return buf_str(&b);
}

static void test_writing(void)
{
	char all[256];
	int i;

	is_str(encoded("AZaz09-._~"), "AZaz09-._~", "what needs no escape has none");
	is_str(encoded(" +&=#?/%:@\"<\n"), "%20%2B%26%3D%23%3F%2F%25%3A%40%22%3C%0A", "all else has one");
	is_str(encoded("caf\xc3\xa9"), "caf%C3%A9", "byte by byte");
	for (i = 1; i < 128; i++)
		all[i - 1] = (char)i;
	all[127] = '\0';
	is_str(decoded(encoded(all)), all, "and comes back as it was");
	is_str(added(""), "a=1%202&b=", "a form");
	is_str(added("https://e.example/?"), "https://e.example/?a=1%202&b=", "the first of a URL's query");
	is_str(added("https://e.example/?x=1"), "https://e.example/?x=1&a=1%202&b=", "one behind others");
	is_str(added("https://e.example/?x=1&"),
	       "https://e.example/?x=1&a=1%202&b=", "where there is an & already");
	is_str(added("https://e.example/?x=1#"), "https://e.example/?x=1#a=1%202&b=", "a fragment");
}

int main(void)
{
	struct qs_pair *pairs;
	const char *problem;
	char many[1000] = "";
	int i;

	arena_init(&arena, 1 << 16);
	is_str(decoded(""), "", "nothing");
	is_str(decoded("abc-._~"), "abc-._~", "text without escapes");
	is_str(decoded("a%20b%2Fc%2fd"), "a b/c/d", "escapes of either case");
	is_str(decoded("%41%7a"), "Az", "escapes of what needs none");
	is_str(decoded("%25%32%30"), "%20", "decoding happens once");
	is_str(decoded("a+b"), "a+b", "a plus is a plus");
	is_str(decoded_n("a+b%2B", 6, true), "a b+", "unless it stands for a space");
	is_str(decoded("caf%C3%A9"), "caf\xc3\xa9", "escaped UTF-8");
	is_str(decoded("caf\xc3\xa9"), "caf\xc3\xa9", "and UTF-8 as it is");
	is_str(decoded_n("a%20b", 3, false), refused(BAD_ESCAPE), "an escape cut short by the length");
	is_str(decoded("%"), refused(BAD_ESCAPE), "a percent sign alone");
	is_str(decoded("a%2"), refused(BAD_ESCAPE), "one digit");
	is_str(decoded("%2g"), refused(BAD_ESCAPE), "a digit too large");
	is_str(decoded("%g2"), refused(BAD_ESCAPE), "in front too");
	is_str(decoded("% 2"), refused(BAD_ESCAPE), "a space for a digit");
	is_str(decoded("%+2"), refused(BAD_ESCAPE), "a sign for a digit");
	is_str(decoded("a%00b"), refused(BAD_NUL), "an escaped NUL");
	is_str(decoded_n("a\0b", 3, false), refused(BAD_NUL), "a raw NUL");
	is_str(decoded("%ff"), refused(BAD_UTF8), "a byte that UTF-8 has not");
	is_str(decoded("%C3"), refused(BAD_UTF8), "a character cut short");
	is_str(decoded("%C0%80"), refused(BAD_UTF8), "an overlong NUL");
	is_str(decoded("%ED%A0%80"), refused(BAD_UTF8), "a surrogate");

	is_str(parsed(""), "", "no parameters");
	is_int(qs_parse(&arena, "", &pairs, &problem), 0, "are none");
	is_str(parsed("a=1"), "a=1", "one parameter");
	is_str(parsed("b=2&a=1&b=3"), "b=2|a=1|b=3", "order and repetitions are kept");
	is_str(parsed("a"), "a=", "a name alone has an empty value");
	is_str(parsed("a="), "a=", "and so has a name with an equals sign");
	is_str(parsed("=1"), "=1", "a name may be empty");
	is_str(parsed("="), "=", "and both");
	is_str(parsed("a=1=2"), "a=1=2", "the first equals sign divides");
	is_str(parsed("&&a=1&&&b=2&"), "a=1|b=2", "empty pairs are skipped");
	is_str(parsed("&"), "", "also when there is nothing else");
	is_str(parsed("a%20b=c+d&%3D=%26"), "a b=c d|==&", "names and values are decoded after the split");
	is_str(parsed("a;b=1"), "a;b=1", "a semicolon divides nothing");
	is_str(parsed("a=1&b=%"),
	       "[query string, parameter 2: a % must be followed by two hexadecimal digits]",
	       "the problem says which parameter");
	is_str(parsed("a%00=1"), "[query string, parameter 1: a NUL is not allowed]", "in a name as well");
	is_str(parsed("a=1&&%ff"), "[query string, parameter 2: the decoded text must be UTF-8]",
	       "empty pairs are not counted");

	for (i = 0; i < QS_MAX_PAIRS; i++)
		strncat(many, "&x=1", sizeof(many) - strlen(many) - 1);
	is_int(qs_parse(&arena, many, &pairs, &problem), 100, "100 parameters are read");
	strncat(many, "&x", sizeof(many) - strlen(many) - 1);
	is_str(parsed(many), "[query string: more than 100 parameters]", "101 are not");
	test_writing();
	arena_release(&arena);
	return done_testing();
}
