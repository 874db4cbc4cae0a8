#include "lib/base/utf8.h"

#include "t/unit/tap.h"

/* clang-format off */
static const struct {
	const char *text, *name;
	int next; /* of utf8_next at its beginning */
} valid[] = {
	{ "A",                "an ASCII letter",            1 },
	{ "\x7f",             "the last of one byte",       1 },
	{ "\xc2\x80",         "the first of two bytes",     2 },
	{ "\xdf\xbf",         "the last of two bytes",      2 },
	{ "\xe0\xa0\x80",     "the first of three bytes",   3 },
	{ "\xed\x9f\xbf",     "the last before surrogates", 3 },
	{ "\xee\x80\x80",     "the first after surrogates", 3 },
	{ "\xef\xbf\xbf",     "the last of three bytes",    3 },
	{ "\xf0\x90\x80\x80", "the first of four bytes",    4 },
	{ "\xf4\x8f\xbf\xbf", "U+10FFFF, the last of all",  4 },
}, invalid[] = {
	{ "\x80",             "a continuation byte alone",           -1 },
	{ "\xbf",             "the last continuation byte alone",    -1 },
	{ "\xc0\x80",         "an overlong NUL",                     -1 },
	{ "\xc1\xbf",         "an overlong form of two bytes",       -1 },
	{ "\xc2",             "two bytes cut short",                 -1 },
	{ "\xc2\x41",         "two bytes, the second a letter",      -1 },
	{ "\xdf\xc0",         "two bytes, the second too large",     -1 },
	{ "\xe0\x9f\xbf",     "an overlong form of three bytes",     -1 },
	{ "\xed\xa0\x80",     "the first surrogate",                 -1 },
	{ "\xed\xbf\xbf",     "the last surrogate",                  -1 },
	{ "\xe2\x82",         "three bytes cut after two",           -2 },
	{ "\xe2\x82\x41",     "three bytes, the third a letter",     -2 },
	{ "\xe2",             "three bytes cut after one",           -1 },
	{ "\xf0\x8f\xbf\xbf", "an overlong form of four bytes",      -1 },
	{ "\xf4\x90\x80\x80", "U+110000, one above the last",        -1 },
	{ "\xf5\x80\x80\x80", "a first byte above all",              -1 },
	{ "\xf0\x9f\x98",     "four bytes cut after three",          -3 },
	{ "\xf0\x9f\x98\xc0", "four bytes, the fourth too large",    -3 },
	{ "\xfe",             "0xfe",                                -1 },
	{ "\xff",             "0xff",                                -1 },
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* Is a text judged alike wherever it stands in ASCII of every length around the word size? */
static bool judged_everywhere(const char *text, bool want)
{
	char line[64];
	size_t n = strlen(text);
	size_t before, after;

	for (before = 0; before < 20; before++) {
		for (after = 0; after < 20; after++) {
			memset(line, 'a', sizeof(line));
			memcpy(line + before, text, n);
			if (utf8_valid(line, before + n + after) != want)
				return false;
		}
	}
	return true;
}

int main(void)
{
	unsigned c, wrong = 0;
	char out[4];
	size_t i;

	for (i = 0; i < COUNT(valid); i++) {
		ok(judged_everywhere(valid[i].text, true), "valid: %s", valid[i].name);
		is_int(utf8_next(valid[i].text, strlen(valid[i].text)), valid[i].next, "one character: %s",
		       valid[i].name);
		is_int(utf8_length(valid[i].text, strlen(valid[i].text)), 1, "of length one: %s",
		       valid[i].name);
	}
	for (i = 0; i < COUNT(invalid); i++) {
		ok(judged_everywhere(invalid[i].text, false), "invalid: %s", invalid[i].name);
		is_int(utf8_next(invalid[i].text, strlen(invalid[i].text)), invalid[i].next,
		       "bytes to replace: %s", invalid[i].name);
	}
	for (c = 0; c <= 0x10ffff; c++) {
		bool surrogate = c >= 0xd800 && c <= 0xdfff;
		int n = utf8_put(out, c);

		wrong += utf8_valid(out, (size_t)n) == surrogate;
		wrong += !surrogate && utf8_next(out, (size_t)n) != n;
	}
	is_int(wrong, 0, "what utf8_put writes is valid, for every code point but the surrogates");

	ok(utf8_valid("", 0), "no bytes at all are valid");
	ok(utf8_valid("a\0b", 3), "NUL is a character");
	is_int(utf8_length("", 0), 0, "no characters");
	is_int(utf8_length("na\xc3\xafve caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", 21), 14,
	       "characters of one to four bytes count once each");
	is_int(utf8_length("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 18), 9,
	       "also over more than a word");
	return done_testing();
}
