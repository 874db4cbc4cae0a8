#include "providers/apple_jws.h"

#include <json-c/json.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "lib/base/base64.h"
#include "lib/base/json.h"
#include "lib/crypto/pubkey.h"
#include "lib/crypto/secret.h"

enum { CHAIN = 3, MAX_CERTIFICATE = 8192, KNOWN = 4 };

static const char leaf_oid[] = "1.2.840.113635.100.6.11.1";
static const char intermediate_oid[] = "1.2.840.113635.100.6.2.1";

/* A chain that was good: its leaf's key, and from when to when all of it is valid. */
struct chain {
	unsigned char digest[SECRET_BYTES]; /* of leaf and intermediate */
	const X509_STORE *roots;
	EVP_PKEY *pkey; /* NULL: a free place */
	int64_t from, until;
};

static struct chain known[KNOWN];
static int next;

void apple_jws_forget(void)
{
	for (int i = 0; i < KNOWN; i++) {
		EVP_PKEY_free(known[i].pkey);
		known[i] = (struct chain){ .pkey = NULL };
	}
}

/*
 * The roots
 */

X509_STORE *apple_jws_roots_read(const char *path, const char **problem)
{
	X509_STORE *store = X509_STORE_new();
	BIO *file = BIO_new_file(path, "rb");
	X509 *one;
	int n = 0;

	*problem = file ? "holds no certificate" : "cannot be read";
	while (file && store && (one = PEM_read_bio_X509(file, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(store, one);
		X509_free(one);
	}
	if (file && store && !n && BIO_seek(file, 0) == 0 && (one = d2i_X509_bio(file, NULL))) {
		n += X509_STORE_add_cert(store, one);
		X509_free(one);
	}
	BIO_free(file);
	ERR_clear_error(); /* the end of a PEM file is one */
	if (n)
		return store;
	X509_STORE_free(store);
	return NULL;
}

/*
 * The chain
 */

static bool has_oid(const X509 *cert, const char *oid)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	bool found = object && X509_get_ext_by_OBJ(cert, object, -1) >= 0;

	ASN1_OBJECT_free(object);
	return found;
}

static bool time_of(const ASN1_TIME *time, int64_t *out)
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(time, &tm))
		return false;
	*out = timegm(&tm);
	return true;
}

/* Narrow the time in which a chain is valid to that of one more certificate. */
static bool narrow(const X509 *cert, struct chain *out)
{
	int64_t from, until;

	if (!time_of(X509_get0_notBefore(cert), &from) || !time_of(X509_get0_notAfter(cert), &until))
		return false;
	out->from = from > out->from ? from : out->from;
	out->until = until < out->until ? until : out->until;
	return true;
}

/* Follow the signatures to a root.  The times are compared by who knows which time counts. */
static const char *follow(X509_STORE *roots, X509 *leaf, X509 *intermediate, struct chain *out)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *above = sk_X509_new_null(), *found;
	const char *problem = "no chain to a root that is believed";

	if (ctx && above && sk_X509_push(above, intermediate) &&
	    X509_STORE_CTX_init(ctx, roots, leaf, above) > 0) {
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		if (X509_verify_cert(ctx) == 1) {
			found = X509_STORE_CTX_get0_chain(ctx);
			problem = sk_X509_num(found) == CHAIN &&
						  !X509_cmp(sk_X509_value(found, 1), intermediate)
					  ? NULL
					  : "another chain";
			for (int i = 0; !problem && i < CHAIN; i++)
				if (!narrow(sk_X509_value(found, i), out))
					problem = "a certificate without times";
		}
	}
	sk_X509_free(above);
	X509_STORE_CTX_free(ctx);
	return problem;
}

static const char *chain_verify(X509_STORE *roots, X509 *leaf, X509 *intermediate, struct chain *out)
{
	const char *problem;

	if (!has_oid(leaf, leaf_oid))
		return "the leaf is not the App Store's";
	if (!has_oid(intermediate, intermediate_oid))
		return "the intermediate is not Apple's";
	if (X509_check_ca(intermediate) != 1 || X509_check_ca(leaf))
		return "a certificate that may not sign certificates, or one that may and should not";
	problem = follow(roots, leaf, intermediate, out);
	if (problem)
		return problem;
	out->pkey = X509_get_pubkey(leaf);
	return out->pkey && EVP_PKEY_is_a(out->pkey, "EC") && EVP_PKEY_get_bits(out->pkey) == 256
		       ? NULL
		       : "the leaf's key is not on P-256";
}

/* One element of x5c, decoded. */
struct der {
	unsigned char *p;
	size_t n;
};

static bool der_read(struct arena *a, struct json_object *text, struct der *out)
{
	size_t len =
		json_object_is_type(text, json_type_string) ? (size_t)json_object_get_string_len(text) : 0;
	ssize_t got;

	if (!len || len > MAX_CERTIFICATE * 4 / 3)
		return false;
	out->p = arena_alloc_raw(a, len);
	got = base64_decode(json_object_get_string(text), len, out->p);
	out->n = got > 0 ? (size_t)got : 0;
	return got > 0;
}

/* Owned; NULL: it is no certificate, or more than one. */
static X509 *certificate_read(const struct der *der)
{
	const unsigned char *p = der->p;
	X509 *cert = d2i_X509(NULL, &p, (long)der->n);

	if (cert && p != der->p + der->n) {
		X509_free(cert);
		cert = NULL;
	}
	return cert;
}

