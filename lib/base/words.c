#include "lib/base/words.h"

#include <string.h>

bool words_have(const struct words *list, size_t longest, const char *text, size_t n)
{
	int low = 0, high = n <= longest ? list[n].count : 0;

	while (low < high) {
		int mid = (low + high) / 2, c = memcmp(text, list[n].text + (size_t)mid * n, n);

		if (!c)
			return true;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}
