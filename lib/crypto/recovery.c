#include "lib/crypto/recovery.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/crypto/secret.h"

enum { RECOVERY_CHARS = 10 };

/* No 0 and o, no 1, i and l. */
static const char unambiguous[] = "abcdefghjkmnpqrstuvwxyz23456789";

char *recovery_code(struct arena *a)
{
	char *text = secret_random_text(a, unambiguous, RECOVERY_CHARS);

	return arena_fmt(a, "%.5s-%s", text, text + 5);
}

char *recovery_read(struct arena *a, const char *text)
{
	char found[RECOVERY_CHARS + 1];
	int n = 0;

	for (; *text; text++) {
		char c = (char)(*text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text);

		if (c == '-' || c == ' ')
			continue;
		if (n == RECOVERY_CHARS || !strchr(unambiguous, c))
			return NULL;
		found[n++] = c;
	}
	found[n] = '\0';
	return n == RECOVERY_CHARS ? arena_fmt(a, "%.5s-%s", found, found + 5) : NULL;
}
