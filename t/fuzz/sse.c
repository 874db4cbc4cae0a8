/* Any bytes as an event stream: in one piece, and one by one, they are the same events. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool note(void *to, const char *event, const char *data, size_t n)
{
	struct buf *b = to;

	if (data[n])
		abort();
	buf_fmt(b, "[%s]", event);
	buf_add(b, data, n);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole, pieces;
	struct arena a;
	struct sse s;
	bool ok, too = true;

	arena_init(&a, 4096);
	buf_init(&whole, &a, 64);
	buf_init(&pieces, &a, 64);
	sse_init(&s, &a, 512);
	ok = sse_feed(&s, (const char *)data, n, note, &whole);
	sse_init(&s, &a, 512);
	for (size_t i = 0; i < n && too; i++)
		too = sse_feed(&s, (const char *)data + i, 1, note, &pieces);
	if (ok != too || (ok && (whole.n != pieces.n || (whole.n && memcmp(whole.p, pieces.p, whole.n)))))
		abort();
	arena_release(&a);
	return 0;
}
