/*
 * A pattern becomes a program of at most VALUE_PATTERN_STEPS steps, and a text is run through all of its
 * threads at once (Thompson, 1968), each of which is at one step: no text makes more work than its length
 * times theirs.
 */
#include "lib/base/value_pattern.h"

#include <string.h>

#include "lib/base/utf8.h"

enum {
	STEPS = VALUE_PATTERN_STEPS,
	RANGES = 2 * VALUE_PATTERN_MAX,
	DEPTH = 20,
	REPEATS = 255,
	LAST = 0x10ffff
};

enum kind { ONE, SPLIT, JUMP, BEGIN, END, MATCH };

struct step {
	enum kind kind;
	bool is_not;     /* ONE: none of these */
	int first, past; /* ONE: its ranges */
	int x, y;        /* SPLIT: where it goes on; JUMP: x */
};

struct program {
	struct step steps[STEPS + 1];
	struct {
		unsigned from, to;
	} ranges[RANGES];
	int n, nranges, depth;
	const char *p; /* what is still to be read */
	const char *problem;
};

static void refuse(struct program *g, const char *problem)
{
	if (!g->problem)
		g->problem = problem;
	g->p = "";
}

static int add(struct program *g, struct step s)
{
	if (g->n == STEPS) {
		refuse(g, "is too long with its repetitions written out");
		return 0;
	}
	g->steps[g->n] = s;
	return g->n++;
}

static void add_range(struct program *g, unsigned from, unsigned to)
{
	if (g->nranges == RANGES) {
		refuse(g, "has too many characters in brackets");
		return;
	}
	g->ranges[g->nranges].from = from;
	g->ranges[g->nranges++].to = to;
}

