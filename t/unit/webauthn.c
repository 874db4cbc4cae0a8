/*
 * Passkeys: what is accepted of an authenticator, and what is not.  The
 * authenticator is here, and the examples of the specification.
 */
#include "lib/crypto/webauthn.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "lib/base/base64.h"
#include "lib/base/buf.h"
#include "t/unit/tap.h"

#define RP "example.org"

enum { UP = 0x01, UV = 0x04, BE = 0x08, BS = 0x10, AT = 0x40, ED = 0x80 };

static struct arena arena;
static EVP_PKEY *ec, *rsa, *rsa_small;

/*
 * CBOR by hand
 */

static void head(struct buf *b, int major, size_t n)
{
	if (n < 24) {
		buf_char(b, (char)(major << 5 | (int)n));
	} else if (n < 256) {
		buf_char(b, (char)(major << 5 | 24));
		buf_char(b, (char)n);
	} else {
		buf_char(b, (char)(major << 5 | 25));
		buf_char(b, (char)(n >> 8));
		buf_char(b, (char)n);
	}
}

static void bytes(struct buf *b, const void *p, size_t n)
{
	head(b, 2, n);
	buf_add(b, p, n);
}

static void text(struct buf *b, const char *s)
{
	head(b, 3, strlen(s));
	buf_text(b, s);
}

static void number(struct buf *b, int v)
{
	head(b, v < 0, (size_t)(v < 0 ? -1 - v : v));
}

static struct webauthn_bytes done(const struct buf *b)
{
	return (struct webauthn_bytes){ (const unsigned char *)b->p, b->n };
}

static struct webauthn_bytes hex(const char *digits)
{
	size_t n = strlen(digits) / 2, i;
	unsigned char *out = arena_alloc(&arena, n + 1);

	for (i = 0; i < n; i++) {
		unsigned byte;

		if (sscanf(digits + 2 * i, "%2x", &byte) != 1)
			abort();
		out[i] = (unsigned char)byte;
	}
	return (struct webauthn_bytes){ out, n };
}

/*
 * The authenticator
 */

/* Two members of the same key or another algorithm make a key that must be refused. */
static struct webauthn_bytes ec_key(int alg, const char *more)
{
	unsigned char x[32], y[32];
	BIGNUM *bx = NULL, *by = NULL;
	struct buf b;

	EVP_PKEY_get_bn_param(ec, OSSL_PKEY_PARAM_EC_PUB_X, &bx);
	EVP_PKEY_get_bn_param(ec, OSSL_PKEY_PARAM_EC_PUB_Y, &by);
	BN_bn2binpad(bx, x, 32);
	BN_bn2binpad(by, y, 32);
	BN_free(bx);
	BN_free(by);
	if (!strcmp(more, "off the curve"))
		y[31] ^= 1;
	buf_init(&b, &arena, 128);
	head(&b, 5, !strcmp(more, "twice") || !strcmp(more, "more") ? 6 : 5);
	number(&b, 1), number(&b, 2);
	number(&b, 3), number(&b, alg);
	if (!strcmp(more, "twice"))
		number(&b, 3), number(&b, alg);
	if (!strcmp(more, "more"))
		number(&b, 4), number(&b, 1);
	number(&b, -1), number(&b, !strcmp(more, "P-384") ? 2 : 1);
	number(&b, -2), bytes(&b, x, !strcmp(more, "short") ? 31 : 32);
	number(&b, -3);
	if (!strcmp(more, "compressed"))
		buf_char(&b, (char)0xf5);
	else
		bytes(&b, y, 32);
	return done(&b);
}

static struct webauthn_bytes rsa_key(EVP_PKEY *key)
{
	unsigned char n[1024], e[8];
	BIGNUM *bn = NULL, *be = NULL;
	struct buf b;

	EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &bn);
	EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &be);
	buf_init(&b, &arena, 512);
	head(&b, 5, 4);
	number(&b, 1), number(&b, 3);
	number(&b, 3), number(&b, -257);
	number(&b, -1), bytes(&b, n, (size_t)BN_bn2bin(bn, n));
	number(&b, -2), bytes(&b, e, (size_t)BN_bn2bin(be, e));
	BN_free(bn);
	BN_free(be);
	return done(&b);
}

static const unsigned char id[1024] = "an id";

