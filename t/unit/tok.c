/*
 * Tokens: what is refused, what is believed, and for how long it is remembered.
 */
#include "lib/crypto/tok.h"
#include "lib/crypto/tok_cache.h"

#include <json-c/json.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "fcgi/req.h"
#include "lib/base/base64.h"
#include "lib/crypto/issuer.h"
#include "lib/crypto/jwks.h"
#include "lib/crypto/project_token.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "t/unit/tap.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER_SECRET "fedcba9876543210fedcba9876543210"
#define SID "0191e8a0-0000-7000-8000-00000000000a"
#define TID "00000000-0000-7000-8000-000000000001"
#define NOW 1800000000

static struct arena arena, verifying;
static struct whose whose;
static struct failure why_not;
static struct claims got;
static int64_t now = NOW;

static EVP_PKEY *rsa, *rsa_other, *rsa_small, *ec, *ec_other;

static int64_t test_clock(void)
{
	return now;
}

/*
 * A token maker that knows no rules.
 */

static char *b64(const void *p, size_t n)
{
	char *out = arena_alloc(&arena, n * 4 / 3 + 3);

	base64_url_encode(p, n, out);
	return out;
}

static char *with_signature(const char *header, const char *payload, const void *sig, size_t n)
{
	return arena_fmt(&arena, "%s.%s.%s", b64(header, strlen(header)), b64(payload, strlen(payload)),
			 b64(sig, n));
}

static char *hs256(const char *header, const char *payload, const char *secret)
{
	char *input = arena_fmt(&arena, "%s.%s", b64(header, strlen(header)), b64(payload, strlen(payload)));
	unsigned char mac[32];
	unsigned n;

	HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)input, strlen(input), mac, &n);
	return arena_fmt(&arena, "%s.%s", input, b64(mac, n));
}

static char *signed_by(const char *header, const char *payload, EVP_PKEY *key)
{
	char *input = arena_fmt(&arena, "%s.%s", b64(header, strlen(header)), b64(payload, strlen(payload)));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[1024], raw[64];
	const unsigned char *p = sig;
	size_t n = sizeof(sig);

	EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key);
	EVP_DigestSign(ctx, sig, &n, (unsigned char *)input, strlen(input));
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_is_a(key, "EC")) {
		ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);

		BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, 32);
		BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + 32, 32);
		ECDSA_SIG_free(s);
		memcpy(sig, raw, n = sizeof(raw));
	}
	return arena_fmt(&arena, "%s.%s", input, b64(sig, n));
}

/* The usual claims of one of our own tokens, and more of them in front. */
static char *own_payload(const char *more)
{
	return arena_fmt(&arena,
			 "{%s\"iss\":\"ashlar\",\"aud\":\"ashlar\",\"sub\":\"user_1\",\"sid\":\"" SID
			 "\",\"tid\":\"" TID
			 "\",\"role\":\"admin\",\"email\":\"a@example.com\",\"iat\":%d,\"exp\":%d}",
			 more, NOW - 10, NOW + 3600);
}

static char *foreign_payload(const char *iss, const char *more)
{
	return arena_fmt(&arena, "{%s\"iss\":\"%s\",\"sub\":\"ext_1\",\"exp\":%d}", more, iss, NOW + 3600);
}

static char *own(const char *payload)
{
	return hs256("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload, SECRET);
}

/* Verify as in a separate request. */
static enum err verify(const char *text)
{
	arena_reset(&verifying);
	why_not = (struct failure){ 0 };
	got = (struct claims){ 0 };
	return tok_verify(&verifying, &whose, text, &got, &why_not);
}

#define refused(text, why, ...)                                             \
	do {                                                                \
		if (is_int(verify(text), ERR_AUTHENTICATION, __VA_ARGS__))  \
			is_str(why_not.reason, (why), "  the log says so"); \
	} while (0)

#define accepted(text, ...) is_int(verify(text), ERR_OK, __VA_ARGS__)

static char *pem_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p, *pem;
	long n;

	PEM_write_bio_PUBKEY(bio, key);
	n = BIO_get_mem_data(bio, &p);
	pem = arena_dup_n(&arena, p, (size_t)n);
	BIO_free(bio);
	return pem;
}

static char *jwk_of(EVP_PKEY *key, const char *kid, const char *more)
{
	unsigned char x[32], y[32], n[512];
	BIGNUM *a = NULL, *b = NULL;
	char *jwk;

	if (EVP_PKEY_is_a(key, "EC")) {
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &a);
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &b);
		BN_bn2binpad(a, x, 32);
		BN_bn2binpad(b, y, 32);
		jwk = arena_fmt(
			&arena,
			"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",%s\"kid\":\"%s\"}",
			b64(x, 32), b64(y, 32), more, kid);
	} else {
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &a);
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &b);
		jwk = arena_fmt(&arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\",%s\"kid\":\"%s\"}",
				b64(n, (size_t)BN_bn2bin(a, n)), more, kid);
	}
	BN_free(a);
	BN_free(b);
	return jwk;
}

/* The table, and the housekeeper's mark that it holds something new. */
static char stored[16384];
static struct jwks_flag *flags;

static const char *read_stored(struct arena *a, const char *issuer)
{
	(void)issuer;
	return *stored ? arena_dup(a, stored) : NULL;
}

static void store(const char *keys)
{
	snprintf(stored, sizeof(stored), "%s", keys);
	flags[0].generation++;
}

/*
 * The tests
 */

static void test_claims(void)
{
	accepted(own(own_payload("")), "one of our own tokens is accepted");
	is_str(got.issuer, "ashlar", "issuer");
	is_str(got.subject, "user_1", "subject");
	is_str(got.session, SID, "session");
	is_str(got.tenant_id, TID, "tenant");
	is_str(got.role, "admin", "role");
	is_str(got.email, "a@example.com", "email");
	is_int(got.iat, NOW - 10, "iat");
	is_int(got.exp, NOW + 3600, "exp");
	ok(got.own, "it is ours");

	accepted(own(own_payload("")), "the second time");
	is_str(got.subject, "user_1", "it is");
	is_str(got.session, SID, "the");
	is_str(got.tenant_id, TID, "same");
	is_str(got.role, "admin", "in");
	is_str(got.email, "a@example.com", "every");
	is_int(got.iat, NOW - 10, "single");
	is_int(got.exp, NOW + 3600, "claim");
	ok(got.own, "of it");
}

