#include "lib/base/uuid.h"

#include <string.h>

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool uuid_bytes(const char *text, unsigned char out[16])
{
	int n = 0;

	if (strnlen(text, UUID_CHARS + 1) != UUID_CHARS)
		return false;
	for (int i = 0; i < UUID_CHARS;) {
		int high, low;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i++] != '-')
				return false;
			continue;
		}
		high = digit_of(text[i++]);
		low = digit_of(text[i++]);
		if (high < 0 || low < 0)
			return false;
		out[n++] = (unsigned char)(high << 4 | low);
	}
	return true;
}

char *uuid_text(struct arena *a, const unsigned char b[16])
{
	return arena_fmt(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
			 b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
			 b[14], b[15]);
}