/* What a registration is made of; zero is a good one. */
struct making {
	const char *rp_id;
	unsigned flags; /* flipped */
	unsigned counter;
	size_t id_n, claimed_id_n;
	struct webauthn_bytes key, extensions, behind;
	const char *format;
	struct webauthn_bytes statement;
	int drop;          /* this member of the attestation object, from 1 */
	const char *twice; /* a fourth one */
	bool any_order;
	struct webauthn_bytes after;
};

static struct webauthn_bytes auth_data(const struct making *m, unsigned flags)
{
	const char *rp_id = m->rp_id ? m->rp_id : RP;
	unsigned char hash[32];
	struct buf b;

	buf_init(&b, &arena, 512);
	EVP_Digest(rp_id, strlen(rp_id), hash, NULL, EVP_sha256(), NULL);
	buf_add(&b, hash, 32);
	flags ^= m->flags;
	buf_char(&b, (char)flags);
	buf_char(&b, (char)(m->counter >> 24)), buf_char(&b, (char)(m->counter >> 16));
	buf_char(&b, (char)(m->counter >> 8)), buf_char(&b, (char)m->counter);
	if (flags & AT) {
		size_t n = m->id_n ? m->id_n : 5, claimed = m->claimed_id_n ? m->claimed_id_n : n;
		struct webauthn_bytes key = m->key.p ? m->key : ec_key(-7, "");

		buf_add(&b, "0123456789abcdef", 16);
		buf_char(&b, (char)(claimed >> 8)), buf_char(&b, (char)claimed);
		buf_add(&b, id, n);
		buf_add(&b, key.p, key.n);
	}
	buf_add(&b, m->extensions.p, m->extensions.n);
	buf_add(&b, m->behind.p, m->behind.n);
	return done(&b);
}

static struct webauthn_bytes attestation(const struct making *m)
{
	struct webauthn_bytes data = auth_data(m, UP | UV | AT);
	struct buf b;
	int i;

	buf_init(&b, &arena, 512);
	head(&b, 5, (size_t)(m->drop ? 2 : m->twice ? 4 : 3));
	for (i = 0; i < 3; i++) {
		int member = m->any_order ? 3 - i : i + 1;

		if (member == m->drop)
			continue;
		if (member == 1) {
			text(&b, "fmt"), text(&b, m->format ? m->format : "none");
		} else if (member == 2) {
			text(&b, "attStmt");
			if (m->statement.p)
				buf_add(&b, m->statement.p, m->statement.n);
			else
				head(&b, 5, 0);
		} else {
			text(&b, "authData"), bytes(&b, data.p, data.n);
		}
	}
	if (m->twice)
		text(&b, m->twice), text(&b, "none");
	buf_add(&b, m->after.p, m->after.n);
	return done(&b);
}

static const char *registered(const struct making *m, struct webauthn_credential *out)
{
	const char *problem = "no problem told";

	return webauthn_register(RP, attestation(m), out, &problem) ? problem : NULL;
}

static const char *refused(struct making m)
{
	struct webauthn_credential c;

	return registered(&m, &c);
}

#define MALFORMED "the attestation object is malformed"
#define BAD_DATA "the authenticator data are malformed"
#define NO_KEY "the public key is not a COSE key"