static void test_signing(void)
{
	struct claims c = {
		.subject = "user_\xc3\xa9\"\\", .session = SID, .tenant_id = TID, .iat = NOW, .exp = NOW + 60
	};
	char *token = tok_sign(&arena, &c);

	ok(token && !strncmp(token, "eyJ", 3), "tok_sign makes a token");
	accepted(token, "which verifies");
	is_str(got.subject, c.subject, "with its subject, quotes and all");
	is_str(got.role, NULL, "and without a role, as there was none");
	is_int(got.exp, NOW + 60, "until its exp");
	cfg.jwt_secret = "";
	is_str(tok_sign(&arena, &c), NULL, "without a secret there is none");
	cfg.jwt_secret = SECRET;
}

/* When the user signed in, which is not when the token was made. */
static void test_auth_time(void)
{
	struct claims c = { .subject = "s", .session = SID, .tenant_id = TID, .iat = NOW, .exp = NOW + 60 };
	const char *token = tok_sign(&arena, &c);

	accepted(token, "a token that does not say when its user signed in");
	is_int(got.auth_at, NOW, "then: when it was made");
	c.auth_at = NOW - 86400;
	token = tok_sign(&arena, &c);
	for (int i = 0; i < 2; i++) {
		accepted(token, i ? "from the cache" : "one that says");
		is_int(got.auth_at, NOW - 86400, "the day before");
		is_int(got.iat, NOW, "whenever it was made");
	}
	refused(own(own_payload("\"auth_time\":\"1\",")), "auth_time is not a time", "a time that is text");
}

static void test_context(void)
{
	struct claims c = { .subject = "s", .session = SID, .tenant_id = TID, .iat = NOW, .exp = NOW + 60 };
	const char *token = tok_sign(&arena, &c);

	accepted(token, "a user's token");
	ok(!got.team && !got.actor, "is a user's, whom nobody impersonates");
	c.team = true;
	c.actor = "admin \"1\"";
	token = tok_sign(&arena, &c);
	for (int i = 0; i < 2; i++) {
		accepted(token, i ? "from the cache" : "a team user's token with an actor");
		ok(got.team, "the team");
		is_str(got.actor, c.actor, "the actor");
	}
	c.generation = INT32_MAX;
	token = tok_sign(&arena, &c);
	for (int i = 0; i < 2; i++) {
		accepted(token, i ? "from the cache" : "a token of a later generation");
		is_int(got.generation, INT32_MAX, "which it says");
	}
	accepted(own(own_payload("\"ctx\":\"user\",")), "a context of its own");
	is_int(got.generation, 0, "and of no generation");
	ok(!got.team, "user");
	accepted(own(own_payload("")), "none");
	ok(!got.team, "is user, too");
	refused(own(own_payload("\"ctx\":\"admin\",")), "another ctx", "an unknown one");
	refused(own(own_payload("\"ctx\":1,")), "another ctx", "one that is no text");
	refused(own(own_payload("\"gen\":\"1\",")), "gen is no generation", "a generation that is text");
	refused(own(own_payload("\"gen\":-1,")), "gen is no generation", "one below 0");
	refused(own(own_payload("\"gen\":2147483648,")), "gen is no generation",
		"one beyond PostgreSQL's integers");
	refused(own(own_payload("\"act\":\"x\",")), "act has no sub", "an actor that is no object");
	refused(own(own_payload("\"act\":{},")), "act has no sub", "one without a name");
	refused(own(own_payload("\"act\":{\"sub\":\"\"},")), "act has no sub", "an empty one");
}

static void test_form(void)
{
	char *good = own(own_payload("")), *big, *dot = strchr(good, '.'), *last = strrchr(good, '.');
	char *payload = arena_alloc(&arena, 10000);
	size_t i, n;

	refused("", "not three parts", "an empty token");
	refused(".", "not three parts", "one dot");
	refused("..", "the header is not JSON in base64url", "empty parts");
	refused("a.b.c.d", "not three parts", "four parts");
	refused(arena_dup_n(&arena, good, (size_t)(last - good)), "not three parts", "no signature part");
	refused(arena_dup_n(&arena, good, (size_t)(last + 1 - good)), "the signature is not base64url",
		"an empty signature");
	refused(arena_fmt(&arena, "%s=", good), "the signature is not base64url", "padding");
	refused(arena_fmt(&arena, "%s\n", good), "the signature is not base64url", "a line break behind it");
	refused(arena_fmt(&arena, "+%s", good), "the header is not JSON in base64url", "another alphabet");
	refused(arena_fmt(&arena, "%s%s", b64("[]", 2), dot), "the header is not JSON in base64url",
		"a header that is a list");
	refused(arena_fmt(&arena, "%s%s", b64("null", 4), dot), "the header is not JSON in base64url",
		"or null");
	refused(own("[]"), "the payload is not JSON in base64url", "a payload that is a list");
	refused(own("{\"iss\":\"ashlar\""), "the payload is not JSON in base64url", "half a payload");
	refused(own(own_payload("\"sub\":\"user_0\",")), "the payload is not JSON in base64url",
		"a claim twice");
	refused(own("{}"), "unknown issuer", "no claims");
	refused(own("{\"iss\":7}"), "unknown issuer", "an issuer that is a number");
	refused(own("{\"iss\":\"ashlar2\"}"), "unknown issuer", "an unknown issuer");

	/* Grow the payload until the token is exactly at the bound. */
	for (i = 0, n = 0; n < TOK_MAX_BYTES; i++) {
		snprintf(payload, 10000, "{\"pad\":\"%0*d\",%s", (int)(5700 + i), 0, own_payload("") + 1);
		n = strlen(own(payload));
	}
	ok(n >= TOK_MAX_BYTES && n <= TOK_MAX_BYTES + 2, "(a token of %zu bytes)", n);
	if (n > TOK_MAX_BYTES)
		snprintf(payload, 10000, "{\"pad\":\"%0*d\",%s", (int)(5700 + i - 2), 0, own_payload("") + 1);
	big = own(payload);
	accepted(big, "a token of %zu bytes is accepted", strlen(big));
	snprintf(payload, 10000, "{\"pad\":\"%06000d\",%s", 0, own_payload("") + 1);
	refused(own(payload), "longer than 8 KiB", "one over 8 KiB is not");
}

