#include "lib/base/filename.h"

#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/qs.h"
#include "lib/base/utf8.h"

static const char placeless[] = ":*?\"<>|";

static unsigned code_point(const char *p, int n)
{
	const unsigned char *u = (const unsigned char *)p;

	switch (n) {
	case 1: return u[0];
	case 2: return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
	case 3: return (u[0] & 0xfu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
	default: return (u[0] & 7u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
	}
}

/* Is it one that nobody sees, or that moves what is seen?  U+200C and U+200D stay: words and emoji are made
 * with them. */
static bool is_hidden(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x200b || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c & 0xfffe) == 0xfffe;
}

static bool is_device(const char *name)
{
	static const char *const devices[] = { "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", NULL };
	size_t n = strcspn(name, ".");

	while (n && name[n - 1] == ' ')
		n--;
	for (const char *const *d = devices; *d; d++)
		if (strlen(*d) == n && !strncasecmp(name, *d, n))
			return true;
	return n == 4 && (!strncasecmp(name, "COM", 3) || !strncasecmp(name, "LPT", 3)) && name[3] >= '0' &&
	       name[3] <= '9';
}

static const char *last_part(const char *name)
{
	const char *from = name;

	for (const char *p = name; *p; p++)
		if (*p == '/' || *p == '\\')
			from = p + 1;
	return from;
}

/* The first so many characters of text. */
static size_t bytes_of(const char *text, size_t characters)
{
	const char *p = text;

	while (*p && characters--)
		p += utf8_next(p, strlen(p));
	return (size_t)(p - text);
}

/* A name that is too long keeps its ending, of at most 16 characters. */
static char *shortened(struct arena *a, char *name)
{
	size_t all = utf8_length(name, strlen(name)), ending;
	const char *dot = strrchr(name, '.');

	if (all <= FILENAME_MAX_CHARACTERS)
		return name;
	ending = dot && dot > name ? utf8_length(dot, strlen(dot)) : 0;
	if (!ending || ending > 16)
		return arena_dup_n(a, name, bytes_of(name, FILENAME_MAX_CHARACTERS));
	return arena_fmt(a, "%.*s%s", (int)bytes_of(name, FILENAME_MAX_CHARACTERS - ending), name, dot);
}

char *filename_clean(struct arena *a, const char *name)
{
	struct buf b;
	char *text;
	int n;

	buf_init(&b, a, strlen(name) + 8);
	for (const char *p = last_part(name); *p; p += n) {
		n = utf8_next(p, strlen(p));
		if (n < 0) {
			n = -n;
			continue;
		}
		if (is_hidden(code_point(p, n)))
			continue;
		if (n == 1 && strchr(placeless, *p))
			buf_char(&b, '_');
		else if (b.n || *p != ' ')
			buf_add(&b, p, (size_t)n);
	}
	while (b.n && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '.'))
		b.n--;
	text = buf_str(&b);
	if (!*text)
		return arena_dup(a, "file");
	if (is_device(text))
		text = arena_fmt(a, "_%s", text);
	return shortened(a, text);
}

char *filename_disposition(struct arena *a, bool is_attachment, const char *name)
{
	bool differs = false;
	struct buf b;
	int n;

	buf_init(&b, a, 64 + 4 * strlen(name));
	buf_text(&b, is_attachment ? "attachment; filename=\"" : "inline; filename=\"");
	/* Old clients take a quoted pair or an escape for what it is not: such names have none there. */
	for (const char *p = name; *p; p += n) {
		bool plain;

		n = utf8_next(p, strlen(p));
		n = n < 0 ? -n : n;
		plain = n == 1 && *p >= ' ' && *p != '"' && *p != '\\' && *p != '%' && *p != 127;
		buf_char(&b, plain ? *p : '_');
		differs = differs || !plain;
	}
	buf_char(&b, '"');
	if (differs) {
		buf_text(&b, "; filename*=UTF-8''");
		qs_encode(&b, name);
	}
	return buf_str(&b);
}
