/* A picture that was cleaned once is a picture, and stays as it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf once, twice;
	const char *type;
	struct arena a;

	arena_init(&a, 4096);
	buf_init(&once, &a, 64);
	buf_init(&twice, &a, 64);
	type = picture_clean(data, n, &once);
	if (type && (once.n > n + 64 || picture_clean(once.p, once.n, &twice) != type || once.n != twice.n ||
		     memcmp(once.p, twice.p, once.n) != 0))
		abort();
	arena_release(&a);
	return 0;
}