static void test_signature(void)
{
	char *good = own(own_payload("")), *bad;
	const char *none = "{\"alg\":\"none\"}", *payload = own_payload("");
	size_t i, passed = 0;

	for (i = 0; good[i]; i++) {
		bad = arena_dup(&arena, good);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		passed += verify(bad) == ERR_OK;
	}
	is_int((long long)passed, 0, "a token with any one character changed is refused (%zu of them)", i);
	refused(hs256("{\"alg\":\"HS256\"}", payload, OTHER_SECRET), "bad signature", "another secret");
	refused(with_signature(none, payload, "x", 1), "alg is not the key's", "alg none with a signature");
	refused(arena_fmt(&arena, "%s.%s.", b64(none, strlen(none)), b64(payload, strlen(payload))),
		"the signature is not base64url", "alg none without one");
	refused(hs256("{\"alg\":\"None\"}", payload, SECRET), "alg is not the key's", "alg None");
	refused(hs256("{\"alg\":\"HS512\"}", payload, SECRET), "alg is not the key's", "another HMAC");
	refused(hs256("{\"alg\":\"RS256\"}", payload, SECRET), "alg is not the key's",
		"alg RS256 for a secret");
	refused(hs256("{\"alg\":\"hs256\"}", payload, SECRET), "alg is not the key's",
		"alg is case-sensitive");
	refused(hs256("{}", payload, SECRET), "no alg", "no alg");
	refused(hs256("{\"alg\":256}", payload, SECRET), "no alg", "an alg that is a number");
	refused(hs256("{\"alg\":\"none\",\"alg\":\"HS256\"}", payload, SECRET),
		"the header is not JSON in base64url", "two algs");
	refused(hs256("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", payload, SECRET), "crit", "crit");
	refused(hs256("{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", payload, SECRET), "another typ",
		"a logout token");
	refused(hs256("{\"alg\":\"HS256\",\"kid\":1}", payload, SECRET), "kid is not a short string",
		"a kid that is a number");
	accepted(hs256("{\"typ\":\"at+JWT\",\"alg\":\"HS256\"}", payload, SECRET),
		 "an access token by its typ is fine");
	accepted(hs256("{\"alg\":\"HS256\",\"jku\":\"https://evil.example/\"}", payload, SECRET),
		 "jku is ignored");
	refused(hs256("{\"alg\":\"HS256\"}",
		      foreign_payload("https://legacy.example/auth/v1", "\"aud\":\"authenticated\","),
		      SECRET),
		"bad signature", "our secret does not sign for another issuer");
	refused(hs256("{\"alg\":\"HS256\"}", payload, cfg.supabase_jwt_secret), "bad signature",
		"nor another issuer's for us");
}

static char *timed(int exp, const char *more)
{
	return own(arena_fmt(&arena,
			     "{\"iss\":\"ashlar\",\"aud\":\"ashlar\",\"sub\":\"u\",\"sid\":\"" SID
			     "\",\"tid\":\"" TID "\",\"exp\":%d%s}",
			     exp, more));
}

static void test_times(void)
{
	accepted(timed(NOW - 29, ""), "expired for 29 s: within the leeway");
	is_int(verify(timed(NOW - 30, "")), ERR_AUTHENTICATION, "expired for 30 s: refused");
	is_str(why_not.message, "the token has expired", "and the client is told why");
	is_int(verify(timed(NOW - 31, "")), ERR_AUTHENTICATION, "31 s too");
	accepted(timed(NOW + 60, arena_fmt(&arena, ",\"nbf\":%d", NOW + 29)), "valid in 29 s: accepted");
	is_int(verify(timed(NOW + 60, arena_fmt(&arena, ",\"nbf\":%d", NOW + 30))), ERR_AUTHENTICATION,
	       "in 30 s: refused");
	is_str(why_not.message, "the token is not valid yet", "and the client is told");
	is_int(verify(timed(NOW + 60, arena_fmt(&arena, ",\"nbf\":%d", NOW + 31))), ERR_AUTHENTICATION,
	       "31 s too");
	accepted(timed(NOW + 60, ""), "not saying when it was issued");
	is_int(got.auth_at, 0, "  nor when its user signed in: long ago");
	accepted(timed(NOW + 60, arena_fmt(&arena, ",\"iat\":%d", NOW + 29)), "issued in 29 s");
	refused(timed(NOW + 60, arena_fmt(&arena, ",\"iat\":%d", NOW + 31)),
		"iat is in the future or behind exp", "in 31 s");
	refused(timed(NOW, arena_fmt(&arena, ",\"iat\":%d", NOW + 1)), "iat is in the future or behind exp",
		"issued after it expires");
	accepted(timed(NOW + 60, arena_fmt(&arena, ",\"iat\":%d.75", NOW)), "a time may have a fraction");
	is_int(got.iat, NOW, "which is dropped");
	refused(timed(NOW + 60, ",\"nbf\":\"0\""), "nbf or iat is not a time", "a time as text");
	refused(timed(NOW + 60, ",\"nbf\":-1"), "nbf or iat is not a time", "before 1970");
	refused(timed(NOW + 60, ",\"nbf\":1e300"), "nbf or iat is not a time", "after the year 9999");
	refused(timed(NOW + 60, ",\"nbf\":null"), "nbf or iat is not a time", "null");
	refused(own("{\"iss\":\"ashlar\",\"aud\":\"ashlar\",\"sub\":\"u\"}"), "no exp", "no exp");
	refused(own("{\"iss\":\"ashlar\",\"exp\":9223372036854775807}"), "no exp", "exp at the end of time");
}

