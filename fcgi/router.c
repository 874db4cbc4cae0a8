/*
 * A trie over path segments, built once before the first fork, so that all
 * children share its pages.  A literal segment wins over {name}; where the
 * literal leads nowhere the parameter is tried, so /invites/{token} and
 * /{id}/members live side by side.
 */
#include "fcgi/router.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/map.h"

enum {
	FEW = 8, /* siblings that are compared one by one */
	MAX_PATH = 512,
};

/* What an id in a path is written with, percent-encoded or not. */
static const char id_letters[] = "0123456789ABCDEFabcdef%-";

struct leaf {
	const struct route *route;
	int index;
	int version;
};

struct node {
	const char *segment; /* of len bytes; of {name}, as one of its rows writes it */
	size_t len;
	struct node *next;            /* literal beside it */
	struct node *literals, **end; /* its children, as they came, */
	int nliterals;
	struct map by_segment; /* and where they are many, by their segments */
	struct node *param;    /* and the one for {name} */
	struct leaf leaves[METHOD_COUNT];
	unsigned allowed; /* bit per method */
};

static struct node root;

static struct arena *memory(void)
{
	static struct arena a; /* for as long as the program runs */

	if (!a.chunks)
		arena_init(&a, 32 * 1024);
	return &a;
}

static struct node *literal_of(const struct node *parent, const char *segment, size_t len)
{
	struct node *n;

	if (parent->nliterals > FEW)
		return map_find(&parent->by_segment, segment, len);
	for (n = parent->literals; n; n = n->next)
		if (n->len == len && !memcmp(n->segment, segment, len))
			return n;
	return NULL;
}

static struct node *node_new(const char *segment, size_t len)
{
	struct node *n = arena_alloc(memory(), sizeof(*n));

	n->segment = segment;
	n->len = len;
	n->end = &n->literals;
	return n;
}

static void add_literal(struct node *parent, struct node *n)
{
	*parent->end = n;
	parent->end = &n->next;
	if (++parent->nliterals <= FEW)
		return;
	if (!parent->by_segment.arena)
		map_init(&parent->by_segment, memory());
	for (n = parent->by_segment.n ? n : parent->literals; n; n = n->next)
		*map_at(&parent->by_segment, n->segment, n->len) = n;
}

static struct node *node_child(struct node *parent, const char *segment, size_t len)
{
	struct node *n;

	if (segment[0] == '{') {
		if (!parent->param)
			parent->param = node_new(segment, len);
		return parent->param;
	}
	n = literal_of(parent, segment, len);
	if (!n) {
		n = node_new(segment, len);
		add_literal(parent, n);
	}
	return n;
}

static void add(const char *path, const struct route *r, int index, int version)
{
	struct node *n = &root;
	const char *p = path;

	if (!root.end)
		root.end = &root.literals;
	while (*p == '/') {
		size_t len = strcspn(++p, "/");

		n = node_child(n, p, len);
		p += len;
	}
	if (n->allowed & 1u << r->method)
		route_bad("%s %s stands twice (%s)", method_name(r->method), path, r->id);
	n->leaves[r->method] = (struct leaf){ r, index, version };
	n->allowed |= 1u << r->method;
	if (r->method == GET) {
		n->leaves[HEAD] = n->leaves[GET];
		n->allowed |= 1u << HEAD;
	}
}

/*
 * "/api/v1/app/x" of a surface with two versions is also served under
 * "/api/v2", and under "/api/app/x" where a header chooses.
 */
static void add_versions(const struct route *r, int index)
{
	const struct surface *s = surface_of(r->id);

	if (s->versions == 1 || strncmp(r->path, "/api/v1/", 8)) {
		add(r->path, r, index, 1);
		return;
	}
	for (int version = 0; version <= s->versions; version++)
		add(version ? arena_fmt(memory(), "/api/v%d/%s", version, r->path + 8)
			    : arena_fmt(memory(), "/api/%s", r->path + 8),
		    r, index, version);
}

