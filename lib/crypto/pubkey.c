#include "lib/crypto/pubkey.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

/* Build and check a public key; NULL when the parameters are none. */
static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *bld, bool is_known)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
	EVP_PKEY *pkey = NULL;

	if (params && make && EVP_PKEY_fromdata_init(make) > 0 &&
	    EVP_PKEY_fromdata(make, &pkey, EVP_PKEY_PUBLIC_KEY, params) > 0)
		check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	/* On the curve and not at infinity; a modulus that is odd and not prime, an exponent in range. */
	if (pkey && !is_known && (!check || EVP_PKEY_public_check(check) <= 0)) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_CTX_free(make);
	OSSL_PARAM_free(params);
	ERR_clear_error(); /* a key that is none is no error of ours */
	return pkey;
}

EVP_PKEY *pubkey_rsa(const unsigned char *n, size_t n_len, const unsigned char *e, size_t e_len,
		     bool is_known)
{
	OSSL_PARAM_BLD *bld;
	BIGNUM *bn_n, *bn_e;
	EVP_PKEY *pkey = NULL;

	if (!n_len || n_len > PUBKEY_MAX_RSA_BITS / 8 || !e_len || e_len > 8)
		return NULL;
	bld = OSSL_PARAM_BLD_new();
	bn_n = BN_bin2bn(n, (int)n_len, NULL);
	bn_e = BN_bin2bn(e, (int)e_len, NULL);
	if (bn_n && BN_num_bits(bn_n) >= PUBKEY_MIN_RSA_BITS &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e))
		pkey = key_from("RSA", bld, is_known);
	BN_free(bn_n);
	BN_free(bn_e);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

EVP_PKEY *pubkey_p256(const unsigned char *x, const unsigned char *y, bool is_known)
{
	unsigned char point[65] = { 4 }; /* uncompressed, x, y */
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	memcpy(point + 1, x, 32);
	memcpy(point + 33, y, 32);
	if (OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)))
		pkey = key_from("EC", bld, is_known);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

EVP_PKEY *pubkey_ed25519(const unsigned char x[PUBKEY_ED25519_BYTES])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, PUBKEY_ED25519_BYTES);

	ERR_clear_error();
	return pkey;
}

/* r and s of 32 bytes each as the DER that OpenSSL wants. */
static int der_of(const unsigned char raw[64], unsigned char **out)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, 32, NULL), *s = BN_bin2bn(raw + 32, 32, NULL);
	int n = -1;

	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		r = s = NULL; /* sig's now */
		n = i2d_ECDSA_SIG(sig, out);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return n;
}

bool pubkey_verifies(EVP_PKEY *pkey, const unsigned char *signature, size_t signature_len, const void *p,
		     size_t n)
{
	unsigned char *der = NULL;
	const EVP_MD *digest =
		EVP_PKEY_is_a(pkey, "ED25519") ? NULL : EVP_sha256(); /* it has one of its own */
	EVP_MD_CTX *ctx;
	int rc = 0;

	if (EVP_PKEY_is_a(pkey, "EC")) {
		int len = signature_len == 64 ? der_of(signature, &der) : -1;

		if (len < 0)
			return false;
		signature = der;
		signature_len = (size_t)len;
	}
	ctx = EVP_MD_CTX_new();
	if (ctx && EVP_DigestVerifyInit(ctx, NULL, digest, NULL, pkey) > 0)
		rc = EVP_DigestVerify(ctx, signature, signature_len, p, n);
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	ERR_clear_error();
	return rc == 1;
}
