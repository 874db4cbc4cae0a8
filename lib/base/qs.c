#include "lib/base/qs.h"

#include <string.h>

#include "lib/base/utf8.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *qs_decode(struct arena *a, const char *p, size_t n, bool plus_is_space, const char **problem)
{
	char *text = arena_alloc_raw(a, n + 1);
	char *out = text;
	size_t i;

	for (i = 0; i < n; i++) {
		char c = p[i];

		if (c == '+' && plus_is_space) {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < n ? hex_digit(p[i + 1]) : -1;
			int low = i + 2 < n ? hex_digit(p[i + 2]) : -1;

			if (high < 0 || low < 0) {
				*problem = "a % must be followed by two hexadecimal digits";
				return NULL;
			}
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (!c) {
			*problem = "a NUL is not allowed";
			return NULL;
		}
		*out++ = c;
	}
	*out = '\0';
	if (!utf8_valid(text, (size_t)(out - text))) {
		*problem = "the decoded text must be UTF-8";
		return NULL;
	}
	return text;
}

/* How many pairs there are, empty ones left out. */
static int count_pairs(const char *qs)
{
	int count = 0;

	for (; *qs; qs++)
		count += *qs != '&' && (qs[1] == '&' || !qs[1]);
	return count;
}

int qs_parse(struct arena *a, const char *qs, struct qs_pair **out, const char **problem)
{
	int room = count_pairs(qs);
	int count = 0;

	if (room > QS_MAX_PAIRS) {
		*problem = arena_fmt(a, "query string: more than %d parameters", QS_MAX_PAIRS);
		return -1;
	}
	*out = arena_alloc(a, (size_t)room * sizeof(**out));
	for (;;) {
		size_t n = strcspn(qs, "&");
		const char *equals = memchr(qs, '=', n);
		size_t name_len = equals ? (size_t)(equals - qs) : n;
		struct qs_pair *pair = *out + count;
		const char *why;

		if (n) {
			pair->name = qs_decode(a, qs, name_len, true, &why);
			pair->value = "";
			if (pair->name && equals)
				pair->value = qs_decode(a, equals + 1, n - name_len - 1, true, &why);
			if (!pair->name || !pair->value) {
				*problem = arena_fmt(a, "query string, parameter %d: %s", count + 1, why);
				return -1;
			}
			count++;
		}
		if (!qs[n])
			return count;
		qs += n + 1;
	}
}

void qs_encode(struct buf *b, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c))
			buf_char(b, (char)c);
		else
			buf_fmt(b, "%%%02X", c);
	}
}

void qs_add(struct buf *b, const char *name, const char *value)
{
	if (b->n && !strchr("?#&", b->p[b->n - 1]))
		buf_char(b, '&');
	buf_text(b, name);
	buf_char(b, '=');
	qs_encode(b, value);
}
