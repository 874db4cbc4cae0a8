/*
 * Addresses: which are the same one, which are kept how, and which are refused.
 */
#include "lib/base/email.h"

#include "t/unit/tap.h"

static struct arena a;

#define E_ACUTE "\xc3\xa9"           /* é */
#define E_ACUTE_UPPER "\xc3\x89"     /* É */
#define ACUTE "\xcc\x81"             /* U+0301, combining */
#define SIGMA "\xcf\x83"             /* σ */
#define SIGMA_FINAL "\xcf\x82"       /* ς */
#define SIGMA_UPPER "\xce\xa3"       /* Σ */
#define SHARP_S "\xc3\x9f"           /* ß */
#define SHARP_S_UPPER "\xe1\xba\x9e" /* ẞ */
#define I_DOTLESS "\xc4\xb1"         /* ı */
#define I_DOTTED "\xc4\xb0"          /* İ */
#define KELVIN "\xe2\x84\xaa"        /* U+212A */
#define FULLWIDTH_A "\xef\xbd\x81"   /* U+FF41 */

static const char *address(const char *text)
{
	struct email e = { NULL, NULL };

	return email_read(&a, text, &e) ? NULL : e.address;
}

static void test_kept(void)
{
	static const struct {
		const char *text, *address, *key, *name;
	} cases[] = {
		{ "ada@example.com", "ada@example.com", "ada@example.com", "lower case stays" },
		{ "Ada.Lovelace+x@EXAMPLE.com", "ada.lovelace+x@example.com", "ada.lovelace+x@example.com",
		  "ASCII goes by case" },
		{ "jos" E_ACUTE "@example.com", "jos" E_ACUTE "@example.com", "jos" E_ACUTE "@example.com",
		  "composed" },
		{ "JOS" E_ACUTE_UPPER "@example.com", "jos" E_ACUTE "@example.com",
		  "jos" E_ACUTE "@example.com", "upper case beyond ASCII" },
		{ "jose" ACUTE "@example.com", "jos" E_ACUTE "@example.com", "jos" E_ACUTE "@example.com",
		  "decomposed" },
		{ "JOSE" ACUTE "@Example.com", "jos" E_ACUTE "@example.com", "jos" E_ACUTE "@example.com",
		  "both" },
		{ "stra" SHARP_S "e@example.com", "stra" SHARP_S "e@example.com",
		  "stra" SHARP_S "e@example.com", "sharp s is not ss" },
		{ "STRA" SHARP_S_UPPER "E@example.com", "stra" SHARP_S "e@example.com",
		  "stra" SHARP_S "e@example.com", "and has an upper case" },
		{ "niko" SIGMA_FINAL "@example.com", "niko" SIGMA_FINAL "@example.com",
		  "niko" SIGMA "@example.com", "a final sigma stays one, and is found as any" },
		{ "NIKO" SIGMA_UPPER "@example.com", "niko" SIGMA "@example.com", "niko" SIGMA "@example.com",
		  "as is an upper-case one" },
		{ I_DOTLESS "rmak@example.com", I_DOTLESS "rmak@example.com", I_DOTLESS "rmak@example.com",
		  "a dotless i is no i" },
		{ "IRMAK@example.com", "irmak@example.com", "irmak@example.com",
		  "and I is i, whatever the locale" },
		{ I_DOTTED "rmak@example.com", I_DOTTED "rmak@example.com", I_DOTTED "rmak@example.com",
		  "a dotted I is neither" },
		{ "i\xcc\x87rmak@example.com", "i\xcc\x87rmak@example.com", "i\xcc\x87rmak@example.com",
		  "nor what its full folding would be" },
		{ "J\xcc\x8con@example.com", "\xc7\xb0on@example.com", "\xc7\xb0on@example.com",
		  "what has a composed form only in lower case" },
		{ "ada@B\xc3\x9c"
		  "CHER.example",
		  "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "a domain in Unicode" },
		{ "ada@bu\xcc\x88"
		  "cher.example",
		  "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "decomposed" },
		{ "Ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example",
		  "and as it is looked up" },
		{ "ada@fa" SHARP_S ".example", "ada@xn--fa-hia.example", "ada@xn--fa-hia.example",
		  "nontransitional: not fass.example" },
		{ "ada@r3---x.example", "ada@r3---x.example", "ada@r3---x.example",
		  "hyphens that are no A-label's" },
		{ "jos" E_ACUTE "@r3---x.example", "jos" E_ACUTE "@r3---x.example",
		  "jos" E_ACUTE "@r3---x.example", "also behind a local part that is not ASCII" },
		{ "ada@b\xc3\xbc.r3---x.example", "ada@xn--b-eha.r3---x.example",
		  "ada@xn--b-eha.r3---x.example", "or beside a label that is none" },
		{ "\xe0\xa4\x86\xe0\xa4\xb0@example.com", "\xe0\xa4\x86\xe0\xa4\xb0@example.com",
		  "\xe0\xa4\x86\xe0\xa4\xb0@example.com", "a script without cases" },
		{ "\xd7\x90\xd7\x91@\xd7\x90\xd7\x91.example", "\xd7\x90\xd7\x91@xn--4dbc.example",
		  "\xd7\x90\xd7\x91@xn--4dbc.example", "one from right to left" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct email e = { NULL, NULL };

		is_str(email_read(&a, cases[i].text, &e), NULL, "%s: %s", cases[i].text, cases[i].name);
		is_str(e.address, cases[i].address, "  kept as that");
		is_str(e.key, cases[i].key, "  found as that");
		is_str(email_key(&a, cases[i].text), cases[i].key, "  also from elsewhere");
		is_str(email_key(&a, e.address ? e.address : ""), cases[i].key,
		       "  and what is kept has that key");
		is_str(address(e.address ? e.address : ""), cases[i].address, "  and is kept as it is");
	}
}

static void test_refused(void)
{
	static const struct {
		const char *text, *expected, *name;
	} cases[] = {
		{ "mi" KELVIN "e@example.com",
		  "an e-mail address without characters that stand for others, such as U+212A",
		  "the Kelvin sign, which NFC makes a K" },
		{ "\xe2\x84\xab"
		  "sa@example.com",
		  "such as U+212B", "the Angstrom sign" },
		{ FULLWIDTH_A "da@example.com", "such as U+FF41", "fullwidth" },
		{ "\xef\xac\x81sh@example.com", "such as U+FB01", "a ligature" },
		{ "x\xc2\xb2@example.com", "such as U+00B2", "a superscript" },
		{ "\xe1\xbf\x81@example.com", "such as U+1FC1", "what is made of one" },
		{ "\xef\xa9\x80@example.com", "such as U+FA40", "a CJK compatibility ideograph" },
		{ "ada@" FULLWIDTH_A ".example", "such as U+FF41", "in the domain, too" },
		{ "ada@b\xc3\xbc" KELVIN ".example", "such as U+212A", "as that" },
		{ "a\xe2\x80\xae"
		  "da@example.com",
		  "an e-mail address without what cannot be seen, such as U+202E",
		  "a sign that turns the direction" },
		{ "a\xe2\x80\x8b"
		  "da@example.com",
		  "such as U+200B", "a space of no width" },
		{ "a\xe2\x80\x8d"
		  "da@example.com",
		  "such as U+200D", "a joiner" },
		{ "a\xc2\xa0"
		  "da@example.com",
		  "such as U+00A0", "a blank" },
		{ "a\xc2\x85"
		  "da@example.com",
		  "such as U+0085", "a control character" },
		{ "a\xef\xb8\x8f"
		  "da@example.com",
		  "such as U+FE0F", "a variation selector" },
		{ "a\xcd\x8f"
		  "da@example.com",
		  "such as U+034F", "a joiner of graphemes" },
		{ "a\xee\x80\x80@example.com", "such as U+E000", "private use" },
		{ "a\xf3\xa0\x81\x81@example.com", "such as U+E0041", "a tag" },
		{ "a\xcd\xb8@example.com", "such as U+0378", "unassigned" },
		{ "a\xef\xb7\x90@example.com", "such as U+FDD0", "no character" },
		{ ACUTE "ada@example.com", "an e-mail address that does not begin with a combining mark",
		  "a mark on nothing" },
		{ "ada@xn--99999999999.example", "an e-mail address whose domain is one by UTS 46",
		  "an A-label of nothing" },
		{ "ada@xn--bucher-.example", "UTS 46", "or of what is no U-label" },
		{ "ada@\xd7\x90"
		  "a.example",
		  "UTS 46", "two directions in a label" },
		{ "ada@a\xcc\xb8=.example", "UTS 46", "what no name of a host has" },
		{ "ada@-\xc3\xbc.example", "UTS 46", "a hyphen at the edge" },
		{ "ada@\xc3\xbc.example.", "UTS 46", "a dot at the end" },
		{ "ada@\xc3\xbc..example", "UTS 46", "an empty label" },
		{ "a\tda@example.com", "U+0009", "a control character of ASCII" },
		{ "jos" E_ACUTE, "an e-mail address", "no domain" },
		{ "@example.com", "an e-mail address", "no local part" },
		{ "ada@", "an e-mail address", "nothing behind it" },
		{ "", "an e-mail address", "nothing" },
		{ "a@b@example.com", "an e-mail address", "two" },
		{ "\xc3@example.com", "an e-mail address", "no UTF-8" },
		{ "a\xff"
		  "da@example.com",
		  "an e-mail address", "none at all" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct email e = { "untouched", "untouched" };

		has_str(email_read(&a, cases[i].text, &e), cases[i].expected, "%s: %s", cases[i].text,
			cases[i].name);
		is_str(e.address, "untouched", "  nothing is filled in");
		is_str(email_key(&a, cases[i].text), NULL, "  and there is no key");
	}
}

/* What no user could register and is there, from another issuer or the command line, has a key. */
static void test_there(void)
{
	struct email e;

	is_str(address("ada@localhost"), NULL, "a name without a dot is not taken");
	is_str(email_key(&a, "Ada@localhost"), "ada@localhost", "and has a key");
	is_str(address("\"ada\"@example.com"), NULL, "nor is a local part in quotes");
	is_str(email_key(&a, "\"Ada\"@example.com"), "\"ada\"@example.com", "it has one, too");
	is_str(email_key(&a, "\"" E_ACUTE_UPPER "\"@ex_ample.com"), "\"" E_ACUTE "\"@ex_ample.com",
	       "and so has what no host is called");
	email_find(&a, "Ada@localhost", &e);
	is_str(e.address, "ada@localhost", "what somebody vouches for is kept so");
	email_find(&a, "MI" KELVIN "E@example.com", &e);
	is_str(e.address, "MI" KELVIN "E@example.com", "what is refused as it is");
	is_str(e.key, NULL, "without a key");
	is_str(email_name(&a, "JOS" E_ACUTE_UPPER "@example.com"), "jos" E_ACUTE "@example.com",
	       "the name of what has a key is that");
	is_str(email_name(&a, "MI" KELVIN "E@example.com"), "mi" KELVIN "e@example.com",
	       "and of what has none itself");
}

static void test_length(void)
{
	char local[300], text[1400] = "";

	memset(local, 'a', sizeof(local));
	snprintf(text, sizeof(text), "%.64s@example.com", local);
	ok(address(text), "a local part of 64 bytes");
	snprintf(text, sizeof(text), "%.65s@example.com", local);
	ok(!address(text), "and not of 65");
	is_str(email_key(&a, text), text, "but it has a key");
	snprintf(text, sizeof(text), "%.62s" E_ACUTE "@example.com", local);
	ok(address(text), "bytes, not characters");
	snprintf(text, sizeof(text), "%.63s" E_ACUTE "@example.com", local);
	ok(!address(text), "as RFC 5321 counts");
	snprintf(text, sizeof(text), "%.242s@example.com", local);
	ok(email_key(&a, text), "254 characters");
	snprintf(text, sizeof(text), "%.243s@example.com", local);
	ok(!email_key(&a, text), "and not 255");
	text[0] = '\0';
	for (int i = 0; i < 242; i++)
		strncat(text, E_ACUTE_UPPER, 3);
	strncat(text, "@example.com", 13);
	is_int((int)strlen(email_key(&a, text)), 242 * 2 + 12, "also where each is two bytes");
	text[0] = '\0';
	for (int i = 0; i < 242; i++)
		strncat(text, "\xf0\x90\x90\x80", 5); /* DESERET CAPITAL LETTER LONG I: a pair in UTF-16 */
	strncat(text, "@example.com", 13);
	has_str(email_key(&a, text), "\xf0\x90\x90\xa8", "or four");
}

int main(void)
{
	arena_init(&a, 4096);
	test_kept();
	test_refused();
	test_there();
	test_length();
	arena_release(&a);
	return done_testing();
}
