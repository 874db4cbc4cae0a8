/*
 * One table of a resource, and what its answers, creates and updates have of it.
 */
#include <assert.h>
#include <stdint.h>

#include "fcgi/field.h"
#include "lib/base/arena.h"
#include "lib/base/map.h"

bool field_has_marks(const struct field *table)
{
	for (const struct field *f = table; f && f->type != F_END; f++)
		if (f->flags & MARKS || (f->fields != table && field_has_marks(f->fields)))
			return true;
	return false;
}

static bool has_tables(const struct field *table)
{
	for (const struct field *f = table; f && f->type != F_END; f++)
		if (f->type == F_FIELDS || (f->fields != table && has_tables(f->fields)))
			return true;
	return false;
}

static bool is_part(const struct field *f, unsigned use)
{
	if (use == DETAIL)
		use |= OUT;
	return !(f->flags & MARKS) || f->flags & use;
}

static struct field in_answer(struct field f)
{
	bool is_sent = f.flags & (NEW | SET);

	if (f.flags & F_NULL_OUT)
		f.flags |= F_NULL;
	if (!is_sent)
		return f;
	f.flags &= ~(unsigned)(F_RARE | F_REQUIRED | F_CLAMP | F_MAX | F_ABOVE | F_BELOW);
	if (f.min < 0)
		f.flags |= F_SIGNED;
	f.min = f.max = 0;
	f.def = NULL;
	f.fits = NULL;
	return f;
}

static struct field in_update(struct field f)
{
	if (f.flags & F_NULL_SET)
		f.flags |= F_NULL;
	if (f.flags & MARKS)
		f.def = NULL;
	return f;
}

static struct field used(struct field f, unsigned use)
{
	if (use & (OUT | DETAIL))
		f = in_answer(f);
	else if (use & SET)
		f = in_update(f);
	else if (f.flags & NEEDED)
		f.flags |= F_REQUIRED;
	f.flags &= ~(unsigned)(MARKS | NEEDED | F_NULL_OUT | F_NULL_SET);
	f.fields = field_use(f.fields, use);
	return f;
}

/* How many fields a table has, those of others in their places. */
static size_t count(const struct field *table)
{
	size_t n = 0;

	for (const struct field *f = table; f->type != F_END; f++)
		n += f->type == F_FIELDS ? count(f->fields) : 1;
	return n;
}

/* Add those that are part of the use, with these flags more; returns the place behind them. */
static struct field *fill(struct field *out, const struct field *table, unsigned use, unsigned flags)
{
	for (const struct field *f = table; f->type != F_END; f++) {
		if (f->type == F_FIELDS) {
			out = fill(out, f->fields, use, flags | f->flags);
		} else if (is_part(f, use)) {
			*out = used(*f, use);
			out++->flags |= flags;
		}
	}
	return out;
}

const struct field *field_use(const struct field *table, unsigned use)
{
	static struct arena memory; /* for as long as the program runs */
	static struct map all;
	struct {
		const struct field *table;
		uintptr_t use;
	} key = { table, use };
	struct field *out;
	void **made;

	assert(use == OUT || use == DETAIL || use == NEW || use == SET);
	if (!field_has_marks(table) && !has_tables(table))
		return table;
	if (!memory.chunks) {
		arena_init(&memory, 16 * 1024);
		map_init(&all, &memory);
	}
	made = map_at(&all, &key, sizeof(key));
	if (*made)
		return *made;
	out = arena_alloc(&memory, (count(table) + 1) * sizeof(*out));
	*made = out; /* before its members are looked at: a table may hold itself */
	*fill(out, table, use, 0) = (struct field)FIELD_END;
	return out;
}
