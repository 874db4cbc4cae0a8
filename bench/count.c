/*
 * For bench/usage: what it takes to count one request, by itself.  Prints the
 * medians in nanoseconds: with what it needs in the cache, and where a MiB of other
 * memory was written in between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/route.h"
#include "fcgi/usage_count.h"
#include "lib/base/clock.h"
#include "lib/host/shm.h"

enum { CALLERS = 400, TIMES = 20000, OTHER = 1 << 20, LINE = 64 };

const struct route *const route_tables[] = { NULL };

static struct usage_who callers[CALLERS];
static char other[OTHER];
static int64_t took[TIMES];

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Of the clock alone, of counting, or of counting with a cold cache. */
static int64_t median(bool counts, bool is_cold)
{
	for (int i = 0; i < TIMES; i++) {
		struct usage_who who;
		int64_t from;

		for (int k = 0; is_cold && k < OTHER; k += LINE)
			other[k]++;
		from = clock_ns();
		if (counts) {
			memcpy(&who, &callers[rand() % CALLERS], sizeof(who));
			usage_count_add(&who, 1);
		}
		took[i] = clock_ns() - from;
	}
	qsort(took, TIMES, sizeof(*took), compare);
	return took[TIMES / 2];
}

int main(void)
{
	int64_t clock, warm, cold;

	if (shm_map(NULL, 1))
		return 1;
	for (int i = 0; i < CALLERS; i++) {
		snprintf(callers[i].tenant, sizeof(callers[i].tenant),
			 "00000000-0000-7000-8000-000000000001");
		snprintf(callers[i].issuer, sizeof(callers[i].issuer), "ashlar");
		snprintf(callers[i].subject, sizeof(callers[i].subject), "user_%024d", i);
		usage_count_add(&callers[i], 1);
	}
	clock = median(false, false);
	warm = median(true, false);
	cold = median(true, true);
	printf("%lld %lld\n", (long long)(warm - clock), (long long)(cold - clock));
	return 0;
}