static void registrations(void)
{
	struct webauthn_credential c;
	struct making m = { .counter = 0x01020304 };
	struct webauthn_bytes all;
	const char *problem;
	size_t n;

	is_str(registered(&m, &c), NULL, "a registration is accepted");
	is_bytes(c.id.p, c.id.n, "an id", "  its id");
	is_bytes(c.aaguid, 16, "0123456789abcdef", "  and model");
	is_int(c.counter, 0x01020304, "  and counter");
	is_int(c.algorithm, WEBAUTHN_ES256, "  and algorithm");
	all = ec_key(-7, "");
	ok(c.public_key.n == all.n && !memcmp(c.public_key.p, all.p, all.n), "  and public key");
	ok(!c.may_be_backed_up && !c.is_backed_up, "  which stays on its device");

	m = (struct making){ .key = rsa_key(rsa) };
	is_str(registered(&m, &c), NULL, "RS256, too");
	is_int(c.algorithm, WEBAUTHN_RS256, "  is told");
	m = (struct making){ .flags = BE | BS };
	is_str(registered(&m, &c), NULL, "a passkey that is synchronized");
	ok(c.may_be_backed_up && c.is_backed_up, "  is told");
	is_str(refused((struct making){ .flags = BE }), NULL, "it need not be backed up yet");
	is_str(refused((struct making){ .flags = BS }), "the credential is backed up and must not be",
	       "one that cannot be synchronized is not");
	is_str(refused((struct making){ .flags = ED,
					.extensions = hex("a1"
							  "6b6372656450726f74656374"
							  "02") }),
	       NULL, "extensions are passed over");
	is_str(refused((struct making){ .any_order = true }), NULL, "members may come in any order");
	is_str(refused((struct making){ .id_n = 1023 }), NULL, "an id of 1023 bytes");
	is_str(refused((struct making){ .id_n = 1024 }), "the credential's id must be 1 to 1023 bytes",
	       "one of 1024 is refused");
	is_str(refused((struct making){ .claimed_id_n = 600 }), "the credential's id must be 1 to 1023 bytes",
	       "and one that ends behind the data");

	is_str(refused((struct making){ .rp_id = "example.com" }), "the credential is another site's",
	       "another site's is refused");
	is_str(refused((struct making){ .flags = UP }), "the user was not present", "without the user");
	is_str(refused((struct making){ .flags = UV }), "the user was not verified",
	       "without their PIN or finger");
	is_str(refused((struct making){ .flags = AT }), "there is no credential in the authenticator data",
	       "without a credential");
	is_str(refused((struct making){ .behind = hex("00") }), BAD_DATA,
	       "with bytes behind the authenticator data");
	is_str(refused((struct making){ .flags = ED }), BAD_DATA, "with extensions that are not there");
	is_str(refused((struct making){ .flags = ED, .extensions = hex("00") }), BAD_DATA, "  or no map");
	is_str(refused((struct making){ .flags = ED, .extensions = hex("a2616100616100") }), BAD_DATA,
	       "  or name one twice");
	is_str(refused((struct making){ .flags = ED, .extensions = hex("a16161818181818100") }), BAD_DATA,
	       "  or nest too deep");
	is_str(refused((struct making){ .flags = ED, .extensions = hex("a161618181818100") }), BAD_DATA,
	       "  by a level");
	is_str(refused((struct making){ .flags = ED, .extensions = hex("a1616181818100") }), NULL,
	       "  but for four levels");

	is_str(refused((struct making){ .after = hex("00") }), MALFORMED, "with bytes behind the object");
	for (int i = 1; i <= 3; i++)
		is_str(refused((struct making){ .drop = i }), MALFORMED, "without member %d", i);
	is_str(refused((struct making){ .twice = "fmt" }), MALFORMED, "with a member twice");
	is_str(refused((struct making){ .twice = "other" }), NULL, "  though one more may be");
	is_str(refused((struct making){ .statement = hex("a1616100") }), MALFORMED,
	       "with a statement where there is to be none");
	is_str(refused((struct making){ .format = "packed", .statement = hex("a1616100") }), NULL,
	       "  but not of another format");
	is_str(refused((struct making){ .format = "packed", .statement = hex("80") }), MALFORMED,
	       "  if it is a map");
	is_str(refused((struct making){ .format = "packed", .statement = hex("a26161006161f6") }), MALFORMED,
	       "  without a name twice");
	is_str(refused((struct making){ .format = "packed", .statement = hex("a161618181818100") }),
	       MALFORMED, "  and not deep");
	is_str(refused((struct making){ .format = "packed", .statement = hex("bf616100ff") }), MALFORMED,
	       "  of a definite length");
	is_str(refused((struct making){ .format = "packed", .statement = hex("a161611801") }), MALFORMED,
	       "  with short numbers");
	is_str(refused((struct making){ .format = "packed", .statement = hex("a16161c100") }), MALFORMED,
	       "  without tags");
	is_str(refused((struct making){ .format = "packed", .statement = hex("a161619bffffffffffffffff") }),
	       MALFORMED, "  and not of an array without end");
	is_str(refused((struct making){ .format = "packed", .statement = hex("bbffffffffffffffff") }),
	       MALFORMED, "  or a map");
	is_str(refused((struct making){ .format = "packed", .statement = hex("a161615bffffffffffffffff") }),
	       MALFORMED, "  or bytes");
	is_str(refused((struct making){ .format = "packed", .statement = hex("a1f500") }), MALFORMED,
	       "  under names that are texts or numbers");

	is_str(refused((struct making){ .key = ec_key(-8, "") }), "the public key must be for ES256 or RS256",
	       "a key for EdDSA");
	is_str(refused((struct making){ .key = ec_key(-257, "") }),
	       "the public key must be for ES256 or RS256", "a key of another kind than its algorithm's");
	is_str(refused((struct making){ .key = ec_key(-7, "off the curve") }),
	       "the public key is no point on P-256", "a point off the curve");
	is_str(refused((struct making){ .key = ec_key(-7, "P-384") }), "the public key is no point on P-256",
	       "another curve");
	is_str(refused((struct making){ .key = ec_key(-7, "short") }), "the public key is no point on P-256",
	       "a coordinate without its zeros");
	is_str(refused((struct making){ .key = ec_key(-7, "compressed") }),
	       "the public key is no point on P-256", "a compressed point");
	is_str(refused((struct making){ .key = ec_key(-7, "twice") }), NO_KEY, "a parameter twice");
	is_str(refused((struct making){ .key = ec_key(-7, "more") }), NO_KEY,
	       "a parameter that has no place there");
	is_str(refused((struct making){ .key = rsa_key(rsa_small) }),
	       "the public key is no RSA key of 2048 to 4096 bits", "RSA of 1024 bits");
	is_str(refused((struct making){ .key = hex("80") }), NO_KEY, "no key at all");

	/* Cut anywhere, it is refused, and nothing is read behind the end. */
	m = (struct making){
		.flags = ED, .extensions = hex("a1616100"), .format = "packed", .statement = hex("a1616100")
	};
	all = attestation(&m);
	for (n = 0; n < all.n; n++) {
		unsigned char *cut = malloc(n + 1);

		memcpy(cut, all.p, n);
		if (!webauthn_register(RP, (struct webauthn_bytes){ cut, n }, &c, &problem))
			n = all.n;
		free(cut);
	}
	is_int((long long)n, (long long)all.n,
	       "a registration that was cut short is refused wherever it was cut");
}

