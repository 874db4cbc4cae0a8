/* Any bytes: a query string, and the same as one percent-encoded piece. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/qs.h"
#include "lib/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const char *text)
{
	if (!text || !utf8_valid(text, strlen(text)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *problem = NULL;
	struct qs_pair *pairs;
	struct arena a;
	char *text;
	int count, i;

	arena_init(&a, 4096);
	text = qs_decode(&a, (const char *)data, n, n % 2, &problem);
	check(text ? text : problem);
	problem = NULL;
	count = qs_parse(&a, arena_dup_n(&a, data, n), &pairs, &problem);
	if (count < 0)
		check(problem);
	if (count > QS_MAX_PAIRS)
		abort();
	for (i = 0; i < count; i++) {
		check(pairs[i].name);
		check(pairs[i].value);
	}
	arena_release(&a);
	return 0;
}
