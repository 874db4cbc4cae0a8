#include "lib/base/words.h"

#include "t/unit/tap.h"

int main(void)
{
	static const struct words list[4 + 1] = { [3] = { "andnotthe", 3 }, [4] = { "thus", 1 } };

	ok(words_have(list, 4, "and", 3), "the first one of its length");
	ok(words_have(list, 4, "not", 3), "one in between");
	ok(words_have(list, 4, "the", 3), "the last one");
	ok(words_have(list, 4, "thus", 4), "the only one");
	ok(words_have(list, 4, "then", 3), "as many bytes as are said, whatever is behind them");
	ok(!words_have(list, 4, "aaa", 3) && !words_have(list, 4, "dno", 3) && !words_have(list, 4, "zzz", 3),
	   "none before, across or behind them");
	ok(!words_have(list, 4, "or", 2), "none of a length that there are none of");
	ok(!words_have(list, 4, "there", 5), "nor longer than the longest");
	ok(!words_have(list, 4, "", 0), "nor nothing");
	return done_testing();
}
