#include "lib/base/trace_context.h"

#include <string.h>

enum { MAX_MEMBERS = 32, MAX_KEY = 256, MAX_VALUE = 256, LARGE_MEMBER = 128 };

void trace_context_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* In lower case only; -1: it is none. */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool trace_context_bytes(const char *hex, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i++) {
		int high = digit(hex[2 * i]), low = high < 0 ? -1 : digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool trace_context_is_none(const uint8_t *id, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= id[i];
	return !any;
}

/* Later versions may have more behind a further dash, and what they begin with stays. */
bool trace_context_read(const char *text, struct trace_context *out)
{
	size_t n = text ? strnlen(text, TRACE_CONTEXT_TEXT) : 0;
	uint8_t version, flags;

	if (n < TRACE_CONTEXT_TEXT - 1 || text[2] != '-' || text[35] != '-' || text[52] != '-' ||
	    !trace_context_bytes(text, 1, &version) || version == 0xff ||
	    !trace_context_bytes(text + 3, 16, out->trace) || !trace_context_bytes(text + 36, 8, out->span) ||
	    !trace_context_bytes(text + 53, 1, &flags))
		return false;
	if (n >= TRACE_CONTEXT_TEXT && (version == 0 || text[55] != '-'))
		return false;
	out->is_sampled = flags & 1;
	return !trace_context_is_none(out->trace, 16) && !trace_context_is_none(out->span, 8);
}

void trace_context_write(const struct trace_context *c, char out[TRACE_CONTEXT_TEXT])
{
	memcpy(out, "00-", 3);
	trace_context_hex(c->trace, 16, out + 3);
	out[35] = '-';
	trace_context_hex(c->span, 8, out + 36);
	memcpy(out + 52, c->is_sampled ? "-01" : "-00", 4);
}

static bool is_key(const char *p, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@";
	size_t ats = 0;

	/* A tenant's id, in front of an '@', may begin with a digit. */
	if (!n || n > MAX_KEY || !((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!memchr(letters, p[i], sizeof(letters) - 1))
			return false;
		ats += p[i] == '@';
	}
	return ats ? ats == 1 && p[n - 1] != '@' : *p >= 'a';
}

static bool is_value(const char *p, size_t n)
{
	if (!n || n > MAX_VALUE || p[n - 1] == ' ')
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] > '~' || p[i] == '=')
			return false;
	return true;
}

struct member {
	const char *p;
	size_t n, key;
};

static bool is_twice(const struct member *all, size_t n, const struct member *one)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].key == one->key && !memcmp(all[i].p, one->p, one->key))
			return true;
	return false;
}

/* Its members, checked; how many, or 0 if one is wrong. */
static size_t read_members(const char *text, struct member *all)
{
	size_t n = 0, len;

	for (;; text += len + 1) {
		struct member one;
		const char *equals;

		len = strcspn(text, ",");
		one.p = text + strspn(text, " \t");
		one.n = one.p < text + len ? (size_t)(text + len - one.p) : 0;
		while (one.n && (one.p[one.n - 1] == ' ' || one.p[one.n - 1] == '\t'))
			one.n--;
		if (one.n) { /* an empty one is allowed, and nothing */
			equals = memchr(one.p, '=', one.n);
			one.key = equals ? (size_t)(equals - one.p) : 0;
			if (n == MAX_MEMBERS || !equals || !is_key(one.p, one.key) ||
			    !is_value(equals + 1, one.n - one.key - 1) || is_twice(all, n, &one))
				return 0;
			all[n++] = one;
		}
		if (!text[len])
			return n;
	}
}

static size_t size_of(const struct member *all, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += all[i].n ? all[i].n + 1 : 0;
	return size ? size - 1 : 0;
}

bool trace_context_state(const char *text, char out[TRACE_CONTEXT_STATE])
{
	struct member all[MAX_MEMBERS];
	size_t n = text ? read_members(text, all) : 0, used = 0;

	for (size_t i = n; i-- && size_of(all, n) >= TRACE_CONTEXT_STATE;)
		if (all[i].n > LARGE_MEMBER)
			all[i].n = 0;
	while (size_of(all, n) >= TRACE_CONTEXT_STATE)
		n--;
	for (size_t i = 0; i < n; i++) {
		if (!all[i].n)
			continue;
		if (used)
			out[used++] = ',';
		memcpy(out + used, all[i].p, all[i].n);
		used += all[i].n;
	}
	out[used] = '\0';
	return used;
}
