/*
 * Requests of callers are counted once, in places that are few.
 */
#include "fcgi/usage_count.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/host/shm.h"
#include "t/unit/tap.h"

enum { MANY = 20000, PROCESSES = 4, EACH = 20000 };

static struct taken {
	int callers;
	uint64_t n, of_ann, of_whole;
} taken;

static void each(void *to, const struct usage_who *who, uint64_t n)
{
	struct taken *t = to;

	t->callers++;
	t->n += n;
	if (!strcmp(who->subject, "ann"))
		t->of_ann += n;
	if (!who->subject[0])
		t->of_whole += n;
}

static const struct taken *take(void)
{
	taken = (struct taken){ 0 };
	usage_count_take(each, &taken);
	return &taken;
}

static struct usage_who who(const char *tenant, const char *subject)
{
	struct usage_who w = { .issuer = "ashlar" };

	snprintf(w.tenant, sizeof(w.tenant), "%s", tenant);
	snprintf(w.subject, sizeof(w.subject), "%s", subject);
	return w;
}

static void one_after_another(void)
{
	struct usage_who ann = who("acme", "ann"), other = who("other", "ann"), there = ann;

	for (int i = 0; i < 3; i++)
		usage_count_add(&ann, 1);
	usage_count_add(&other, 1);
	snprintf(there.organization, sizeof(there.organization), "org");
	usage_count_add(&there, 5);
	take();
	is_int(taken.callers, 3, "a user in another tenant or organization is another caller");
	is_int((long long)taken.n, 9, "and each has its own count");
	is_int(take()->callers, 0, "what was taken is not there again");
	usage_count_add(&ann, 2);
	is_int((long long)take()->of_ann, 2, "and counting goes on");
	take();
	usage_count_add(&ann, 1);
	is_int((long long)take()->of_ann, 1, "also in a place that was free in between");
}

/* A tenant has more callers than places. */
static void too_many(void)
{
	struct usage_who small = who("small", "ann");
	char name[32];

	for (int i = 0; i < MANY; i++) {
		struct usage_who w;

		snprintf(name, sizeof(name), "user%d", i);
		w = who("large", name);
		usage_count_add(&w, 1);
	}
	ok(usage_count_add(&small, 1), "another tenant has a place beside one with too many callers");
	take();
	is_int((long long)taken.n, MANY + 1, "none of which is lost");
	is_int((long long)taken.of_ann, 1, "the other tenant's caller is known by name");
	ok(taken.of_whole > 0 && taken.callers < 600,
	   "those behind the tenant's share are counted as a whole");
	is_int((long long)usage_count_lost(), 0, "so nothing was lost");
	take();

	for (int i = 0; i < MANY; i++) {
		struct usage_who w;

		snprintf(name, sizeof(name), "tenant%d", i);
		w = who(name, "ann");
		usage_count_add(&w, 1);
	}
	take();
	is_int((long long)(taken.n + usage_count_lost()), MANY,
	       "of more tenants than places it is said how many were lost");
	take();
}

/* Children count while the housekeeper takes. */
static void at_once(void)
{
	uint64_t n = 0;
	int running = PROCESSES;

	for (int p = 0; p < PROCESSES; p++) {
		if (fork())
			continue;
		for (int i = 0; i < EACH; i++) {
			char name[16];
			struct usage_who w;

			snprintf(name, sizeof(name), "u%d", i % 40);
			w = who("busy", name);
			usage_count_add(&w, 1);
		}
		_exit(0);
	}
	while (running) {
		n += take()->n;
		while (running && waitpid(-1, NULL, WNOHANG) > 0)
			running--;
	}
	n += take()->n;
	n += usage_count_lost();
	is_int((long long)n, PROCESSES * EACH, "what several processes count at once is all there, and once");
}

int main(void)
{
	struct usage_who ann = who("01932f3e-8b5a-7c3d-9e4f-5a6b7c8d9e0f", "user_01932f3e8b5a7c3d9e4f");
	int64_t began;

	ok(!usage_count_add(&ann, 1), "without memory nothing is counted");
	if (shm_map(NULL, 1))
		return 1;
	one_after_another();
	too_many();
	at_once();

	began = clock_ns();
	for (int i = 0; i < 100000; i++)
		usage_count_add(&ann, 1);
	printf("# %lld ns each\n", (long long)(clock_ns() - began) / 100000);
	return done_testing();
}
