#include "lib/crypto/secret.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include "lib/base/uuid.h"
#include "lib/host/config.h"

void secret_random(void *out, size_t n)
{
	unsigned char *p = out;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
}

uint32_t secret_random_below(uint32_t below)
{
	uint32_t most = UINT32_MAX - UINT32_MAX % below, r;

	assert(below);
	/* What is left over above the last whole multiple would make the low numbers likelier. */
	do
		secret_random(&r, sizeof(r));
	while (r >= most);
	return r % below;
}

char *secret_random_text(struct arena *a, const char *alphabet, size_t n)
{
	uint32_t below = (uint32_t)strlen(alphabet);
	char *out = arena_alloc(a, n + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = alphabet[secret_random_below(below)];
	return out;
}

static void hmac(const void *key, size_t key_len, const void *p, size_t n, unsigned char out[SECRET_BYTES])
{
	unsigned len = 0;

	if (!HMAC(EVP_sha256(), key, (int)key_len, p, n, out, &len) || len != SECRET_BYTES)
		abort();
}

bool secret_key(const char *purpose, unsigned char out[SECRET_BYTES])
{
	char label[64];
	int n = snprintf(label, sizeof(label), "ashlar %s", purpose);

	assert(n > 0 && (size_t)n < sizeof(label));
	if (!cfg.jwt_secret || !*cfg.jwt_secret) {
		memset(out, 0, SECRET_BYTES);
		return false;
	}
	hmac(cfg.jwt_secret, strlen(cfg.jwt_secret), label, (size_t)n, out);
	return true;
}

bool secret_mac(const char *purpose, const void *p, size_t n, unsigned char out[SECRET_BYTES])
{
	unsigned char key[SECRET_BYTES];

	if (!secret_key(purpose, key)) {
		memset(out, 0, SECRET_BYTES);
		return false;
	}
	hmac(key, sizeof(key), p, n, out);
	OPENSSL_cleanse(key, sizeof(key));
	return true;
}

void secret_hmac(const void *key, size_t key_len, const char *head, const void *p, size_t n,
		 unsigned char out[SECRET_BYTES])
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t len = 0;

	if (!EVP_MAC_init(ctx, key, key_len, params) ||
	    (head && !EVP_MAC_update(ctx, (const unsigned char *)head, strlen(head))) ||
	    !EVP_MAC_update(ctx, p, n) || !EVP_MAC_final(ctx, out, &len, SECRET_BYTES) || len != SECRET_BYTES)
		abort();
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

void secret_sha256(const void *p, size_t n, unsigned char out[SECRET_BYTES])
{
	if (!EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL))
		abort();
}

void secret_sha256_joined(const void *p, size_t n, const void *q, size_t m, unsigned char out[SECRET_BYTES])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) || !EVP_DigestUpdate(ctx, p, n) ||
	    (m && !EVP_DigestUpdate(ctx, q, m)) || !EVP_DigestFinal_ex(ctx, out, NULL))
		abort();
	EVP_MD_CTX_free(ctx);
}

char *secret_bytea(struct arena *a, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = p;
	char *out = arena_alloc(a, 2 * n + 3), *to = out;

	*to++ = '\\';
	*to++ = 'x';
	for (size_t i = 0; i < n; i++) {
		*to++ = digits[from[i] >> 4];
		*to++ = digits[from[i] & 15];
	}
	return out;
}

char *secret_sha256_hex(struct arena *a, const char *text)
{
	unsigned char digest[SECRET_BYTES];

	secret_sha256(text, strlen(text), digest);
	return secret_bytea(a, digest, sizeof(digest));
}

bool secret_is_one_of(const char *shown, const char *secrets)
{
	unsigned char sent[SECRET_BYTES], ours[SECRET_BYTES];
	bool is_found = false;

	secret_sha256(shown, strlen(shown), sent);
	for (size_t n; *(secrets += strspn(secrets, ", ")); secrets += n) {
		n = strcspn(secrets, ", ");
		secret_sha256(secrets, n, ours);
		is_found |= !CRYPTO_memcmp(sent, ours, sizeof(ours));
	}
	return is_found;
}

char *secret_uuid(struct arena *a)
{
	unsigned char bytes[UUID_BYTES];

	secret_random(bytes, sizeof(bytes));
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	return uuid_text(a, bytes);
}
