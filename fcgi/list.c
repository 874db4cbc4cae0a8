#include "fcgi/list.h"

#include <stdint.h>
#include <string.h>

#include "fcgi/req.h"
#include "lib/base/arena.h"

enum { MOST = 1000, LAST_PAGE = 1000000000 };

/* clang-format off */
const struct list
	skipped   = { "items", NULL, { "total", "skip", "limit" }, { "skip", "limit" }, { 20, 100 } },
	numbered  = { "items", NULL, { "total", "page", "page_size", "total_pages" }, { "page", "page_size" }, { 20, 100 } },
	turned    = { "items", NULL, { "total", "page", "per_page", "has_next", "has_prev" }, { "page", "per_page" }, { 20, 100 } },
	windowed  = { "items", NULL, { "total", "limit", "offset", "has_more" }, { "limit", "offset" }, { 20, 100 } },
	enveloped = { "data", "meta", { "total", "limit", "offset" }, { "limit", "offset" }, { 50, 200 }, .clamps = true },
	unpaged   = { "data", "meta", { "total", "limit", "offset" } },
	counted   = { "items", NULL, { "total" } },
	sliced    = { NULL, NULL, { NULL }, { "limit", "skip" }, { MOST, MOST } },
	unwrapped = { NULL };
/* clang-format on */

enum list_kind list_kind(const char *name)
{
	static const struct {
		const char *name;
		enum list_kind kind;
	} words[] = { { "total", LIST_TOTAL },       { "limit", LIST_LIMIT },   { "page_size", LIST_LIMIT },
		      { "per_page", LIST_LIMIT },    { "skip", LIST_SKIP },     { "offset", LIST_SKIP },
		      { "page", LIST_PAGE },         { "has_more", LIST_NEXT }, { "has_next", LIST_NEXT },
		      { "total_pages", LIST_PAGES }, { "has_prev", LIST_PREV } };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i].name, name))
			return words[i].kind;
	return LIST_COLUMN;
}

const char *list_items(const struct route *r)
{
	return r->items ? r->items : r->list->items;
}

static struct size size_of(const struct route *r)
{
	struct size s = r->size.most ? r->size : r->list->size;

	return s.most ? s : (struct size){ MOST, MOST };
}

/* The form's query field of a kind, or NULL. */
static const char *paging(const struct list *l, enum list_kind kind)
{
	for (size_t i = 0; i < 2 && l->paging[i]; i++)
		if (list_kind(l->paging[i]) == kind)
			return l->paging[i];
	return NULL;
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

const struct field *list_query(const struct route *r)
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

const char *list_problem(const struct route *r)
{
	struct size s;

	if (!r->list)
		return r->items || r->size.most ? "it has .items or .size, but no .list" : NULL;
	s = size_of(r);
	if (s.usual < 1 || s.usual > s.most)
		return "its list shows more by itself than at most";
	if (r->size.most && !paging(r->list, LIST_LIMIT))
		return "it has .size, but no field in which a client says how many";
	if (!list_items(r) && r->list->members[0])
		return "a bare array has no room for other members";
	return paging_problem(r);
}

void list_bind(struct req *rq)
{
	const struct route *r = rq->asked.route;
	const char *limit, *skip;
	long long size, page;

	if (!r->list)
		return;
	limit = paging(r->list, LIST_LIMIT);
	skip = paging(r->list, LIST_SKIP);
	size = limit ? req_int(rq, limit) : size_of(r).most;
	if (!limit || strcmp(limit, "limit"))
		req_set(rq, "limit", arena_fmt(&rq->tx.arena, "%lld", size));
	if (skip && !strcmp(skip, "skip"))
		return;
	page = paging(r->list, LIST_PAGE) ? req_int(rq, "page") - 1 : 0;
	if (skip)
		req_set(rq, "skip", req_text(rq, skip));
	else
		req_set(rq, "skip",
			arena_fmt(&rq->tx.arena, "%lld", page > INT64_MAX / size ? INT64_MAX : page * size));
}
