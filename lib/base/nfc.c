#include "lib/base/nfc.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "lib/base/utf8.h"

enum { MAX_GROWTH = 3 }; /* of a text, in UTF-16 as in UTF-8; UAX 15, section 9 */

static bool is_ascii(const char *s)
{
	while (*s && !(*s & 0x80))
		s++;
	return !*s;
}

const char *nfc(struct arena *a, const char *text)
{
	UErrorCode e = U_ZERO_ERROR;
	const UNormalizer2 *form = unorm2_getNFCInstance(&e);
	size_t bytes = strlen(text), room;
	int32_t n, made;
	UChar *in, *out;
	char *utf8;

	if (is_ascii(text))
		return text;
	if (bytes > INT32_MAX / (MAX_GROWTH * MAX_GROWTH) - 1 || !utf8_valid(text, bytes))
		return NULL;
	in = arena_alloc_raw(a, (bytes + 1) * sizeof(*in));
	u_strFromUTF8(in, (int32_t)bytes + 1, &n, text, (int32_t)bytes, &e);
	if (unorm2_isNormalized(form, in, n, &e) && U_SUCCESS(e))
		return text;
	room = MAX_GROWTH * (size_t)n + 1;
	out = arena_alloc_raw(a, room * sizeof(*out));
	made = unorm2_normalize(form, in, n, out, (int32_t)room, &e);
	utf8 = arena_alloc_raw(a, MAX_GROWTH * (size_t)made + 1);
	u_strToUTF8(utf8, MAX_GROWTH * made + 1, NULL, out, made, &e);
	return U_SUCCESS(e) ? utf8 : NULL;
}