void router_init(void)
{
	const struct route *r;

	for (int i = 0; (r = route_at(i)); i++) {
		if (r->flags & STATIC)
			continue;
		route_check(r);
		add_versions(r, i);
	}
}

static const struct node *walk(const struct node *n, const char *p, struct match *out, int nparams)
{
	const struct node *child, *found;
	size_t len;

	while (*p == '/' && p[1] == '\0') /* a trailing slash */
		p++;
	if (!*p)
		return n->allowed ? n : NULL;
	if (*p != '/')
		return NULL;
	len = strcspn(++p, "/");
	if (!len)
		return NULL;
	child = literal_of(n, p, len);
	found = child ? walk(child, p + len, out, nparams) : NULL;
	if (found || !n->param)
		return found;
	out->params[nparams] = p;
	out->params_len[nparams] = len;
	return walk(n->param, p + len, out, nparams + 1);
}

/* Where plain updates are PUT, PATCH does the same, and the other way round. */
static enum method update_twin(enum method m)
{
	return m == PUT ? PATCH : m == PATCH ? PUT : m;
}

enum err router_find(enum method method, const char *path, struct match *out)
{
	const struct node *n = walk(&root, path, out, 0);

	out->route = NULL;
	out->allowed = 0;
	if (!n)
		return ERR_NOT_FOUND;
	out->allowed = n->allowed;
	for (int m = PUT; m <= PATCH; m++)
		if (n->allowed & 1u << m)
			out->allowed |= 1u << update_twin((enum method)m);
	if (method < METHOD_COUNT && !(n->allowed & 1u << method))
		method = update_twin(method);
	if (method == METHOD_COUNT || !(n->allowed & 1u << method))
		return ERR_METHOD_NOT_ALLOWED;
	out->route = n->leaves[method].route;
	out->index = n->leaves[method].index;
	out->version = n->leaves[method].version;
	return ERR_OK;
}

/* Paths that rows share */

/* A row's path, how far it is read, and where what both say goes. */
struct meeting {
	const struct route *row;
	void (*fn)(void *arg, const char *path);
	void *arg;
	char path[MAX_PATH];
};

/* Is it a path of the tables, rather than another version's of one? */
static bool is_written(const struct node *n)
{
	for (int m = 0; m < METHOD_COUNT; m++)
		if (n->allowed & 1u << m && n->leaves[m].version == 1)
			return true;
	return false;
}

/* The rest of the row's path is at p, behind nparams parameters; what both say so far has n bytes. */
static void meet(struct meeting *m, const struct node *at, const char *p, int nparams, size_t n);

static void meet_child(struct meeting *m, const struct node *child, const char *rest, int nparams, size_t n,
		       const char *segment, size_t len)
{
	if (n + 1 + len >= sizeof(m->path))
		route_bad("%s: its path is too long", m->row->id);
	m->path[n] = '/';
	memcpy(m->path + n + 1, segment, len);
	meet(m, child, rest, nparams, n + 1 + len);
}

static void meet(struct meeting *m, const struct node *at, const char *p, int nparams, size_t n)
{
	const struct node *child;
	const char *rest;
	size_t len;
	bool is_id;

	if (!*p) {
		m->path[n] = '\0';
		if (is_written(at))
			m->fn(m->arg, m->path);
		return;
	}
	len = strcspn(++p, "/");
	rest = p + len;
	if (*p != '{') {
		child = literal_of(at, p, len);
		if (child)
			meet_child(m, child, rest, nparams, n, p, len);
	} else {
		is_id = route_param(m->row, nparams++).type == F_UUID;
		for (child = at->literals; child; child = child->next)
			if (!is_id || strspn(child->segment, id_letters) >= child->len)
				meet_child(m, child, rest, nparams, n, child->segment, child->len);
	}
	if (at->param)
		meet_child(m, at->param, rest, nparams, n, p, len);
}

void router_meet(const struct route *r, void (*fn)(void *arg, const char *path), void *arg)
{
	struct meeting m = { .row = r, .fn = fn, .arg = arg };

	meet(&m, &root, r->path, 0, 0);
}
