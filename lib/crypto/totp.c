#include "lib/crypto/totp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/base/buf.h"
#include "lib/base/qs.h"
#include "lib/crypto/secret.h"

enum { DIGITS = 6, MODULUS = 1000000, MAX_SECRET = 64, RECOVERY_CHARS = 10 };

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* No 0 and o, no 1, i and l. */
static const char unambiguous[] = "abcdefghjkmnpqrstuvwxyz23456789";

char *base32_encode(struct arena *a, const void *p, size_t n)
{
	const unsigned char *from = p;
	char *out = arena_alloc(a, n * 8 / 5 + 2), *to = out;
	unsigned bits = 0;
	int held = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | from[i];
		for (held += 8; held >= 5; held -= 5)
			*to++ = base32[bits >> (held - 5) & 31];
		bits &= (1u << held) - 1;
	}
	if (held)
		*to++ = base32[bits << (5 - held) & 31];
	return out;
}

ssize_t base32_decode(const char *text, unsigned char *out, size_t max)
{
	size_t n = strlen(text), len = 0;
	unsigned bits = 0;
	int held = 0;

	while (n && text[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		char c = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
		const char *at = c ? strchr(base32, c) : NULL;

		if (!at)
			return -1;
		bits = bits << 5 | (unsigned)(at - base32);
		held += 5;
		if (held >= 8) {
			if (len == max)
				return -1;
			held -= 8;
			out[len++] = (unsigned char)(bits >> held);
			bits &= (1u << held) - 1;
		}
	}
	return (ssize_t)len;
}

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
			pct_encode(b, (const char[]){ *text, '\0' });
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

char *recovery_code(struct arena *a)
{
	char *text = secret_random_text(a, unambiguous, RECOVERY_CHARS);

	return arena_fmt(a, "%.5s-%s", text, text + 5);
}

char *recovery_read(struct arena *a, const char *text)
{
	char found[RECOVERY_CHARS + 1];
	int n = 0;

	for (; *text; text++) {
		char c = (char)(*text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text);

		if (c == '-' || c == ' ')
			continue;
		if (n == RECOVERY_CHARS || !strchr(unambiguous, c))
			return NULL;
		found[n++] = c;
	}
	found[n] = '\0';
	return n == RECOVERY_CHARS ? arena_fmt(a, "%.5s-%s", found, found + 5) : NULL;
}
