#include "lib/crypto/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "lib/base/base64.h"
#include "lib/crypto/secret.h"
#include "lib/host/config.h"

enum { NONCE = 12, TAG = 16, MAX_ID = 16, KEY_CHARS = 44 };

static const char id_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct key {
	char id[MAX_ID + 1];
	unsigned char bytes[SECRET_BYTES];
};

/* 32 bytes of base64 with or without padding, in either alphabet. */
static bool key_bytes(const char *p, size_t n, unsigned char out[SECRET_BYTES])
{
	char text[KEY_CHARS];

	if (n == KEY_CHARS && p[n - 1] == '=')
		n--;
	if (n != KEY_CHARS - 1)
		return false;
	for (size_t i = 0; i < n; i++)
		text[i] = (char)(p[i] == '+' ? '-' : p[i] == '/' ? '_' : p[i]);
	return base64_url_decode(text, n, out) == SECRET_BYTES;
}

/*
 * Read one key of the ring and move *at behind it.  false at the end, and where
 * there is a mistake: *problem then says which.
 */
static bool key_next(const char **at, struct key *out, const char **problem)
{
	const char *p = *at + strspn(*at, " ,"), *colon;
	size_t n = strcspn(p, " ,"), id;

	*problem = NULL;
	if (!n)
		return false;
	*at = p + n;
	colon = memchr(p, ':', n);
	id = colon ? (size_t)(colon - p) : 0;
	if (!id || id > MAX_ID || strspn(p, id_chars) != id) {
		*problem = "must be pairs id:key with an id of 1 to 16 letters, digits, - and _";
		return false;
	}
	memcpy(out->id, p, id);
	out->id[id] = '\0';
	if (!key_bytes(colon + 1, n - id - 1, out->bytes)) {
		*problem = "must have keys of 32 bytes in base64; openssl rand -base64 32 makes one";
		return false;
	}
	return true;
}

const char *seal_check(const char *keys)
{
	const char *at = keys, *problem, *duplicate = NULL;
	char ids[64][MAX_ID + 1];
	struct key key;
	int n = 0;

	while (!duplicate && key_next(&at, &key, &problem)) {
		if (!strcmp(key.id, "0"))
			duplicate = "must not use the id 0, which is the key derived from JWT_SECRET";
		for (int i = 0; i < n; i++)
			if (!strcmp(ids[i], key.id))
				duplicate = "must not use an id twice";
		if (n == 64)
			duplicate = "must not have more than 64 keys";
		else
			memcpy(ids[n++], key.id, sizeof(key.id));
	}
	OPENSSL_cleanse(&key, sizeof(key));
	return duplicate ? duplicate : problem;
}

CONFIG_CHECK("ENCRYPTION_KEYS", cfg.encryption_keys, seal_check)

/* The key of an id, or with NULL the one that seals. */
static bool key_find(const char *id, struct key *out)
{
	const char *at = cfg.encryption_keys ? cfg.encryption_keys : "", *problem;

	while (key_next(&at, out, &problem))
		if (!id || !strcmp(out->id, id))
			return true;
	if (problem || (id && strcmp(id, "0") != 0))
		return false;
	memcpy(out->id, "0", 2);
	return secret_key("seal", out->bytes);
}

bool seal_is_ready(void)
{
	struct key key;
	bool found = key_find(NULL, &key);

	OPENSSL_cleanse(key.bytes, sizeof(key.bytes));
	return found;
}

/* Run AES-256-GCM over n bytes, in one direction, purpose and tenant authenticated with them. */
static bool gcm(bool seals, const struct key *key, const char *purpose, const char *tenant,
		const unsigned char *nonce, const unsigned char *in, int n, unsigned char *out,
		unsigned char *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	/* With its NUL: "a" and "bc" are not "ab" and "c". */
	int len, purpose_len = (int)strlen(purpose) + 1, tenant_len = tenant ? (int)strlen(tenant) : 0;
	bool good = ctx && EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), key->bytes, nonce, seals, NULL) &&
		    EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)purpose, purpose_len) &&
		    (!tenant_len ||
		     EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)tenant, tenant_len)) &&
		    (!n || EVP_CipherUpdate(ctx, out, &len, in, n)) &&
		    (seals || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag)) &&
		    EVP_CipherFinal_ex(ctx, out + n, &len) > 0 &&
		    (!seals || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, tag));

	EVP_CIPHER_CTX_free(ctx);
	return good;
}

char *seal_text(struct arena *a, const char *purpose, const char *tenant, const char *text)
{
	size_t n = strlen(text);
	unsigned char *bytes = arena_alloc(a, NONCE + n + TAG);
	char *encoded = arena_alloc(a, (NONCE + n + TAG) * 4 / 3 + 3);
	struct key key;
	bool good = key_find(NULL, &key);

	if (good) {
		secret_random(bytes, NONCE);
		if (!gcm(true, &key, purpose, tenant, bytes, (const unsigned char *)text, (int)n,
			 bytes + NONCE, bytes + NONCE + n))
			abort();
		base64_url_encode(bytes, NONCE + n + TAG, encoded);
	}
	OPENSSL_cleanse(key.bytes, sizeof(key.bytes));
	return good ? arena_fmt(a, "v1.%s.%s", key.id, encoded) : NULL;
}

static void wipe(void *text)
{
	OPENSSL_cleanse(text, strlen(text));
}

const char *seal_open(struct arena *a, const char *purpose, const char *tenant, const char *sealed)
{
	const char *dot = strncmp(sealed, "v1.", 3) ? NULL : strchr(sealed + 3, '.');
	size_t id = dot ? (size_t)(dot - sealed) - 3 : 0, n;
	unsigned char *bytes;
	struct key key;
	ssize_t got;
	bool good;
	char *text;

	if (!id || id > MAX_ID)
		return NULL;
	n = strlen(dot + 1);
	bytes = arena_alloc(a, n + 1);
	got = base64_url_decode(dot + 1, n, bytes);
	if (got < NONCE + TAG)
		return NULL;
	n = (size_t)got - NONCE - TAG;
	text = arena_alloc(a, n + 1);
	good = key_find(arena_dup_n(a, sealed + 3, id), &key) &&
	       gcm(false, &key, purpose, tenant, bytes, bytes + NONCE, (int)n, (unsigned char *)text,
		   bytes + NONCE + n);
	OPENSSL_cleanse(key.bytes, sizeof(key.bytes));
	if (!good) {
		OPENSSL_cleanse(text, n); /* what was decrypted before the tag was found wrong */
		return NULL;
	}
	arena_defer(a, wipe, text);
	return text;
}
