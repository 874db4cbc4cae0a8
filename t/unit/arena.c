#include "lib/base/arena.h"

#include <stdint.h>

#include "t/unit/tap.h"

static char order[8];
static size_t norder;

static void note(void *name)
{
	order[norder++] = *(char *)name;
}

static void ask_for_a_negative_size(void *a)
{
	arena_alloc(a, (size_t)-1);
}

#ifdef __SANITIZE_ADDRESS__
static void write_behind(void *a)
{
	volatile char *p = arena_alloc(a, 5);

	p[5] = 'x';
}

static void use_after_reset(void *a)
{
	volatile char *p = arena_alloc(a, 5);

	arena_reset(a);
	p[0] = 'x';
}
#endif

int main(void)
{
	struct arena a;
	bool aligned = true, zeroed = true;
	char *p, *large;
	int i, k;

	arena_init(&a, 1000);
	is_int(a.used, 0, "a new arena has handed out nothing");
	for (i = 1; i < 200; i++) {
		p = arena_alloc(&a, (size_t)i);
		aligned &= (uintptr_t)p % _Alignof(max_align_t) == 0;
		for (k = 0; k < i; k++)
			zeroed &= p[k] == 0;
		memset(p, 0xff, (size_t)i);
	}
	ok(aligned, "every allocation is aligned for any type");
	ok(zeroed, "arena_alloc's bytes are zero");
	ok(a.used >= 199 * 200 / 2, "what was handed out is counted");
	ok(arena_alloc(&a, 0), "nothing is an allocation too");

	large = arena_alloc_raw(&a, 1 << 20);
	memset(large, 'x', 1 << 20);
	p = arena_dup(&a, "behind");
	ok(large[(1 << 20) - 1] == 'x', "an allocation larger than a chunk keeps its bytes");
	is_str(p, "behind", "and others follow it");

	is_str(arena_lower(&a, "ABZ[@`{az\xc3\x84"), "abz[@`{az\xc3\x84", "arena_lower knows A to Z alone");
	is_str(arena_dup(&a, ""), "", "arena_dup of an empty string");
	ok(!memcmp(arena_dup_n(&a, "a\0b", 3), "a\0b", 4),
	   "arena_dup_n takes bytes and puts a NUL behind them");
	is_str(arena_dup_n(&a, NULL, 0), "", "arena_dup_n of nothing at all");
	is_str(arena_fmt(&a, "%s is %d", "x", 42), "x is 42", "arena_fmt");
	p = arena_fmt(&a, "%*d", 100000, 7);
	is_int(strlen(p), 100000, "arena_fmt has no bound of its own");

	arena_defer(&a, note, "a");
	arena_defer(&a, note, "b");
	arena_defer(&a, note, "c");
	arena_reset(&a);
	is_str(order, "cba", "deferred functions run at the reset, newest first");
	is_int(a.used, 0, "a reset arena has handed out nothing");
	arena_reset(&a);
	is_str(order, "cba", "and only once");

	is_str(arena_dup(&a, "again"), "again", "a reset arena serves the next request");
	arena_defer(&a, note, "d");
	dies(ask_for_a_negative_size, &a, "a size that went negative ends the process");
#ifdef __SANITIZE_ADDRESS__
	dies(write_behind, &a, "the sanitizer sees a write one byte behind an allocation");
	dies(use_after_reset, &a, "the sanitizer sees a use after the reset");
#endif
	arena_release(&a);
	is_str(order, "cbad", "arena_release runs them too");
	ok(!a.chunks && !a.deferred, "and leaves nothing");
	return done_testing();
}
