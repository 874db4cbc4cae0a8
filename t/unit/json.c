#include "lib/base/json.h"

#include <json-c/json.h>
#include <time.h>

#include "t/unit/tap.h"

static struct arena arena;

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* clang-format off */
static const struct {
	const char *text, *tree; /* tree: as json-c writes it; NULL: as text has it */
} good[] = {
	{ "{}", NULL },
	{ "[]", NULL },
	{ " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n", "{\"a\":[1,2],\"b\":{}}" },
	{ "null", NULL },
	{ "true", NULL },
	{ "[true,false,null]", NULL },
	{ "{\"a\":null}", NULL },
	{ "\"\"", NULL },
	{ "0", NULL },
	{ "-0", "0" },
	{ "9223372036854775807", NULL },
	{ "-9223372036854775808", NULL },
	{ "1.5", NULL },
	{ "1.10", NULL },
	{ "0.1000000000000000055511151231257827021181583404541015625", NULL },
	{ "1e5", NULL },
	{ "1E+5", NULL },
	{ "-2.5e-3", NULL },
	{ "0e999999", "0.0" },
	{ "0.000e-999999", "0.0" },
	{ "0.000", NULL },
	{ "-0.0E5", "-0.0" },
	{ "1.7976931348623157e308", NULL },
	{ "5e-324", NULL },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
	{ "\"\\u0041\\u00e9\\u20AC\"", "\"A\xc3\xa9\xe2\x82\xac\"" },
	{ "\"\\ud83d\\ude00 \\uDBFF\\uDFFF \\ufffe\"", "\"\xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf \xef\xbf\xbe\"" },
	{ "\"\xf0\x9f\x98\x80 \x7f\"", NULL },
	{ "\"\\u0001\"", NULL },
	{ "{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]}}", NULL },	/* one name, but never in one object */
	{ "{\"\":1,\" \":2,\"a\":3,\"A\":4}", NULL },
	{ "{\"a\\u0062\":\"{\\\"a\\\":1,\\\"a\\\":2}\"}", "{\"ab\":\"{\\\"a\\\":1,\\\"a\\\":2}\"}" },
};

