#include "lib/base/base64.h"

#include <stdint.h>

/*
 * Both alphabets in one, since they differ in two characters: the caller says
 * with which two values of its own.
 */
static const char letters[62] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* clang-format off */
/* Value + 1 of each letter and digit; 0 is neither. */
static const uint8_t values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
};
/* clang-format on */

/* The characters of 62 and 63. */
static const char url_last[2] = { '-', '_' }, old_last[2] = { '+', '/' };

static ssize_t decode(const char *p, size_t n, const char last[2], void *out)
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
			v = p[i] == last[0] ? 63 : p[i] == last[1] ? 64 : 0;
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

static char character(uint32_t value, const char last[2])
{
	return value < 62 ? letters[value] : last[value - 62];
}

static size_t encode(const void *p, size_t n, const char last[2], char *out)
{
	const uint8_t *from = p;
	uint32_t bits = 0;
	int held = 0;
	char *to = out;
	size_t i;

	for (i = 0; i < n; i++) {
		bits = bits << 8 | from[i];
		for (held += 8; held >= 6; held -= 6)
			*to++ = character(bits >> (held - 6) & 63, last);
		bits &= (1u << held) - 1;
	}
	if (held)
		*to++ = character(bits << (6 - held) & 63, last);
	*to = '\0';
	return (size_t)(to - out);
}

ssize_t base64_url_decode(const char *p, size_t n, void *out)
{
	return decode(p, n, url_last, out);
}

size_t base64_url_encode(const void *p, size_t n, char *out)
{
	return encode(p, n, url_last, out);
}

ssize_t base64_decode(const char *p, size_t n, void *out)
{
	if (n && n % 4 == 0) {
		n -= p[n - 1] == '=';
		n -= n % 4 == 3 && p[n - 1] == '=';
	}
	return decode(p, n, old_last, out);
}

size_t base64_encode(const void *p, size_t n, char *out)
{
	size_t len = encode(p, n, old_last, out);

	while (len % 4)
		out[len++] = '=';
	out[len] = '\0';
	return len;
}
