/*
 * W3C Trace Context: what is taken, what is as if it had not been sent, and what is written.
 */
#include "lib/base/trace_context.h"

#include "t/unit/tap.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static void reads(const char *text, bool is_sampled)
{
	struct trace_context c;
	char written[TRACE_CONTEXT_TEXT];

	if (!ok(trace_context_read(text, &c), "%.70s is one", text))
		return;
	is_int(c.is_sampled, is_sampled, "  sampled or not");
	trace_context_write(&c, written);
	is_str(written, is_sampled ? "00-" TRACE "-" SPAN "-01" : "00-" TRACE "-" SPAN "-00",
	       "  and is passed on as version 00");
}

static void refuses(const char *text)
{
	struct trace_context c;

	ok(!trace_context_read(text, &c), "%.80s is none", text ? text : "(NULL)");
}

static void test_parent(void)
{
	reads("00-" TRACE "-" SPAN "-01", true);
	reads("00-" TRACE "-" SPAN "-00", false);
	reads("00-" TRACE "-" SPAN "-03", true);
	reads("00-" TRACE "-" SPAN "-fe", false);
	reads("cc-" TRACE "-" SPAN "-01", true);
	reads("cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", true);
	refuses(NULL);
	refuses("");
	refuses("00-" TRACE "-" SPAN "-0");
	refuses("00-" TRACE "-" SPAN "-01-more");
	refuses("00-" TRACE "-" SPAN "-01 ");
	refuses("cc-" TRACE "-" SPAN "-01.more");
	refuses("ff-" TRACE "-" SPAN "-01");
	refuses("0-" TRACE "-" SPAN "-011");
	refuses("00_" TRACE "-" SPAN "-01");
	refuses("00-00000000000000000000000000000000-" SPAN "-01");
	refuses("00-" TRACE "-0000000000000000-01");
	refuses("00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01");
	refuses("00-" TRACE "-" SPAN "-0G");
	refuses("00-" TRACE "-" SPAN "-01, 00-" TRACE "-" SPAN "-01");
}

static void state(const char *text, const char *want, const char *name)
{
	char got[TRACE_CONTEXT_STATE] = "?";

	is_int(trace_context_state(text, got), *want != '\0', "%s", name);
	is_str(got, want, "  %.60s", want);
}

/* n times k=vvv…, apart by commas. */
static char *many(int n, int value, const char *more)
{
	static char text[12000];
	size_t at = 0;

	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%sk%d=%0*d", i ? "," : "", i, value, 7);
	snprintf(text + at, sizeof(text) - at, "%s", more);
	return text;
}

static void test_state(void)
{
	char got[TRACE_CONTEXT_STATE];

	state("rojo=00f067aa0ba902b7", "rojo=00f067aa0ba902b7", "one member");
	state(" a=1\t, ,b=2 ,", "a=1,b=2", "white space and empty members between are left out");
	state("acme@vendor=x y!", "acme@vendor=x y!", "a tenant of a vendor; a value with spaces in it");
	state("0acme@vendor=1", "0acme@vendor=1", "whose id begins with a digit");
	state(NULL, "", "none");
	state("", "", "an empty one");
	state(" , ", "", "nothing but commas");
	state("a", "", "no value");
	state("a=", "", "an empty value");
	state("=1", "", "no key");
	state("A=1", "", "a key in upper case");
	state("0a=1", "", "a key that begins with a digit");
	state("a b=1", "", "a key with a space");
	state("a@b@c=1", "", "two @");
	state("a@=1", "", "nothing behind the @");
	state("a=1=2", "", "an = in a value");
	state("a=\x1b[0m", "", "a control character");
	state("a=\xc3\xa4", "", "a letter beyond ASCII");
	state("a=1,b=2,a=3", "", "a key twice");
	ok(trace_context_state(many(32, 7, ""), got), "32 members");
	ok(!trace_context_state(many(33, 7, ""), got), "33 are too many");
	ok(trace_context_state(many(2, 256, ""), got) && strlen(got) < 300, "of two of 256 one is left");
	ok(!trace_context_state(many(1, 257, ""), got), "a value of 257 is no value");
	ok(trace_context_state(many(10, 60, ""), got), "of too many");
	is_int(strlen(got), 8 * 63 + 7, "  the last are left out, and whole members stay");
	ok(trace_context_state(many(3, 200, ",small=1"), got), "large members");
	ok(strlen(got) == 2 * 203 + 9 && strstr(got, ",small=1"), "  are left out first");
}

static void test_hex(void)
{
	uint8_t bytes[4];
	char text[9];

	ok(trace_context_bytes("00ff7a1b", 4, bytes), "digits are bytes");
	trace_context_hex(bytes, 4, text);
	is_str(text, "00ff7a1b", "  and the same again");
	ok(!trace_context_bytes("00fg", 2, bytes) && !trace_context_bytes("0", 1, bytes), "others are none");
	ok(trace_context_is_none((const uint8_t[4]){ 0 }, 4) && !trace_context_is_none(bytes, 4),
	   "zeros are no id");
}

int main(void)
{
	test_parent();
	test_state();
	test_hex();
	return done_testing();
}
