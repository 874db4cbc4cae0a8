#include "worker/extractor.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/utf8.h"
#include "lib/host/sandbox.h"

static struct {
	char bytes[65536];
	size_t n;
	size_t left;   /* of what may still be told */
	int breaks;    /* due before the next text */
	bool gap;      /* so is a space */
	bool has_text; /* on any line */
} out;

static void flush(void)
{
	size_t sent = 0;

	while (sent < out.n) {
		ssize_t n = write(1, out.bytes + sent, out.n - sent);

		if (n <= 0)
			_exit(EXTRACTOR_READ);
		sent += (size_t)n;
	}
	out.n = 0;
}

static void put(const char *p, size_t n)
{
	bool is_over = n > out.left;

	if (is_over)
		n = out.left;
	out.left -= n;
	while (n) {
		size_t piece = sizeof(out.bytes) - out.n < n ? sizeof(out.bytes) - out.n : n;

		memcpy(out.bytes + out.n, p, piece);
		out.n += piece;
		p += piece;
		n -= piece;
		if (out.n == sizeof(out.bytes))
			flush();
	}
	if (is_over) {
		flush();
		_exit(EXTRACTOR_CUT);
	}
}

void extractor_begin(const char *arg, size_t *unpacked_bytes)
{
	if (sscanf(arg, "%zu %zu", &out.left, unpacked_bytes) != 2)
		_exit(EXTRACTOR_READ);
}

void extractor_text(const char *p, size_t n)
{
	if (!n)
		return;
	if (out.has_text && out.breaks)
		put("\n\n", (size_t)out.breaks);
	else if (out.has_text && out.gap)
		put(" ", 1);
	out.breaks = 0;
	out.gap = false;
	out.has_text = true;
	put(p, n);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

void extractor_flow(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t from = i;

		while (i < n && !is_blank(p[i]))
			i++;
		extractor_text(p + from, i - from);
		if (i < n)
			out.gap = true;
		while (i < n && is_blank(p[i]))
			i++;
	}
}

void extractor_break(int n)
{
	if (out.breaks < n)
		out.breaks = n;
}

void extractor_gap(void)
{
	out.gap = true;
}

int extractor_end(void)
{
	flush();
	return EXTRACTOR_OK;
}

int extractor_cut(void)
{
	flush();
	return EXTRACTOR_CUT;
}

char *extractor_file(size_t max, size_t *n)
{
	off_t size = lseek(0, 0, SEEK_END);
	char *p;

	if (size < 0 || lseek(0, 0, SEEK_SET) != 0)
		_exit(EXTRACTOR_READ);
	if ((size_t)size > max)
		_exit(EXTRACTOR_SIZE);
	p = malloc((size_t)size + 1);
	if (!p)
		sandbox_no_memory();
	for (*n = 0; *n < (size_t)size;) {
		ssize_t got = read(0, p + *n, (size_t)size - *n);

		if (got <= 0)
			_exit(EXTRACTOR_READ);
		*n += (size_t)got;
	}
	p[*n] = '\0';
	return p;
}

char *extractor_utf8(size_t max, size_t *n)
{
	char *p = extractor_file(max, n);

	if (*n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) {
		p += 3;
		*n -= 3;
	}
	if (!utf8_valid(p, *n) || memchr(p, '\0', *n)) /* with NULs it is UTF-16, or no text */
		_exit(EXTRACTOR_ENCODING);
	return p;
}

int extractor_plain(const char *arg)
{
	size_t max, n;
	char *p;

	extractor_begin(arg, &max);
	p = extractor_utf8(max, &n);
	put(p, n);
	return extractor_end();
}
