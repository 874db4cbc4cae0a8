#include "lib/base/multipart.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/base/utf8.h"

enum { MAX_BOUNDARY = 70 }; /* RFC 2046 5.1.1 */

struct reader {
	struct arena *arena;
	const char *start, *p, *end;
	char delimiter[4 + MAX_BOUNDARY + 1]; /* CRLF, two dashes, the boundary */
	size_t delimiter_len;
	const char *problem;
};

/* Record what is wrong at a place in the body; false, for "return fail(...)". */
__attribute__((format(printf, 3, 4))) static bool fail(struct reader *r, const char *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	r->problem = arena_fmt(r->arena, "invalid multipart body at byte %zu: %s",
			       (size_t)(at - r->start) + 1, arena_vfmt(r->arena, fmt, ap));
	va_end(ap);
	return false;
}

/* Parameters: ; name=token or name="quoted" (RFC 9110 5.6.6) */

static bool is_token(char c)
{
	return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

/* The end of the parameter's value at p, its quotes included; NULL when it is malformed. */
static const char *skip_value(const char *p, const char *end)
{
	const char *from = p;

	if (p == end || *p != '"') {
		while (p < end && is_token(*p))
			p++;
		return p > from ? p : NULL;
	}
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && p + 1 < end && (p[1] == '"' || p[1] == '\\'))
			p++;
	return p < end ? p + 1 : NULL;
}

/*
 * A well-formed value without its quotes.  In quotes a backslash escapes a
 * quote or a backslash (curl) and is otherwise itself, as browsers send it.
 * They write a quote as %22, which is left alone: it cannot be told from a name
 * that has these three characters.
 */
static char *dup_value(struct arena *a, const char *p, const char *end)
{
	char *value = arena_alloc_raw(a, (size_t)(end - p) + 1);
	char *out = value;

	if (*p == '"') {
		p++;
		end--;
	}
	while (p < end) {
		if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		*out++ = *p++;
	}
	*out = '\0';
	return value;
}

/*
 * Find a parameter by name in what follows a header's first word, up to end:
 * nothing, or a ';' and so on.  False when any is malformed or this one is
 * there twice.  *value is NULL when it is not there.
 */
static bool find_parameter(struct arena *a, const char *p, const char *end, const char *name, char **value)
{
	*value = NULL;
	for (;;) {
		const char *from, *value_from;
		size_t n;

		p = skip_blanks(p, end);
		if (p == end)
			return true;
		if (*p++ != ';')
			return false;
		p = skip_blanks(p, end);
		if (p == end) /* a semicolon at the end does no harm */
			return true;
		for (from = p; p < end && is_token(*p); p++)
			;
		n = (size_t)(p - from);
		if (!n || p == end || *p++ != '=')
			return false;
		value_from = p;
		p = skip_value(p, end);
		if (!p)
			return false;
		if (n != strlen(name) || strncasecmp(from, name, n) != 0)
			continue;
		if (*value)
			return false;
		*value = dup_value(a, value_from, p);
	}
}

/* Does text, up to end, begin with this word, of any case, and is there nothing or a ';' behind it? */
static bool has_first_word(const char *p, const char *end, const char *word, const char **rest)
{
	size_t n = strlen(word);

	if ((size_t)(end - p) < n || strncasecmp(p, word, n) != 0)
		return false;
	*rest = skip_blanks(p + n, end);
	return *rest == end || **rest == ';';
}

/* Take the boundary from the request's Content-Type. */
static enum err read_boundary(struct reader *r, const char *content_type)
{
	static const char allowed[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ";
	const char *end, *rest;
	char *boundary;
	size_t n;

	if (!content_type)
		content_type = "";
	end = content_type + strlen(content_type);
	if (!has_first_word(content_type, end, "multipart/form-data", &rest)) {
		r->problem = "the body must be multipart/form-data";
		return ERR_UNSUPPORTED_MEDIA_TYPE;
	}
	if (!find_parameter(r->arena, rest, end, "boundary", &boundary) || !boundary) {
		r->problem = "Content-Type must name one boundary";
		return ERR_BAD_REQUEST;
	}
	n = strlen(boundary);
	if (!n || n > MAX_BOUNDARY || strspn(boundary, allowed) != n || boundary[n - 1] == ' ') {
		r->problem =
			"the boundary in Content-Type must be 1 to 70 of the characters that RFC 2046 allows";
		return ERR_BAD_REQUEST;
	}
	memcpy(r->delimiter, "\r\n--", 4);
	memcpy(r->delimiter + 4, boundary, n);
	r->delimiter_len = 4 + n;
	return ERR_OK;
}

/* Headers */

/* A name that is shown to people and stored: UTF-8 without control characters. */
static bool is_label(const char *s)
{
	const char *end;

	for (end = s; *end; end++)
		if ((unsigned char)*end < ' ' || *end == 0x7f)
			return false;
	return utf8_valid(s, (size_t)(end - s));
}

static bool read_disposition(struct reader *r, const char *value, const char *end, struct part *part)
{
	const char *rest;
	char *name, *filename;

	if (part->name)
		return fail(r, value, "a second Content-Disposition");
	if (!has_first_word(value, end, "form-data", &rest))
		return fail(r, value, "Content-Disposition must be form-data");
	if (!find_parameter(r->arena, rest, end, "name", &name) ||
	    !find_parameter(r->arena, rest, end, "filename", &filename))
		return fail(r, value, "malformed Content-Disposition");
	if (!name)
		return fail(r, value, "Content-Disposition has no name");
	if (!is_label(name) || (filename && !is_label(filename)))
		return fail(r, value, "names must be UTF-8 without control characters");
	part->name = name;
	part->filename = filename;
	return true;
}

static bool read_header(struct reader *r, const char *line, const char *end, struct part *part)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	const char *p, *value;
	size_t n;