static char *claim(const char *name, const char *value)
{
	static const char *const usual[][2] = {
		{ "iss", "\"ashlar\"" },  { "aud", "\"ashlar\"" },  { "sub", "\"u\"" },
		{ "sid", "\"" SID "\"" }, { "tid", "\"" TID "\"" }, { "exp", "1800000600" },
	};
	char *json = "{";
	size_t i;

	for (i = 0; i < 6; i++)
		if (strcmp(usual[i][0], name))
			json = arena_fmt(&arena, "%s\"%s\":%s,", json, usual[i][0], usual[i][1]);
	return own(arena_fmt(&arena, "%s\"%s\":%s}", json, name, value));
}

static void test_audience_and_subject(void)
{
	const char *why = "for another aud";
	char text[1024];

	accepted(claim("aud", "\"ashlar\""), "aud as text");
	accepted(claim("aud", "[\"other\",\"ashlar\"]"), "aud as a list");
	refused(claim("aud", "\"other\""), why, "another aud");
	refused(claim("aud", "\"ashlar2\""), why, "a longer aud");
	refused(claim("aud", "[\"other\"]"), why, "a list without us");
	refused(claim("aud", "[]"), why, "an empty list");
	refused(claim("aud", "[[\"ashlar\"]]"), why, "a list in a list");
	refused(claim("aud", "[\"ashlar\",1]"), why, "a list with a number");
	refused(claim("aud", "null"), why, "null");
	refused(claim("aud", "{\"ashlar\":1}"), why, "an object");
	refused(claim("aud", "7"), why, "a number");

	why = "no sub of 1 to 255 plain characters";
	snprintf(text, sizeof(text), "\"%0255d\"", 0);
	accepted(claim("sub", text), "sub of 255 characters");
	snprintf(text, sizeof(text), "\"%0256d\"", 0);
	refused(claim("sub", text), why, "256");
	refused(claim("sub", "\"\""), why, "an empty sub");
	refused(claim("sub", "1"), why, "a number");
	refused(claim("sub", "null"), why, "null");
	refused(claim("sub", "\"a\\nb\""), why, "a line break in it");

	refused(claim("sid", "\"x\""), "no sid and tid", "sid is a uuid");
	refused(claim("sid", "\"0191e8a0-0000-7000-8000-00000000000g\""), "no sid and tid",
		"of hexadecimal digits");
	refused(claim("sid", "\"0191e8a000-00-7000-8000-00000000000a\""), "no sid and tid",
		"with its dashes in place");
	refused(claim("tid", "null"), "no sid and tid", "and so is tid");
	accepted(claim("sid", "\"0191E8A0-0000-7000-8000-00000000000A\""), "of any case");
	is_str(got.session, SID, "and read in lower case");

	accepted(claim("email", "{\"a\":1}"), "an email that is none");
	is_str(got.email, NULL, "counts as absent");
	snprintf(text, sizeof(text), "\"%0300d\"", 0);
	accepted(claim("email", text), "and so does one");
	is_str(got.email, NULL, "that is too long");
	accepted(claim("role", "\"0123456789012345678901234567890\""), "a role of 31 characters");
	is_str(got.role, "0123456789012345678901234567890", "is kept");
	accepted(claim("role", "\"01234567890123456789012345678901\""), "one of 32");
	is_str(got.role, NULL, "is not");
}

static void test_pem_issuer(void)
{
	const char *iss = "https://oidc.example/", *rs = "{\"alg\":\"RS256\"}";
	char *payload = foreign_payload(iss, ""), *bad;

	accepted(signed_by(rs, payload, rsa), "RS256 with the key from the PEM file");
	is_str(got.subject, "ext_1", "has its subject");
	is_str(got.session, NULL, "and no session");
	is_str(got.tenant_id, NULL, "and no tenant");
	ok(!got.own, "it is not ours");
	accepted(signed_by(rs,
			   foreign_payload(iss, "\"aud\":[\"any\"],\"sid\":\"sess_1\",\"tid\":\"" TID "\","),
			   rsa),
		 "no audience is configured: any will do");
	is_str(got.tenant_id, NULL, "a foreign issuer cannot name a tenant");
	refused(signed_by(rs, payload, rsa_other), "bad signature", "another RSA key");
	refused(signed_by("{\"alg\":\"ES256\"}", payload, ec), "alg is not the key's",
		"ES256 for an RSA key");
	refused(signed_by("{\"alg\":\"RS512\"}", payload, rsa), "alg is not the key's", "alg RS512");
	refused(signed_by("{\"alg\":\"PS256\"}", payload, rsa), "alg is not the key's", "alg PS256");
	refused(hs256("{\"alg\":\"HS256\"}", payload, pem_of(rsa)), "alg is not the key's",
		"HS256 with the public key as its secret");
	refused(hs256(rs, payload, pem_of(rsa)), "bad signature", "the same under the name of RS256");
	bad = signed_by(rs, payload, rsa);
	bad[strlen(bad) - 8] ^= 1;
	ok(verify(bad) != ERR_OK, "a changed signature");
}