/*
 * Assertions
 */

static struct webauthn_client client;

static struct webauthn_bytes sign(EVP_PKEY *key, struct webauthn_bytes data, const unsigned char *hash)
{
	unsigned char both[1024], *out = arena_alloc(&arena, 1024);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = 1024;

	memcpy(both, data.p, data.n);
	memcpy(both + data.n, hash, 32);
	if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) <= 0 ||
	    EVP_DigestSign(ctx, out, &n, both, data.n + 32) <= 0)
		abort();
	EVP_MD_CTX_free(ctx);
	return (struct webauthn_bytes){ out, n };
}

static const char *asserted(EVP_PKEY *key, struct webauthn_bytes cose, const struct making *m,
			    struct webauthn_assertion *out)
{
	struct webauthn_bytes data = auth_data(m, UP | UV);
	const char *problem = "no problem told";

	return webauthn_assert(&client, RP, data, sign(key, data, client.hash), cose, out, &problem) ? problem
												     : NULL;
}

static const char *unasserted(struct making m)
{
	struct webauthn_assertion out;

	return asserted(ec, ec_key(-7, ""), &m, &out);
}

static void assertions(void)
{
	struct webauthn_assertion out;
	struct webauthn_bytes data, signature, longer;
	struct making m = { .counter = 7, .flags = BE | BS };
	unsigned char hash[32] = { 1 };
	const char *problem;
	unsigned char *copy;
	size_t i, wrong = 0;

	is_str(asserted(ec, ec_key(-7, ""), &m, &out), NULL, "an assertion is accepted");
	is_int(out.counter, 7, "  its counter");
	ok(out.may_be_backed_up && out.is_backed_up, "  and flags");
	is_str(asserted(rsa, rsa_key(rsa), &m, &out), NULL, "and one of RS256");
	is_str(unasserted((struct making){ .flags = ED, .extensions = hex("a1616100") }), NULL,
	       "with extensions");

	is_str(unasserted((struct making){ .rp_id = "example.com" }), "the credential is another site's",
	       "another site's is refused");
	is_str(unasserted((struct making){ .flags = UP }), "the user was not present", "without the user");
	is_str(unasserted((struct making){ .flags = UV }), "the user was not verified",
	       "without their PIN or finger");
	is_str(unasserted((struct making){ .flags = BS }), "the credential is backed up and must not be",
	       "backed up without being eligible");
	is_str(unasserted((struct making){ .flags = AT }), BAD_DATA, "with a credential in it");
	is_str(unasserted((struct making){ .behind = hex("00") }), BAD_DATA, "with bytes behind it");
	is_str(unasserted((struct making){ .flags = ED }), BAD_DATA, "with extensions that are not there");

	m = (struct making){ 0 };
	data = auth_data(&m, UP | UV);
	signature = sign(ec, data, client.hash);
	is_str(asserted(ec, rsa_key(rsa), &m, &out), "the signature is not the credential's",
	       "another credential's signature");
	longer = ec_key(-7, "");
	longer = (struct webauthn_bytes){ (unsigned char *)arena_dup_n(&arena, longer.p, longer.n),
					  longer.n + 1 };
	is_str(asserted(ec, longer, &m, &out), "the signature is not the credential's",
	       "a stored key with a byte behind it");
	webauthn_assert(&client, RP, data, sign(ec, data, hash), ec_key(-7, ""), &out, &problem);
	is_str(problem, "the signature is not the credential's", "a signature over other client data");
	copy = (unsigned char *)arena_dup_n(&arena, signature.p, signature.n);
	for (i = 0; i < signature.n; i++) {
		copy[i] ^= 1;
		wrong += webauthn_assert(&client, RP, data, (struct webauthn_bytes){ copy, signature.n },
					 ec_key(-7, ""), &out, &problem) == ERR_OK;
		copy[i] ^= 1;
		wrong += webauthn_assert(&client, RP, data, (struct webauthn_bytes){ copy, i },
					 ec_key(-7, ""), &out, &problem) == ERR_OK;
	}
	is_int((long long)wrong, 0, "a signature that was changed or cut");
	copy = (unsigned char *)arena_dup_n(&arena, data.p, data.n);
	for (i = 0; i < data.n; i++) {
		copy[i] ^= 1;
		wrong += webauthn_assert(&client, RP, (struct webauthn_bytes){ copy, data.n }, signature,
					 ec_key(-7, ""), &out, &problem) == ERR_OK;
		copy[i] ^= 1;
		wrong += webauthn_assert(&client, RP, (struct webauthn_bytes){ copy, i }, signature,
					 ec_key(-7, ""), &out, &problem) == ERR_OK;
	}
	is_int((long long)wrong, 0, "authenticator data that were changed or cut");
}

