#include "lib/base/utf8.h"

#include <stdint.h>
#include <string.h>

static const uint64_t TOP_BITS = UINT64_C(0x8080808080808080);

bool utf8_valid(const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		uint64_t word;
		int len;

		/* Most of what comes in is ASCII; eight bytes of it cost one test. */
		if (end - p >= (ptrdiff_t)sizeof(word)) {
			memcpy(&word, p, sizeof(word));
			if (!(word & TOP_BITS)) {
				p += sizeof(word);
				continue;
			}
		}
		len = utf8_next(p, (size_t)(end - p));
		if (len < 0)
			return false;
		p += len;
	}
	return true;
}

size_t utf8_length(const char *p, size_t n)
{
	size_t count = 0;
	size_t i = 0;

	/* A character is a byte that does not continue one: continuation bytes are 10xxxxxx. */
	for (; n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, p + i, sizeof(word));
		count += sizeof(word) - (size_t)__builtin_popcountll(word & ~(word << 1) & TOP_BITS);
	}
	for (; i < n; i++)
		count += (p[i] & 0xc0) != 0x80;
	return count;
}

int utf8_next(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
	int len, i;

	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4) /* a continuation; an overlong form; above U+10FFFF */
		return -1;
	if (u[0] < 0xe0) {
		len = 2;
	} else if (u[0] < 0xf0) {
		len = 3;
		if (u[0] == 0xe0) /* shorter forms exist */
			low = 0xa0;
		else if (u[0] == 0xed) /* surrogates */
			high = 0x9f;
	} else {
		len = 4;
		if (u[0] == 0xf0)
			low = 0x90;
		else if (u[0] == 0xf4)
			high = 0x8f;
	}
	for (i = 1; i < len; i++) {
		if ((size_t)i == n || u[i] < low || u[i] > high)
			return -i;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

int utf8_put(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}
