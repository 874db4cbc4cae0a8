/*
 * What is handed out and known again: tickets, codes, keys, refresh tokens, state.
 */
#include "lib/crypto/ticket.h"

#include <openssl/evp.h>

#include "lib/host/config.h"
#include "t/unit/tap.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define TID "0191e8a0-0000-7000-8000-00000000000a"
#define SID "0191e8a0-ffff-7000-8000-0123456789ab"

static struct arena a;

static void test_secret(void)
{
	unsigned char one[32], two[32], zero[32] = { 0 };
	int seen[7] = { 0 }, least = 1000;

	is_str(secret_sha256_hex(&a, "abc"),
	       "\\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256 as a bytea");
	is_str(secret_bytea(&a, "", 0), "\\x", "no bytes");
	ok(secret_key("one", one) && secret_key("two", two) && memcmp(one, two, 32) != 0,
	   "each purpose has a key of its own");
	secret_mac("one", "x", 1, one);
	cfg.jwt_secret = OTHER;
	secret_mac("one", "x", 1, two);
	ok(memcmp(one, two, 32) != 0, "under another JWT_SECRET another");
	cfg.jwt_secret = "";
	ok(!secret_key("one", one) && !memcmp(one, zero, 32), "without JWT_SECRET there is none");
	ok(!secret_mac("one", "x", 1, one) && !memcmp(one, zero, 32), "and no MAC");
	cfg.jwt_secret = SECRET;
	secret_random(one, 32);
	secret_random(two, 32);
	ok(memcmp(one, two, 32) != 0, "random bytes differ");
	for (int i = 0; i < 7000; i++)
		seen[secret_random_below(7)]++;
	for (int i = 0; i < 7; i++)
		least = seen[i] < least ? seen[i] : least;
	ok(least > 800, "the numbers below 7 come about as often as each other: %d at least", least);
	is_int(secret_random_below(1), 0, "below 1 there is one");
}

static void test_uuid(void)
{
	static const char *const bad[] = {
		"",
		"0191e8a0-0000-7000-8000-00000000000",
		TID "0",
		"0191e8a000000-7000-8000-00000000000a",
		"0191e8a0-0000-7000-8000-00000000000g",
		"0191e8a0-0000-7000-80000-0000000000a",
	};
	unsigned char bytes[16];

	ok(uuid_bytes("0191E8A0-FFFF-7000-8000-0123456789AB", bytes), "a uuid in upper case");
	is_str(uuid_text(&a, bytes), SID, "comes back in lower case");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!uuid_bytes(bad[i], bytes), "no uuid: \"%s\"", bad[i]);
}

static void test_ticket(void)
{
	char *one = ticket_new(&a, TID), *two = ticket_new(&a, TID), *cut;
	const char *tenant = NULL, *hash = NULL;

	is_int((long long)strlen(one), 64, "a ticket has 64 characters");
	ok(strcmp(one, two) != 0 &&
		   strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == 64,
	   "random ones, fit for a URL");
	ok(ticket_parse(&a, one, &tenant, &hash), "it is known again");
	is_str(tenant, TID, "with its tenant");
	is_str(hash, secret_sha256_hex(&a, one), "and its hash");
	cut = arena_dup_n(&a, one, 63);
	ok(!ticket_parse(&a, cut, &tenant, &hash), "one character less is none");
	ok(!ticket_parse(&a, arena_fmt(&a, "%sA", one), &tenant, &hash), "nor one more");
	ok(!ticket_parse(&a, "", &tenant, &hash), "nor nothing");
	one[5] = '+';
	ok(!ticket_parse(&a, one, &tenant, &hash), "nor another character");
}

static void test_code(void)
{
	int digits = 0;
	char *code;

	for (int i = 0; i < 100; i++) {
		code = ticket_code(&a);
		digits += strlen(code) == 6 && strspn(code, "0123456789") == 6;
	}
	is_int(digits, 100, "codes have six digits");
	code = ticket_code_hash(&a, "verify x", "012345");
	is_int((long long)strlen(code), 2 + 64, "what is stored of it is a bytea of 32 bytes");
	is_str(code, ticket_code_hash(&a, "verify x", "012345"), "the same again");
	ok(strcmp(code, ticket_code_hash(&a, "verify y", "012345")) != 0, "in another scope another");
	ok(strcmp(code, ticket_code_hash(&a, "verify x", "012346")) != 0, "for another code another");
	ok(strcmp(code, secret_sha256_hex(&a, "verify x\n012345")) != 0, "under a key");
	cfg.jwt_secret = "";
	is_str(ticket_code_hash(&a, "verify x", "012345"), NULL, "without JWT_SECRET there is none");
	cfg.jwt_secret = SECRET;
}