/*
 * Client data
 */

static const char *client_problem(enum webauthn_ceremony ceremony, const char *json,
				  struct webauthn_client *out)
{
	const char *problem = "no problem told";

	return webauthn_client_read(&arena, ceremony,
				    (struct webauthn_bytes){ (const unsigned char *)json, strlen(json) }, out,
				    &problem)
		       ? problem
		       : NULL;
}

#define CHALLENGE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void client_data(void)
{
	static const struct {
		const char *json, *problem, *name;
	} bad[] = {
		{ "[]", "the client data are no JSON object", "an array" },
		{ "{", NULL, "half an object" },
		{ "{\"type\":\"webauthn.create\",\"challenge\":\"" CHALLENGE
		  "\",\"origin\":\"https://example.org\"}",
		  "the client data are not of a sign-in", "a registration's" },
		{ "{\"type\":\"webauthn.get\",\"type\":\"webauthn.get\"}", NULL, "a member twice" },
		{ "{\"challenge\":\"" CHALLENGE "\",\"origin\":\"https://example.org\"}",
		  "the client data are not of a sign-in", "no type" },
		{ "{\"type\":\"webauthn.get\",\"origin\":\"https://example.org\"}",
		  "the challenge is not one of ours", "no challenge" },
		{ "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE
		  "A\",\"origin\":\"https://example.org\"}",
		  "the challenge is not one of ours", "a longer one" },
		{ "{\"type\":\"webauthn.get\",\"challenge\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9\","
		  "\"origin\":\"https://example.org\"}",
		  "the challenge is not one of ours", "one with bits left over" },
		{ "{\"type\":\"webauthn.get\",\"challenge\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+\","
		  "\"origin\":\"https://example.org\"}",
		  "the challenge is not one of ours", "one in base64" },
		{ "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\"}",
		  "the client data name no origin", "no origin" },
		{ "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\",\"origin\":1}",
		  "the client data name no origin", "an origin that is a number" },
		{ "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE
		  "\",\"origin\":\"https://example.org\",\"crossOrigin\":true}",
		  "another site's page has asked for it", "in a frame" },
		{ "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE
		  "\",\"origin\":\"https://example.org\",\"crossOrigin\":\"false\"}",
		  "another site's page has asked for it", "crossOrigin as a text" },
		{ "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE
		  "\",\"origin\":\"https://example.org\",\"topOrigin\":\"https://example.com\"}",
		  "another site's page has asked for it", "with the page around it" },
	};
	struct webauthn_client c;
	char *longest;
	size_t i;

	is_str(client_problem(WEBAUTHN_GET,
			      "{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE
			      "\",\"origin\":\"https://example.org\","
			      "\"crossOrigin\":false,\"other_keys_can_be_added_here\":\"yes\"}",
			      &c),
	       NULL, "client data are read");
	ok(c.challenge[0] == 0 && c.challenge[31] == 31, "  their challenge");
	is_str(c.origin, "https://example.org", "  and origin");
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *problem = client_problem(WEBAUTHN_GET, bad[i].json, &c);

		if (bad[i].problem)
			is_str(problem, bad[i].problem, "refused: %s", bad[i].name);
		else
			ok(problem, "refused: %s", bad[i].name);
	}
	longest = arena_fmt(&arena, "%*s", WEBAUTHN_MAX_CLIENT_DATA, "{}");
	is_str(client_problem(WEBAUTHN_GET, longest, &c), "the client data are not of a sign-in",
	       "4096 bytes are read");
	is_str(client_problem(WEBAUTHN_GET, arena_fmt(&arena, "%s ", longest), &c),
	       "the client data are too long", "and no more");
}

