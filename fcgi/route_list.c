/*
 * A row's list: the fields that its form brings, and what they say to its query.
 */
#include <stdint.h>
#include <string.h>

#include "fcgi/route.h"
#include "lib/base/arena.h"
#include "lib/db/tx.h"

enum { LAST_PAGE = 1000000000 };

const char *route_items(const struct route *r)
{
	return r->items ? r->items : r->list->items;
}

static struct size size_of(const struct route *r)
{
	struct size s = r->size.most ? r->size : r->list->size;

	return s.most ? s : (struct size){ LIST_MOST, LIST_MOST };
}

/* The form's query field of a kind, or NULL. */
static const char *paging(const struct list *l, enum list_kind kind)
{
	for (size_t i = 0; i < 2 && l->paging[i]; i++)
		if (list_kind(l->paging[i]) == kind)
			return l->paging[i];
	return NULL;
}

/* A list of all there are that says how many that can be. */
static bool says_limit(const struct list *l)
{
	for (size_t i = 0; !l->paging[0] && i < sizeof(l->members) / sizeof(*l->members) && l->members[i];
	     i++)
		if (!strcmp(l->members[i], "limit"))
			return true;
	return false;
}

static struct field paging_field(struct arena *a, const struct route *r, const char *name)
{
	struct size s = size_of(r);
	struct field f = { .name = name, .type = F_INT };

	switch (list_kind(name)) {
	case LIST_LIMIT:
		f.min = 1;
		f.max = s.most;
		f.def = arena_fmt(a, "%d", s.usual);
		f.about = "how many to return at most";
		if (r->list->clamps) {
			f.flags = F_CLAMP;
			f.about = arena_fmt(a, "%s; more than %d count as %d", f.about, s.most, s.most);
		}
		break;
	case LIST_PAGE:
		f.min = 1;
		f.max = LAST_PAGE;
		f.def = "1";
		f.about = "which page, from 1";
		break;
	default: f.def = "0"; f.about = "how many to leave out";
	}
	return f;
}

const struct field *route_query(const struct route *r)
{
	static struct arena memory; /* for as long as the program runs */
	size_t own = field_count(r->query), n = own;
	struct field *out;

	if (!r->list || !r->list->paging[0])
		return r->query;
	if (!memory.chunks)
		arena_init(&memory, 16 * 1024);
	out = arena_alloc(&memory, (own + 3) * sizeof(*out));
	if (own)
		memcpy(out, r->query, own * sizeof(*out));
	for (size_t i = 0; i < 2 && r->list->paging[i]; i++)
		out[n++] = paging_field(&memory, r, r->list->paging[i]);
	out[n] = (struct field)FIELD_END;
	return out;
}

static const char *paging_problem(const struct route *r)
{
	for (size_t i = 0; i < 2 && r->list->paging[i]; i++) {
		enum list_kind kind = list_kind(r->list->paging[i]);

		if (kind != LIST_LIMIT && kind != LIST_SKIP && kind != LIST_PAGE)
			return "its list pages by a field that is no limit, skip or page";
		for (const struct field *f = r->query; f && f->type != F_END; f++)
			if (!strcmp(f->name, r->list->paging[i]))
				return "its list brings a query field that it has, too";
	}
	return NULL;
}

const char *route_list_problem(const struct route *r)
{
	struct size s;

	if (!r->list)
		return r->items || r->size.most ? "it has .items or .size, but no .list" : NULL;
	s = size_of(r);
	if (s.usual < 1 || s.usual > s.most)
		return "its list shows more by itself than at most";
	if (r->size.most && !paging(r->list, LIST_LIMIT) && !says_limit(r->list))
		return "it has .size, but no field in which a client says how many";
	if (!route_items(r) && r->list->members[0])
		return "a bare array has no room for other members";
	return paging_problem(r);
}

/* What was sent, or is meant where nothing was; 0: no number. */
static long long number(const struct tx *tx, const char *name)
{
	const struct value *v = tx_value(tx, name);

	return v && !v->is_null ? v->i : 0;
}

void route_list_bind(const struct route *r, struct tx *tx)
{
	const char *limit, *skip;
	long long size, page;

	if (!r->list)
		return;
	limit = paging(r->list, LIST_LIMIT);
	skip = paging(r->list, LIST_SKIP);
	size = limit ? number(tx, limit) : size_of(r).most;
	if (!limit || strcmp(limit, "limit"))
		tx_set(tx, "limit", arena_fmt(&tx->arena, "%lld", size));
	if (skip && !strcmp(skip, "skip"))
		return;
	page = paging(r->list, LIST_PAGE) ? number(tx, "page") - 1 : 0;
	if (skip)
		tx_set(tx, "skip", tx_text(tx, skip));
	else
		tx_set(tx, "skip",
		       arena_fmt(&tx->arena, "%lld", page > INT64_MAX / size ? INT64_MAX : page * size));
}