static void digest_of(struct arena *a, const struct der der[2], unsigned char out[SECRET_BYTES])
{
	size_t n = sizeof(der->n) + der[0].n + der[1].n;
	unsigned char *all = arena_alloc_raw(a, n);

	/* With the length of the first, so that where it ends is part of it. */
	memcpy(all, &der[0].n, sizeof(der->n));
	memcpy(all + sizeof(der->n), der[0].p, der[0].n);
	memcpy(all + sizeof(der->n) + der[0].n, der[1].p, der[1].n);
	secret_sha256(all, n, out);
}

static const struct chain *chain_known(const X509_STORE *roots, const unsigned char digest[SECRET_BYTES])
{
	for (int i = 0; i < KNOWN; i++)
		if (known[i].pkey && known[i].roots == roots &&
		    !memcmp(known[i].digest, digest, SECRET_BYTES))
			return &known[i];
	return NULL;
}

/* Read and verify a chain that is not known, and know it from now on. */
static const char *chain_learn(X509_STORE *roots, const struct der der[2], struct chain *fresh,
			       const struct chain **out)
{
	X509 *leaf = certificate_read(&der[0]), *intermediate = certificate_read(&der[1]);
	const char *problem = leaf && intermediate ? chain_verify(roots, leaf, intermediate, fresh)
						   : "x5c holds what is no certificate";

	if (problem) {
		EVP_PKEY_free(fresh->pkey);
	} else {
		EVP_PKEY_free(known[next].pkey);
		known[next] = *fresh;
		*out = &known[next];
		next = (next + 1) % KNOWN;
	}
	X509_free(leaf);
	X509_free(intermediate);
	ERR_clear_error();
	return problem;
}

/* The chain of a header, as it was known or as it is verified now.  NULL, or why it is refused. */
static const char *chain_of(struct arena *a, X509_STORE *roots, struct json_object *header,
			    const struct chain **out)
{
	struct chain fresh = { .roots = roots, .from = INT64_MIN, .until = INT64_MAX };
	struct json_object *x5c;
	struct der der[2];

	if (!json_object_object_get_ex(header, "x5c", &x5c) || !json_object_is_type(x5c, json_type_array) ||
	    json_object_array_length(x5c) != CHAIN)
		return "x5c has not three certificates";
	/* The third is the root, which is believed because it is configured, and not because it is sent. */
	for (size_t i = 0; i < 2; i++)
		if (!der_read(a, json_object_array_get_idx(x5c, i), &der[i]))
			return "x5c holds what is no base64";
	digest_of(a, der, fresh.digest);
	*out = chain_known(roots, fresh.digest);
	return *out ? NULL : chain_learn(roots, der, &fresh, out);
}

/*
 * The JWS
 */

/* n characters of base64url that are a JSON object, as read has it; NULL when they are none. */
static struct json_object *part_read(struct arena *a, const char *p, size_t n, __typeof__(json_read) *read)
{
	char *bytes = arena_alloc_raw(a, n + 1);
	ssize_t got = base64_url_decode(p, n, bytes);
	struct json_object *object;
	const char *problem;

	if (got <= 0 || read(a, bytes, (size_t)got, &object, &problem))
		return NULL;
	return json_object_is_type(object, json_type_object) ? object : NULL;
}

/* "signedDate", milliseconds since 1970. */
static bool signed_at_of(struct json_object *payload, int64_t *out)
{
	struct json_object *value;

	if (!json_object_object_get_ex(payload, "signedDate", &value) ||
	    !json_object_is_type(value, json_type_int))
		return false;
	*out = json_object_get_int64(value) / 1000;
	return *out > 0;
}

const char *apple_jws_open(struct arena *a, X509_STORE *roots, const char *text, size_t n,
			   struct json_object **payload, int64_t *signed_at)
{
	const char *end = text + n, *dot = memchr(text, '.', n), *second, *problem;
	struct json_object *header, *alg;
	unsigned char signature[64];
	const struct chain *chain;

	second = dot ? memchr(dot + 1, '.', (size_t)(end - dot - 1)) : NULL;
	if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
		return "not three parts";
	header = part_read(a, text, (size_t)(dot - text), json_read);
	if (!header || !json_object_object_get_ex(header, "alg", &alg) ||
	    !json_object_is_type(alg, json_type_string) || strcmp(json_object_get_string(alg), "ES256") != 0)
		return "alg is not ES256";
	if (json_object_object_get_ex(header, "crit", NULL))
		return "crit";
	if (end - second - 1 != 86 || base64_url_decode(second + 1, 86, signature) != 64)
		return "the signature has not 64 bytes";
	problem = chain_of(a, roots, header, &chain);
	if (problem)
		return problem;
	if (!pubkey_verifies(chain->pkey, signature, sizeof(signature), text, (size_t)(second - text)))
		return "bad signature";
	*payload = part_read(a, dot + 1, (size_t)(second - dot - 1), json_read_any);
	if (!*payload || !signed_at_of(*payload, signed_at))
		return "the payload is no JSON object with a signedDate";
	return *signed_at >= chain->from && *signed_at <= chain->until
		       ? NULL
		       : "signed when a certificate was not valid";
}