	for (p = line; p < end && is_token(*p); p++)
		;
	if (!colon || colon == line || p != colon)
		return fail(r, line, "malformed header");
	if (memchr(line, '\0', (size_t)(end - line)))
		return fail(r, line, "a NUL in a header");
	value = skip_blanks(colon + 1, end);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	n = (size_t)(colon - line);
	if (n == strlen("Content-Disposition") && !strncasecmp(line, "Content-Disposition", n))
		return read_disposition(r, value, end, part);
	if (n == strlen("Content-Type") && !strncasecmp(line, "Content-Type", n)) {
		if (part->content_type)
			return fail(r, line, "a second Content-Type");
		part->content_type = arena_dup_n(r->arena, value, (size_t)(end - value));
		if (!is_label(part->content_type))
			return fail(r, value, "Content-Type must be UTF-8 without control characters");
		return true;
	}
	/* RFC 7578 4.7 has done away with encodings; read past one and the content would be taken for what it
	 * is not. */
	if (n == strlen("Content-Transfer-Encoding") && !strncasecmp(line, "Content-Transfer-Encoding", n) &&
	    !has_first_word(value, end, "binary", &p) && !has_first_word(value, end, "8bit", &p) &&
	    !has_first_word(value, end, "7bit", &p))
		return fail(r, value, "Content-Transfer-Encoding is not supported");
	return true;
}

/* Read headers up to and with the empty line behind them. */
static bool read_headers(struct reader *r, struct part *part)
{
	const char *from = r->p;
	const char *limit = r->end - from > MULTIPART_MAX_HEADER ? from + MULTIPART_MAX_HEADER : r->end;

	for (;;) {
		const char *line = r->p;
		const char *crlf = memmem(line, (size_t)(limit - line), "\r\n", 2);

		if (!crlf && limit < r->end)
			return fail(r, from, "the headers of a part are longer than %d bytes",
				    MULTIPART_MAX_HEADER);
		if (!crlf)
			return fail(r, line, "the body ends inside a part's headers");
		r->p = crlf + 2;
		if (crlf == line)
			break;
		if (!read_header(r, line, crlf, part))
			return false;
	}
	if (!part->name)
		return fail(r, from, "a part without Content-Disposition");
	return true;
}

/* Bodies */

/*
 * What is behind a delimiter: "--" ends the body (*last), else blanks and CRLF
 * lead to the next part.
 */
static bool read_delimiter_tail(struct reader *r, bool *last)
{
	const char *at = r->p;

	*last = r->end - r->p >= 2 && !memcmp(r->p, "--", 2);
	if (*last) /* whatever follows is to be ignored (RFC 2046 5.1.1) */
		return true;
	r->p = skip_blanks(r->p, r->end);
	if (r->end - r->p < 2)
		return fail(r, at, "the body ends before its closing boundary");
	if (memcmp(r->p, "\r\n", 2) != 0)
		return fail(r, at, "a boundary must be followed by the end of its line or by \"--\"");
	r->p += 2;
	return true;
}

/* Read to the next delimiter and past it; what was before it is [*from, *from + *n). */
static bool read_to_delimiter(struct reader *r, const char **from, size_t *n)
{
	const char *found = memmem(r->p, (size_t)(r->end - r->p), r->delimiter, r->delimiter_len);

	if (!found)
		return fail(r, r->end, "the body ends before its closing boundary");
	*from = r->p;
	*n = (size_t)(found - r->p);
	r->p = found + r->delimiter_len;
	return true;
}

static bool read_parts(struct reader *r, struct part *parts, int *count)
{
	const char *skipped;
	bool last;
	size_t n;

	/* The first delimiter may open the body, then without the CRLF in front. */
	if (r->end - r->p >= (ptrdiff_t)r->delimiter_len - 2 &&
	    !memcmp(r->p, r->delimiter + 2, r->delimiter_len - 2))
		r->p += r->delimiter_len - 2;
	else if (!read_to_delimiter(r, &skipped, &n))
		return false;
	for (;;) {
		struct part *part = parts + *count;

		if (!read_delimiter_tail(r, &last))
			return false;
		if (last)
			return true;
		if (*count == MULTIPART_MAX_PARTS)
			return fail(r, r->p, "more than %d parts", MULTIPART_MAX_PARTS);
		if (!read_headers(r, part))
			return false;
		/* Of an empty part, the CRLF of the delimiter is the one that ended the headers. */
		r->p -= 2;
		if (!read_to_delimiter(r, &part->bytes, &part->n))
			return false;
		if (part->n) {
			part->bytes += 2;
			part->n -= 2;
		}
		++*count;
	}
}

enum err multipart_read(struct arena *a, const char *content_type, const char *body, size_t n,
			struct part **out, int *count, const char **problem)
{
	struct reader r = { .arena = a, .start = body, .p = body, .end = body + n };
	enum err rc;

	*count = 0;
	*out = arena_alloc(a, MULTIPART_MAX_PARTS * sizeof(**out));
	rc = read_boundary(&r, content_type);
	if (!rc && !read_parts(&r, *out, count))
		rc = ERR_BAD_REQUEST;
	*problem = r.problem;
	return rc;
}
