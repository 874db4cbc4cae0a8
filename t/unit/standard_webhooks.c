/*
 * Standard Webhooks' signatures: Svix's documented example, and everything around it.
 */
#include "providers/standard_webhooks.h"

#include "t/unit/tap.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define STAMP "1614265330"

static const char body[] = "{\"test\": 2432232314}";
static const int64_t at = 1614265330;
static struct arena a;

static bool verify(const char *secrets, const char *id, const char *timestamp, const char *signature)
{
	return standard_webhooks_verify(secrets, id, timestamp, signature, body, sizeof(body) - 1, at);
}

static bool at_time(int64_t now)
{
	return standard_webhooks_verify(SECRET, ID, STAMP, SIGNATURE, body, sizeof(body) - 1, now);
}

static void test_sign(void)
{
	char *made = standard_webhooks_secret(&a), *signature;

	is_str(standard_webhooks_sign(&a, SECRET, ID, at, body, sizeof(body) - 1), SIGNATURE,
	       "the documented example");
	is_str(standard_webhooks_sign(&a, SECRET + 6, ID, at, body, sizeof(body) - 1), SIGNATURE,
	       "the prefix may be left out");
	is_str(standard_webhooks_sign(&a, "whsec_!", ID, at, body, 1), NULL,
	       "what is no secret signs nothing");
	ok(strlen(made) == 6 + 44 && !strncmp(made, "whsec_", 6), "a new secret has 32 bytes");
	ok(strcmp(made, standard_webhooks_secret(&a)) != 0, "and is another one each time");
	signature = standard_webhooks_sign(&a, made, "m", at, "", 0);
	ok(standard_webhooks_verify(made, "m", STAMP, signature, "", 0, at), "an empty body can be signed");
}

static void test_verify(void)
{
	char changed[] = SIGNATURE;
	int passed = 0;

	ok(verify(SECRET, ID, STAMP, SIGNATURE), "the documented example");
	for (size_t i = 0; i < sizeof(changed) - 1; i++) {
		changed[i] ^= 1;
		passed += verify(SECRET, ID, STAMP, changed);
		changed[i] ^= 1;
	}
	is_int(passed, 0, "with any character of the signature changed it is none");
	ok(!verify(SECRET, ID "x", STAMP, SIGNATURE), "nor for another message");
	ok(!verify(SECRET, ID, "1614265331", SIGNATURE), "nor another time");
	ok(!verify(OTHER, ID, STAMP, SIGNATURE), "nor another secret");
	ok(!standard_webhooks_verify(SECRET, ID, STAMP, SIGNATURE, body, sizeof(body) - 2, at),
	   "nor another body");
	ok(!verify("", ID, STAMP, SIGNATURE), "nor without a secret");
	ok(!verify("whsec_", ID, STAMP, SIGNATURE), "nor with one that has no bytes");

	ok(!verify(SECRET, NULL, STAMP, SIGNATURE), "no id");
	ok(!verify(SECRET, "", STAMP, SIGNATURE), "an empty one");
	ok(!verify(SECRET, ID, NULL, SIGNATURE), "no timestamp");
	ok(!verify(SECRET, ID, STAMP, NULL), "no signature");
	ok(!verify(SECRET, ID, STAMP, ""), "an empty one");
}

static void test_several(void)
{
	ok(verify(OTHER "," SECRET, ID, STAMP, SIGNATURE), "one of two secrets");
	ok(verify(SECRET " , " OTHER, ID, STAMP, SIGNATURE), "in either order");
	ok(verify("rubbish," SECRET, ID, STAMP, SIGNATURE), "behind what is none");
	ok(verify(SECRET, ID, STAMP, "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= " SIGNATURE),
	   "one of two signatures");
	ok(verify(SECRET, ID, STAMP, "v1a,x v2,y " SIGNATURE " v1,"), "beside schemes that are not ours");
	ok(!verify(SECRET, ID, STAMP, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
	   "which are not read as ours");
	ok(!verify(SECRET, ID, STAMP, SIGNATURE "x"), "more behind a signature");
	ok(!verify(SECRET, ID, STAMP, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
	   "one without its scheme");
	ok(!verify(SECRET, ID, STAMP,
		   "v1, v1, v1, v1, v1, v1, v1, v1, v1, v1, v1, v1, v1, v1, v1, v1, " SIGNATURE),
	   "no more than 16 are looked at");
}

static void test_time(void)
{
	ok(at_time(at + 300), "300 seconds old");
	ok(!at_time(at + 301), "301 are too old");
	ok(at_time(at - 300), "300 seconds in the future");
	ok(!at_time(at - 301), "301 are too far");
	ok(!verify(SECRET, ID, "", SIGNATURE), "no digits");
	ok(!verify(SECRET, ID, "1614265330x", SIGNATURE), "more than digits");
	ok(!verify(SECRET, ID, "-1614265330", SIGNATURE), "a sign");
	ok(!verify(SECRET, ID, " 1614265330", SIGNATURE), "a space");
	ok(!verify(SECRET, ID, "16142653301614265330", SIGNATURE), "more digits than time has");
}

static void test_secrets(void)
{
	static const struct {
		const char *text;
		bool good;
	} secrets[] = {
		{ SECRET, true },
		{ "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true },
		{ "", false },
		{ "whsec_", false },
		{ "whsec_MfKQ9r8GKYqrTwjUPD8I", false }, /* 15 bytes */
		{ "whsec_MfKQ9r8GKYqrTwjUPD8ILA==", true },
		{ "whsec_MfKQ9r8GKYqrTwjUPD8ILA=", false },
		{ "whsec_MfKQ9r8GKYqrTwjUPD8I-_aa", false },
		{ "sk_test_MfKQ9r8GKYqrTwjUPD8ILPZIo2", false },
	};
	char longest[6 + 172 + 1], *p = longest + 6;

	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
		is_int(standard_webhooks_is_secret(secrets[i].text, strlen(secrets[i].text)), secrets[i].good,
		       "a secret: \"%s\"", secrets[i].text);
	memcpy(longest, "whsec_", 6);
	memset(p, 'A', 172);
	p[171] = '=';
	p[172] = '\0';
	ok(standard_webhooks_is_secret(longest, 6 + 172), "one of 128 bytes");
	ok(!standard_webhooks_is_secret(
		   "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		   182),
	   "a longer one");
}

int main(void)
{
	arena_init(&a, 65536);
	test_sign();
	test_verify();
	test_several();
	test_time();
	test_secrets();
	arena_release(&a);
	return done_testing();
}
