#include "fcgi/b64url.h"

#include <stdint.h>

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* clang-format off */
/* Value + 1 of each character; 0 is no character of ours. */
static const uint8_t values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['-'] = 63,
	['_'] = 64,
};
/* clang-format on */

ssize_t b64url_decode(const char *p, size_t n, void *out)
{
	uint8_t *to = out;
	uint32_t bits = 0;
	int held = 0;
	size_t i;

	if (n % 4 == 1)
		return -1;
	for (i = 0; i < n; i++) {
		unsigned v = values[(uint8_t)p[i]];

		if (!v)
			return -1;
		bits = bits << 6 | (v - 1);
		held += 6;
		if (held >= 8) {
			held -= 8;
			*to++ = (uint8_t)(bits >> held);
			bits &= (1u << held) - 1;
		}
	}
	return bits ? -1 : to - (uint8_t *)out;
}

size_t b64url_encode(const void *p, size_t n, char *out)
{
	const uint8_t *from = p;
	uint32_t bits = 0;
	int held = 0;
	char *to = out;
	size_t i;

	for (i = 0; i < n; i++) {
		bits = bits << 8 | from[i];
		for (held += 8; held >= 6; held -= 6)
			*to++ = alphabet[bits >> (held - 6) & 63];
		bits &= (1u << held) - 1;
	}
	if (held)
		*to++ = alphabet[bits << (6 - held) & 63];
	*to = '\0';
	return (size_t)(to - out);
}
