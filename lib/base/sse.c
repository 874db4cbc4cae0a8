#include "lib/base/sse.h"

#include <stdio.h>

void sse_init(struct sse *s, struct arena *a, size_t max_bytes)
{
	*s = (struct sse){ .max_bytes = max_bytes };
	buf_init(&s->line, a, 1024);
	buf_init(&s->data, a, 1024);
}

static bool is_field(const struct sse *s, size_t n, const char *name)
{
	return n == strlen(name) && !memcmp(s->line.p, name, n);
}

/* A whole line that is not empty: "name: value", "name", or ": a comment". */
static bool take_line(struct sse *s)
{
	const char *colon = memchr(s->line.p, ':', s->line.n), *value;
	size_t name = colon ? (size_t)(colon - s->line.p) : s->line.n, n;

	value = colon ? colon + 1 : s->line.p + s->line.n;
	n = (size_t)(s->line.p + s->line.n - value);
	if (n && *value == ' ')
		value++, n--;
	if (is_field(s, name, "data")) {
		if (s->has_data)
			buf_char(&s->data, '\n');
		buf_add(&s->data, value, n);
		s->has_data = true;
	} else if (is_field(s, name, "event")) {
		snprintf(s->event, sizeof(s->event), "%.*s",
			 n < sizeof(s->event) ? (int)n : (int)sizeof(s->event) - 1, value);
	}
	return s->data.n <= s->max_bytes;
}

static bool end_event(struct sse *s, sse_take *fn, void *to)
{
	bool goes_on = true;

	if (s->has_data)
		goes_on = fn(to, *s->event ? s->event : "message", buf_str(&s->data), s->data.n);
	s->data.n = 0;
	s->has_data = false;
	*s->event = '\0';
	return goes_on;
}

static bool end_line(struct sse *s, sse_take *fn, void *to)
{
	static const char mark[] = "\xef\xbb\xbf";
	bool goes_on;

	if (!s->begun && s->line.n >= 3 && !memcmp(s->line.p, mark, 3)) {
		s->line.n -= 3;
		memmove(s->line.p, s->line.p + 3, s->line.n);
	}
	s->begun = true;
	goes_on = s->line.n ? take_line(s) : end_event(s, fn, to);
	s->line.n = 0;
	return goes_on;
}

bool sse_feed(struct sse *s, const char *p, size_t n, sse_take *fn, void *to)
{
	const char *end = p + n, *from;

	while (p < end) {
		if (s->was_cr && *p == '\n')
			p++;
		s->was_cr = false;
		from = p;
		while (p < end && *p != '\n' && *p != '\r')
			p++;
		buf_add(&s->line, from, (size_t)(p - from));
		if (s->line.n > s->max_bytes)
			return false;
		if (p == end)
			break;
		s->was_cr = *p++ == '\r';
		if (!end_line(s, fn, to))
			return false;
	}
	return true;
}
