#include "worker/template.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

enum { WIDTH = 72 };

/*
 * A template with its variables filled in.  Each byte is marked: what the
 * template says, what a variable holds, and HTML that is taken as it is.  That
 * is how a value is never read as markup.
 */
enum mark { LITERAL = 'l', VALUE = 'v', HTML = 'h' };

struct filled {
	struct buf text, marks;
};

/* A piece of it. */
struct piece {
	const char *p, *mark;
	size_t n;
};

static void add(struct filled *f, const char *p, size_t n, enum mark mark)
{
	buf_add(&f->text, p, n);
	memset(buf_room(&f->marks, n), mark, n);
	f->marks.n += n;
}

/* A value without what no mail should carry: control characters, and a line's end as other systems have it.
 */
static const char *without_controls(struct arena *a, const char *text)
{
	struct buf b;

	buf_init(&b, a, strlen(text) + 1);
	for (const char *p = text; *p; p++)
		if (((unsigned char)*p >= ' ' && *p != 127) || *p == '\n' || *p == '\t')
			buf_char(&b, *p);
	return buf_str(&b);
}

/* A character that can be part of a host's name: of those beyond ASCII, which can are many. */
static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The length of what is a dot in a host's name, also as East Asian keyboards write it (UTS 46); 0: none. */
static size_t dot_at(const char *p)
{
	if (*p == '.')
		return 1;
	return !strncmp(p, "\u3002", 3) || !strncmp(p, "\uff0e", 3) || !strncmp(p, "\uff61", 3) ? 3 : 0;
}

/* Does a dot between these stand in a number or between initials? */
static bool is_harmless(const char *text, const char *dot, const char *after)
{
	const char *before = dot - 1;

	if (is_digit(*before) && is_digit(*after))
		return true;
	return is_letter(*before) && (before == text || !(is_letter(before[-1]) || is_digit(before[-1]))) &&
	       is_letter(*after) && !is_letter(after[1]) && !is_digit(after[1]);
}

const char *template_unlink(struct arena *a, const char *text)
{
	struct buf b;
	const char *p = text;

	buf_init(&b, a, 2 * strlen(text) + 16);
	while (*p) {
		size_t n = dot_at(p);
		bool is_inside = p > text && (unsigned char)p[-1] > ' ';

		if (n && is_inside && (is_letter(p[n]) || is_digit(p[n])) && !is_harmless(text, p, p + n)) {
			buf_text(&b, "[.]");
		} else if (*p == ':' && p[1] == '/') {
			buf_text(&b, "[:]");
			n = 1;
		} else if (*p == '@' && is_inside && (unsigned char)p[1] > ' ') {
			buf_text(&b, "[at]");
			n = 1;
		} else {
			n = n ? n : 1;
			buf_add(&b, p, n);
		}
		p += n;
	}
	return buf_str(&b);
}

static void add_value(struct arena *a, struct filled *f, const struct template_var *v)
{
	const char *text = v->is_html ? v->value : without_controls(a, v->value);

	if (v->is_foreign)
		text = template_unlink(a, text);
	add(f, text, strlen(text), v->is_html ? HTML : VALUE);
}

static const struct template_var *var_find(const struct template_var *vars, const char *p, size_t n)
{
	for (; vars->name; vars++)
		if (strlen(vars->name) == n && !memcmp(vars->name, p, n))
			return vars;
	return NULL;
}

static bool has_value(const struct template_var *v)
{
	return v->value && *v->value;
}

static bool is_word(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && !memcmp(p, word, n);
}

/* Which of {{if}}'s branches are taken, from the outermost on. */
struct branches {
	struct {
		bool is_true, is_else;
	} of[TEMPLATE_MAX_DEPTH];
	int depth;
};

static bool are_taken(const struct branches *b)
{
	for (int i = 0; i < b->depth; i++)
		if (b->of[i].is_true == b->of[i].is_else)
			return false;
	return true;
}

/* {{if name}}, {{else}} or {{end}}; *is_control false: none of them.  NULL, or what is wrong. */
static const char *control(struct arena *a, const char *tag, size_t n, const struct template_var *vars,
			   struct branches *b, bool *is_control)
{
	*is_control = true;
	if (n > 3 && !memcmp(tag, "if ", 3)) {
		const struct template_var *v;

		while (n > 3 && tag[3] == ' ')
			tag++, n--;
		v = var_find(vars, tag + 3, n - 3);
		if (!v)
			return arena_fmt(a, "there is no {{%.*s}}", (int)n - 3, tag + 3);
		if (b->depth == TEMPLATE_MAX_DEPTH)
			return "too many {{if}} in one another";
		b->of[b->depth].is_true = has_value(v);
		b->of[b->depth++].is_else = false;
	} else if (is_word(tag, n, "else")) {
		if (!b->depth || b->of[b->depth - 1].is_else)
			return "{{else}} without an {{if}}";
		b->of[b->depth - 1].is_else = true;
	} else if (is_word(tag, n, "end")) {
		if (!b->depth)
			return "{{end}} without an {{if}}";
		b->depth--;
	} else {
		*is_control = false;
	}
	return NULL;
}

