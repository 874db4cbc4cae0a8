#include "lib/host/records.h"

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

enum { MAX_FIELDS = 1000 };

static const char blanks[] = " \t\r\n";

/* The next character, or EOF. */
static int take(struct records *r)
{
	int c = r->ahead_at < r->ahead_n ? (unsigned char)r->ahead[r->ahead_at++] : getc_unlocked(r->in);

	r->line += c == '\n';
	return c;
}

static int peek(struct records *r)
{
	int c;

	if (r->ahead_at < r->ahead_n)
		return (unsigned char)r->ahead[r->ahead_at];
	c = getc_unlocked(r->in);
	if (c != EOF)
		ungetc(c, r->in);
	return c;
}

/* Skip what is among chars; returns what comes then, which is not taken. */
static int skip(struct records *r, const char *chars)
{
	int c;

	while ((c = peek(r)) != EOF && c && strchr(chars, c))
		take(r);
	return c;
}

/* Where text goes on behind blanks and one token; NULL: it does not go on so. */
static const char *behind(const char *text, const char *token)
{
	text += strspn(text, blanks);
	return strncmp(text, token, strlen(token)) ? NULL : text + strlen(token);
}

/* Where the list begins in {"member": [ …; NULL: that is not how text begins. */
static const char *member_list(const char *text, const char *member)
{
	const char *p = behind(text, "{");

	p = p ? behind(p, "\"") : NULL;
	if (!p || strncmp(p, member, strlen(member)) != 0)
		return NULL;
	p = behind(p + strlen(member), "\"");
	p = p ? behind(p, ":") : NULL;
	return p ? behind(p, "[") : NULL;
}

/* Take what was looked at up to p. */
static void take_to(struct records *r, const char *p)
{
	while (r->ahead + r->ahead_at < p)
		take(r);
}

void records_init(struct records *r, FILE *in, const char *member, size_t max)
{
	const char *text, *list;

	*r = (struct records){ .in = in, .max = max, .line = 1, .form = RECORDS_CSV };
	text = r->ahead;
	r->ahead_n = fread(r->ahead, 1, sizeof(r->ahead) - 1, in);
	if (!strncmp(text, "\xef\xbb\xbf", 3))
		take_to(r, text += 3);
	text += strspn(text, blanks);
	list = behind(text, "[");
	if (!list && member)
		list = member_list(text, member);
	if (list) {
		r->form = RECORDS_LIST;
		take_to(r, list);
	} else if (*text == '{') {
		r->form = text[1 + strspn(text + 1, " \t\r")] == '\n' ? RECORDS_OBJECTS : RECORDS_LINES;
	}
}

/* Keep a character of a record as long as there is room for it. */
static void keep(struct records *r, struct buf *b, size_t *n, int c)
{
	if (++*n <= r->max)
		buf_char(b, (char)c);
}

/* The record was read: whether it was too long. */
static void finish(const struct records *r, struct arena *a, struct record *out, size_t n, int last)
{
	out->last_line = r->line - (last == '\n');
	if (n > r->max && !out->problem)
		out->problem =
			arena_fmt(a, "it is longer than %zu bytes, to line %ld", r->max, out->last_line);
}

/* The rest of a line. */
static void read_line(struct records *r, struct arena *a, struct record *out, struct buf *b)
{
	size_t n = 0;
	int c;

	while ((c = take(r)) != EOF && c != '\n')
		keep(r, b, &n, c);
	finish(r, a, out, n, c);
}

/* An object to its brace; of what is none, up to what stands behind it. */
static void read_value(struct records *r, struct arena *a, struct record *out, struct buf *b)
{
	bool is_object = peek(r) == '{', in_string = false, is_escaped = false;
	size_t n = 0;
	int depth = 0, c = 0;

	if (!is_object) {
		keep(r, b, &n, c = take(r)); /* whatever it is: it must not be looked at again */
		in_string = c == '"';
	}
	while (is_object || in_string || (c = peek(r)) == EOF || !strchr(",]\n", c)) {
		c = take(r);
		if (c == EOF)
			break;
		keep(r, b, &n, c);
		if (is_escaped)
			is_escaped = false;
		else if (in_string && c == '\\')
			is_escaped = true;
		else if (in_string)
			in_string = c != '"';
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && !--depth && is_object)
			break;
	}
	if (c == EOF)
		out->problem = "the file ends in the middle of it";
	else if (!is_object)
		out->problem = "it is no object";
	finish(r, a, out, n, 0);
}

/* One field; returns what ended it: a comma, a newline, or EOF. */
static int read_field(struct records *r, struct record *out, struct buf *b, size_t *n)
{
	bool is_quoted = peek(r) == '"', is_open = is_quoted;
	int c;

	if (is_quoted)
		take(r);
	while ((c = take(r)) != EOF) {
		if (!is_open && (c == ',' || c == '\n'))
			break;
		if (!is_open && c == '\r' && (peek(r) == '\n' || peek(r) == EOF))
			continue;
		if (is_open && c == '"') {
			int next = peek(r);

			if (next == '"')
				take(r);
			else if (next == ',' || next == '\n' || next == '\r' || next == EOF) {
				is_open = false;
				continue;
			}
		}
		/* A mark that is never closed would take the rest of the file along. */
		if (is_open && c == '\n' && *n > r->max)
			break;
		if (!c)
			out->problem = "it has a NUL character";
		keep(r, b, n, c ? c : '?');
	}
	if (c == EOF && is_open)
		out->problem = "the file ends within quotation marks";
	return c;
}

static void read_row(struct records *r, struct arena *a, struct record *out, struct buf *b)
{
	const char *text;
	size_t n = 0;
	int c;

	do {
		c = read_field(r, out, b, &n);
		buf_char(b, '\0');
		n++; /* commas are memory, too */
		if (++out->nfields > MAX_FIELDS)
			out->problem = "it has too many fields";
	} while (c == ',' && n <= r->max);
	while (c != '\n' && c != EOF)
		c = take(r);
	finish(r, a, out, n, c);
	if (!out->problem && !utf8_valid(b->p, b->n))
		out->problem = "it is not UTF-8";
	text = b->p;
	out->fields = arena_alloc(a, (size_t)out->nfields * sizeof(*out->fields));
	for (int i = 0; i < out->nfields; text += strlen(text) + 1)
		out->fields[i++] = text;
}

/* Is there one more, and of what may it be? */
static bool begins(struct records *r, struct record *out)
{
	int c = skip(r, r->form == RECORDS_LIST ? " \t\r\n," : blanks);

	out->line = out->last_line = r->line;
	if (r->form == RECORDS_LIST && c == ']')
		return false;
	if (c != EOF)
		return true;
	/* What was cut off may have lost some. */
	if (r->form == RECORDS_LIST)
		out->problem = "the file ends before its list does";
	return out->problem;
}

bool records_next(struct records *r, struct arena *a, struct record *out)
{
	struct buf b;

	*out = (struct record){ 0 };
	if (r->has_ended || !begins(r, out)) {
		r->has_ended = true;
		return false;
	}
	if (out->problem) {
		r->has_ended = true;
		return true;
	}
	buf_init(&b, a, 1024);
	if (r->form == RECORDS_CSV)
		read_row(r, a, out, &b);
	else if (r->form == RECORDS_LINES)
		read_line(r, a, out, &b);
	else
		read_value(r, a, out, &b);
	out->text = b.p;
	out->n = b.n;
	r->has_ended = peek(r) == EOF && r->form != RECORDS_LIST;
	return true;
}
