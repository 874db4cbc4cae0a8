/* The first line is the Content-Type, what follows the body. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/multipart.h"
#include "lib/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const char *text)
{
	if (text && !utf8_valid(text, strlen(text)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *all = (const char *)data;
	const char *line_end = n ? memchr(all, '\n', n) : NULL;
	const char *body, *problem = NULL;
	struct part *parts;
	struct arena a;
	int count, i;

	if (!line_end)
		return 0;
	body = line_end + 1;
	n -= (size_t)(body - all);
	arena_init(&a, 4096);
	if (multipart_read(&a, arena_dup_n(&a, all, (size_t)(line_end - all)), body, n, &parts, &count,
			   &problem)) {
		if (!problem)
			abort();
	} else {
		for (i = 0; i < count; i++) {
			if (!parts[i].name || parts[i].bytes < body || parts[i].bytes + parts[i].n > body + n)
				abort();
			check(parts[i].name);
			check(parts[i].filename);
			check(parts[i].content_type);
		}
		/* Parts that are copied by name and content stay bounded by what came in. */
		if (a.used > 64 * (n + (size_t)(line_end - all)) + 65536)
			abort();
	}
	arena_release(&a);
	return 0;
}