/* A template as it is read: lines end as ours do, whatever wrote the file, and nothing controls anything. */
static const char *normalized(struct arena *a, const char *source)
{
	char *out = arena_dup(a, source), *to = out;

	for (const char *p = source; *p; p++)
		if (((unsigned char)*p >= ' ' && *p != 127) || *p == '\n' || *p == '\t')
			*to++ = *p;
	*to = '\0';
	return out;
}

/* Fill in a template.  NULL, or what is wrong with it. */
static const char *fill(struct arena *a, const char *source, const struct template_var *vars,
			struct filled *out)
{
	struct branches branches = { .depth = 0 };
	const char *p, *problem = NULL;
	int line = 1;

	if (!utf8_valid(source, strlen(source)))
		return "is not UTF-8";
	p = source = normalized(a, source);
	buf_init(&out->text, a, 4096);
	buf_init(&out->marks, a, 4096);
	while (*p) {
		const char *open = strstr(p, "{{"), *close, *tag;
		size_t n = open ? (size_t)(open - p) : strlen(p), tag_n;
		const struct template_var *v;
		bool is_control;

		if (are_taken(&branches))
			add(out, p, n, LITERAL);
		for (size_t i = 0; i < n; i++)
			line += p[i] == '\n';
		if (!open)
			break;
		close = strstr(open, "}}");
		if (!close || memchr(open, '\n', (size_t)(close - open)))
			return arena_fmt(a, "line %d: {{ without }}", line);
		tag = open + 2 + strspn(open + 2, " ");
		for (tag_n = tag < close ? (size_t)(close - tag) : 0; tag_n && tag[tag_n - 1] == ' ';)
			tag_n--;
		problem = control(a, tag, tag_n, vars, &branches, &is_control);
		v = is_control ? NULL : var_find(vars, tag, tag_n);
		if (!problem && !is_control && !v)
			problem = arena_fmt(a, "there is no {{%.*s}}", (int)tag_n, tag);
		if (!problem && v && are_taken(&branches)) {
			if (has_value(v))
				add_value(a, out, v);
			else
				problem = arena_fmt(a, "{{%s}} has no value here; put {{if %s}} around it",
						    v->name, v->name);
		}
		if (problem)
			return arena_fmt(a, "line %d: %s", line, problem);
		p = close + 2;
		/* A line that is a condition and nothing else leaves no line behind. */
		if (is_control && *p == '\n' && (open == source || open[-1] == '\n'))
			p++, line++;
		if (out->text.n > TEMPLATE_MAX_BYTES)
			return arena_fmt(a, "line %d: the mail becomes longer than %d bytes", line,
					 TEMPLATE_MAX_BYTES);
	}
	return branches.depth ? "an {{if}} without its {{end}}" : NULL;
}

/* Pieces */

static bool is_literal(const struct piece *s, size_t i, char c)
{
	return i < s->n && s->mark[i] == LITERAL && s->p[i] == c;
}

static struct piece cut(const struct piece *s, size_t from, size_t to)
{
	while (from < to && is_literal(s, from, ' '))
		from++;
	while (to > from && is_literal(s, to - 1, ' '))
		to--;
	return (struct piece){ s->p + from, s->mark + from, to - from };
}

/* The next line, without its end; false: there is none. */
static bool next_line(struct piece *rest, struct piece *line)
{
	size_t n = 0;

	if (!rest->n)
		return false;
	while (n < rest->n && !is_literal(rest, n, '\n'))
		n++;
	*line = (struct piece){ rest->p, rest->mark, n };
	n += n < rest->n;
	*rest = (struct piece){ rest->p + n, rest->mark + n, rest->n - n };
	return true;
}

static bool begins_with(const struct piece *s, const char *marker)
{
	size_t n = strlen(marker);

	for (size_t i = 0; i < n; i++)
		if (!is_literal(s, i, marker[i]))
			return false;
	return true;
}

/* HTML */

