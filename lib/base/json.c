#include "lib/base/json.h"

#include <json-c/json.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

struct reader {
	struct arena *arena;
	const char *start, *p, *end;
	struct buf key;  /* the member name in hand, decoded, with a NUL behind it */
	struct buf text; /* the string or number in hand */
	struct json_object *root;
	int values;
	bool any; /* json_read_any: what could not be stored is replaced, not refused */
	const char *problem;
};

/* Record what is wrong at a place in the text; false, for "return fail(...)". */
__attribute__((format(printf, 3, 4))) static bool fail(struct reader *r, const char *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	r->problem = arena_fmt(r->arena, "invalid JSON at byte %zu: %s", (size_t)(at - r->start) + 1,
			       arena_vfmt(r->arena, fmt, ap));
	va_end(ap);
	return false;
}

static bool expected(struct reader *r, const char *what)
{
	if (r->p == r->end)
		return fail(r, r->p, "expected %s, but the text ends", what);
	return fail(r, r->p, "expected %s", what);
}

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

static bool take(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool take_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return true;
}

/* Strings */

/* Four hex digits at r->p, or -1. */
static int take_hex(struct reader *r)
{
	int v = 0;
	int i;

	if (r->end - r->p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		char c = r->p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if ((c | ' ') >= 'a' && (c | ' ') <= 'f')
			v = v << 4 | ((c | ' ') - 'a' + 10);
		else
			return -1;
	}
	r->p += 4;
	return v;
}

/* The code point of a surrogate pair whose first half was read; -1: there is no second, and nothing is taken.
 */
static int take_pair(struct reader *r, int high)
{
	const char *from = r->p;
	int low = high < 0xdc00 && take_word(r, "\\u") ? take_hex(r) : -1;

	if (low >= 0xdc00 && low <= 0xdfff)
		return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	r->p = from;
	return -1;
}

/* Decode what follows \u, surrogate pairs included; at is where its backslash stands. */
static bool read_unicode(struct reader *r, struct buf *out, const char *at)
{
	enum { REPLACEMENT = 0xfffd };
	int c = take_hex(r);

	if (c < 0)
		return fail(r, at, "\\u wants four hexadecimal digits");
	if (c == 0 && !r->any)
		return fail(r, at, "\\u0000 is not allowed");
	if (c >= 0xd800 && c <= 0xdfff)
		c = take_pair(r, c);
	if (c < 0 && !r->any)
		return fail(r, at, "half of a surrogate pair");
	if (c <= 0)
		c = REPLACEMENT;
	out->n += (size_t)utf8_put(buf_room(out, 4), (unsigned)c);
	return true;
}

static bool read_escape(struct reader *r, struct buf *out)
{
	static const char plain[128] = {
		['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
	};
	const char *at = r->p++;
	unsigned char c = r->p < r->end ? (unsigned char)*r->p++ : 0;

	if (c == 'u')
		return read_unicode(r, out, at);
	if (c >= sizeof(plain) || !plain[c])
		return fail(r, at, "no such escape in a string");
	buf_char(out, plain[c]);
	return true;
}

/* Read a string at r->p into out, with a NUL behind it. */
static bool read_string(struct reader *r, struct buf *out)
{
	const char *opening = r->p++;

	out->n = 0;
	for (;;) {
		const char *from = r->p;

		while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= ' ')
			r->p++;
		buf_add(out, from, (size_t)(r->p - from));
		if (r->p == r->end)
			return fail(r, opening, "this string has no end");
		if (take(r, '"'))
			break;
		if (*r->p != '\\')
			return fail(r, r->p, "control character 0x%02x in a string", (unsigned)*r->p);
		if (!read_escape(r, out))
			return false;
	}
	buf_str(out);
	return true;
}

/* The string at r->p as a value: without a copy in between where there is no escape in it, for some have
 * megabytes. */
static struct json_object *string_value(struct reader *r)
{
	const char *from = r->p + 1, *p = from;

	while (p < r->end && *p != '"' && *p != '\\' && (unsigned char)*p >= ' ')
		p++;
	if (p < r->end && *p == '"') {
		r->p = p + 1;
		return json_object_new_string_len(from, (int)(p - from));
	}
	return read_string(r, &r->text) ? json_object_new_string_len(r->text.p, (int)r->text.n) : NULL;
}

/* Numbers */

static bool skip_digits(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > from;
}

