#include "lib/base/nearest.h"

#include "t/unit/tap.h"

static const char *const words[] = { "search", "state", "limit", "skip", "created_after" };

static const char *meant(const char *word)
{
	return nearest_word(word, words, sizeof(words) / sizeof(*words));
}

int main(void)
{
	char longest[64] = { 0 }, longer[65] = { 0 };

	is_int(nearest_distance("state", "state"), 0, "the same word");
	is_int(nearest_distance("state", "stat"), 1, "one letter left out");
	is_int(nearest_distance("state", "staste"), 1, "one put in");
	is_int(nearest_distance("state", "stale"), 1, "one replaced");
	is_int(nearest_distance("state", "sttae"), 1, "two swapped");
	is_int(nearest_distance("", "abc"), 3, "from nothing");
	is_int(nearest_distance("kitten", "sitting"), 3, "three of all kinds");
	memset(longest, 'a', 63);
	memset(longer, 'a', 64);
	is_int(nearest_distance(longest, longest), 0, "63 letters");
	is_int(nearest_distance(longer, longer), 64, "64 are too many");

	is_str(meant("status"), "state", "what is nearest");
	is_str(meant("serch"), "search", "a slip");
	is_str(meant("createdafter"), "created_after", "a hyphen that is missing");
	is_str(meant("colour"), NULL, "nothing is near");
	is_str(meant("x"), NULL, "a letter is near to nothing");
	is_str(nearest_word("x", NULL, 0), NULL, "where there are no words");
	return done_testing();
}
