/*
 * Key sets: what counts as a key, and how a child comes by one it does not have.
 */
#include "lib/crypto/jwks.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/base/base64.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"
#include "t/unit/tap.h"

static struct arena arena;
static EVP_PKEY *rsa, *rsa_small, *ec, *ec384;

/*
 * Making JWKs
 */

static const char *number(EVP_PKEY *key, const char *name, int pad)
{
	unsigned char bytes[1024];
	BIGNUM *bn = NULL;
	char *text;
	int n;

	EVP_PKEY_get_bn_param(key, name, &bn);
	n = pad ? BN_bn2binpad(bn, bytes, pad) : BN_bn2bin(bn, bytes);
	BN_free(bn);
	text = arena_alloc(&arena, (size_t)n * 4 / 3 + 3);
	base64_url_encode(bytes, (size_t)n, text);
	return text;
}

/* An RSA key, with more members; its n can be replaced. */
static const char *rsa_jwk(EVP_PKEY *key, const char *more)
{
	return arena_fmt(&arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}",
			 number(key, OSSL_PKEY_PARAM_RSA_N, 0), number(key, OSSL_PKEY_PARAM_RSA_E, 0), more);
}

static const char *ec_jwk(const char *x, const char *y, const char *more)
{
	return arena_fmt(&arena, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}", x, y,
			 more);
}

static const char *set_of(const char *keys)
{
	return arena_fmt(&arena, "{\"keys\":[%s]}", keys);
}

/* How many keys of a set are usable; 0 also when it is none. */
static int count(const char *text)
{
	struct jwks_set set;
	const char *problem;
	int n = 0;

	if (jwks_parse(&arena, text, strlen(text), &set, &problem) == ERR_OK) {
		n = set.n;
		jwks_release(&set);
	}
	return n;
}