static void test_key_set_issuer(void)
{
	const char *iss = "https://clerk.example", *rs = "{\"alg\":\"RS256\",\"kid\":\"r1\"}";
	const char *es = "{\"alg\":\"ES256\",\"kid\":\"e1\"}";
	char *payload = foreign_payload(iss, ""), *both, *token, raw[65] = { 0 };

	is_int(verify(signed_by(rs, payload, rsa)), ERR_UNAVAILABLE,
	       "before the keys were ever fetched, it is our fault");
	both = arena_fmt(&arena, "{\"keys\":[%s,%s,%s]}",
			 jwk_of(rsa, "r1", "\"use\":\"sig\",\"alg\":\"RS256\","), jwk_of(ec, "e1", ""),
			 jwk_of(rsa_other, "enc1", "\"use\":\"enc\","));
	store(both);
	accepted(signed_by(rs, payload, rsa), "RS256 with a key of the set");
	accepted(signed_by(es, payload, ec), "ES256 with another one");
	accepted(signed_by("{\"alg\":\"ES256\"}", payload, ec),
		 "without kid, when there is one key for the alg");
	refused(signed_by(es, payload, ec_other), "bad signature", "another EC key under that kid");
	refused(signed_by("{\"alg\":\"RS256\",\"kid\":\"enc1\"}", payload, rsa_other), "no such key",
		"a key for encryption");
	refused(signed_by("{\"alg\":\"RS256\",\"kid\":\"e1\"}", payload, rsa), "no such key",
		"kid of a key with another alg");
	refused(signed_by("{\"alg\":\"ES256\",\"kid\":\"r1\"}", payload, ec), "no such key",
		"and the other way round");
	refused(hs256("{\"alg\":\"HS256\",\"kid\":\"r1\"}", payload, pem_of(rsa)), "alg is no key's",
		"HS256 with a public key as its secret");
	refused(hs256("{\"alg\":\"none\",\"kid\":\"r1\"}", payload, SECRET), "alg is no key's", "none");
	refused(with_signature(es, payload, raw, 64), "bad signature",
		"an ES256 signature of zeros (CVE-2022-21449)");
	refused(with_signature(es, payload, raw, 63), "bad signature", "too short");
	refused(with_signature(es, payload, raw, 65), "bad signature", "too long");

	token = signed_by(rs, payload, rsa);
	accepted(token, "a token is remembered");
	store(arena_fmt(&arena, "{\"keys\":[%s]}", jwk_of(ec, "e1", "")));
	refused(token, "no such key", "but not past its key's removal from the set");
	accepted(signed_by(es, payload, ec), "the key that stayed still verifies");
	store("not even JSON");
	accepted(signed_by(es, payload, ec), "a stored set that cannot be read leaves the old keys");
	store(both);
	accepted(token, "and the key is back");
}

static char *by_libjwt(jwt_alg_t alg, EVP_PKEY *key, const char *iss)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem, *text, *copy;
	jwt_t *jwt;
	long n;

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &pem);
	jwt_new(&jwt);
	jwt_add_grant(jwt, "iss", iss);
	jwt_add_grant(jwt, "sub", "other maker");
	jwt_add_grant_int(jwt, "exp", NOW + 100);
	jwt_set_alg(jwt, alg, (unsigned char *)pem, (int)n);
	text = jwt_encode_str(jwt);
	copy = arena_dup(&arena, text);
	free(text);
	jwt_free(jwt);
	BIO_free(bio);
	return copy;
}

static void test_another_maker(void)
{
	int i;

	accepted(by_libjwt(JWT_ALG_RS256, rsa, "https://oidc.example/"), "libjwt's RS256 is ours");
	for (i = 0; i < 8; i++) /* r and s with leading zeros come up sooner or later */
		accepted(by_libjwt(JWT_ALG_ES256, ec, "https://clerk.example"), "libjwt's ES256 is ours");
}

static void test_supabase(void)
{
	const char *iss = "https://legacy.example/auth/v1";

	accepted(hs256("{\"alg\":\"HS256\"}",
		       foreign_payload(iss, "\"aud\":\"authenticated\",\"role\":\"authenticated\","),
		       cfg.supabase_jwt_secret),
		 "a legacy Supabase token by its secret");
	is_str(got.role, NULL, "with no role, since it has no say about roles");
	refused(hs256("{\"alg\":\"HS256\"}", foreign_payload(iss, ""), cfg.supabase_jwt_secret),
		"for another aud", "without the aud that is configured");
}

/* The role that a token of the OIDC issuer gives, when it reads this claim and may give that at most. */
static const char *role_by(const char *path, const char *most, const char *more)
{
	cfg.oidc_role_claim = path;
	cfg.oidc_max_role = most;
	tok_init();
	if (verify(signed_by("{\"alg\":\"RS256\"}", foreign_payload("https://oidc.example/", more), rsa)))
		return "refused";
	return got.role;
}

