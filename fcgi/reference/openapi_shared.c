/*
 * What many operations have alike, as components: a text that comes again is
 * referred to, and there once.
 */
#include <string.h>

#include "fcgi/reference/openapi.h"
#include "lib/base/jx.h"

struct openapi_shared_one {
	struct openapi_shared_one *next;
	const char *name;
	struct buf text;
};

void openapi_shared_init(struct openapi_shared *all, struct arena *a, const char *section)
{
	all->section = section;
	map_init(&all->texts, a);
	map_init(&all->names, a);
	all->first = NULL;
	all->end = &all->first;
}

/* The name, or where another text has it the name with a number that is free. */
static const char *free_name(struct openapi_shared *all, struct arena *a, const char *name)
{
	void **times = map_at(&all->names, name, strlen(name));
	uintptr_t n = (uintptr_t)*times + 1;

	*times = (void *)n; /* NOLINT(performance-no-int-to-ptr): a count */
	return n == 1 ? name : free_name(all, a, arena_fmt(a, "%s.%d", name, (int)n));
}

void openapi_share(struct buf *b, struct openapi_shared *all, const char *name, const struct buf *text)
{
	/* Only what is called alike is looked for: the names are the same then in a document of a part. */
	char *key = arena_fmt(b->arena, "%s %.*s", name, (int)text->n, text->p);
	void **place = map_at(&all->texts, key, strlen(key));
	struct openapi_shared_one *one = *place;

	if (!one) {
		*place = one = arena_alloc(b->arena, sizeof(*one));
		one->next = NULL;
		one->name = free_name(all, b->arena, name);
		one->text = *text;
		*all->end = one;
		all->end = &one->next;
	}
	openapi_ref(b, all->section, one->name);
}

void openapi_shared_write(struct buf *b, const struct openapi_shared *all)
{
	for (const struct openapi_shared_one *one = all->first; one; one = one->next) {
		jx_key(b, one->name);
		buf_add(b, one->text.p, one->text.n);
	}
}
