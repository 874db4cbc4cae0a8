#include "fcgi/route_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/router.h"

enum {
	MAX_PIECES = 256,
	MAX_LINE = 3500, /* a word of nginx's configuration has at most 4,096 bytes */
};

/* A path that rows have: which methods of it, which pool, and as an expression in pieces that are not to
 * be cut. */
struct line {
	const char *pool;
	const char *methods; /* an expression */
	const char *pieces[MAX_PIECES];
	int npieces;
};

struct lines {
	struct line *line;
	size_t n, cap;
};

/* Which route answers the method on a path of the tables, whatever stands for its {names}? */
static const struct route *answers(enum method m, const char *path)
{
	struct match found;

	/* "{name}" itself is no literal of any table, so it is taken for a parameter everywhere. */
	return router_find(m, path, &found) ? NULL : found.route;
}

/* Expressions */

static void add_piece(struct line *l, const char *piece)
{
	assert(l->npieces < MAX_PIECES);
	l->pieces[l->npieces++] = piece;
}

/* Letter by letter, so that words that begin alike are told apart once. */
static void add_literal(struct line *l, struct arena *a, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_piece(l, arena_fmt(a, strchr(".+*?()[]^$|\\\"", text[i]) ? "[%c]" : "%c", text[i]));
}

/* Cut a path into pieces.  Its parameters are the route's, in their order; NULL: they may be anything. */
static void read_path(struct line *l, struct arena *a, const char *path, int versions,
		      const struct route *params_of)
{
	int nparams = 0;
	size_t n;

	for (const char *p = path; *p; p += n) {
		n = 1 + strcspn(p + 1, "/");
		if (versions > 1 && p == path + 4 && n == 3 && !memcmp(path, "/api/v1", 7))
			add_piece(l, arena_fmt(a, "(?:/v[1-%d])?", versions));
		else if (p[1] != '{')
			add_literal(l, a, p, n);
		else if (params_of && route_param(params_of, nparams++).type == F_UUID)
			add_piece(l, "/[0-9A-Fa-f%-]+");
		else
			add_piece(l, "/[^/?]+");
	}
}

static const char *methods_of(struct arena *a, unsigned mask)
{
	struct buf b;

	buf_init(&b, a, 64);
	if (mask & (mask - 1))
		buf_text(&b, "(?:");
	for (int m = 0; m < METHOD_COUNT; m++)
		if (mask & 1u << m)
			buf_fmt(&b, "%s%s", b.n > 3 ? "|" : "", method_name((enum method)m));
	if (mask & (mask - 1))
		buf_char(&b, ')');
	return buf_str(&b);
}

static void add(struct lines *all, struct arena *a, const char *path, const struct route *r, unsigned methods)
{
	struct line *l;

	if (all->n == all->cap) {
		struct line *more;

		all->cap = all->cap ? 2 * all->cap : 64;
		more = arena_alloc(a, all->cap * sizeof(*more));
		if (all->n)
			memcpy(more, all->line, all->n * sizeof(*more));
		all->line = more;
	}
	l = &all->line[all->n++];
	l->pool = route_pool(r);
	l->methods = methods_of(a, methods);
	read_path(l, a, path, surface_of(r->id)->versions, path == r->path ? r : NULL);
}

/* What there is to write */

static bool is_elsewhere(const struct route *r)
{
	return !(r->flags & STATIC) && strcmp(route_pool(r), "main") != 0;
}

/*
 * A row whose parameter could be read as another row's word: the router prefers
 * the word, so that row's path comes first, with its own pool.
 */
struct preferred {
	struct lines *out;
	struct arena *arena;
	const struct route *row;
	unsigned methods;
};

static void add_preferred(void *arg, const char *path)
{
	const struct preferred *p = arg;
	const struct route *there;
	const char *copy = NULL;

	for (int m = 0; m < METHOD_COUNT; m++) {
		there = p->methods & 1u << m ? answers((enum method)m, path) : NULL;
		if (!there || !strcmp(route_pool(there), route_pool(p->row)))
			continue;
		copy = copy ? copy : arena_dup(p->arena, path);
		add(p->out, p->arena, copy, there, 1u << m);
	}
}

static int by_pool_and_path(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int c = strcmp(x->pool, y->pool);

	if (!c)
		c = strcmp(x->methods, y->methods);
	for (int i = 0; !c && (i < x->npieces || i < y->npieces); i++)
		c = strcmp(i < x->npieces ? x->pieces[i] : "", i < y->npieces ? y->pieces[i] : "");
	return c;
}

/* Writing */

static const char *piece_at(const struct line *l, int depth)
{
	return depth < l->npieces ? l->pieces[depth] : "";
}

/* How many of the lines go on with the same piece as the first. */
static size_t alike(const struct line *l, size_t n, int depth)
{
	size_t k = 1;

	while (k < n && !strcmp(piece_at(l, depth), piece_at(&l[k], depth)))
		k++;
	return k;
}

/* The tree of sorted lines that are equal in front of depth. */
static void write_tree(struct buf *b, const struct line *l, size_t n, int depth)
{
	while (*piece_at(l, depth) && alike(l, n, depth) == n)
		buf_text(b, l->pieces[depth++]);
	if (alike(l, n, depth) == n)
		return;
	buf_text(b, "(?:");
	for (size_t k; n; l += k, n -= k) {
		k = alike(l, n, depth);
		write_tree(b, l, k, depth);
		if (n > k)
			buf_char(b, '|');
	}
	buf_char(b, ')');
}

/* Lines of one pool and one set of methods, as one expression or as several that are short enough. */
static void write_lines(struct buf *b, const struct line *l, size_t n)
{
	size_t from = b->n;

	buf_fmt(b, "\"~^%s ", l->methods);
	write_tree(b, l, n, 0);
	buf_fmt(b, "/?(?:[?]|$)\" %s;\n", l->pool);
	if (b->n - from <= MAX_LINE || n == 1)
		return;
	b->n = from;
	write_lines(b, l, n / 2);
	write_lines(b, l + n / 2, n - n / 2);
}

void route_map_write(struct buf *b)
{
	struct lines rows = { 0 }, preferred = { 0 };
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++) {
		unsigned methods = 0;

		for (int m = 0; is_elsewhere(r) && m < METHOD_COUNT; m++)
			if (answers((enum method)m, r->path) == r)
				methods |= 1u << m;
		if (!methods)
			continue;
		add(&rows, b->arena, r->path, r, methods);
		router_meet(r, add_preferred, &(struct preferred){ &preferred, b->arena, r, methods });
	}
	for (size_t i = 0; i < preferred.n; i++)
		write_lines(b, &preferred.line[i], 1);
	if (rows.n)
		qsort(rows.line, rows.n, sizeof(*rows.line), by_pool_and_path);
	for (size_t i = 0, k; i < rows.n; i += k) {
		for (k = 1; i + k < rows.n; k++)
			if (strcmp(rows.line[i].pool, rows.line[i + k].pool) ||
			    strcmp(rows.line[i].methods, rows.line[i + k].methods))
				break;
		write_lines(b, &rows.line[i], k);
	}
}
