#include "lib/base/value_pattern.h"

#include "t/unit/tap.h"

static struct arena memory;

static bool fits(const char *pattern, const char *text)
{
	bool found = value_pattern_fits(&memory, pattern, text);

	arena_reset(&memory);
	return found;
}

static void check(const char *pattern, const char *const *good, const char *const *bad)
{
	is_str(value_pattern_check(pattern), NULL, "%s is a pattern", pattern);
	for (; *good; good++)
		ok(fits(pattern, *good), "'%s' has a match of it", *good);
	for (; *bad; bad++)
		ok(!fits(pattern, *bad), "'%s' has none", *bad);
}

#define TEXTS (const char *const[])

int main(void)
{
	static const char *const wrong[] = { "(",    ")",  "a)",    "[a",      "[z-a]",  "*",
					     "a**",  "+",  "(?=a)", "(?<n>a)", "\\1",    "\\b",
					     "\\pL", "a{", "a{x}",  "a{3,2}",  "a{256}", "((a{50}){50}){50}",
					     "\\",   "(?", "(*)",   "a{,3}" };
	char text[20001], pattern[44], longest[300] = "";

	arena_init(&memory, 4096);
	check("", TEXTS{ "", "a", NULL }, TEXTS{ NULL });
	check("b", TEXTS{ "b", "abc", NULL }, TEXTS{ "", "B", NULL });
	check("^b", TEXTS{ "b", "bc", NULL }, TEXTS{ "ab", NULL });
	check("b$", TEXTS{ "b", "ab", NULL }, TEXTS{ "ba", NULL });
	check("^$", TEXTS{ "", NULL }, TEXTS{ "a", NULL });
	check("^(?:a|bc|)$", TEXTS{ "a", "bc", "", NULL }, TEXTS{ "b", "c", "abc", NULL });
	check("^a|b$", TEXTS{ "ax", "xb", NULL }, TEXTS{ "xax", "bx", NULL });
	check("^(a|b|c|d)+$", TEXTS{ "d", "abcd", NULL }, TEXTS{ "", "abe", NULL });
	check("^[A-Z]{2}\\d{4}$", TEXTS{ "AB1234", NULL },
	      TEXTS{ "AB123", "AB12345", "A11234", "ab1234", NULL });
	check("^[^a-c]+$", TEXTS{ "xyz", "\xc3\xa9", NULL }, TEXTS{ "", "xa", NULL });
	check("^[]a^-]+$", TEXTS{ "]a^-", NULL }, TEXTS{ "b", NULL });
	check("^[\\w.]+@[\\w.]+$", TEXTS{ "a.b_9@c.d", NULL }, TEXTS{ "a b@c", NULL });
	check("^[\\W]$", TEXTS{ "-", "\xc3\xa9", NULL }, TEXTS{ "_", "Z", NULL });
	check("^\\D\\S\\s$", TEXTS{ "ab ", NULL }, TEXTS{ "1b ", "a  ", "abc", NULL });
	check("^.{1,3}$", TEXTS{ "a", "abc", "\xe2\x82\xac\xf0\x9f\x9a\xa2\xc3\xa9", NULL },
	      TEXTS{ "", "abcd", "a\nb", NULL });
	check("^a{2,}b?$", TEXTS{ "aa", "aaaaab", NULL }, TEXTS{ "a", "aabb", NULL });
	check("^a{0}b$", TEXTS{ "b", NULL }, TEXTS{ "ab", NULL });
	check("^(ab){2,3}c$", TEXTS{ "ababc", "abababc", NULL }, TEXTS{ "abc", "ababababc", NULL });
	check("^((a|b)c*|d){2}$", TEXTS{ "acbccc", "dd", "da", NULL }, TEXTS{ "a", "cc", "ddd", NULL });
	check("^a+?b*?$", TEXTS{ "a", "aabb", NULL }, TEXTS{ "b", NULL });
	check("^\\+?\\(\\d\\)\\.\\\\$", TEXTS{ "+(1).\\", "(1).\\", NULL }, TEXTS{ "(1)x\\", NULL });
	check("^[\xc3\xa0-\xc3\xbf]+$", TEXTS{ "\xc3\xa9\xc3\xa8", NULL }, TEXTS{ "e", NULL });
	check("^\\t\\n$", TEXTS{ "\t\n", NULL }, TEXTS{ "tn", NULL });
	check("^(a*)*$", TEXTS{ "", "aaa", NULL }, TEXTS{ "ab", NULL });
	check("(^a|b)c$", TEXTS{ "ac", "xbc", NULL }, TEXTS{ "xac", NULL });

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ok(value_pattern_check(wrong[i]) != NULL, "%s is none", wrong[i]);
		ok(!fits(wrong[i], "a"), "  and nothing has a match of it");
	}

	/* What ends a backtracking one: here it is done by when the test's time is over. */
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ok(!fits("^(a+)+$|^(a|a)*b|^(a|aa)+c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaX"),
	   "ways without number");
	ok(!fits("^(a?){100}(a+)+b$", text), "of a long text");
	memset(longest, 'a', 255);
	is_str(value_pattern_check(longest), NULL, "255 characters");
	longest[255] = 'a';
	ok(value_pattern_check(longest) != NULL, "256 are too many");
	memset(pattern, '(', 21);
	pattern[21] = 'a';
	memset(pattern + 22, ')', 21);
	pattern[43] = '\0';
	ok(value_pattern_check(pattern) != NULL, "21 groups inside of one another");
	arena_release(&memory);
	return done_testing();
}