/*
 * Examples of WebAuthn level 3, 16.  None of its accepted pairs has the user
 * verified in both halves, so most end in that refusal, which comes last.
 */

static void examples(void)
{
	/* 16.3, packed-self.ES256 */
	static const char self_created[] =
		"7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a2265476e4374334c"
		"55745936366b336a50"
		"6a796e6962506b31716e666644616966715a774c33417032392d55222c226f726967696e223a2268747470733a2f"
		"2f6578616d706c652e"
		"6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e744461"
		"74614a534f4e206d61"
		"7920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675"
		"747572652c20737563"
		"6820617320746869733a205539685458764b453255526b4d6e625f307859485667227d";
	static const char self_object[] = "a363666d74667061636b65646761747453746d74a263616c672663736967584630"
					  "440220067a20754ab925005dbf378097c92120031581"
					  "c73228d1fb4f5b881bcd7da98302207fc7b147558c7c0eba3af18bd9d121fa3d3a"
					  "26d17fe3f220272178f473b6006d6861757468446174"
					  "6158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2"
					  "e4b55d00000000df850e09db6afbdfab51697791506c"
					  "fc0020455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbe"
					  "f58ca5010203262001215820eb151c8176b225cc6515"
					  "59fecf07af450fd85802046656b34c18f6cf193843c5225820927b8aa427a2be1b"
					  "8834d233a2d34f61f13bfd44119c325d5896e183fee4"
					  "84f2";
	static const char self_got[] = "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223"
				       "a225248696843784e534e493352594d45314f7731"
				       "476d3132786e726b634a5f6666707637546e2d4a71386773222c226f726967696e223"
				       "a2268747470733a2f2f6578616d706c652e6f7267"
				       "222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a2"
				       "2636c69656e74446174614a534f4e206d61792062"
				       "6520657874656e6465642077697468206164646974696f6e616c206669656c6473206"
				       "96e20746865206675747572652c20737563682061"
				       "7320746869733a206754623533727a36456853576f6d58477a696d433151227d";
	static const char self_data[] =
		"bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50900000000";
	static const char self_signature[] = "304402203310b9431903c401f1be2bdc8d23a4007682dbbddcf846994947b7f"
					     "465daf84002204e94dd00047b316061b3b99772b7efd959"
					     "94a83ef584b3b6b825ea3550251b66";
	/* 16.2, none.ES256 */
	static const char none_object[] = "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc3"
					  "7432958b063360d3ad6461c9c4735ae7f8edd46592a5"
					  "e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f39"
					  "1db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94"
					  "ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d2"
					  "0db90856062eb249c33a9b672f26df61225820930a56"
					  "b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220";
	/* 16.4, none.ES256.crossOrigin: the one assertion with the user verified */
	static const char crossed_key[] = "a501020326200121582022200a473f90b11078851550d03b4e44a2279f8c4eca27"
					  "b3153dedfe03e4e97d225820cbd0be95e746ad6f5a81"
					  "91be11756e4c0420e72f65b466d39bc56b8b123a9c6e";
	static const char crossed_got[] = "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765"
					  "223a226832716c463771445f65356c5f505f62796b79"
					  "45377135645650674547685f49584a6b655737736e4d5463222c226f726967696e"
					  "223a2268747470733a2f2f6578616d706c652e6f7267"
					  "222c2263726f73734f726967696e223a747275652c22657874726144617461223a"
					  "22636c69656e74446174614a534f4e206d6179206265"
					  "20657874656e6465642077697468206164646974696f6e616c206669656c647320"
					  "696e20746865206675747572652c2073756368206173"
					  "20746869733a2039327063545644304162792d713464746d6a36656667227d";
	static const char crossed_data[] =
		"bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50500000000";
	static const char crossed_signature[] = "3046022100eb12fcf23b12764c0f122e22371fab92e283879fd798f38ee1"
						"841c951b6e40e7022100c76237ff9db77b3c56f30837cda6a0"
						"9acfa2e915544e609c0733b1184036d1cf";
	struct webauthn_credential c;
	struct webauthn_assertion out;
	struct webauthn_client got = { 0 };
	struct webauthn_bytes json;
	const char *problem = NULL;

	is_int(webauthn_client_read(&arena, WEBAUTHN_CREATE, hex(self_created), &got, &problem), ERR_OK,
	       "the specification's client data are read, with a member more");
	ok(!memcmp(got.challenge, hex("7869c2b772d4b58eba9378cf8f29e26cf935aa77df0da89fa99c0bdc0a76f7e5").p,
		   32),
	   "  their challenge");
	is_int(webauthn_register(RP, hex(self_object), &c, &problem), ERR_OK,
	       "and its registration with a statement of its own");
	ok(c.id.n == 32 &&
		   !memcmp(c.id.p, hex("455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58c").p,
			   32),
	   "  its id");
	ok(!memcmp(c.aaguid, hex("df850e09db6afbdfab51697791506cfc").p, 16), "  and model");

	is_int(webauthn_client_read(&arena, WEBAUTHN_GET, hex(self_got), &got, &problem), ERR_OK,
	       "the client data of its use");
	webauthn_assert(&got, RP, hex(self_data), hex(self_signature), c.public_key, &out, &problem);
	is_str(problem, "the user was not verified", "  whose signature is good, but the user not verified");

	webauthn_register(RP, hex(none_object), &c, &problem);
	is_str(problem, "the user was not verified", "nor are they in the example without a statement");

	webauthn_client_read(&arena, WEBAUTHN_GET, hex(crossed_got), &got, &problem);
	is_str(problem, "another site's page has asked for it", "the use in a frame is refused");
	json = hex(crossed_got);
	EVP_Digest(json.p, json.n, got.hash, NULL, EVP_sha256(), NULL);
	is_int(webauthn_assert(&got, RP, hex(crossed_data), hex(crossed_signature), hex(crossed_key), &out,
			       &problem),
	       ERR_OK, "  although its signature is good, and the user verified");
}

