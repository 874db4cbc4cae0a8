#include "providers/stripe_signature.h"

#include <openssl/crypto.h>

#include "lib/crypto/secret.h"

enum { HEX_CHARS = SECRET_BYTES * 2, MAX_TIME = 18, MAX_SIGNATURES = 16 };

struct signature {
	char time[MAX_TIME + 1]; /* the digits, as they came */
	const char *v1[MAX_SIGNATURES];
	int n;
};

/* Take the header apart; false without a time, or with two of them. */
static bool header_read(const char *p, struct signature *out)
{
	*out = (struct signature){ .n = 0 };
	for (size_t n; *p; p += n, p += *p == ',') {
		p += strspn(p, " ");
		n = strcspn(p, ",");
		if (!strncmp(p, "t=", 2)) {
			if (*out->time || n == 2 || n - 2 > MAX_TIME || strspn(p + 2, "0123456789") != n - 2)
				return false;
			memcpy(out->time, p + 2, n - 2);
		} else if (n == 3 + HEX_CHARS && !strncmp(p, "v1=", 3) && out->n < MAX_SIGNATURES) {
			out->v1[out->n++] = p + 3;
		}
	}
	return *out->time;
}

static void hex(const unsigned char *p, char *out)
{
	for (int i = 0; i < SECRET_BYTES; i++) {
		*out++ = "0123456789abcdef"[p[i] >> 4];
		*out++ = "0123456789abcdef"[p[i] & 15];
	}
}

bool stripe_signature_verify(const char *secrets, const char *header, const void *body, size_t n, int64_t now)
{
	char head[MAX_TIME + 2], made[HEX_CHARS];
	unsigned char mac[SECRET_BYTES];
	struct signature s;
	bool found = false;
	int64_t at;

	if (!header || !header_read(header, &s))
		return false;
	at = strtoll(s.time, NULL, 10);
	if (at - now > STRIPE_TOLERANCE_S || now - at > STRIPE_TOLERANCE_S)
		return false;
	snprintf(head, sizeof(head), "%s.", s.time);
	for (size_t len; *secrets; secrets += len) {
		secrets += strspn(secrets, ", ");
		len = strcspn(secrets, ", ");
		if (!len)
			continue;
		secret_hmac(secrets, len, head, body, n, mac);
		hex(mac, made);
		for (int i = 0; i < s.n; i++)
			found |= !CRYPTO_memcmp(s.v1[i], made, HEX_CHARS);
	}
	OPENSSL_cleanse(mac, sizeof(mac));
	OPENSSL_cleanse(made, sizeof(made));
	return found;
}