static void test_keys(void)
{
	const char *x = number(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32),
		   *y = number(ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
	char *n = arena_dup(&arena, number(rsa, OSSL_PKEY_PARAM_RSA_N, 0)), *other;
	char kid[140] = { 0 };
	struct jwks_set set;
	const char *problem = NULL;

	is_int(count(set_of(rsa_jwk(rsa, ""))), 1, "an RSA key of 2048 bits");
	is_int(count(set_of(rsa_jwk(rsa_small, ""))), 0, "not one of 2047");
	is_int(count(set_of(rsa_jwk(rsa, ",\"use\":\"sig\",\"alg\":\"RS256\",\"key_ops\":[\"verify\"]"))), 1,
	       "with its use and alg");
	is_int(count(set_of(rsa_jwk(rsa, ",\"use\":\"enc\""))), 0, "not for encryption");
	is_int(count(set_of(rsa_jwk(rsa, ",\"alg\":\"RS512\""))), 0, "not for RS512");
	is_int(count(set_of(rsa_jwk(rsa, ",\"alg\":\"ES256\""))), 0, "not under another kind's name");
	is_int(count(set_of(rsa_jwk(rsa, ",\"alg\":\"HS256\""))), 0, "least of all as a secret");
	is_int(count(set_of(rsa_jwk(rsa, ",\"kid\":7"))), 0, "not with a kid that is a number");
	memset(kid, 'k', 127);
	is_int(count(set_of(rsa_jwk(rsa, arena_fmt(&arena, ",\"kid\":\"%s\"", kid)))), 1,
	       "with a kid of 127 characters");
	kid[127] = 'k';
	is_int(count(set_of(rsa_jwk(rsa, arena_fmt(&arena, ",\"kid\":\"%s\"", kid)))), 0, "not of 128");
	is_int(count(set_of(arena_fmt(&arena, "{\"kty\":\"RSA\",\"n\":\"%s\"}", n))), 0,
	       "not without an exponent");
	is_int(count(set_of(arena_fmt(&arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQ\"}", n))), 0,
	       "not with the exponent 1");
	is_int(count(set_of(arena_fmt(&arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":65537}", n))), 0,
	       "not with a number for text");
	is_int(count(set_of(arena_fmt(&arena, "{\"kty\":\"RSA\",\"n\":\"%s=\",\"e\":\"AQAB\"}", n))), 0,
	       "not with padding");
	other = arena_dup(&arena, n);
	other[strlen(other) - 2] = 'A';
	other[strlen(other) - 1] = 'A';
	is_int(count(set_of(arena_fmt(&arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", other))), 0,
	       "not with an even modulus");
	other = arena_alloc(&arena, 5000);
	memset(other, 'v', 2000);
	is_int(count(set_of(arena_fmt(&arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", other))), 0,
	       "not with one of 12000 bits");

	is_int(count(set_of(ec_jwk(x, y, ""))), 1, "a key on P-256");
	is_int(count(set_of(ec_jwk(x, y, ",\"alg\":\"ES256\""))), 1, "with its alg");
	is_int(count(set_of(ec_jwk(x, y, ",\"alg\":\"ES384\""))), 0, "not for ES384");
	is_int(count(set_of(ec_jwk(y, x, ""))), 0, "not with a point that is not on the curve");
	is_int(count(set_of(ec_jwk("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
				   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ""))),
	       0, "not with the origin");
	is_int(count(set_of(ec_jwk(arena_fmt(&arena, "AAAA%s", x), y, ""))), 0,
	       "not with a coordinate that is too long");
	is_int(count(set_of(ec_jwk("AQ", y, ""))), 0, "not with one that is too short");
	is_int(count(set_of(arena_fmt(&arena, "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"%s\",\"y\":\"%s\"}",
				      number(ec384, OSSL_PKEY_PARAM_EC_PUB_X, 48),
				      number(ec384, OSSL_PKEY_PARAM_EC_PUB_Y, 48)))),
	       0, "not on another curve");
	is_int(count(set_of("{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}")), 0, "a secret is no public key");
#define OKP(crv, x, more) "{\"kty\":\"OKP\",\"crv\":\"" crv "\",\"x\":\"" x "\"" more "}"
#define RFC8037_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" /* A.2 */
	is_int(count(set_of(OKP("Ed25519", RFC8037_X, ""))), 1, "an Ed25519 key");
	is_int(count(set_of(OKP("Ed25519", RFC8037_X, ",\"alg\":\"EdDSA\""))), 1, "with its alg");
	is_int(count(set_of(OKP("Ed25519", RFC8037_X, ",\"alg\":\"ES256\""))), 0, "not for ES256");
	is_int(count(set_of(OKP("X25519", RFC8037_X, ""))), 0, "not one to agree on keys with");
	is_int(count(set_of(OKP("Ed25519", "c2VjcmV0", ""))), 0, "not with a key that is too short");
	is_int(count(set_of(OKP("Ed25519", "AAAA" RFC8037_X, ""))), 0, "nor with one that is too long");
	is_int(count(set_of("7,null,\"x\",[],{}")), 0, "no keys at all");
	is_int(count(set_of(arena_fmt(&arena, "{\"kty\":\"oct\"},%s,7,%s", rsa_jwk(rsa, ",\"kid\":\"a\""),
				      ec_jwk(x, y, "")))),
	       2, "what is no key is left out, the rest stays");

	is_int(count("[]"), 0, "a set that is a list");
	is_int(count("{}"), 0, "one without keys");
	is_int(count("{\"keys\":{}}"), 0, "one whose keys are an object");
	is_int(count("{\"keys\":[]"), 0, "half of one");
	is_int(jwks_parse(&arena, "{\"keys\":[]}", 11, &set, &problem), ERR_BAD_REQUEST, "an empty one");
	is_str(problem, "no key for RS256, ES256 or EdDSA in it", "and says so");

	is_int(jwks_parse(&arena, set_of(ec_jwk(x, y, ",\"kid\":\"k1\"")),
			  strlen(set_of(ec_jwk(x, y, ",\"kid\":\"k1\""))), &set, &problem),
	       ERR_OK, "a key");
	is_str(set.keys[0].kid, "k1", "has its kid");
	is_int(set.keys[0].alg, JWKS_ES256, "and its alg");
	is_int(EVP_PKEY_eq(set.keys[0].pkey, ec), 1, "and is the key it was made from");
	jwks_release(&set);
}

/*
 * Finding: the table is a string shared with a stand-in for the housekeeper
 */

static struct {
	atomic_int reads;
	char text[8192];
} * table;

static struct jwks_flag *flags;

static const char *read_it(struct arena *a, const char *issuer)
{
	table->reads++;
	return strcmp(issuer, "iss") || !*table->text ? NULL : arena_dup(a, table->text);
}

static void put(const char *keys)
{
	snprintf(table->text, sizeof(table->text), "%s", set_of(keys));
	flags[0].generation++;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static enum jwks_found find(const char *kid, enum jwks_alg alg, long *took_ms)
{
	const struct jwks_key *key;
	int64_t from = now_ms();
	enum jwks_found found = jwks_find(&arena, 0, kid, alg, &key);

	*took_ms = (long)(now_ms() - from);
	return found;
}

/* A housekeeper that answers the next question after a while, with these keys or none. */
static pid_t housekeeper(long delay_ms, const char *keys)
{
	uint64_t before = flags[0].asks;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid)
		return pid;
	alarm(10);
	while (flags[0].asks == before)
		usleep(1000);
	usleep((useconds_t)delay_ms * 1000);
	if (keys)
		put(keys);
	flags[0].answered = before + 1;
	_exit(0);
}

static void test_finding(void)
{
	const char *x = number(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32),
		   *y = number(ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
	const char *r1 = rsa_jwk(rsa, ",\"kid\":\"r1\""), *e1 = ec_jwk(x, y, ",\"kid\":\"e1\"");
	const char *e2 = ec_jwk(x, y, ",\"kid\":\"e2\""), *both = arena_fmt(&arena, "%s,%s", r1, e1);
	unsigned version;
	long took;
	int reads, i;
	pid_t pid;

	is_int(jwks_add("iss", "https://iss.example/keys"), 0, "the first issuer is number 0");
	is_int(find("r1", JWKS_RS256, &took), JWKS_EMPTY, "nothing was ever fetched");
	ok(took >= 1900 && took < 3000, "that was asked for and waited for, 2 s (%ld ms)", took);
	is_int(find("r1", JWKS_RS256, &took), JWKS_EMPTY, "the next one");
	ok(took < 500, "is not made to wait (%ld ms)", took);

	put(both);
	is_int(find("r1", JWKS_RS256, &took), JWKS_FOUND, "a set that arrives is read at once");
	is_int(find("e1", JWKS_ES256, &took), JWKS_FOUND, "all of it");
	is_int(find("e1", JWKS_RS256, &took), JWKS_UNKNOWN, "a kid is only found with its alg");
	is_int(find(NULL, JWKS_RS256, &took), JWKS_FOUND, "without a kid, the only key for the alg");
	reads = table->reads;
	for (i = 0; i < 1000; i++)
		find("r1", JWKS_RS256, &took);
	is_int(table->reads, reads, "what is known is not read again");

	reads = table->reads;
	for (i = 0; i < 1000; i++)
		find(arena_fmt(&arena, "random-%d", i), JWKS_RS256, &took);
	ok(table->reads <= reads + 1, "a thousand random kids inside the minute cost one look at the table");

	flags[0].asked_ms -= 61000; /* a minute later */
	version = jwks_version(&arena, 0);
	pid = housekeeper(300, arena_fmt(&arena, "%s,%s", r1, e2));
	is_int(find("e2", JWKS_ES256, &took), JWKS_FOUND,
	       "an unknown kid is asked for, and found when it arrives");
	ok(took >= 250 && took < 1900, "as soon as it does (%ld ms)", took);
	waitpid(pid, NULL, 0);
	ok(jwks_version(&arena, 0) != version, "the copy has another number then");
	is_int(find("e1", JWKS_ES256, &took), JWKS_UNKNOWN, "the key that the set no longer has is gone");
	ok(took < 500, "and nobody waits for it (%ld ms)", took);

	flags[0].asked_ms -= 61000;
	pid = housekeeper(100, NULL);
	is_int(find("e3", JWKS_ES256, &took), JWKS_UNKNOWN, "a fetch that brings no such key");
	ok(took < 1900, "ends the wait too (%ld ms)", took);
	waitpid(pid, NULL, 0);

	version = jwks_version(&arena, 0);
	flags[0].generation++;
	reads = table->reads;
	is_int(jwks_version(&arena, 0), version, "the same set, stored again, keeps its number");
	is_int(table->reads, reads + 1, "though it was read");

	flags[0].asked_ms = now_ms() + 1000000; /* another boot's */
	pid = housekeeper(0, both);
	is_int(find("e1", JWKS_ES256, &took), JWKS_FOUND,
	       "a question from the future does not stop the next one");
	waitpid(pid, NULL, 0);

	put(arena_fmt(&arena, "%s,%s,%s", e1, e2, r1));
	is_int(find(NULL, JWKS_ES256, &took), JWKS_UNKNOWN, "without a kid, two keys for the alg are none");
	ok(took < 500, "and nobody is asked");
}

/* Many children meet the same unknown kid: one asks and waits. */
static void test_one_asks(void)
{
	atomic_int *waited =
		mmap(NULL, sizeof(*waited), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	flags[0].asked_ms -= 61000;
	fflush(stdout);
	for (i = 0; i < 8; i++) {
		if (fork() == 0) {
			long took;

			find("nobody's", JWKS_RS256, &took);
			*waited += took >= 1000;
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	is_int(*waited, 1, "of eight children that meet an unknown kid at once, one waits");
	munmap(waited, sizeof(*waited));
}

int main(void)
{
	int i;

	arena_init(&arena, 65536);
	cfg.jwks_refresh_s = 3600;
	rsa = EVP_RSA_gen(2048);
	rsa_small = EVP_RSA_gen(2047);
	ec = EVP_EC_gen("P-256");
	ec384 = EVP_EC_gen("P-384");
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shm_map(NULL, 0);
	flags = shm_at("jwks_flags");
	jwks_use_source(read_it);

	test_keys();
	test_finding();
	test_one_asks();
	for (i = 1; i < JWKS_MAX; i++)
		jwks_add("more", "https://more.example/keys");
	is_int(jwks_add("one more", ""), -1, "there are JWKS_MAX issuers, and no more");

	jwks_clear();
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(rsa_small);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ec384);
	arena_release(&arena);
	return done_testing();
}