static void escape(struct buf *b, char c)
{
	switch (c) {
	case '&': buf_text(b, "&amp;"); break;
	case '<': buf_text(b, "&lt;"); break;
	case '>': buf_text(b, "&gt;"); break;
	case '"': buf_text(b, "&quot;"); break;
	case '\'': buf_text(b, "&#39;"); break;
	default: buf_char(b, c);
	}
}

static void put_html(struct buf *b, const struct piece *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->p[i] == '\n')
			buf_text(b, s->mark[i] == VALUE ? "<br>" : " ");
		else
			escape(b, s->p[i]);
	}
}

static void put_element(struct buf *b, const char *open, const struct piece *s, const char *close)
{
	buf_text(b, open);
	put_html(b, s);
	buf_text(b, close);
}

/* Text */

static size_t width_of(const char *p, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		width += ((unsigned char)p[i] & 0xc0) != 0x80;
	return width;
}

/* Words in lines of WIDTH characters; first stands in front of the first line, then in front of the others.
 */
static void put_text(struct buf *b, const struct piece *s, const char *first, const char *then)
{
	size_t column = strlen(first), i = 0;
	bool is_new = true;

	buf_text(b, first);
	while (i < s->n) {
		size_t from = i, width;

		if (s->p[i] == '\n' && s->mark[i] == VALUE) {
			buf_char(b, '\n');
			buf_text(b, then);
			column = strlen(then);
			is_new = true;
			i++;
			continue;
		}
		if (strchr(" \t\n", s->p[i])) {
			i++;
			continue;
		}
		while (i < s->n && !strchr(" \t\n", s->p[i]))
			i++;
		width = width_of(s->p + from, i - from);
		if (!is_new && column + 1 + width > WIDTH) {
			buf_char(b, '\n');
			buf_text(b, then);
			column = strlen(then);
		} else if (!is_new) {
			buf_char(b, ' ');
			column++;
		}
		buf_add(b, s->p + from, i - from);
		column += width;
		is_new = false;
	}
	buf_char(b, '\n');
}

/* Blocks */

struct blocks {
	struct arena *arena;
	struct buf text, html;
	bool in_list;
};

/* The distance between two blocks: an empty line, but not between elements of a list. */
static void begin_block(struct blocks *b, bool is_item)
{
	if (b->in_list && !is_item)
		buf_text(&b->html, "</ul>\n");
	if (!b->in_list && is_item)
		buf_text(&b->html, "<ul>\n");
	if (b->text.n && !(b->in_list && is_item))
		buf_char(&b->text, '\n');
	b->in_list = is_item;
}

static bool is_web_url(const struct piece *s)
{
	size_t scheme = s->n > 8 && !memcmp(s->p, "https://", 8)  ? 8
			: s->n > 7 && !memcmp(s->p, "http://", 7) ? 7
								  : 0;

	for (size_t i = 0; i < s->n; i++)
		if ((unsigned char)s->p[i] <= ' ' || s->p[i] == 127 || strchr("\"'<>\\`", s->p[i]))
			return false;
	return scheme && !strchr("/?#", s->p[scheme]);
}

/* "-> label: url" */
static const char *put_action(struct blocks *b, const struct piece *line)
{
	struct piece label, url;
	size_t colon = 2;

	while (colon < line->n && !(is_literal(line, colon, ':') && is_literal(line, colon + 1, ' ')))
		colon++;
	if (colon == line->n)
		return "a line of \"-> label: url\" has no \": \"";
	label = cut(line, 2, colon);
	url = cut(line, colon + 1, line->n);
	if (!label.n || !is_web_url(&url))
		return arena_fmt(b->arena, "the link \"%.*s\" does not lead to an http:// or https:// URL",
				 (int)label.n, label.p);
	begin_block(b, false);
	buf_add(&b->text, label.p, label.n);
	buf_text(&b->text, ":\n");
	buf_add(&b->text, url.p, url.n);
	buf_char(&b->text, '\n');
	put_element(&b->html, "<p class=\"action\"><a class=\"button\" href=\"", &url, "\">");
	put_element(&b->html, "", &label, "</a></p>\n");
	put_element(&b->html, "<p class=\"link\"><a href=\"", &url, "\">");
	put_element(&b->html, "", &url, "</a></p>\n");
	return NULL;
}

/* "** text": an element for each line of the values in it. */
static void put_items(struct blocks *b, struct piece rest)
{
	for (size_t end = 0; rest.n; rest = (struct piece){ rest.p + end, rest.mark + end, rest.n - end }) {
		struct piece item;

		for (end = 0; end < rest.n && !(rest.p[end] == '\n' && rest.mark[end] == VALUE);)
			end++;
		item = cut(&rest, 0, end);
		end += end < rest.n;
		begin_block(b, true);
		put_text(&b->text, &item, "* ", "  ");
		put_element(&b->html, "<li>", &item, "</li>\n");
	}
}

