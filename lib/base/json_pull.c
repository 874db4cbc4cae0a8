#include "lib/base/json_pull.h"

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

void json_pull_init(struct json_pull *r, struct arena *a, const char *p, size_t n)
{
	*r = (struct json_pull){ .arena = a, .start = p, .p = p, .end = p + n };
}

bool json_pull_fail(struct json_pull *r, const char *what)
{
	if (!r->problem)
		r->problem = arena_fmt(r->arena, "invalid JSON at byte %zu: %s",
				       (size_t)(r->p - r->start) + 1, what);
	return false;
}

static void skip_space(struct json_pull *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

char json_pull_kind(struct json_pull *r)
{
	if (r->problem)
		return '\0';
	skip_space(r);
	if (r->p == r->end)
		return '\0';
	if (*r->p == '-' || is_digit(*r->p))
		return '0';
	return strchr("{[\"tfn", *r->p) ? *r->p : '\0';
}

bool json_pull_open(struct json_pull *r, char bracket)
{
	if (json_pull_kind(r) != bracket)
		return json_pull_fail(r, bracket == '{' ? "expected an object" : "expected an array");
	if (r->depth == JSON_PULL_DEPTH)
		return json_pull_fail(r, "it is too deep");
	r->p++;
	r->depth++;
	r->is_first = true;
	return true;
}

/* In front of a member or element: its comma, or what closes all of them. */
static bool take_next(struct json_pull *r, char close)
{
	bool is_first = r->is_first;

	if (r->problem)
		return false;
	r->is_first = false;
	skip_space(r);
	if (r->p == r->end)
		return json_pull_fail(r, "the text ends within an object or array");
	if (*r->p == close) {
		r->p++;
		r->depth--;
		return false;
	}
	if (is_first)
		return true;
	if (*r->p != ',')
		return json_pull_fail(r, "expected a comma or the end of the object or array");
	r->p++;
	return true;
}

bool json_pull_member(struct json_pull *r, struct json_piece *name)
{
	if (!take_next(r, '}') || !json_pull_string(r, name))
		return false;
	skip_space(r);
	if (r->p == r->end || *r->p != ':')
		return json_pull_fail(r, "expected a colon");
	r->p++;
	return true;
}

bool json_pull_element(struct json_pull *r)
{
	return take_next(r, ']');
}

/* Four hex digits, or -1. */
static int take_hex(struct json_pull *r)
{
	int v = 0;

	if (r->end - r->p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = r->p[i], small = c | ' ';

		if (is_digit(c))
			v = v << 4 | (c - '0');
		else if (small >= 'a' && small <= 'f')
			v = v << 4 | (small - 'a' + 10);
		else
			return -1;
	}
	r->p += 4;
	return v;
}

/* What follows \u; half a surrogate pair is U+FFFD. */
static bool take_unicode(struct json_pull *r, struct buf *out)
{
	int c = take_hex(r), low = -1;

	if (c < 0)
		return json_pull_fail(r, "\\u wants four hexadecimal digits");
	if (c >= 0xd800 && c <= 0xdfff) {
		const char *from = r->p;

		if (c < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
			r->p += 2;
			low = take_hex(r);
		}
		if (low >= 0xdc00 && low <= 0xdfff) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		} else {
			r->p = from;
			c = 0xfffd;
		}
	}
	out->n += (size_t)utf8_put(buf_room(out, 4), (unsigned)c);
	return true;
}

static bool take_escape(struct json_pull *r, struct buf *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (++r->p == r->end)
		return json_pull_fail(r, "the text ends within a string");
	if (*r->p == 'u') {
		r->p++;
		return take_unicode(r, out);
	}
	at = *r->p ? strchr(names, *r->p) : NULL;
	if (!at)
		return json_pull_fail(r, "no such escape in a string");
	buf_char(out, values[at - names]);
	r->p++;
	return true;
}

/* The end of the bytes that stand for themselves. */
static const char *plain_end(const struct json_pull *r)
{
	const char *p = r->p;

	while (p < r->end && *p != '"' && *p != '\\' && (unsigned char)*p >= ' ')
		p++;
	return p;
}

/* Where a string ends that has escapes: at which byte of the text its closing quote stands. */
static size_t text_end(const struct json_pull *r, const char *p)
{
	while (p < r->end && *p != '"')
		p += *p == '\\' && r->end - p > 1 ? 2 : 1;
	return (size_t)(p - r->start);
}

