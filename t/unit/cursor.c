/* How far a queue has been taken. */
#include "worker/cursor.h"

#include "t/unit/tap.h"

#define A "00000000-0000-7000-8000-00000000000a"
#define B "00000000-0000-7000-8000-00000000000b"
#define ZERO "00000000-0000-0000-0000-000000000000"

static struct arena arena;

/* "priorities run_us ids", as PostgreSQL gets them. */
static const char *written(const struct cursor *c)
{
	struct buf p, r, i;

	buf_init(&p, &arena, 64);
	buf_init(&r, &arena, 64);
	buf_init(&i, &arena, 64);
	cursor_write(c, &p, &r, &i);
	return arena_fmt(&arena, "%s %s %s", buf_str(&p), buf_str(&r), buf_str(&i));
}

static void test_order(void)
{
	struct cursor c = { 0 };

	is_str(written(&c), "{} {} {}", "a new one begins at the start");
	cursor_pass(&c, 5, 100, A);
	is_str(written(&c), "{5} {100} {" A "}", "it stands behind what was taken");
	cursor_pass(&c, 5, 100, B);
	is_str(written(&c), "{5} {100} {" B "}", "of two at one time, behind the later id");
	cursor_pass(&c, 5, 100, A);
	cursor_pass(&c, 5, 99, B);
	is_str(written(&c), "{5} {100} {" B "}", "and does not go back for what a sweep has found");
	cursor_pass(&c, 0, 7, A);
	cursor_pass(&c, 9, 8, A);
	is_str(written(&c), "{0,5,9} {7,100,8} {" A "," B "," A "}", "priorities stand in order");
}

static void test_back(void)
{
	struct cursor c = { 0 };

	cursor_pass(&c, 0, 100, A);
	cursor_pass(&c, 1, 100, A);
	cursor_back(&c, 0, 50);
	is_str(written(&c), "{0,1} {49,100} {" ZERO "," A "}",
	       "back in front of what was queued, for its priority");
	cursor_back(&c, 1, 101);
	cursor_back(&c, 2, 1);
	is_str(written(&c), "{0,1} {49,100} {" ZERO "," A "}",
	       "not for what lies ahead, nor for priorities that it does not know");
	cursor_back(&c, 1, 100);
	is_str(written(&c), "{0,1} {49,99} {" ZERO "," ZERO "}", "the very time is behind");
}

static void test_room(void)
{
	struct cursor c = { 0 };

	for (int i = 0; i < CURSOR_PRIORITIES; i++)
		cursor_pass(&c, 10 * i + 10, 1, A);
	cursor_pass(&c, 1000, 1, A);
	is_int(c.n, CURSOR_PRIORITIES, "no more than there is room for");
	is_int(c.at[CURSOR_PRIORITIES - 1].priority, 10 * CURSOR_PRIORITIES, "a higher one is not noted");
	cursor_pass(&c, 5, 1, A);
	is_int(c.n, CURSOR_PRIORITIES, "a lower one");
	is_int(c.at[0].priority, 5, "  is,");
	is_int(c.at[CURSOR_PRIORITIES - 1].priority, 10 * CURSOR_PRIORITIES - 10,
	       "  and the highest makes room");
}

int main(void)
{
	arena_init(&arena, 4096);
	test_order();
	test_back();
	test_room();
	arena_release(&arena);
	return done_testing();
}