static const struct {
	const char *text;
	int at;
	const char *problem;
} bad[] = {
	{ "",                     1, "expected a value, but the text ends" },
	{ "  ",                   3, "expected a value, but the text ends" },
	{ "\xef\xbb\xbf{}",       1, "expected a value" },
	{ "nul",                  1, "expected a value" },
	{ "NULL",                 1, "expected a value" },
	{ "nully",                5, "expected the end of the text" },
	{ "NaN",                  1, "expected a value" },
	{ "-Infinity",            2, "expected a digit" },
	{ "'a'",                  1, "expected a value" },
	{ "// c\n1",              1, "expected a value" },
	{ "{} {}",                4, "expected the end of the text" },
	{ "1 2",                  3, "expected the end of the text" },
	{ "[1]]",                 4, "expected the end of the text" },
	{ "[",                    2, "expected a value, but the text ends" },
	{ "[1",                   3, "expected ',' or ']', but the text ends" },
	{ "[1,",                  4, "expected a value, but the text ends" },
	{ "[1,]",                 4, "expected a value" },
	{ "[,1]",                 2, "expected a value" },
	{ "[1 2]",                4, "expected ',' or ']'" },
	{ "[1}",                  3, "expected ',' or ']'" },
	{ "{",                    2, "expected a member name in quotes, but the text ends" },
	{ "{a:1}",                2, "expected a member name in quotes" },
	{ "{\"a\"}",              5, "expected ':'" },
	{ "{\"a\":}",             6, "expected a value" },
	{ "{\"a\":1,}",           8, "expected a member name in quotes" },
	{ "{\"a\":1 \"b\":2}",    8, "expected ',' or '}'" },
	{ "{\"a\":1]",            7, "expected ',' or '}'" },
	{ "{1:2}",                2, "expected a member name in quotes" },
	{ "01",                   1, "a number must not begin with 0" },
	{ "[-01]",                3, "a number must not begin with 0" },
	{ "+1",                   1, "expected a value" },
	{ ".5",                   1, "expected a value" },
	{ "1.",                   3, "expected a digit, but the text ends" },
	{ "[1.]",                 4, "expected a digit" },
	{ "1.e5",                 3, "expected a digit" },
	{ "1e",                   3, "expected a digit, but the text ends" },
	{ "1e+",                  4, "expected a digit, but the text ends" },
	{ "-",                    2, "expected a digit, but the text ends" },
	{ "0x10",                 2, "expected the end of the text" },
	{ "9223372036854775808",  1, "this integer does not fit into 64 bits" },
	{ "-9223372036854775809", 1, "this integer does not fit into 64 bits" },
	{ "[123456789012345678901234567890]", 2, "this integer does not fit into 64 bits" },
	{ "1e400",                1, "this number is out of range" },
	{ "[0,-1.8e308]",         4, "this number is out of range" },
	{ "1e-400",               1, "this number is out of range" },
	{ "0.001e-400",           1, "this number is out of range" },
	{ "\"",                   1, "this string has no end" },
	{ "[\"abc]",              2, "this string has no end" },
	{ "\"abc\\\"",            1, "this string has no end" },
	{ "\"a\nb\"",             3, "control character 0x0a in a string" },
	{ "{\"a\tb\":1}",         4, "control character 0x09 in a string" },
	{ "\"\\x41\"",            2, "no such escape in a string" },
	{ "\"ab\\",               4, "no such escape in a string" },
	{ "\"\\\xc3\xa4\"",       2, "no such escape in a string" },
	{ "\"\\u12g4\"",          2, "\\u wants four hexadecimal digits" },
	{ "\"\\u12\"",            2, "\\u wants four hexadecimal digits" },
	{ "\"a\\u0000\"",         3, "\\u0000 is not allowed" },
	{ "{\"\\u0000\":1}",      3, "\\u0000 is not allowed" },
	{ "\"\\ud800\"",          2, "half of a surrogate pair" },
	{ "\"\\ud800x\"",         2, "half of a surrogate pair" },
	{ "\"\\ud800\\n\"",       2, "half of a surrogate pair" },
	{ "\"\\ud800\\ud800\"",   2, "half of a surrogate pair" },
	{ "\"\\ud800\\u0041\"",   2, "half of a surrogate pair" },
	{ "\"\\udc00\\ud800\"",   2, "half of a surrogate pair" },
	{ "\"\xff\"",             2, "not UTF-8" },
	{ "[1,\xc3]",             4, "not UTF-8" },
	{ "\"\xed\xa0\x80\"",     2, "not UTF-8" },
	{ "{\"a\":\"\xe2\x82\"}", 7, "not UTF-8" },
	{ "{\"a\":1,\"a\":2}",    8, "member \"a\" is given twice" },
	{ "{\"a\":null,\"b\":1,\"a\":1}",            17, "member \"a\" is given twice" },
	{ "{\"ab\":1,\"\\u0061b\":2}",                9, "member \"ab\" is given twice" },
	{ "[{\"x\":{\"y\":1, \"z\":[], \"y\":1}}]", 23, "member \"y\" is given twice" },
};
/* clang-format on */

static const char *read_n(const char *text, size_t n, struct json_object **tree)
{
	const char *problem = NULL;
	/* A copy of just this size, so that the sanitizer sees a read behind it. */
	char *copy = memcpy(arena_alloc_raw(&arena, n), text, n);
	enum err rc = json_read(&arena, copy, n, tree, &problem);

	if (rc == ERR_OK)
		return NULL;
	return rc == ERR_BAD_REQUEST && !*tree ? problem : "not ERR_BAD_REQUEST, or a tree all the same";
}

/* The text n times over, between head and tail. */
static char *repeated(const char *head, const char *text, int times, const char *tail)
{
	size_t n = strlen(text);
	char *all = arena_alloc(&arena, strlen(head) + n * (size_t)times + strlen(tail) + 1);
	char *p = mempcpy(all, head, strlen(head));

	while (times--)
		p = mempcpy(p, text, n);
	memcpy(p, tail, strlen(tail));
	return all;
}

