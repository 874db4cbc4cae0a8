/*
 * Sealed secrets: they open for their purpose and tenant, under any key of the ring.
 */
#include "lib/crypto/seal.h"

#include "lib/host/config.h"
#include "t/unit/tap.h"

#define JWT "0123456789abcdef0123456789abcdef"
#define K1 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define K2 "//////////////////////////////////////////8="
#define TID "0191e8a0-0000-7000-8000-00000000000a"

static struct arena a;

static const char *reopened(const char *sealed)
{
	return sealed ? seal_open(&a, "mail", TID, sealed) : "(not sealed)";
}

static void test_open(void)
{
	char *sealed = seal_text(&a, "mail", TID, "{\"code\":\"123456\"}"), *changed;
	int passed = 0, n = (int)strlen(sealed);

	ok(!strncmp(sealed, "v1.0.", 5), "without ENCRYPTION_KEYS the key 0 seals");
	is_str(strstr(sealed, "123456"), NULL, "what is sealed cannot be read");
	is_str(reopened(sealed), "{\"code\":\"123456\"}", "it opens");
	ok(strcmp(sealed, seal_text(&a, "mail", TID, "{\"code\":\"123456\"}")) != 0,
	   "sealed again it is another");
	is_str(seal_open(&a, "totp", TID, sealed), NULL, "not for another purpose");
	is_str(seal_open(&a, "mail", "0191e8a0-0000-7000-8000-00000000000b", sealed), NULL,
	       "not for another tenant");
	is_str(seal_open(&a, "mail", NULL, sealed), NULL, "nor for none");
	for (int i = 0; i < n; i++) {
		changed = arena_dup(&a, sealed);
		changed[i] = changed[i] == 'A' ? 'E' : 'A';
		passed += reopened(changed) != NULL;
	}
	is_int(passed, 0, "with any character changed it does not open");
	for (int i = 0; i < n; i++)
		passed += reopened(arena_dup_n(&a, sealed, (size_t)i)) != NULL;
	is_int(passed, 0, "nor cut anywhere");
	is_str(reopened(seal_text(&a, "mail", TID, "")), "", "nothing can be sealed, too");
	sealed = seal_text(&a, "oauth", NULL, "x");
	is_str(seal_open(&a, "oauth", NULL, sealed), "x", "and what is no tenant's");
	is_str(seal_open(&a, "oauth", TID, sealed), NULL, "which then is no tenant's");
}

static void test_ring(void)
{
	char *zero = seal_text(&a, "mail", TID, "zero"), *one, *two;

	cfg.encryption_keys = "a:" K1;
	one = seal_text(&a, "mail", TID, "one");
	ok(!strncmp(one, "v1.a.", 5), "the ring's key seals");
	is_str(reopened(one), "one", "and opens");
	is_str(reopened(zero), "zero", "what the key 0 has sealed opens still");
	cfg.encryption_keys = "b:" K2 ",a:" K1;
	two = seal_text(&a, "mail", TID, "two");
	ok(!strncmp(two, "v1.b.", 5), "the first of two seals");
	is_str(reopened(one), "one", "the second one opens");
	cfg.encryption_keys = "a:" K2;
	is_str(reopened(one), NULL, "another key of the same id does not");
	cfg.encryption_keys = "b:" K2;
	is_str(reopened(one), NULL, "without its key it does not open");
	is_str(reopened(two), "two", "the other one does");
	cfg.jwt_secret = "";
	is_str(reopened(two), "two", "without JWT_SECRET, too");
	is_str(reopened(zero), NULL, "but what the key 0 has sealed");
	cfg.encryption_keys = "";
	is_str(seal_text(&a, "mail", TID, "x"), NULL, "with no key at all nothing is sealed");
	cfg.jwt_secret = JWT;
}

static void test_check(void)
{
	is_str(seal_check(""), NULL, "no key is fine");
	is_str(seal_check("a:" K1), NULL, "one is");
	is_str(seal_check("2026-11:" K1 ", a:" K2), NULL, "two are");
	is_str(seal_check("a:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"), NULL, "padding may be missing");
	has_str(seal_check(K1), "pairs", "no id");
	has_str(seal_check(":" K1), "pairs", "an empty id");
	has_str(seal_check("a.b:" K1), "pairs", "an id with a dot");
	has_str(seal_check("abcdefghijklmnopq:" K1), "pairs", "an id of 17 characters");
	is_str(seal_check("abcdefghijklmnop:" K1), NULL, "one of 16 is fine");
	has_str(seal_check("a:" K1 "A"), "32 bytes", "a longer key");
	has_str(seal_check("a:MDEyMzQ1"), "32 bytes", "a shorter one");
	has_str(seal_check("a:" K1 ",b"), "pairs", "a mistake behind a good one");
	has_str(seal_check("0:" K1), "id 0", "the id 0");
	has_str(seal_check("a:" K1 ",a:" K2), "twice", "an id twice");
}

int main(void)
{
	arena_init(&a, 4096);
	cfg.jwt_secret = JWT;
	cfg.encryption_keys = "";
	test_open();
	test_ring();
	test_check();
	arena_release(&a);
	return done_testing();
}
