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
