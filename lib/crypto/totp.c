#include "lib/crypto/totp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/base/base32.h"
#include "lib/base/buf.h"
#include "lib/base/qs.h"
#include "lib/crypto/secret.h"

enum { DIGITS = 6, MODULUS = 1000000, MAX_SECRET = 64 };

char *totp_secret(struct arena *a)
{
	unsigned char bytes[TOTP_SECRET_BYTES];
	char *text;

	secret_random(bytes, sizeof(bytes));
	text = base32_encode(a, bytes, sizeof(bytes));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return text;
}

/* RFC 4226 5.3 over a counter. */
static void hotp(const unsigned char *key, size_t n, int64_t counter, char out[7])
{
	unsigned char text[8], mac[20];
	unsigned len = 0, at;
	uint32_t number;

	for (int i = 0; i < 8; i++)
		text[i] = (unsigned char)((uint64_t)counter >> (56 - 8 * i));
	if (!HMAC(EVP_sha1(), key, (int)n, text, sizeof(text), mac, &len) || len != sizeof(mac))
		abort();
	at = mac[19] & 15;
	number = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 | (uint32_t)mac[at + 2] << 8 |
		 mac[at + 3];
	snprintf(out, DIGITS + 1, "%06u", number % MODULUS);
	OPENSSL_cleanse(mac, sizeof(mac));
}

bool totp_code(const char *secret, int64_t step, char out[7])
{
	unsigned char key[MAX_SECRET];
	ssize_t n = base32_decode(secret, key, sizeof(key));

	if (n > 0)
		hotp(key, (size_t)n, step, out);
	OPENSSL_cleanse(key, sizeof(key));
	return n > 0;
}

bool totp_verify(const char *secret, const char *code, int64_t now_s, int64_t after, int64_t *step)
{
	int64_t now = now_s / TOTP_STEP_S;
	bool found = false;
	char made[DIGITS + 1];

	if (strnlen(code, DIGITS + 1) != DIGITS)
		return false;
	for (int64_t s = now - TOTP_WINDOW; s <= now + TOTP_WINDOW; s++) {
		if (!totp_code(secret, s, made))
			return false;
		if (!CRYPTO_memcmp(made, code, DIGITS) && s > after && !found) {
			found = true;
			*step = s;
		}
	}
	OPENSSL_cleanse(made, sizeof(made));
	return found;
}

/* Without colons: one stands between issuer and account, and apps look for the first, even encoded. */
static void add_encoded(struct buf *b, const char *text)
{
	for (; *text; text++)
		if (*text != ':')
			qs_encode(b, (const char[]){ *text, '\0' });
}

char *totp_uri(struct arena *a, const char *secret, const char *issuer, const char *account)
{
	struct buf b;

	buf_init(&b, a, 256);
	buf_text(&b, "otpauth://totp/");
	add_encoded(&b, issuer);
	buf_char(&b, ':');
	add_encoded(&b, account);
	buf_fmt(&b, "?secret=%s&issuer=", secret);
	add_encoded(&b, issuer);
	buf_fmt(&b, "&algorithm=SHA1&digits=%d&period=%d", DIGITS, TOTP_STEP_S);
	return buf_str(&b);
}