static const char *put_line(struct blocks *b, const struct piece *line)
{
	struct piece rest = cut(line, 2, line->n);

	if (begins_with(line, "->"))
		return put_action(b, line);
	if (begins_with(line, "** ")) {
		put_items(b, cut(line, 3, line->n));
		return NULL;
	}
	begin_block(b, begins_with(line, "* "));
	if (begins_with(line, "# ")) {
		put_text(&b->text, &rest, "    ", "    ");
		put_element(&b->html, "<p class=\"code\">", &rest, "</p>\n");
	} else if (begins_with(line, "> ")) {
		put_text(&b->text, &rest, "> ", "> ");
		put_element(&b->html, "<blockquote>", &rest, "</blockquote>\n");
	} else {
		put_text(&b->text, &rest, "* ", "  ");
		put_element(&b->html, "<li>", &rest, "</li>\n");
	}
	return NULL;
}

static const char *put_blocks(struct blocks *b, struct piece rest)
{
	struct piece line, paragraph = { NULL };

	for (;;) {
		bool more = next_line(&rest, &line);
		struct piece trimmed = more ? cut(&line, 0, line.n) : (struct piece){ NULL };
		bool is_special = trimmed.n && (begins_with(&line, "->") || begins_with(&line, "# ") ||
						begins_with(&line, "> ") || begins_with(&line, "* ") ||
						begins_with(&line, "** "));

		if (more && trimmed.n && !is_special) {
			if (!paragraph.n)
				paragraph = line;
			else
				paragraph.n = (size_t)(line.p + line.n - paragraph.p);
			continue;
		}
		if (paragraph.n) {
			paragraph = cut(&paragraph, 0, paragraph.n);
			begin_block(b, false);
			put_text(&b->text, &paragraph, "", "");
			put_element(&b->html, "<p>", &paragraph, "</p>\n");
			paragraph.n = 0;
		}
		if (is_special) {
			const char *problem = put_line(b, &line);

			if (problem)
				return problem;
		}
		if (!more)
			break;
	}
	if (b->in_list)
		buf_text(&b->html, "</ul>\n");
	return NULL;
}

/* The head */

/* A line's value as one line of text. */
static const char *one_line(struct arena *a, const struct piece *s)
{
	char *out = arena_dup_n(a, s->p, s->n);

	for (char *c = out; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return out;
}

static const char *read_head(struct arena *a, struct piece *rest, struct template_parts *out)
{
	struct piece line;

	while (next_line(rest, &line) && line.n) {
		if (begins_with(&line, "subject: ")) {
			line = cut(&line, 9, line.n);
			out->subject = one_line(a, &line);
		} else if (begins_with(&line, "unsubscribe: ")) {
			line = cut(&line, 13, line.n);
			if (!is_web_url(&line))
				return "unsubscribe: must be an http:// or https:// URL";
			out->unsubscribe = one_line(a, &line);
		} else {
			return "the head takes subject: and unsubscribe:, and ends with an empty line";
		}
	}
	return out->subject && *out->subject ? NULL : "there is no subject:";
}

const char *template_render(struct arena *a, const char *source, const struct template_var *vars,
			    bool has_head, struct template_parts *out)
{
	struct blocks blocks = { .arena = a };
	struct filled filled;
	struct piece rest;
	const char *problem = fill(a, source, vars, &filled);

	*out = (struct template_parts){ NULL };
	if (problem)
		return problem;
	rest = (struct piece){ filled.text.p, filled.marks.p, filled.text.n };
	buf_init(&blocks.text, a, filled.text.n + 64);
	buf_init(&blocks.html, a, 2 * filled.text.n + 64);
	if (has_head)
		problem = read_head(a, &rest, out);
	if (!problem)
		problem = put_blocks(&blocks, rest);
	out->text = buf_str(&blocks.text);
	out->html = buf_str(&blocks.html);
	return problem;
}

const char *template_html(struct arena *a, const char *source, const struct template_var *vars,
			  const char **out)
{
	struct filled filled;
	struct buf b;
	const char *problem = fill(a, source, vars, &filled);

	if (problem)
		return problem;
	buf_init(&b, a, filled.text.n + 256);
	for (size_t i = 0; i < filled.text.n; i++) {
		if (filled.marks.p[i] == VALUE)
			escape(&b, filled.text.p[i]);
		else
			buf_char(&b, filled.text.p[i]);
	}
	*out = buf_str(&b);
	return NULL;
}
