#include "fcgi/key_use.h"
#include "t/unit/tap.h"

static const int64_t s = 1000000000;

int main(void)
{
	ok(key_use_due(7, 1 * s), "a key is noted the first time it is seen");
	ok(!key_use_due(7, 1 * s), "and not again at once");
	ok(!key_use_due(7, 601 * s - 1), "nor just before ten minutes are over");
	ok(key_use_due(7, 601 * s), "but then");
	ok(!key_use_due(7, 700 * s), "from there on");

	ok(key_use_due(8, 700 * s), "another key is another one");
	ok(!key_use_due(7, 701 * s), "and takes no place from it");
	ok(key_use_due(7 + 256, 702 * s), "one that shares its place does");
	ok(key_use_due(7, 703 * s), "which costs no more than a look too many");
	return done_testing();
}