static void test_roles(void)
{
	is_str(role_by("", "admin", "\"role\":\"admin\","), NULL, "no claim is configured: no role");
	is_str(role_by("role", "admin", "\"role\":\"admin\","), "admin", "a string");
	is_str(role_by("role", "admin", "\"role\":\"Admin\","), "user", "in other letters");
	is_str(role_by("role", "admin", "\"role\":\"editor\","), "user", "one that we do not know");
	is_str(role_by("role", "admin", ""), "user", "none");
	is_str(role_by("role", "admin", "\"role\":{\"admin\":true},"), "user", "an object");
	is_str(role_by("role", "admin", "\"role\":1,"), "user", "a number");
	is_str(role_by("role", "admin", "\"role\":\"superadmin\","), "admin", "more than is allowed");
	is_str(role_by("role", "user", "\"role\":\"superadmin\","), "user", "and where nothing is");
	is_str(role_by("role", "superadmin", "\"role\":\"superadmin\","), "superadmin", "and where all is");
	is_str(role_by("roles", "superadmin", "\"roles\":[\"a\",\"admin\",7,\"user\"],"), "admin",
	       "the strongest of a list");
	is_str(role_by("roles", "superadmin", "\"roles\":[[\"admin\"]],"), "user", "not of a list in it");
	is_str(role_by("app_metadata.role", "admin", "\"app_metadata\":{\"role\":\"admin\"},"), "admin",
	       "a path");
	is_str(role_by("a.b.c", "admin", "\"a\":{\"b\":{\"c\":\"admin\"}},"), "admin", "a longer one");
	is_str(role_by("a.b", "admin", "\"a\":\"admin\","), "user", "that ends too early");
	is_str(role_by("https://x.example/role", "admin", "\"https://x.example/role\":\"admin\","), "admin",
	       "a name with dots in it");
	is_str(role_by("https://x.example/app.role", "admin",
		       "\"https://x.example/app\":{\"role\":\"admin\"},"),
	       "admin", "and a path that begins with one");

	cfg.oidc_email_claim = "user.mail";
	is_str(role_by("", "admin", "\"email\":\"a@b.example\",\"user\":{\"mail\":\"c@d.example\"},"), NULL,
	       "the address by a path");
	is_str(got.email, "c@d.example", "  is that one");
	role_by("", "admin", "\"user\":{\"mail\":[\"c@d.example\"]},");
	is_str(got.email, NULL, "  and no list");
	cfg.oidc_email_claim = "email";
	role_by("", "admin", "\"email\":\"a@b.example\",\"email_verified\":true,");
	is_str(got.email, "a@b.example", "one that is verified");
	role_by("", "admin", "\"email\":\"a@b.example\",\"email_verified\":false,");
	is_str(got.email, NULL, "one that is not");
	role_by("", "admin", "\"email\":\"a@b.example\",\"email_verified\":\"true\",");
	is_str(got.email, "a@b.example", "one that is, as text");
	role_by("", "admin", "\"email\":\"a@b.example\",\"email_verified\":\"false\",");
	is_str(got.email, NULL, "one that is not, as text");
	role_by("", "admin", "\"email\":\"a@b.example\",\"email_verified\":\"yes\",");
	is_str(got.email, NULL, "what is neither");
	role_by("", "admin", "\"email\":\"a@b.example\",\"email_verified\":1,");
	is_str(got.email, NULL, "a number");
	role_by("", "admin", "\"email\":\"a@b.example\",\"email_verified\":null,");
	is_str(got.email, NULL, "nothing");
}

/* What tenants configured, for test_tenants. */
#define TENANTS_ISSUER "https://theirs.example"
#define KEY_A "\\x0a"
#define KEY_B "\\x0b"

static struct issuer_row row_a, row_b;
static int looks;

static bool row_of(const struct whose *asking, const char *name, struct issuer_row *out)
{
	const char *key = asking->api_key;

	looks++;
	*out = key && !strcmp(key, KEY_A)   ? row_a
	       : key && !strcmp(key, KEY_B) ? row_b
					    : (struct issuer_row){ 0 };
	return out->id && !strcmp(name, out->issuer);
}

static enum err verify_for(const char *key, const char *text)
{
	enum err rc;

	whose.api_key = key;
	rc = verify(text);
	whose.api_key = NULL;
	return rc;
}

static void test_tenants(void)
{
	const char *hs = "{\"alg\":\"HS256\"}", *es = "{\"alg\":\"ES256\",\"kid\":\"e1\"}";
	char *payload = foreign_payload(TENANTS_ISSUER, "\"aud\":\"app\",\"role\":\"admin\",");
	char *by_a = hs256(hs, payload, "the secret of tenant A, 32 bytes and more");
	char *by_b = signed_by(es, payload, ec);

	row_a = (struct issuer_row){
		.tenant_id = TID,
		.id = "a",
		.version = "1",
		.issuer = TENANTS_ISSUER,
		.secret = "the secret of tenant A, 32 bytes and more",
		.audience = "app",
		.email_claim = "email",
		.role_claim = "role",
		.max_role = "admin",
	};
	row_b = row_a;
	row_b.id = "b";
	row_b.secret = NULL;
	row_b.jwks_url = "https://theirs.example/keys";
	row_b.role_claim = NULL;
	store(arena_fmt(&arena, "{\"keys\":[%s]}", jwk_of(ec, "e1", "")));

	refused(by_a, "unknown issuer", "a tenant's issuer, without that tenant's key");
	is_int(verify_for(KEY_A, by_a), ERR_OK, "with it");
	is_str(got.issuer, TENANTS_ISSUER, "  the issuer's name");
	is_str(got.role, "admin", "  and the role it may give");
	ok(!got.own && !got.session && !got.tenant_id, "  but no session and no tenant");
	refused(by_a, "unknown issuer", "and without it again, though it is remembered");
	is_int(verify_for(KEY_B, by_a), ERR_AUTHENTICATION,
	       "nor for the other tenant, who trusts another key");
	is_int(verify_for(KEY_B, by_b), ERR_OK, "whose own tokens are good");
	is_str(got.role, NULL, "  and give no role");
	is_int(verify_for(KEY_A, by_b), ERR_AUTHENTICATION, "not for the first one");
	is_int(verify_for(NULL, arena_fmt(&arena, "%s%s", by_a, KEY_A)), ERR_AUTHENTICATION,
	       "a token with a key behind it is not that token with that key");

	looks = 0;
	is_int(verify_for(KEY_A, by_a), ERR_OK, "again");
	is_int(verify_for(KEY_B, by_b), ERR_OK, "again");
	is_int(verify_for("\\x0c", by_a), ERR_AUTHENTICATION, "a key of no tenant");
	is_int(verify_for("\\x0c", by_a), ERR_AUTHENTICATION, "twice");
	is_int(looks, 1, "rows are remembered, and that there is none");

	is_int(verify_for(KEY_A, hs256(hs, foreign_payload(TENANTS_ISSUER, "\"aud\":\"x\","), row_a.secret)),
	       ERR_AUTHENTICATION, "for another audience");
	is_int(verify_for(KEY_B, hs256(hs, payload, pem_of(ec))), ERR_AUTHENTICATION,
	       "HS256 with the public key as its secret");
	row_b.issuer = "https://clerk.example";
	is_int(verify_for(KEY_B, signed_by("{\"alg\":\"RS256\",\"kid\":\"r1\"}",
					   foreign_payload("https://clerk.example", ""), rsa_other)),
	       ERR_AUTHENTICATION, "a tenant cannot stand in for a configured issuer");
	tok_init();
	is_int(verify_for(KEY_A, by_a), ERR_OK, "after a new start the row is read");
	row_a.version = "2";
	row_a.secret = "the next secret of tenant A, as long";
	tok_init();
	is_int(verify_for(KEY_A, by_a), ERR_AUTHENTICATION, "and another secret is another secret");
	row_a.secret = "a secret of 31 bytes, too short";
	tok_init();
	is_int(verify_for(KEY_A, hs256(hs, payload, row_a.secret)), ERR_AUTHENTICATION,
	       "a short secret is none at all");
}

