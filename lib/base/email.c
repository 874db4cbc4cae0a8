#include "lib/base/email.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unicode/uchar.h>
#include <unicode/uidna.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "lib/base/mailbox.h"
#include "lib/base/utf8.h"

enum {
	ADDRESS_MAX = 254,           /* characters, RFC 5321 4.5.3.1.3 less the brackets */
	BYTES_MAX = 4 * ADDRESS_MAX, /* of such an address */
	UNITS_MAX = 6 * ADDRESS_MAX, /* UTF-16, in any normal form: each of at most 254 becomes at most 3 */
	DOMAIN_MAX = 253,            /* as A-labels */
};

static const char not_one[] = "an e-mail address";

/* A piece of an address in UTF-16, as ICU wants it. */
struct text {
	UChar s[UNITS_MAX];
	int32_t n;
};

static const char *lower_ascii(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_dup_n(a, s, n);

	for (char *p = copy; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return copy;
}

/* ASCII that can be seen. */
static bool is_graphic(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] < '!' || s[i] > '~')
			return false;
	return true;
}

/* Has it a label that may be an A-label?  Those must be what they decode to. */
static bool has_ace(const char *domain)
{
	for (const char *p = domain; p; p = strchr(p, '.')) {
		p += *p == '.';
		if (!strncasecmp(p, "xn--", 4))
			return true;
	}
	return false;
}

static bool to_utf16(const char *s, size_t n, struct text *out)
{
	UErrorCode e = U_ZERO_ERROR;

	u_strFromUTF8(out->s, UNITS_MAX, &out->n, s, (int32_t)n, &e);
	return U_SUCCESS(e) && out->n < UNITS_MAX;
}

static const char *to_utf8(struct arena *a, const struct text *t)
{
	char *out = arena_alloc_raw(a, 3 * (size_t)t->n + 1);
	UErrorCode e = U_ZERO_ERROR;
	int32_t n;

	u_strToUTF8(out, 3 * t->n + 1, &n, t->s, t->n, &e);
	return U_SUCCESS(e) ? out : NULL;
}

/* NFC is part of the library: there is nothing to open, and no way to fail. */
static const UNormalizer2 *nfc(void)
{
	UErrorCode e = U_ZERO_ERROR;

	return unorm2_getNFCInstance(&e);
}

static bool normalize(const struct text *in, struct text *out)
{
	UErrorCode e = U_ZERO_ERROR;

	out->n = unorm2_normalize(nfc(), in->s, in->n, out->s, UNITS_MAX, &e);
	return U_SUCCESS(e);
}

/* Characters */

static bool is_hidden(UChar32 c)
{
	return U_GET_GC_MASK(c) & (U_GC_C_MASK | U_GC_Z_MASK) ||
	       u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

static bool is_compatibility(UChar32 c)
{
	return u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE) > U_DT_CANONICAL;
}

/* Is it another character, or made of one that is? */
static bool is_stand_in(UChar32 c)
{
	UErrorCode e = U_ZERO_ERROR;
	UChar raw[32], all[32];
	int32_t n = unorm2_getRawDecomposition(nfc(), c, raw, 32, &e);

	if (is_compatibility(c))
		return true;
	if (n < 0)
		return false;
	if (u_countChar32(raw, n) == 1)
		return true;
	n = unorm2_getDecomposition(nfc(), c, all, 32, &e);
	for (int32_t i = 0; i < n;) {
		U16_NEXT(all, i, n, c);
		if (is_compatibility(c))
			return true;
	}
	return false;
}

/* What is wrong with the characters of a piece, for people; NULL: nothing. */
static const char *problem_of(struct arena *a, const struct text *t)
{
	UChar32 c;

	for (int32_t i = 0; i < t->n;) {
		U16_NEXT(t->s, i, t->n, c);
		if (is_hidden(c))
			return arena_fmt(a, "%s without what cannot be seen, such as U+%04X", not_one,
					 (unsigned)c);
		if (is_stand_in(c))
			return arena_fmt(a, "%s without characters that stand for others, such as U+%04X",
					 not_one, (unsigned)c);
	}
	return NULL;
}

/* The local part */

static UChar32 fold(UChar32 c)
{
	return u_foldCase(c, U_FOLD_CASE_DEFAULT);
}

/* Lower case, unless that is another key: İ has no simple folding, and its lower case is i. */
static UChar32 lower(UChar32 c)
{
	UChar32 l = u_tolower(c);

	return fold(l) == fold(c) ? l : c;
}

/* NFC of each character's other one.  Once is not enough: what is mapped may compose anew, as j and a caron
 * do. */
static bool map(const struct text *in, UChar32 (*to)(UChar32), struct text *out)
{
	enum { ROUNDS = 4 };
	struct text mapped;

	if (!normalize(in, out))
		return false;
	for (int round = 0; round < ROUNDS; round++) {
		UBool failed = false;
		UChar32 c;

		mapped.n = 0;
		for (int32_t i = 0; i < out->n;) {
			U16_NEXT(out->s, i, out->n, c);
			U16_APPEND(mapped.s, mapped.n, UNITS_MAX, to(c), failed);
		}
		if (failed)
			return false;
		if (mapped.n == out->n && !u_memcmp(mapped.s, out->s, out->n))
			return true;
		if (!normalize(&mapped, out))
			return false;
	}
	return false;
}