/* 16.10, packed.RS256: a key of 3482 bits, the product of two Mersenne primes. */
static void rsa_example(void)
{
	static const char got[] = "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224b"
				  "56395a39667150356978617970346e596d78"
				  "34794e6f33617562597a5333536d75757459423462784d55222c226f726967696e223a2268"
				  "747470733a2f2f6578616d706c652e6f7267"
				  "222c2263726f73734f726967696e223a66616c73657d";
	static const char signature[] = "01063d52d7c39b4d432fc7063c5d93e582bdcb16889cd71f888d67d880ea730a4284"
					"98d3bc8e1ee11f2b1ecbe6c292b118c55ffaaddefa"
					"8cad0a54dd137c51f1eec673f1bb6c4d1789d6826a222b22d0f585fc901fdc933212"
					"e579d199b89d672aa44891333e6a1355536025e82b"
					"25590256c3538229b55737083b2f6b9377e49e2472f11952f79fdd0da180b5ffd901"
					"b4049a8f081bb40711bef76c62aed943571f2d0575"
					"304cb549d68d8892f95086a30f93716aee818f8dc06e96c0d5e0ed4cfa9fd8773d90"
					"464b68cf140f7986666ff9c9e3302acd0535d60d76"
					"9f465e2ab57ef8aabc89fccfef7ba32a64154a8b3d26be2298f470b8cc5377dbe3df"
					"d4b0b45f8f01e63bde6cfc76b62771f9b70aa27cf4"
					"0152cad93aa5acd784fd4b90f676e2ea828d0bf2400aebbaae4153e5838f537f88b6"
					"228346782a93a899be66ec77de45b3efcf311da632"
					"1c92e6b0cd11bfe653bf3e98cee8e341f02d67dbb6f9c98d9e8178090cfb5b70fbc6"
					"d541599ac794ae2f1d4de1286ec8de8c2daf7b1d15"
					"c8438e90d924df5c19045220a4c8438c1b979bbe016cf3d0eeec23c3999d4882cc64"
					"5b776de930756612cdc6dd398160ff02a6";
	unsigned char n[436];
	BIGNUM *p = BN_new(), *q = BN_new(), *product = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	struct webauthn_assertion out;
	struct webauthn_client c;
	const char *problem = NULL;
	struct buf b;

	BN_set_bit(p, 1279), BN_sub_word(p, 1);
	BN_set_bit(q, 2203), BN_sub_word(q, 1);
	BN_mul(product, p, q, ctx);
	BN_bn2binpad(product, n, sizeof(n));
	BN_free(p), BN_free(q), BN_free(product), BN_CTX_free(ctx);
	buf_init(&b, &arena, 512);
	head(&b, 5, 4);
	number(&b, 1), number(&b, 3);
	number(&b, 3), number(&b, -257);
	number(&b, -1), bytes(&b, n, sizeof(n));
	number(&b, -2), bytes(&b, "\1\0\1", 3);
	is_int(webauthn_client_read(&arena, WEBAUTHN_GET, hex(got), &c, &problem), ERR_OK,
	       "the example of RS256");
	webauthn_assert(&c, RP,
			hex("bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000"),
			hex(signature), done(&b), &out, &problem);
	is_str(problem, "the user was not verified", "  whose signature is good");
}