/* The integer from p up to r->p, if int64 has it. */
static bool to_int64(struct reader *r, const char *p, int64_t *out)
{
	bool negative = *p == '-';
	int64_t v = 0;

	/* Count downwards: the negative side reaches one further. */
	for (p += negative; p < r->p; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *p - '0', &v))
			return false;
	if (!negative && v == INT64_MIN)
		return false;
	*out = negative ? v : -v;
	return true;
}

enum { MAX_NUMBER = 1000 }; /* characters, and json_read_any's exponent */

/* The number from p up to r->p as numeric has it, and as a string where numeric may not. */
static struct json_object *any_number(struct reader *r, const char *p)
{
	size_t n = (size_t)(r->p - p), e;

	r->text.n = 0;
	buf_add(&r->text, p, n);
	buf_str(&r->text);
	e = strcspn(r->text.p, "eE");
	if (n > MAX_NUMBER || (e < n && labs(strtol(r->text.p + e + 1, NULL, 10)) > MAX_NUMBER))
		return json_object_new_string_len(r->text.p, (int)n);
	return json_object_new_double_s(strtod(r->text.p, NULL), r->text.p);
}

/*
 * A number that is no integer keeps its digits, but jsonb is numeric, which has
 * at most 16383 of them behind the point: refuse what PostgreSQL would.
 */
static bool read_number(struct reader *r, struct json_object **out)
{
	const char *from = r->p;
	bool integer = true;
	const char *digits, *text;
	int64_t i;
	double d;

	take(r, '-');
	digits = r->p;
	if (!skip_digits(r))
		return expected(r, "a digit");
	if (*digits == '0' && r->p - digits > 1)
		return fail(r, digits, "a number must not begin with 0");
	if (take(r, '.')) {
		integer = false;
		if (!skip_digits(r))
			return expected(r, "a digit");
	}
	if (take(r, 'e') || take(r, 'E')) {
		integer = false;
		if (!take(r, '+'))
			take(r, '-');
		if (!skip_digits(r))
			return expected(r, "a digit");
	}
	if (integer && to_int64(r, from, &i)) {
		*out = json_object_new_int64(i);
		return true;
	}
	if (r->any) {
		*out = any_number(r, from);
		return true;
	}
	if (integer)
		return fail(r, from, "this integer does not fit into 64 bits");
	if (r->p - from > MAX_NUMBER)
		return fail(r, from, "a number of more than %d characters", MAX_NUMBER);
	r->text.n = 0;
	buf_add(&r->text, from, (size_t)(r->p - from));
	d = strtod(buf_str(&r->text), NULL);
	/* What is too small becomes 0, which is only right when all its digits are. */
	if (!isfinite(d) || (d == 0 && strcspn(r->text.p, "123456789") < strcspn(r->text.p, "eE")))
		return fail(r, from, "this number is out of range");
	text = r->text.p;
	if (d == 0 && strpbrk(text, "eE")) /* 0e-99999 */
		text = signbit(d) ? "-0.0" : "0.0";
	*out = json_object_new_double_s(d, text);
	return true;
}

/* Values */

/* Put a value where it belongs: under the key in hand, at the array's end, or at the root. */
static void attach(struct reader *r, struct json_object *parent, struct json_object *value, bool is_null)
{
	int rc = 0;

	/* As for the arena: a machine out of memory ends the process. */
	if (!value && !is_null)
		abort();
	if (!parent)
		r->root = value;
	else if (json_object_is_type(parent, json_type_object))
		rc = json_object_object_add_ex(parent, r->key.p, value,
					       r->any ? 0 : JSON_C_OBJECT_ADD_KEY_IS_NEW);
	else
		rc = json_object_array_add(parent, value);
	if (rc < 0)
		abort();
}

static bool read_value(struct reader *r, struct json_object *parent, int depth);

static bool read_members(struct reader *r, struct json_object *object, int depth)
{
	skip_space(r);
	if (take(r, '}'))
		return true;
	for (;;) {
		const char *at = r->p;

		if (r->p == r->end || *r->p != '"')
			return expected(r, "a member name in quotes");
		if (!read_string(r, &r->key))
			return false;
		if (!r->any && json_object_object_get_ex(object, r->key.p, NULL)) {
			size_t n = r->key.n;

			while (n > 100 || (n < r->key.n && (r->key.p[n] & 0xc0) == 0x80))
				n--;
			return fail(r, at, "member \"%.*s\" is given twice", (int)n, r->key.p);
		}
		skip_space(r);
		if (!take(r, ':'))
			return expected(r, "':'");
		if (!read_value(r, object, depth))
			return false;
		if (take(r, '}'))
			return true;
		if (!take(r, ','))
			return expected(r, "',' or '}'");
		skip_space(r);
	}
}

