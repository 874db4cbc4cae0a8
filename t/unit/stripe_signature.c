/*
 * Stripe's signatures: the form that its documentation gives, and what is none of them.
 */
#include "providers/stripe_signature.h"

#include "t/unit/tap.h"

/* As stripe-node's generateTestHeaderString() makes it for this secret, time and body. */
#define SECRET "whsec_test_secret"
#define V1 "c2f890decbc5ede7c5060bb9a6d31e0626a4342bacb9aeae2adb1bcea72f9812"
#define STAMP "1492774577"
#define GOOD "t=" STAMP ",v1=" V1

static const char body[] = "{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}";
static const int64_t at = 1492774577;

static bool verify(const char *secrets, const char *header)
{
	return stripe_signature_verify(secrets, header, body, sizeof(body) - 1, at);
}

static bool at_time(int64_t now)
{
	return stripe_signature_verify(SECRET, GOOD, body, sizeof(body) - 1, now);
}

static void test_verify(void)
{
	char changed[] = GOOD;
	int passed = 0;

	ok(verify(SECRET, GOOD), "what Stripe's own library signs");
	for (size_t i = 0; i < sizeof(changed) - 1; i++) {
		changed[i] ^= 1;
		passed += verify(SECRET, changed);
		changed[i] ^= 1;
	}
	is_int(passed, 0, "with any character changed it is none");
	ok(!verify("whsec_other_secret", GOOD), "nor under another secret");
	ok(!verify("", GOOD), "nor without one");
	ok(!stripe_signature_verify(SECRET, GOOD, body, sizeof(body) - 2, at), "nor of another body");
	ok(!verify(SECRET, NULL), "no header");
	ok(!verify(SECRET, ""), "an empty one");
	ok(!verify(SECRET, "t=" STAMP), "no signature");
	ok(!verify(SECRET, "v1=" V1), "no time");
	ok(!verify(SECRET, GOOD ",t=" STAMP), "two times");
	ok(!verify(SECRET, "t=,v1=" V1), "an empty time");
	ok(!verify(SECRET, "t= " STAMP ",v1=" V1), "a time with a space");
	ok(!verify(SECRET, "t=1492774577149277457714,v1=" V1), "more digits than time has");
	ok(!verify(SECRET, "t=" STAMP ",v0=" V1), "another scheme is not read as ours");
	ok(!verify(SECRET, "t=" STAMP ",v1=" V1 "00"), "a longer signature");
	ok(!verify(SECRET, ",,,=,t,v1,"), "rubbish");
}

static void test_several(void)
{
	ok(verify("whsec_other," SECRET, GOOD), "one of two secrets");
	ok(verify(SECRET " , whsec_other", GOOD), "in either order");
	ok(verify(SECRET,
		  "t=" STAMP ",v1=0000000000000000000000000000000000000000000000000000000000000000,v1=" V1
		  ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"),
	   "one of two signatures, beside another scheme");
	ok(verify(SECRET, "v1=" V1 ", t=" STAMP), "in any order, with spaces");
}

static void test_time(void)
{
	ok(at_time(at + 300), "300 seconds old");
	ok(!at_time(at + 301), "301 are too old");
	ok(at_time(at - 300), "300 seconds in the future");
	ok(!at_time(at - 301), "301 are too far");
}

int main(void)
{
	test_verify();
	test_several();
	test_time();
	return done_testing();
}