static void test_cache(void)
{
	char *token = timed(NOW + 5, ""), *name;
	int before, i, remembered = 0;

	accepted(token, "a token that expires in 5 s");
	before = tok_cache_count();
	now = NOW + 4;
	accepted(token, "after 4 s");
	is_int(tok_cache_count(), before, "comes from the cache");
	now = NOW + 34;
	accepted(token, "after 34 s: by the leeway alone");
	now = NOW + 35;
	is_int(verify(token), ERR_AUTHENTICATION, "after 35 s: the cache does not outlive it");
	now = NOW;

	for (i = 0; i < 3 * TOK_CACHE_ENTRIES; i++) {
		name = claim("sub", arena_fmt(&arena, "\"u%d\"", i));
		if (verify(name) != ERR_OK || strcmp(got.subject, arena_fmt(&arena, "u%d", i)))
			break;
		if (verify(name) != ERR_OK || strcmp(got.subject, arena_fmt(&arena, "u%d", i)))
			break;
		if (i % 256 == 0)
			arena_reset(&arena);
	}
	is_int(i, 3 * TOK_CACHE_ENTRIES, "three times as many tokens as the cache holds all verify, twice");
	remembered = tok_cache_count();
	ok(remembered > TOK_CACHE_ENTRIES * 9 / 10 && remembered <= TOK_CACHE_ENTRIES,
	   "and it stays within its bound (%d)", remembered);
}

static void test_cost(void)
{
	char *token = own(own_payload(""));
	struct timespec from, to;
	int i;

	verify(token);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < 100000; i++)
		verify(token);
	clock_gettime(CLOCK_MONOTONIC, &to);
	diag("a hit costs %.2f us",
	     ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e8);
}

/* tok_init with this PEM file ends the process with status 1. */
/*
 * Tokens that are no caller's credential: with keys that the caller has
 */

static const char *id_token(const char *more)
{
	return arena_fmt(&arena,
			 "{%s\"iss\":\"anyone\",\"aud\":\"client\",\"sub\":\"1\",\"iat\":%d,\"exp\":%d}",
			 more, NOW - 1, NOW + 60);
}

static void test_open(void)
{
	struct json_object *payload = NULL;
	struct jwks_set set;
	const char *problem,
		*keys = arena_fmt(&arena, "{\"keys\":[%s,%s]}", jwk_of(rsa, "r", ""), jwk_of(ec, "e", ""));
	const char *by_rsa = signed_by("{\"alg\":\"RS256\",\"kid\":\"r\"}", id_token(""), rsa);
	struct case_ {
		const char *text, *audience, *why, *name;
	} cases[] = {
		{ by_rsa, "other", "for another aud", "for somebody else" },
		{ "a.b", "client", "not three parts", "no token" },
		{ signed_by("{\"alg\":\"RS256\",\"kid\":\"r\"}", id_token(""), rsa_other), "client",
		  "bad signature", "another key" },
		{ signed_by("{\"alg\":\"RS256\",\"kid\":\"e\"}", id_token(""), rsa), "client", NULL,
		  "under the other key's name" },
		{ signed_by("{\"alg\":\"RS256\",\"kid\":\"new\"}", id_token(""), rsa), "client", NULL,
		  "with an unknown key" },
		{ hs256("{\"alg\":\"HS256\",\"kid\":\"r\"}", id_token(""), SECRET), "client",
		  "alg is no key's", "HS256, even by our secret" },
		{ with_signature("{\"alg\":\"none\",\"kid\":\"r\"}", id_token(""), "x", 1), "client",
		  "alg is no key's", "none" },
		{ signed_by("{\"alg\":\"RS256\",\"kid\":\"r\"}", "{\"aud\":\"client\",\"sub\":\"1\"}", rsa),
		  "client", "no exp", "that never expires" },
	};

	jwks_parse(&arena, keys, strlen(keys), &set, &problem);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		why_not = (struct failure){ 0 };
		is_int(tok_open(&verifying, cases[i].text, &set, cases[i].audience, &got, &payload, &why_not),
		       cases[i].why ? ERR_AUTHENTICATION : ERR_NOT_FOUND, "opened: %s", cases[i].name);
		if (cases[i].why)
			is_str(why_not.reason, cases[i].why, "  the log says so");
	}
	why_not = (struct failure){ 0 };
	is_int(tok_open(&verifying, by_rsa, &set, "client", &got, &payload, &why_not), ERR_OK,
	       "opened: RS256");
	is_str(got.subject, "1", "  its subject");
	is_int(got.iat, NOW - 1, "  its time");
	is_str(json_object_get_string(json_object_object_get(payload, "iss")), "anyone",
	       "  and all that it says");
	is_int(tok_open(&verifying, signed_by("{\"alg\":\"ES256\"}", id_token(""), ec), &set, "client", &got,
			&payload, &why_not),
	       ERR_OK, "opened: ES256, without a kid the only such key");
	ok(!tok_cache_count(), "none of them gets into the cache of bearer tokens");
	jwks_release(&set);
}

static bool is_fatal(const char *path)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		cfg.oidc_pem_file = path;
		tok_init();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static char *pem_file(EVP_PKEY *key, char path[32])
{
	FILE *f;

	snprintf(path, 32, "/tmp/ashlar-tok-XXXXXX");
	f = fdopen(mkstemp(path), "w");
	PEM_write_PUBKEY(f, key);
	fclose(f);
	return path;
}