static bool read_elements(struct reader *r, struct json_object *array, int depth)
{
	skip_space(r);
	if (take(r, ']'))
		return true;
	for (;;) {
		if (!read_value(r, array, depth))
			return false;
		if (take(r, ']'))
			return true;
		if (!take(r, ','))
			return expected(r, "',' or ']'");
	}
}

/* Read a value with the space around it; depth is how many containers it stands in. */
static bool read_value(struct reader *r, struct json_object *parent, int depth)
{
	struct json_object *value = NULL;
	bool container;
	bool done;
	char c;

	skip_space(r);
	c = r->p < r->end ? *r->p : '\0';
	if (++r->values > JSON_MAX_VALUES)
		return fail(r, r->p, "more than %d values", JSON_MAX_VALUES);
	container = c == '{' || c == '[';
	if (container) {
		if (depth == JSON_MAX_DEPTH)
			return fail(r, r->p, "nested deeper than %d levels", JSON_MAX_DEPTH);
		r->p++;
		value = c == '{' ? json_object_new_object() : json_object_new_array_ext(4);
	} else if (c == '"') {
		value = string_value(r);
		if (!value)
			return false;
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		if (!read_number(r, &value))
			return false;
	} else if (take_word(r, "true")) {
		value = json_object_new_boolean(1);
	} else if (take_word(r, "false")) {
		value = json_object_new_boolean(0);
	} else if (!take_word(r, "null")) {
		return expected(r, "a value");
	}
	/* A container is hung in before it is filled, so whatever stops the reading, the root owns
	 * everything. */
	attach(r, parent, value, c == 'n');
	done = !container ||
	       (c == '{' ? read_members(r, value, depth + 1) : read_elements(r, value, depth + 1));
	skip_space(r);
	return done;
}

static bool check_utf8(struct reader *r)
{
	const char *p = r->start;
	int len;

	if (utf8_valid(p, (size_t)(r->end - p)))
		return true;
	while ((len = utf8_next(p, (size_t)(r->end - p))) > 0)
		p += len;
	return fail(r, p, "not UTF-8");
}

/* The text with U+FFFD for each piece that is no UTF-8, where there are such. */
static void mend_utf8(struct reader *r)
{
	struct buf out;
	int len;

	if (utf8_valid(r->start, (size_t)(r->end - r->start)))
		return;
	buf_init(&out, r->arena, (size_t)(r->end - r->start) + 64);
	for (const char *p = r->start; p < r->end; p += abs(len)) {
		len = utf8_next(p, (size_t)(r->end - p));
		if (len > 0)
			buf_add(&out, p, (size_t)len);
		else
			buf_text(&out, "\xef\xbf\xbd");
	}
	r->start = r->p = out.p;
	r->end = out.p + out.n;
}

static void put_tree(void *root)
{
	json_object_put(root);
}

static enum err read_text(struct reader *r, struct json_object **out, const char **problem)
{
	bool done;

	*out = NULL;
	buf_init(&r->key, r->arena, 64);
	buf_init(&r->text, r->arena, 256);
	if (r->any)
		mend_utf8(r);
	done = (r->any || check_utf8(r)) && read_value(r, NULL, 0) &&
	       (r->p == r->end || expected(r, "the end of the text"));
	if (!done) {
		json_object_put(r->root);
		*problem = r->problem;
		return ERR_BAD_REQUEST;
	}
	arena_defer(r->arena, put_tree, r->root);
	*out = r->root;
	return ERR_OK;
}

enum err json_read(struct arena *a, const char *p, size_t n, struct json_object **out, const char **problem)
{
	struct reader r = { .arena = a, .start = p, .p = p, .end = p + n };

	return read_text(&r, out, problem);
}

enum err json_read_any(struct arena *a, const char *p, size_t n, struct json_object **out,
		       const char **problem)
{
	struct reader r = { .arena = a, .start = p, .p = p, .end = p + n, .any = true };

	return read_text(&r, out, problem);
}

struct json_object *json_at(struct json_object *object, const char *name, const char *inner)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, name, &value))
		return NULL;
	return inner ? json_at(value, inner, NULL) : value;
}

const char *json_text(struct json_object *value, size_t max)
{
	size_t n =
		json_object_is_type(value, json_type_string) ? (size_t)json_object_get_string_len(value) : 0;

	return n && n <= max ? json_object_get_string(value) : NULL;
}
