#include "lib/host/env_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"

/* Blanks at the end are dropped; those that a quote or a \ has let in are not blanks. */
struct word {
	struct buf text;
	size_t end; /* where blanks begin that nothing follows yet */
};

static void word_reset(struct word *w)
{
	w->text.n = w->end = 0;
}

static void word_add(struct word *w, char c, bool may_drop)
{
	buf_char(&w->text, c);
	if (!may_drop || !strchr(" \t", c))
		w->end = w->text.n;
}

static const char *word_text(struct word *w)
{
	w->text.n = w->end;
	return buf_str(&w->text);
}

static bool is_name(const char *name)
{
	const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";

	return *name && strchr(letters, *name) &&
	       !name[strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz_")];
}

/* To the end of a comment's line; one that ends with \ goes on. */
static const char *skip_comment(const char *p)
{
	for (; *p && !strchr("\r\n", *p); p++)
		if (*p == '\\' && p[1])
			p++;
	return p;
}

/* Behind the quote at p, to behind the one that ends it. */
static const char *read_quoted(const char *p, struct word *value)
{
	char quote = *p++;

	for (; *p && *p != quote; p++) {
		if (quote == '"' && *p == '\\' && p[1]) {
			p++;
			if (*p == '\n')
				continue;
			if (!strchr("\"\\`$", *p))
				word_add(value, '\\', false);
		}
		word_add(value, *p, false);
	}
	return p + (*p == quote);
}

/* From behind the = to the line's end. */
static const char *read_value(const char *p, struct word *value)
{
	bool is_bare = false; /* behind a bare word quotes are characters like others */

	for (; *p && !strchr("\r\n", *p);) {
		if (!is_bare && (*p == '"' || *p == '\'')) {
			p = read_quoted(p, value);
		} else if (!is_bare && strchr(" \t", *p)) {
			p++;
		} else if (*p == '\\') {
			is_bare = true;
			if (*++p && !strchr("\r\n", *p))
				word_add(value, *p, false);
			p += *p != '\0';
		} else {
			is_bare = true;
			word_add(value, *p++, true);
		}
	}
	return p;
}

void env_file_parse(struct arena *a, const char *p, env_file_fn *fn, void *ctx)
{
	struct word name, value;

	buf_init(&name.text, a, 64);
	buf_init(&value.text, a, 256);
	while (*(p += strspn(p, " \t\r\n"))) {
		if (strchr("#;", *p)) {
			p = skip_comment(p);
			continue;
		}
		word_reset(&name);
		word_reset(&value);
		while (*p && !strchr("=\r\n", *p))
			word_add(&name, *p++, true);
		if (*p != '=')
			continue;
		p = read_value(p + 1, &value);
		if (is_name(word_text(&name)))
			fn(arena_dup(a, word_text(&name)), arena_dup(a, word_text(&value)), ctx);
	}
}

const char *env_file_read(struct arena *a, const char *path, env_file_fn *fn, void *ctx)
{
	FILE *f = fopen(path, "re");
	const char *problem = NULL;
	struct buf b;
	size_t n;

	if (!f)
		return strerror(errno);
	buf_init(&b, a, 16384);
	while ((n = fread(buf_room(&b, 8192), 1, 8192, f)) > 0)
		b.n += n;
	if (ferror(f))
		problem = strerror(errno);
	fclose(f);
	if (!problem)
		env_file_parse(a, buf_str(&b), fn, ctx);
	return problem;
}
