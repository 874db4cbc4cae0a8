#include "lib/base/map.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/arena.h"

enum { FIRST = 16 };

void map_init(struct map *m, struct arena *a)
{
	*m = (struct map){ .arena = a };
}

/* Eight bytes at a time: segments of paths and names are short, and looked up in every request. */
static uint64_t hash_of(const char *p, size_t len)
{
	const uint64_t odd = 0x9e3779b97f4a7c15u;
	uint64_t h = len * odd, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * odd;
		h ^= h >> 32;
	}
	for (word = 0; len; len--)
		word = word << 8 | (unsigned char)p[len - 1];
	h = (h ^ word) * odd;
	return h ^ h >> 32;
}

/* Where a key is, or the free place where it would be. */
static struct map_entry *place(struct map_entry *entries, size_t cap, uint64_t hash, const void *key,
			       size_t len)
{
	for (size_t i = hash & (cap - 1);; i = (i + 1) & (cap - 1)) {
		struct map_entry *e = &entries[i];
		bool is_it = e->hash == hash && e->len == len && e->key && !memcmp(e->key, key, len);

		if (!e->key || is_it)
			return e;
	}
}

static void grow(struct map *m)
{
	size_t cap = m->cap ? 2 * m->cap : FIRST;
	struct map_entry *larger = arena_alloc(m->arena, cap * sizeof(*larger));

	for (size_t i = 0; i < m->cap; i++) {
		const struct map_entry *e = &m->entries[i];

		if (e->key)
			*place(larger, cap, e->hash, e->key, e->len) = *e;
	}
	m->entries = larger;
	m->cap = cap;
}

void **map_at(struct map *m, const void *key, size_t len)
{
	uint64_t hash = hash_of(key, len);
	struct map_entry *e;

	if (2 * (m->n + 1) > m->cap)
		grow(m);
	e = place(m->entries, m->cap, hash, key, len);
	if (!e->key) {
		*e = (struct map_entry){ hash, arena_dup_n(m->arena, key, len), len, NULL };
		m->n++;
	}
	return &e->value;
}

void *map_find(const struct map *m, const void *key, size_t len)
{
	return m->n ? place(m->entries, m->cap, hash_of(key, len), key, len)->value : NULL;
}