/* One that is not ASCII.  As email_read; address may be NULL. */
static const char *read_local(struct arena *a, const char *s, size_t n, const char **address,
			      const char **key)
{
	struct text in, out;
	const char *problem;
	UChar32 first;

	if (!to_utf16(s, n, &in))
		return not_one;
	problem = problem_of(a, &in);
	if (problem)
		return problem;
	U16_GET(in.s, 0, 0, in.n, first);
	if (U_GET_GC_MASK(first) & U_GC_M_MASK)
		return arena_fmt(a, "%s that does not begin with a combining mark", not_one);
	if (address) {
		if (!map(&in, lower, &out))
			return not_one;
		*address = to_utf8(a, &out);
	}
	if (!map(&in, fold, &out))
		return not_one;
	*key = to_utf8(a, &out);
	return NULL;
}

/* The domain */

/* Opened when the first name needs it, for the life of the process. */
static const UIDNA *uts46(void)
{
	static UIDNA *opened;
	UErrorCode e = U_ZERO_ERROR;

	if (!opened)
		opened = uidna_openUTS46(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
						 UIDNA_CHECK_CONTEXTO | UIDNA_NONTRANSITIONAL_TO_ASCII |
						 UIDNA_NONTRANSITIONAL_TO_UNICODE,
					 &e);
	return opened;
}

static const char *read_domain(struct arena *a, const char *s, const char **key)
{
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UErrorCode e = U_ZERO_ERROR;
	struct text in, out;
	const char *problem;
	size_t n = strlen(s);

	if (is_graphic(s, n) && !has_ace(s)) {
		*key = lower_ascii(a, s, n);
		return NULL;
	}
	if (!to_utf16(s, n, &in))
		return not_one;
	problem = problem_of(a, &in);
	if (problem)
		return problem;
	if (!uts46())
		return not_one;
	out.n = uidna_nameToASCII(uts46(), in.s, in.n, out.s, UNITS_MAX, &info, &e);
	/* Hyphens there are in names that are ASCII, too, and those are taken. */
	if (U_FAILURE(e) || info.errors & ~(uint32_t)UIDNA_ERROR_HYPHEN_3_4 || out.n < 1 ||
	    out.n > DOMAIN_MAX || out.s[out.n - 1] == '.')
		return "an e-mail address whose domain is one by UTS 46";
	*key = to_utf8(a, &out);
	return NULL;
}

/* local@domain, and no more is asked; out->address may be left NULL by want_address. */
static const char *parse(struct arena *a, const char *text, bool want_address, struct email *out)
{
	const char *at = strchr(text, '@'), *local_key, *local = NULL, *domain, *problem;
	size_t n = strlen(text), local_n;

	if (!at || at == text || !at[1] || strchr(at + 1, '@') || n > BYTES_MAX ||
	    utf8_length(text, n) > ADDRESS_MAX)
		return not_one;
	local_n = (size_t)(at - text);
	if (is_graphic(text, n) && !has_ace(at + 1)) {
		out->address = out->key = lower_ascii(a, text, n);
		return NULL;
	}
	if (!utf8_valid(text, n))
		return not_one;
	if (is_graphic(text, local_n)) {
		local = local_key = lower_ascii(a, text, local_n);
		problem = NULL;
	} else {
		problem = read_local(a, text, local_n, want_address ? &local : NULL, &local_key);
	}
	if (!problem)
		problem = read_domain(a, at + 1, &domain);
	if (problem)
		return problem;
	/* A domain grows when it becomes ASCII. */
	out->key = arena_fmt(a, "%s@%s", local_key, domain);
	if (utf8_length(out->key, strlen(out->key)) > ADDRESS_MAX)
		return not_one;
	if (want_address)
		out->address = arena_fmt(a, "%s@%s", local, domain);
	return NULL;
}

const char *email_read(struct arena *a, const char *text, struct email *out)
{
	struct email found;
	const char *problem = parse(a, text, true, &found);

	if (problem)
		return problem;
	if (!mailbox_is_address(found.address) ||
	    utf8_length(found.address, strlen(found.address)) > ADDRESS_MAX)
		return not_one;
	*out = found;
	return NULL;
}

const char *email_key(struct arena *a, const char *text)
{
	struct email found;

	return parse(a, text, false, &found) ? NULL : found.key;
}

void email_find(struct arena *a, const char *text, struct email *out)
{
	if (parse(a, text, true, out))
		*out = (struct email){ .address = text };
}

const char *email_domain(struct arena *a, const char *text)
{
	const char *key;

	return !utf8_valid(text, strlen(text)) || read_domain(a, text, &key) ? NULL : key;
}

const char *email_name(struct arena *a, const char *text)
{
	const char *key = email_key(a, text);

	return key ? key : lower_ascii(a, text, strlen(text));
}
