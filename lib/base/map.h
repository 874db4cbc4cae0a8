/*
 * A hash table from texts (or any bytes) to pointers, for what is made once and
 * looked up often.  It only grows: nothing is taken out of it.
 */
#ifndef ASHLAR_MAP_H
#define ASHLAR_MAP_H

#include <stddef.h>
#include <stdint.h>

struct arena;

struct map_entry {
	uint64_t hash;
	const char *key; /* NULL: free */
	size_t len;
	void *value;
};

struct map {
	struct arena *arena;
	struct map_entry *entries; /* of a power of two, half of them free at least */
	size_t n, cap;
};

/* An empty one, whose memory is the arena's; keys are copied there. */
void map_init(struct map *m, struct arena *a);

/*
 * Where the value of a key is, NULL if it is new to the map.  The place is good
 * until another key is added; the value is the caller's affair.
 */
void **map_at(struct map *m, const void *key, size_t len);

/* The value of a key; NULL: it is not there.  A map of zeroes is an empty one. */
void *map_find(const struct map *m, const void *key, size_t len);

#endif