static unsigned next_char(const char **p)
{
	const unsigned char *s = (const unsigned char *)*p;
	int n = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	unsigned c = n == 1 ? *s : *s & (0xffu >> (n + 1));

	for (int i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	*p += n;
	return c;
}

/* \d, \w and \s as ranges, and of the capital what they leave; false: it is none of these. */
static bool add_class(struct program *g, char letter)
{
	static const unsigned digits[] = { '0', '9' }, words[] = { '0', '9', 'A', 'Z', '_', '_', 'a', 'z' },
			      blanks[] = { '\t', '\r', ' ', ' ' };
	const unsigned *list;
	unsigned from = 0;
	int n;

	switch (letter | 0x20) {
	case 'd': list = digits, n = 2; break;
	case 'w': list = words, n = 8; break;
	case 's': list = blanks, n = 4; break;
	default: return false;
	}
	for (int i = 0; i < n; i += 2) {
		if (letter & 0x20)
			add_range(g, list[i], list[i + 1]);
		else if (list[i] > from)
			add_range(g, from, list[i] - 1);
		from = list[i + 1] + 1;
	}
	if (!(letter & 0x20))
		add_range(g, from, LAST);
	return true;
}

/* What is behind a backslash, if it is one character. */
static unsigned escaped(struct program *g)
{
	unsigned c = next_char(&g->p);

	switch (c) {
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	case 'f': return '\f';
	case 'v': return '\v';
	}
	if (c >= '0' && c <= '9')
		refuse(g, "must not refer back");
	else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		refuse(g,
		       "has a letter behind \\ that means nothing here; \\d \\w \\s \\n \\t \\r \\f \\v do");
	return c;
}

static void read_brackets(struct program *g)
{
	struct step s = { .kind = ONE, .first = g->nranges };
	bool is_first = true;

	if (*g->p == '^')
		s.is_not = true, g->p++;
	for (; *g->p && (*g->p != ']' || is_first); is_first = false) {
		unsigned from, to;

		if (*g->p == '\\' && g->p[1] && add_class(g, g->p[1])) {
			g->p += 2;
			continue;
		}
		if (*g->p == '\\' && g->p[1])
			g->p++, from = escaped(g);
		else
			from = next_char(&g->p);
		to = from;
		if (*g->p == '-' && g->p[1] && g->p[1] != ']') {
			g->p++;
			if (*g->p == '\\' && g->p[1])
				g->p++, to = escaped(g);
			else
				to = next_char(&g->p);
			if (to < from)
				refuse(g, "has a range in brackets that ends before it begins");
		}
		add_range(g, from, to);
	}
	if (*g->p != ']') {
		refuse(g, "has a [ that is not closed");
		return;
	}
	g->p++;
	s.past = g->nranges;
	add(g, s);
}

static void add_one(struct program *g, unsigned c)
{
	add_range(g, c, c);
	add(g, (struct step){ .kind = ONE, .first = g->nranges - 1, .past = g->nranges });
}

static void read_any(struct program *g);

static void read_group(struct program *g)
{
	if (*g->p == '?') {
		if (g->p[1] != ':') {
			refuse(g, "must not look around, nor name groups");
			return;
		}
		g->p += 2;
	}
	if (g->depth++ == DEPTH) {
		refuse(g, "has too many groups inside of one another");
		return;
	}
	read_any(g);
	g->depth--;
	if (*g->p != ')') {
		refuse(g, "has a ( that is not closed");
		return;
	}
	g->p++;
}

static void read_atom(struct program *g)
{
	int first = g->nranges;

	switch (*g->p) {
	case '(': g->p++, read_group(g); return;
	case '[': g->p++, read_brackets(g); return;
	case '^': g->p++, add(g, (struct step){ .kind = BEGIN }); return;
	case '$': g->p++, add(g, (struct step){ .kind = END }); return;
	case '.':
		g->p++;
		add_range(g, '\n', '\n');
		add(g, (struct step){ .kind = ONE, .is_not = true, .first = first, .past = g->nranges });
		return;
	case '*':
	case '+':
	case '?':
	case '{': refuse(g, "repeats nothing somewhere"); return;
	case '\\':
		g->p++;
		if (!*g->p) {
			refuse(g, "ends with \\");
			return;
		}
		if (add_class(g, *g->p)) {
			g->p++;
			add(g, (struct step){ .kind = ONE, .first = first, .past = g->nranges });
			return;
		}
		add_one(g, escaped(g));
		return;
	default: add_one(g, next_char(&g->p));
	}
}

/* A number of at most three digits; -1: there is none. */
static int read_number(struct program *g)
{
	int n = -1;

	for (int i = 0; i < 3 && *g->p >= '0' && *g->p <= '9'; i++)
		n = (n < 0 ? 0 : n) * 10 + *g->p++ - '0';
	return n;
}

/* How often: {2}, {2,}, {2,4}, * + ?; most -1: without end.  False: once. */
static bool read_times(struct program *g, int *least, int *most)
{
	switch (*g->p) {
	case '*': *least = 0, *most = -1; break;
	case '+': *least = 1, *most = -1; break;
	case '?': *least = 0, *most = 1; break;
	case '{':
		g->p++;
		*least = *most = read_number(g);
		if (*g->p == ',') {
			g->p++;
			*most = *g->p == '}' ? -1 : read_number(g);
			if (*most < 0 && *g->p != '}')
				*least = -1;
		}
		if (*g->p != '}' || *least < 0 || *least > REPEATS || *most > REPEATS ||
		    (*most >= 0 && *most < *least)) {
			refuse(g, "has { without a number of times, of up to 255, behind it");
			return false;
		}
		break;
	default: return false;
	}
	g->p++;
	if (*g->p == '?') /* the fewest first: whether there is a match is the same */
		g->p++;
	return true;
}

/* The steps from a place on once more; what they point to is moved along. */
static void copy(struct program *g, const struct step *steps, int n, int from)
{
	int by = g->n - from;

	for (int i = 0; i < n; i++) {
		struct step s = steps[i];

		s.x += by, s.y += by;
		add(g, s);
	}
}

static void repeat(struct program *g, int from, int least, int most)
{
	struct step once[STEPS];
	int n = g->n - from, skips[REPEATS + 1] = { 0 }, nskips = 0;

	memcpy(once, &g->steps[from], (size_t)n * sizeof(*once));
	g->n = from;
	for (int i = 0; i < least && !g->problem; i++)
		copy(g, once, n, from);
	if (most < 0 && !g->problem) {
		int at = add(g, (struct step){ .kind = SPLIT });

		copy(g, once, n, from);
		add(g, (struct step){ .kind = JUMP, .x = at });
		g->steps[at].x = at + 1, g->steps[at].y = g->n;
	}
	for (int i = least; i < most && !g->problem; i++) {
		skips[nskips++] = add(g, (struct step){ .kind = SPLIT });
		copy(g, once, n, from);
	}
	for (int i = 0; i < nskips; i++)
		g->steps[skips[i]].x = skips[i] + 1, g->steps[skips[i]].y = g->n;
}

static void read_row(struct program *g)
{
	while (*g->p && *g->p != '|' && *g->p != ')') {
		int from = g->n, least, most;

		read_atom(g);
		if (!g->problem && read_times(g, &least, &most))
			repeat(g, from, least, most);
		if (!g->problem && strchr("*+?{", *g->p) && *g->p)
			refuse(g, "repeats a repetition somewhere");
	}
}

/* Moves the steps from a place on by one, for a SPLIT in front of them. */
static void open_way(struct program *g, int from)
{
	if (g->n >= STEPS) {
		refuse(g, "is too long with its repetitions written out");
		return;
	}
	memmove(&g->steps[from + 1], &g->steps[from], (size_t)(g->n - from) * sizeof(*g->steps));
	g->n++;
	for (int i = from + 1; i < g->n; i++)
		g->steps[i].x++, g->steps[i].y++;
}

static void read_any(struct program *g)
{
	int from = g->n, ends[VALUE_PATTERN_MAX + 1], nends = 0;

	read_row(g);
	while (*g->p == '|' && !g->problem) {
		g->p++;
		open_way(g, from);
		ends[nends++] = add(g, (struct step){ .kind = JUMP });
		g->steps[from] = (struct step){ .kind = SPLIT, .x = from + 1, .y = g->n };
		from = g->n;
		read_row(g);
	}
	for (int i = 0; i < nends; i++)
		g->steps[ends[i]].x = g->n;
}

static void compile(struct program *g, const char *pattern)
{
	g->n = g->nranges = g->depth = 0;
	g->problem = NULL;
	g->p = pattern;
	if (utf8_length(pattern, strlen(pattern)) > VALUE_PATTERN_MAX) {
		refuse(g, "must have at most 255 characters");
		return;
	}
	read_any(g);
	if (!g->problem && *g->p == ')')
		refuse(g, "has a ) too many");
	g->steps[g->n].kind = MATCH;
}

const char *value_pattern_check(const char *pattern)
{
	struct program g;

	compile(&g, pattern);
	return g.problem;
}

/* The threads at one character of a text. */
struct threads {
	int at[STEPS + 1], n;
	bool has[STEPS + 1];
};

/* A thread at this step, and wherever it goes on without a character; true: that is the end of the pattern.
 */
static bool follow(const struct program *g, struct threads *t, int at, bool begins, bool ends)
{
	int left[2 * (STEPS + 1)], n = 0;

	left[n++] = at;
	while (n) {
		const struct step *s;

		at = left[--n];
		if (t->has[at])
			continue;
		t->has[at] = true;
		s = &g->steps[at];
		switch (s->kind) {
		case MATCH: return true;
		case ONE: t->at[t->n++] = at; break;
		case JUMP: left[n++] = s->x; break;
		case SPLIT: left[n++] = s->y, left[n++] = s->x; break;
		case BEGIN:
		case END:
			if (s->kind == BEGIN ? begins : ends)
				left[n++] = at + 1;
		}
	}
	return false;
}

static bool takes(const struct program *g, const struct step *s, unsigned c)
{
	for (int i = s->first; i < s->past; i++)
		if (c >= g->ranges[i].from && c <= g->ranges[i].to)
			return !s->is_not;
	return s->is_not;
}

bool value_pattern_fits(struct arena *a, const char *pattern, const char *text)
{
	struct program *g = arena_alloc(a, sizeof(*g));
	struct threads *now = arena_alloc(a, sizeof(*now)), *then = arena_alloc(a, sizeof(*then)), *swap;
	const char *p = text;

	compile(g, pattern);
	if (g->problem)
		return false;
	memset(now, 0, sizeof(*now));
	for (;;) {
		unsigned c;

		/* A match may begin anywhere. */
		if (follow(g, now, 0, p == text, !*p))
			return true;
		if (!*p)
			return false;
		c = next_char(&p);
		memset(then, 0, sizeof(*then));
		for (int i = 0; i < now->n; i++)
			if (takes(g, &g->steps[now->at[i]], c) && follow(g, then, now->at[i] + 1, false, !*p))
				return true;
		swap = now, now = then, then = swap;
	}
}
