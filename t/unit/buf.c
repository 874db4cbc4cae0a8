#include "lib/base/buf.h"

#include "t/unit/tap.h"

int main(void)
{
	struct arena a;
	struct buf b;
	bool same = true;
	size_t i;

	arena_init(&a, 4096);
	buf_init(&b, &a, 4);
	is_int(b.n, 0, "a new buffer is empty");
	is_str(buf_str(&b), "", "and an empty string");
	buf_char(&b, 'a');
	buf_text(&b, "bc");
	buf_add(&b, "de", 2);
	buf_add(&b, NULL, 0);
	is_bytes(b.p, b.n, "abcde", "what is appended stands in order, past the first capacity");
	is_str(buf_str(&b), "abcde", "buf_str ends it with a NUL");
	is_int(b.n, 5, "which is not counted");

	b.n = 0;
	buf_fmt(&b, "%d-%s", 7, "x");
	is_bytes(b.p, b.n, "7-x", "buf_fmt appends no NUL");
	b.n = 0;
	buf_fmt(&b, "%*d", 5000, 1);
	ok(b.n == 5000 && b.p[4999] == '1', "buf_fmt grows to what it needs");

	b.n = 0;
	for (i = 0; i < 100000; i++)
		buf_char(&b, (char)('a' + i % 26));
	for (i = 0; i < 100000; i++)
		same &= b.p[i] == (char)('a' + i % 26);
	ok(same && b.n == 100000, "growing keeps every byte");
	ok(a.used < 1000000, "and doubles, so memory stays in proportion");

	b.n = b.cap;
	memset(buf_room(&b, 1000), 'x', 1000);
	b.n += 1000;
	ok(b.n <= b.cap, "buf_room makes room at the very end");
	arena_release(&a);
	return done_testing();
}
