#include "lib/base/base32.h"

#include <string.h>

#include "lib/base/arena.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

char *base32_encode(struct arena *a, const void *p, size_t n)
{
	const unsigned char *from = p;
	char *out = arena_alloc(a, n * 8 / 5 + 2), *to = out;
	unsigned bits = 0;
	int held = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | from[i];
		for (held += 8; held >= 5; held -= 5)
			*to++ = letters[bits >> (held - 5) & 31];
		bits &= (1u << held) - 1;
	}
	if (held)
		*to++ = letters[bits << (5 - held) & 31];
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
		const char *at = c ? strchr(letters, c) : NULL;

		if (!at)
			return -1;
		bits = bits << 5 | (unsigned)(at - letters);
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
