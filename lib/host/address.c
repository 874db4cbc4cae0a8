#include "lib/host/address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "lib/base/arena.h"

enum { V4 = 4, V6 = 16 };

/* The bytes; how many there are, or 0. */
static size_t read_bytes(const char *text, unsigned char bytes[V6])
{
	static const unsigned char mapped[V6 - V4] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, bytes) == 1)
		return V4;
	if (inet_pton(AF_INET6, text, bytes) != 1)
		return 0;
	if (memcmp(bytes, mapped, sizeof(mapped)))
		return V6;
	memmove(bytes, bytes + sizeof(mapped), V4);
	return V4;
}

static const char *write_bytes(struct arena *a, const unsigned char *bytes, size_t n)
{
	char text[INET6_ADDRSTRLEN];

	return arena_dup(a, inet_ntop(n == V4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)));
}

const char *address_text(struct arena *a, const char *text)
{
	unsigned char bytes[V6];
	size_t n = read_bytes(text, bytes);

	return n ? write_bytes(a, bytes, n) : NULL;
}

/* A whole number up to most, in digits alone; -1: it is none. */
static int read_prefix(const char *text, int most)
{
	int n = 0;

	if (!*text || strlen(text) > 3)
		return -1;
	for (; *text >= '0' && *text <= '9'; text++)
		n = n * 10 + *text - '0';
	return *text || n > most ? -1 : n;
}

const char *address_range_text(struct arena *a, const char *text)
{
	const char *slash = strchr(text, '/');
	const char *alone = slash ? arena_dup_n(a, text, (size_t)(slash - text)) : text;
	unsigned char bytes[V6];
	size_t n = read_bytes(alone, bytes);
	int most = (int)n * 8, prefix = most;

	if (!n)
		return NULL;
	if (slash) {
		/* Of IPv4 in IPv6's clothes it counts from the clothes' beginning. */
		int clothes = n == V4 && strchr(alone, ':') ? (V6 - V4) * 8 : 0;

		prefix = read_prefix(slash + 1, clothes + most) - clothes;
		if (prefix < 0)
			return NULL;
	}
	for (int bit = prefix; bit < most; bit++)
		bytes[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
	return arena_fmt(a, "%s/%d", write_bytes(a, bytes, n), prefix);
}
