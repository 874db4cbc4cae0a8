#include "providers/standard_webhooks.h"

#include <openssl/crypto.h>

#include "lib/base/base64.h"
#include "lib/crypto/secret.h"

enum {
	MAX_ID = 256, /* characters; Svix's have 31 */
	SIGNATURE_CHARS = (SECRET_BYTES + 2) / 3 * 4,
	MAX_SIGNATURES = 16, /* that are looked at: a header of a thousand costs no more */
};

static const char prefix[] = "whsec_";

struct key {
	unsigned char bytes[STANDARD_WEBHOOKS_MAX_KEY];
	size_t n;
};

static bool key_read(const char *secret, size_t n, struct key *out)
{
	size_t skip = sizeof(prefix) - 1;
	ssize_t got;

	if (n > skip && !strncmp(secret, prefix, skip)) {
		secret += skip;
		n -= skip;
	}
	/* As many characters as the most bytes have, padding included. */
	if (n > (STANDARD_WEBHOOKS_MAX_KEY + 2) / 3 * 4)
		return false;
	got = base64_decode(secret, n, out->bytes);
	out->n = got > 0 ? (size_t)got : 0;
	return got >= STANDARD_WEBHOOKS_MIN_KEY;
}

/* The header's text of a signature over a body. */
static void sign(const struct key *key, const char *head, const void *body, size_t n,
		 char out[SIGNATURE_CHARS + 1])
{
	unsigned char mac[SECRET_BYTES];

	secret_hmac(key->bytes, key->n, head, body, n, mac);
	base64_encode(mac, sizeof(mac), out);
	OPENSSL_cleanse(mac, sizeof(mac));
}

char *standard_webhooks_secret(struct arena *a)
{
	unsigned char bytes[32];
	char text[(sizeof(bytes) + 2) / 3 * 4 + 1];

	secret_random(bytes, sizeof(bytes));
	base64_encode(bytes, sizeof(bytes), text);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return arena_fmt(a, "%s%s", prefix, text);
}

bool standard_webhooks_is_secret(const char *secret, size_t n)
{
	struct key key;
	bool good = key_read(secret, n, &key);

	OPENSSL_cleanse(&key, sizeof(key));
	return good;
}

char *standard_webhooks_sign(struct arena *a, const char *secret, const char *id, int64_t timestamp,
			     const void *body, size_t n)
{
	char text[SIGNATURE_CHARS + 1], *out = NULL;
	struct key key;

	if (key_read(secret, strlen(secret), &key)) {
		sign(&key, arena_fmt(a, "%s.%lld.", id, (long long)timestamp), body, n, text);
		out = arena_fmt(a, "v1,%s", text);
	}
	OPENSSL_cleanse(&key, sizeof(key));
	return out;
}

/* Digits alone, at most 18 of them; -1: something else. */
static int64_t time_read(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n && n <= 18 && !text[n] ? strtoll(text, NULL, 10) : -1;
}

/* Is made among the signatures of a header?  All of them are compared, whichever fits. */
static bool is_among(const char *signatures, const char made[SIGNATURE_CHARS + 1])
{
	bool found = false;

	for (int i = 0; *signatures && i < MAX_SIGNATURES; i++) {
		size_t n = strcspn(signatures, " ");

		if (n == 3 + SIGNATURE_CHARS && !strncmp(signatures, "v1,", 3))
			found |= !CRYPTO_memcmp(signatures + 3, made, SIGNATURE_CHARS);
		signatures += n;
		signatures += strspn(signatures, " ");
	}
	return found;
}

bool standard_webhooks_verify(const char *secrets, const char *id, const char *timestamp,
			      const char *signature, const void *body, size_t n, int64_t now)
{
	char head[MAX_ID + 24], made[SIGNATURE_CHARS + 1];
	struct key key;
	bool found = false;
	int64_t at;

	if (!id || !timestamp || !signature || !*id || strlen(id) > MAX_ID)
		return false;
	at = time_read(timestamp);
	if (at < 0 || at - now > STANDARD_WEBHOOKS_TOLERANCE_S || now - at > STANDARD_WEBHOOKS_TOLERANCE_S)
		return false;
	/* The timestamp as it came: what was signed may have had leading zeros. */
	snprintf(head, sizeof(head), "%s.%s.", id, timestamp);
	for (size_t len; *secrets; secrets += len) {
		secrets += strspn(secrets, ", ");
		len = strcspn(secrets, ", ");
		if (!len || !key_read(secrets, len, &key))
			continue;
		sign(&key, head, body, n, made);
		found |= is_among(signature, made);
	}
	OPENSSL_cleanse(&key, sizeof(key));
	OPENSSL_cleanse(made, sizeof(made));
	return found;
}
