/*
 * Any text as an address.  What is taken is stable: the address that is kept has the same key
 * and is kept as itself, and a key is its own key.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/email.h"
#include "lib/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void same(const char *got, const char *wanted)
{
	if (!got || !wanted || strcmp(got, wanted) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct email e, again;
	struct arena a;
	const char *text, *key;

	arena_init(&a, 4096);
	text = arena_dup_n(&a, data, n);
	key = email_key(&a, text);
	if (key) {
		if (!utf8_valid(key, strlen(key)))
			abort();
		same(email_key(&a, key), key);
		same(email_name(&a, text), key);
	}
	if (!email_read(&a, text, &e)) {
		if (!utf8_valid(e.address, strlen(e.address)))
			abort();
		same(e.key, key);
		same(email_key(&a, e.address), key);
		if (email_read(&a, e.address, &again))
			abort();
		same(again.address, e.address);
	}
	arena_release(&a);
	return 0;
}