static const char *read_text(const char *text)
{
	struct json_object *tree;

	return read_n(text, strlen(text), &tree);
}

/* clang-format off */
static const struct { const char *text, *as; } any[] = {
	{ "{\"a\":123456789012345678901234567890}", "{\"a\":123456789012345678901234567890}" },
	{ "[-9223372036854775809,9223372036854775807]", "[-9223372036854775809,9223372036854775807]" },
	{ "[1e400,1e1000,1e-1000,1.50]", "[1e400,1e1000,1e-1000,1.50]" },
	{ "[1e1001,-1E-1001,0e99999999999999999999]", "[\"1e1001\",\"-1E-1001\",\"0e99999999999999999999\"]" },
	{ "\"a\\u0000b\"", "\"a\xef\xbf\xbd" "b\"" },
	{ "\"\\ud800\"", "\"\xef\xbf\xbd\"" },
	{ "\"\\ud800\\u0041\"", "\"\xef\xbf\xbd" "A\"" },
	{ "\"\\ud800\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\"" },
	{ "\"\\udc00\\ud800x\"", "\"\xef\xbf\xbd\xef\xbf\xbdx\"" },
	{ "\"\xff\xc3\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "{\"a\":[1],\"b\":2,\"a\":{\"c\":3}}", "{\"a\":{\"c\":3},\"b\":2}" },
	{ "{\"\\u0000\":1}", "{\"\xef\xbf\xbd\":1}" },
};
/* clang-format on */

static void test_any(void)
{
	char *wide = arena_alloc(&arena, 1004);
	struct json_object *tree;
	const char *problem;

	for (size_t i = 0; i < sizeof(any) / sizeof(*any); i++) {
		is_int(json_read(&arena, any[i].text, strlen(any[i].text), &tree, &problem), ERR_BAD_REQUEST,
		       "%s is refused", any[i].text);
		is_int(json_read_any(&arena, any[i].text, strlen(any[i].text), &tree, &problem), ERR_OK,
		       "  and read all the same");
		is_str(json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN), any[i].as,
		       "  as what can be stored");
	}
	memset(wide, '9', 1001);
	json_read_any(&arena, wide, 1000, &tree, &problem);
	is_int(json_object_get_type(tree), json_type_double, "1000 digits are a number");
	json_read_any(&arena, wide, 1001, &tree, &problem);
	is_int(json_object_get_type(tree), json_type_string, "1001 are a string");
	is_int(json_read_any(&arena, "[1,]", 4, &tree, &problem), ERR_BAD_REQUEST,
	       "what is no JSON is none here either");
	ok(!tree, "and there is no tree");
	is_str(problem, "invalid JSON at byte 4: expected a value", "but a problem");
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_bounds(void)
{
	const size_t huge = 10 << 20;
	struct json_object *tree;
	char *text;
	double from;
	size_t i;

	text = repeated("", "[", 32, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	is_str(read_text(text), NULL, "32 levels are read");
	text = repeated("", "[", 33, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	is_str(read_text(text), "invalid JSON at byte 33: nested deeper than 32 levels", "33 are not");
	text = repeated("", "{\"a\":", 33, "1}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}");
	is_str(read_text(text), "invalid JSON at byte 161: nested deeper than 32 levels", "nor as objects");

	text = arena_alloc_raw(&arena, huge);
	memset(text, '[', huge);
	from = seconds();
	is_str(read_n(text, huge, &tree), "invalid JSON at byte 33: nested deeper than 32 levels",
	       "10 MB of brackets are refused");
	ok(seconds() - from < 0.5, "at once");
	for (i = 0; i + 5 <= huge; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	is_str(read_n(text, huge, &tree), "invalid JSON at byte 161: nested deeper than 32 levels",
	       "10 MB of braces too");
	memset(text, '"', huge);
	has_str(read_n(text, huge, &tree), "expected the end", "10 MB of quotes");
	memset(text, '\\', huge);
	has_str(read_n(text, huge, &tree), "expected a value", "10 MB of backslashes");
	memset(text, '1', huge);
	has_str(read_n(text, huge, &tree), "64 bits", "10 MB of digits");
	memset(text, ' ', huge);
	has_str(read_n(text, huge, &tree), "the text ends", "10 MB of spaces");
	memset(text, 0, huge);
	has_str(read_n(text, huge, &tree), "byte 1: expected a value", "10 MB of NULs");

	text = repeated("[", "1,", JSON_MAX_VALUES - 2, "1]");
	is_str(read_text(text), NULL, "100000 values, the array among them");
	text = repeated("[", "1,", JSON_MAX_VALUES - 1, "1]");
	is_str(read_text(text), "invalid JSON at byte 200000: more than 100000 values",
	       "one more is too many");

	is_str(read_text(repeated("0.", "1", 998, "")), NULL, "a number of 1000 characters");
	is_str(read_text(repeated("0.", "1", 999, "")),
	       "invalid JSON at byte 1: a number of more than 1000 characters", "but not of 1001");

	text = repeated("{\"x", "\xc3\xa4", 60, "\":1,");
	text = arena_fmt(&arena, "%s%s", text, text + 1);
	is_str(read_text(text),
	       arena_fmt(&arena, "invalid JSON at byte 128: member \"%s\" is given twice",
			 repeated("x", "\xc3\xa4", 49, "")),
	       "a long name is cut between two characters");

	is_str(read_n("\"a\0b\"", 5, &tree), "invalid JSON at byte 3: control character 0x00 in a string",
	       "a raw NUL in a string");
	is_str(read_n("{}\0", 3, &tree), "invalid JSON at byte 3: expected the end of the text",
	       "or behind the value");
}

static void test_tree(void)
{
	static const char text[] = "{\"i\":9007199254740993,\"d\":2.0,\"s\":\"a\\u00e9\",\"n\":null}";
	struct json_object *tree, *v;

	is_str(read_n(text, strlen(text), &tree), NULL, "an object is read");
	ok(json_object_object_get_ex(tree, "i", &v) && json_object_is_type(v, json_type_int),
	   "an integer is one");
	is_int(json_object_get_int64(v), 9007199254740993, "with all its digits");
	ok(json_object_object_get_ex(tree, "d", &v) && json_object_is_type(v, json_type_double),
	   "a number with a fraction is a double");
	ok(json_object_object_get_ex(tree, "s", &v) && json_object_get_string_len(v) == 3,
	   "a string knows its length");
	ok(json_object_object_get_ex(tree, "n", &v) && !v, "a null member is there, and NULL");
	is_int(json_object_object_length(tree), 4, "and there are no others");
}

int main(void)
{
	struct json_object *tree;
	size_t i;

	arena_init(&arena, 1 << 16);
	for (i = 0; i < COUNT(good); i++) {
		const char *text = good[i].text;

		if (is_str(read_n(text, strlen(text), &tree), NULL, "read: %s", text))
			is_str(json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN |
									    JSON_C_TO_STRING_NOSLASHESCAPE),
			       good[i].tree ? good[i].tree : text, "as it was meant: %s", text);
	}
	for (i = 0; i < COUNT(bad); i++)
		is_str(read_text(bad[i].text),
		       arena_fmt(&arena, "invalid JSON at byte %d: %s", bad[i].at, bad[i].problem),
		       "refused, case %zu: %s", i, bad[i].problem);
	/* Every text that can be read is refused at each length at which it is cut short, unless it is a
	 * number. */
	for (i = 0; i < COUNT(good); i++) {
		size_t n = strlen(good[i].text);
		size_t cut, read = 0;

		if (!strchr("{[\"ntf", *good[i].text))
			continue;
		for (cut = 0; cut < n; cut++)
			read += read_n(good[i].text, cut, &tree) == NULL;
		is_int(read, 0, "no beginning is taken for the whole: %s", good[i].text);
	}
	test_any();
	test_bounds();
	test_tree();
	arena_release(&arena);
	return done_testing();
}
