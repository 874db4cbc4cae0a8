#include "lib/base/nearest.h"

#include <string.h>

enum { MAX_WORD = 63 };

static int least(int a, int b, int c)
{
	int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

int nearest_distance(const char *a, const char *b)
{
	int rows[3][MAX_WORD + 1], *before = rows[0], *last = rows[1], *row = rows[2];
	size_t n = strlen(a), m = strlen(b);

	if (n > MAX_WORD || m > MAX_WORD)
		return MAX_WORD + 1;
	for (size_t j = 0; j <= m; j++)
		last[j] = (int)j;
	for (size_t i = 1; i <= n; i++) {
		int *oldest = before;

		row[0] = (int)i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = least(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[m];
}

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
	const char *nearest = NULL;
	int least_far = (int)(strlen(word) + 2) / 3 + 1;

	for (size_t i = 0; i < n; i++) {
		int far = nearest_distance(word, words[i]);

		if (far < least_far) {
			least_far = far;
			nearest = words[i];
		}
	}
	return nearest;
}