static void origins(void)
{
	static const struct {
		const char *rp_id, *origin;
		bool covers;
	} pairs[] = {
		{ "example.org", "https://example.org", true },
		{ "example.org", "https://example.org:8443", true },
		{ "example.org", "https://login.example.org", true },
		{ "example.org", "https://LOGIN.Example.org", true },
		{ "login.example.org", "https://example.org", false },
		{ "example.org", "https://badexample.org", false },
		{ "example.org", "https://example.org.evil.com", false },
		{ "example.org", "http://example.org", false },
		{ "org", "https://example.org", false },
		{ "", "https://example.org", false },
		{ ".org", "https://example.org", false },
		{ "localhost", "https://localhost:8443", true },
		{ "localhost", "http://localhost:3000", true },
		{ "localhost", "http://localhost.evil.com", false },
		{ "127.0.0.1", "https://127.0.0.1", true },
		{ "0.0.1", "https://127.0.0.1", false },
		{ "example.org", "ftp://example.org", false },
		{ "example.org", "null", false },
		{ "example.org", "https://[x.example.org:1", false },
	};
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		is_int(webauthn_rp_covers(pairs[i].rp_id, pairs[i].origin), pairs[i].covers, "\"%s\" and %s",
		       pairs[i].rp_id, pairs[i].origin);
	is_str(webauthn_host(&arena, "https://example.org:8443"), "example.org", "the host of an origin");
	is_str(webauthn_host(&arena, "http://[::1]:80"), "::1", "  that is an address");
	is_str(webauthn_host(&arena, "null"), NULL, "  that is none");
	is_str(webauthn_host(&arena, "https://"), NULL, "  that is empty");
}

int main(void)
{
	arena_init(&arena, 65536);
	ec = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	rsa_small = EVP_RSA_gen(1024);
	memset(client.hash, 0x5a, sizeof(client.hash));

	registrations();
	assertions();
	client_data();
	examples();
	rsa_example();
	origins();

	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(rsa_small);
	arena_release(&arena);
	return done_testing();
}