bool json_pull_string(struct json_pull *r, struct json_piece *out)
{
	const char *from, *to;
	struct buf b;

	if (json_pull_kind(r) != '"')
		return json_pull_fail(r, "expected a string");
	from = ++r->p;
	to = plain_end(r);
	if (to < r->end && *to == '"') { /* without escapes it stays where it is */
		*out = (struct json_piece){ from, (size_t)(to - from) };
		r->p = to + 1;
		return true;
	}
	/* What escapes stand for is never longer than they, and a character's four bytes are written at once.
	 */
	buf_init(&b, r->arena, text_end(r, to) + 4 - (size_t)(from - r->start));
	for (;;) {
		to = plain_end(r);
		buf_add(&b, r->p, (size_t)(to - r->p));
		r->p = to;
		if (to == r->end)
			return json_pull_fail(r, "the text ends within a string");
		if (*to == '"')
			break;
		if (*to != '\\')
			return json_pull_fail(r, "a control character in a string");
		if (!take_escape(r, &b))
			return false;
	}
	r->p++;
	*out = (struct json_piece){ b.p, b.n };
	return true;
}

static size_t take_digits(struct json_pull *r)
{
	const char *from = r->p;

	while (r->p < r->end && is_digit(*r->p))
		r->p++;
	return (size_t)(r->p - from);
}

bool json_pull_number(struct json_pull *r, struct json_piece *out)
{
	const char *from;
	bool ok;

	if (json_pull_kind(r) != '0')
		return json_pull_fail(r, "expected a number");
	from = r->p;
	r->p += *r->p == '-';
	ok = r->p < r->end && *r->p == '0' ? (r->p++, true) : take_digits(r) > 0;
	if (ok && r->p < r->end && *r->p == '.') {
		r->p++;
		ok = take_digits(r) > 0;
	}
	if (ok && r->p < r->end && (*r->p | ' ') == 'e') {
		r->p++;
		r->p += r->p < r->end && (*r->p == '+' || *r->p == '-');
		ok = take_digits(r) > 0;
	}
	*out = (struct json_piece){ from, (size_t)(r->p - from) };
	return ok || json_pull_fail(r, "this is no number");
}

static bool take_word(struct json_pull *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return json_pull_fail(r, "expected a value");
	r->p += n;
	return true;
}

bool json_pull_bool(struct json_pull *r, bool *out)
{
	char kind = json_pull_kind(r);

	if (kind != 't' && kind != 'f')
		return json_pull_fail(r, "expected true or false");
	*out = kind == 't';
	return take_word(r, *out ? "true" : "false");
}

bool json_pull_null(struct json_pull *r)
{
	return json_pull_kind(r) == 'n' ? take_word(r, "null") : json_pull_fail(r, "expected null");
}

/* A string whose text nobody wants. */
static bool skip_string(struct json_pull *r)
{
	char room[8];
	struct buf b = { .arena = r->arena, .p = room, .cap = sizeof(room) };

	for (r->p++; r->p < r->end; b.n = 0) {
		r->p = plain_end(r);
		if (r->p == r->end)
			break;
		if (*r->p == '"') {
			r->p++;
			return true;
		}
		if (*r->p != '\\')
			return json_pull_fail(r, "a control character in a string");
		if (!take_escape(r, &b))
			return false;
	}
	return json_pull_fail(r, "the text ends within a string");
}

bool json_pull_skip(struct json_pull *r)
{
	struct json_piece text;
	bool flag;

	switch (json_pull_kind(r)) {
	case '{':
		if (json_pull_open(r, '{'))
			while (json_pull_member(r, &text))
				json_pull_skip(r); /* no deeper than JSON_PULL_DEPTH */
		break;
	case '[':
		if (json_pull_open(r, '['))
			while (json_pull_element(r))
				json_pull_skip(r);
		break;
	case '"': return skip_string(r);
	case '0': return json_pull_number(r, &text);
	case 't':
	case 'f': return json_pull_bool(r, &flag);
	case 'n': return json_pull_null(r);
	default: return json_pull_fail(r, "expected a value");
	}
	return !r->problem;
}

bool json_pull_end(struct json_pull *r)
{
	if (r->problem)
		return false;
	skip_space(r);
	return r->p == r->end || json_pull_fail(r, "there is more behind the value");
}