static void test_api_key(void)
{
	char *key = ticket_api_key(&a, "pk_live_");

	ok(!strncmp(key, "pk_live_", 8) && strlen(key) == 40, "a key is a prefix and 32 characters");
	is_int((long long)strspn(key + 8, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
	       32, "letters and digits");
	ok(strcmp(key, ticket_api_key(&a, "pk_live_")) != 0, "random ones");
}

static void test_workspace_key(void)
{
	static const char *const bad[] = { "", "ash_live_",
					   "ash_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA000000",
					   "ash_test_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1nCp2b",
					   "sk_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	char *key = ticket_workspace_key(&a), *other;

	ok(!strncmp(key, "ash_live_", 9) && strlen(key) == 49,
	   "a workspace's key is a prefix and 40 characters");
	ok(ticket_is_workspace_key(key), "and known by its end");
	ok(strcmp(key, ticket_workspace_key(&a)) != 0, "random ones");
	for (size_t i = 9; i < 49; i++) {
		other = arena_dup(&a, key);
		other[i] = other[i] == 'x' ? 'y' : 'x';
		if (ticket_is_workspace_key(other))
			ok(false, "another character at %zu is not noticed", i);
	}
	ok(!ticket_is_workspace_key(arena_fmt(&a, "%s0", key)), "none that is longer");
	key[48] = '\0';
	ok(!ticket_is_workspace_key(key), "or shorter");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!ticket_is_workspace_key(bad[i]), "none: \"%s\"", bad[i]);
	ok(ticket_begins_secret("sk_live_x") && ticket_begins_secret("ash_live_x") &&
		   !ticket_begins_secret("pk_live_x"),
	   "which kinds are no page's");
}

static void test_refresh(void)
{
	char *token = ticket_refresh_make(&a, TID, SID, 0x01020304), *changed;
	struct refresh got = { 0 };
	int passed = 0;

	is_int((long long)strlen(token), 91, "a refresh token has 91 characters");
	is_str(token, ticket_refresh_make(&a, TID, SID, 0x01020304), "the same three make the same one");
	ok(strcmp(token, ticket_refresh_make(&a, TID, SID, 5)) != 0, "another generation another");
	ok(ticket_refresh_parse(&a, token, &got), "it is known again");
	is_str(got.tenant, TID, "its tenant");
	is_str(got.session, SID, "its session");
	is_int(got.generation, 0x01020304, "its generation");
	for (int i = 0; i < 91; i++) {
		changed = arena_dup(&a, token);
		changed[i] = changed[i] == 'A' ? 'E' : 'A';
		passed += ticket_refresh_parse(&a, changed, &got);
	}
	is_int(passed, 0, "with any character changed it is none");
	ok(!ticket_refresh_parse(&a, arena_dup_n(&a, token, 90), &got), "nor cut");
	ok(!ticket_refresh_parse(&a, ticket_new(&a, TID), &got), "nor is a ticket");
	cfg.jwt_secret = OTHER;
	ok(!ticket_refresh_parse(&a, token, &got), "nor one under another JWT_SECRET");
	cfg.jwt_secret = "";
	ok(!ticket_refresh_parse(&a, token, &got) && !ticket_refresh_make(&a, TID, SID, 1),
	   "nor without one");
	cfg.jwt_secret = SECRET;
}

static void test_state(void)
{
	static const char json[] = "{\"redirect_uri\":\"https://app.example.com/\"}";
	char *state = ticket_state_sign(&a, "google", json, 600), *changed;
	int passed = 0, n = (int)strlen(state);

	is_str(ticket_state_verify(&a, "google", state), json, "a state comes back");
	is_int((long long)strspn(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
	       n, "fit for a URL");
	is_str(ticket_state_verify(&a, "github", state), NULL, "not for another purpose");
	for (int i = 0; i < n; i++) {
		changed = arena_dup(&a, state);
		changed[i] = changed[i] == 'A' ? 'E' : 'A';
		passed += ticket_state_verify(&a, "google", changed) != NULL;
	}
	is_int(passed, 0, "with any character changed it is none");
	is_str(ticket_state_verify(&a, "google", ticket_state_sign(&a, "google", json, 0)), NULL,
	       "when its time is over it is none");
	ok(ticket_state_verify(&a, "google", ticket_state_sign(&a, "google", json, 2)) != NULL,
	   "and until then it is one");
	is_str(ticket_state_verify(&a, "google", ""), NULL, "nothing is none");
	is_str(ticket_state_verify(&a, "google", "."), NULL, "nor is a dot");
	is_str(ticket_state_verify(&a, "google", "AAAA"), NULL, "nor something without one");
	is_str(ticket_state_verify(&a, "google", ticket_state_sign(&a, "google", "", 600)), "",
	       "an empty payload is one");
	cfg.jwt_secret = OTHER;
	is_str(ticket_state_verify(&a, "google", state), NULL, "under another JWT_SECRET it is none");
	cfg.jwt_secret = SECRET;
}

static void test_text(void)
{
	const char *text = "a b *", *token = ticket_text_sign(&a, "unsubscribe", text);
	int passed = 0;

	is_str(ticket_text_verify(&a, "unsubscribe", token), text, "a signed text comes back");
	is_str(ticket_text_sign(&a, "unsubscribe", text), token, "… and is always the same");
	is_str(ticket_text_verify(&a, "other", token), NULL, "not for another purpose");
	is_str(ticket_state_verify(&a, "unsubscribe", token), NULL, "nor as a state");
	for (size_t i = 0; token[i]; i++) {
		char *changed = arena_dup(&a, token);

		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		passed += ticket_text_verify(&a, "unsubscribe", changed) != NULL;
	}
	is_int(passed, 0, "nor with another character");
	is_str(ticket_text_verify(&a, "unsubscribe", ""), NULL, "nothing is none");
	is_str(ticket_text_verify(&a, "unsubscribe", "."), NULL, "nor is a dot");
}

int main(void)
{
	arena_init(&a, 4096);
	cfg.jwt_secret = SECRET;
	test_secret();
	test_uuid();
	test_ticket();
	test_code();
	test_api_key();
	test_workspace_key();
	test_refresh();
	test_state();
	test_text();
	arena_release(&a);
	return done_testing();
}
