#include "worker/prefetch.h"

#include "lib/base/clock.h"

#define MS 1000000LL

enum {
	MEASURE_MS = 50,
	BUFFER_MS = 30,     /* of work that is claimed ahead, beyond what is under way, */
	UNDER_WAY_MS = 200, /* but no more of that than this */
	BUFFER_MOST = 4000, /* jobs */
};

static double jobs_per_ns; /* lately */
static size_t ended;
static double portion_takes_ns; /* from the claim to the end, lately */

void prefetch_ended(size_t jobs, int64_t portion_ns)
{
	ended += jobs;
	portion_takes_ns += ((double)portion_ns - portion_takes_ns) / 8;
}

void prefetch_measure(void)
{
	static int64_t since_ns;
	int64_t now = clock_ns();
	double lately;

	if (now - since_ns < MEASURE_MS * MS)
		return;
	lately = (double)ended / (double)(now - since_ns);
	jobs_per_ns = since_ns ? (jobs_per_ns + lately) / 2 : 0;
	since_ns = now;
	ended = 0;
}

long prefetch_ahead(void)
{
	double most = (double)UNDER_WAY_MS * MS;
	double under_way = portion_takes_ns < most ? portion_takes_ns : most;
	double ahead = jobs_per_ns * (under_way + (double)BUFFER_MS * MS);

	return (long)(ahead > BUFFER_MOST ? BUFFER_MOST : ahead);
}
