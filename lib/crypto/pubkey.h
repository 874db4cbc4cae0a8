/*
 * Public keys for signatures, from the numbers that JWK, COSE and the like carry.
 */
#ifndef ASHLAR_PUBKEY_H
#define ASHLAR_PUBKEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	PUBKEY_MIN_RSA_BITS = 2048,
	PUBKEY_MAX_RSA_BITS = 8192, /* the time to verify grows with the square */
	PUBKEY_ED25519_BYTES = 32,
};

/*
 * Make and check a key: an RSA key from modulus and exponent, big-endian; a
 * key on P-256 from its point's coordinates, 32 bytes each.  Owned:
 * EVP_PKEY_free.  NULL: a modulus outside the bounds above, one that is even or
 * prime, an exponent out of range or of more than 8 bytes, a point that is not
 * on the curve.
 *
 * is_known: it passed before, so that only the bounds are looked at.  To see
 * that a modulus is no prime takes 4 ms for 2048 bits, and 180 ms for 8192.
 */
EVP_PKEY *pubkey_rsa(const unsigned char *n, size_t n_len, const unsigned char *e, size_t e_len,
		     bool is_known);
EVP_PKEY *pubkey_p256(const unsigned char *x, const unsigned char *y, bool is_known);

/* The same of an Ed25519 key, whose 32 bytes are all there is to it (RFC 8032 5.1.5). */
EVP_PKEY *pubkey_ed25519(const unsigned char x[PUBKEY_ED25519_BYTES]);

/*
 * Is this the signature of n bytes, as JOSE has it (RFC 7518 3.3, 3.4,
 * RFC 8037 3.1)?  The key says which: RS256, ES256 with r and s of 32 bytes each, or EdDSA.
 */
bool pubkey_verifies(EVP_PKEY *pkey, const unsigned char *signature, size_t signature_len, const void *p,
		     size_t n);

#endif
