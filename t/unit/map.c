/* A hash table: what was put into it is found, whatever its key, and nothing else is. */
#include "lib/base/map.h"

#include "lib/base/arena.h"
#include "t/unit/tap.h"

static struct arena arena;

static void *find(const struct map *m, const char *key)
{
	return map_find(m, key, strlen(key));
}

static void test_few(void)
{
	static int one, two;
	char key[] = "one";
	struct map m = { 0 };

	ok(!find(&m, "one"), "a map of zeroes is empty");
	map_init(&m, &arena);
	ok(!find(&m, "one"), "and so is a new one");
	ok(!*map_at(&m, key, 3), "a new key has no value");
	*map_at(&m, key, 3) = &one;
	key[0] = 'O';
	ok(find(&m, "one") == &one, "it keeps the key, and what stands for it");
	ok(!find(&m, "One") && !find(&m, "on") && !find(&m, "one ") && !find(&m, ""), "others are not there");
	*map_at(&m, "one", 3) = &two;
	ok(find(&m, "one") == &two, "a key has one value");
	*map_at(&m, "", 0) = &one;
	ok(find(&m, "") == &one, "the empty text is a key");
	*map_at(&m, "a\0b", 3) = &one;
	ok(map_find(&m, "a\0b", 3) == &one && !map_find(&m, "a\0c", 3), "keys are bytes");
	is_int((long long)m.n, 3, "keys are counted");
}

static void test_many(void)
{
	enum { MANY = 50000 };
	static int values[MANY];
	int found = 0, absent = 0;
	struct map m;
	char key[48];

	map_init(&m, &arena);
	for (int i = 0; i < MANY; i++)
		*map_at(&m, key,
			(size_t)snprintf(key, sizeof(key), "%d of the longer keys that there are", i)) =
			&values[i];
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "%d of the longer keys that there are", i);
		found += find(&m, key) == &values[i];
		snprintf(key, sizeof(key), "%d of the longer keys that there aren", i);
		absent += !find(&m, key);
	}
	is_int(found, MANY, "each of many is found");
	is_int(absent, MANY, "  and no other");
	ok(m.cap >= 2 * m.n && m.cap <= 4 * m.n, "  in two to four times the room");
}

/* By how far, at most, are keys beside where they belong? */
static void test_spread(void)
{
	size_t farthest = 0;
	struct map m;
	char key[48];

	map_init(&m, &arena);
	for (int i = 0; i < 10000; i++)
		*map_at(&m, key, (size_t)snprintf(key, sizeof(key), "resource_%d", i)) = key;
	for (size_t i = 0; i < m.cap; i++) {
		size_t off = (i - m.entries[i].hash) & (m.cap - 1);

		if (m.entries[i].key && off > farthest)
			farthest = off;
	}
	ok(farthest < 64, "names that differ in a number are spread: %zu beside its place at most", farthest);
}

int main(void)
{
	arena_init(&arena, 1 << 16);
	test_few();
	test_many();
	test_spread();
	arena_release(&arena);
	return done_testing();
}