/* A program's token is no user's, whatever audience users' have, and no other is one. */
static void test_project(void)
{
	const struct project_token made = { TID, SID, "pro", "0123456789abcdef", NOW, NOW + 60 };
	struct project_token out;
	struct claims claims = {
		.subject = "user_ann", .session = SID, .tenant_id = TID, .iat = NOW, .exp = NOW + 60
	};
	const char *text = project_token_sign(&arena, &made), *payload;
	static const char form[] =
		"{\"iss\":\"%s\",\"aud\":\"%s\",\"ctx\":\"%s\",\"sub\":\"x\",\"tid\":\"%s\",\"project_id\":"
		"\"" SID
		"\",\"project_prem_status\":\"pro\",\"key_id\":\"0123456789abcdef\",\"iat\":%d,\"exp\":%d}";
	const struct {
		const char *iss, *aud, *ctx, *tid, *secret, *what;
		int exp;
	} cases[] = {
		{ "ashlar", "project", "project", TID, SECRET, NULL, NOW + 60 },
		{ "ashlar", "project", "project", TID, OTHER_SECRET, "signed with another secret", NOW + 60 },
		{ "other", "project", "project", TID, SECRET, "of another issuer", NOW + 60 },
		{ "ashlar", "ashlar", "project", TID, SECRET, "for another audience", NOW + 60 },
		{ "ashlar", "project", "user", TID, SECRET, "with another ctx", NOW + 60 },
		{ "ashlar", "project", "project", "x", SECRET, "of no tenant", NOW + 60 },
		{ "ashlar", "project", "project", TID, SECRET, "that has expired", NOW - TOK_LEEWAY_S },
	};

	now = NOW;
	is_int(project_token_verify(&verifying, text, &out, &why_not), ERR_OK, "a project's token is good");
	is_str(out.tenant_id, TID, "its tenant"), is_str(out.project_id, SID, "its project");
	is_str(out.plan, "pro", "its plan"), is_str(out.key_id, made.key_id, "its key");
	is_int(out.iat, NOW, "when it was made"), is_int(out.exp, NOW + 60, "until when it is good");
	cfg.jwt_audience = "";
	tok_init();
	is_int(tok_verify(&verifying, &whose, text, &got, &why_not), ERR_AUTHENTICATION, "it is no user's");
	cfg.jwt_audience = "project";
	tok_init();
	is_int(tok_verify(&verifying, &whose, text, &got, &why_not), ERR_AUTHENTICATION,
	       "nor where users' audience is that one");
	is_int(project_token_verify(&verifying, tok_sign(&arena, &claims), &out, &why_not),
	       ERR_AUTHENTICATION, "and a user's is no project's");
	cfg.jwt_audience = "ashlar";
	tok_init();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		payload = arena_fmt(&arena, form, cases[i].iss, cases[i].aud, cases[i].ctx, cases[i].tid,
				    NOW - 60, cases[i].exp);
		is_int(project_token_verify(&verifying,
					    hs256("{\"alg\":\"HS256\"}", payload, cases[i].secret), &out,
					    &why_not),
		       cases[i].what ? ERR_AUTHENTICATION : ERR_OK, "%s",
		       cases[i].what ? cases[i].what : "as it is");
	}
	is_int(project_token_verify(&verifying, "nonsense", &out, &why_not), ERR_AUTHENTICATION,
	       "what is none");
	arena_reset(&verifying);
}

int main(void)
{
	char path[32], small_path[32];

	arena_init(&arena, 65536);
	arena_init(&verifying, 16384);
	rsa = EVP_RSA_gen(2048);
	rsa_other = EVP_RSA_gen(2048);
	rsa_small = EVP_RSA_gen(2047);
	ec = EVP_EC_gen("P-256");
	ec_other = EVP_EC_gen("P-256");
	cfg.jwt_secret = SECRET;
	cfg.jwt_issuer = cfg.jwt_audience = "ashlar";
	cfg.supabase_issuer = "https://legacy.example/auth/v1";
	cfg.supabase_jwt_secret = "a legacy project's secret, 32 bytes and more";
	cfg.supabase_jwks_url = "";
	cfg.supabase_audience = "authenticated";
	cfg.clerk_issuer = "https://clerk.example";
	cfg.clerk_jwks_url = "https://clerk.example/.well-known/jwks.json";
	cfg.clerk_audience = "";
	cfg.oidc_issuer = "https://oidc.example/";
	cfg.oidc_jwks_url = cfg.oidc_audience = "";
	cfg.oidc_pem_file = pem_file(rsa, path);
	cfg.google_pubsub_audience = "";
	cfg.jwks_refresh_s = 3600;
	cfg.supabase_email_claim = cfg.clerk_email_claim = cfg.oidc_email_claim = "email";
	cfg.supabase_role_claim = cfg.clerk_role_claim = cfg.oidc_role_claim = "";
	cfg.supabase_max_role = cfg.clerk_max_role = cfg.oidc_max_role = "admin";
	whose.tenant_id = TID;
	issuer_use_source(row_of);
	jwks_use_source(read_stored);
	shm_map(NULL, 0);
	flags = shm_at("jwks_flags");
	tok_use_clock(test_clock);
	tok_init();

	test_open();
	test_claims();
	test_signing();
	test_auth_time();
	test_context();
	test_form();
	test_signature();
	test_times();
	test_audience_and_subject();
	test_pem_issuer();
	test_key_set_issuer();
	test_another_maker();
	test_supabase();
	test_roles();
	test_tenants();
	test_cache();
	test_project();
	test_cost();
	ok(is_fatal("/nonexistent"), "a PEM file that is not there ends the process");
	ok(is_fatal(pem_file(rsa_small, small_path)), "and so does an RSA key of 2047 bits");

	unlink(path);
	unlink(small_path);
	tok_release();
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(rsa_other);
	EVP_PKEY_free(rsa_small);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ec_other);
	arena_release(&verifying);
	arena_release(&arena);
	return done_testing();
}
