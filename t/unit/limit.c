/*
 * Rate limits, with a clock that the test turns, and with several processes at
 * one budget.
 */
#include "lib/host/limit.h"

#include <sys/mman.h>

#include "lib/host/shm.h"
#include "t/unit/tap.h"

enum { SLOTS = 512, SET = 8, PROCESSES = 8 };

static const int64_t S = 1000000000, MINUTE = 60 * S, T0 = 1000 * S;

static struct limit_slot *table;

static void begin(void)
{
	memset((void *)table, 0, SLOTS * sizeof(*table));
}

static struct limit_state state;

static bool take(uint64_t key, long per_minute, int64_t now_ns)
{
	return limit_take(table, SLOTS, key, per_minute, now_ns, &state);
}

/* Take n times at once; how many were allowed. */
static int burst(uint64_t key, long per_minute, int64_t now_ns, int n)
{
	int allowed = 0;

	while (n--)
		allowed += take(key, per_minute, now_ns);
	return allowed;
}

static void test_budget(void)
{
	begin();
	ok(take(7, 60, T0), "the first one is allowed");
	ok(state.limit == 60 && state.left == 59, "and 59 are left of 60");
	ok(state.reset_ns == S && state.retry_ns == 0, "a second later the budget is full again");
	is_int(burst(7, 60, T0, 58), 58, "58 more at once");
	ok(take(7, 60, T0) && state.left == 0, "the 60th is the last");
	ok(!take(7, 60, T0), "the 61st is refused");
	ok(state.left == 0 && state.retry_ns == S && state.reset_ns == MINUTE,
	   "with a second to wait for the next, a minute for all");
	ok(!take(7, 60, T0 + S - 1) && state.retry_ns == 1, "a nanosecond too early");
	ok(take(7, 60, T0 + S), "on time");
	ok(!take(7, 60, T0 + S), "but one only");
	is_int(burst(7, 60, T0 + 11 * S, 100), 10, "ten seconds later, ten");
	is_int(burst(7, 60, T0 + 11 * S + MINUTE, 100), 60, "a minute of rest later, all of them");
	is_int(burst(7, 60, T0 + 1000 * MINUTE, 100), 60, "never more");
}

static void test_steady(void)
{
	int allowed = 0;

	begin();
	for (int i = 0; i < 600; i++) /* 10 a second against 60 a minute */
		allowed += take(7, 60, T0 + i * S / 10);
	is_int(allowed, 60 + 59, "ten a second for a minute: the burst, and one a second");
	begin();
	allowed = 0;
	for (int i = 0; i < 600; i++)
		allowed += take(7, 60, T0 + i * S);
	is_int(allowed, 600, "one a second is never refused");
}

static void test_sizes(void)
{
	static const long sizes[] = { 1, 2, 5, 7, 10, 60, 1000, 99999, 100000, 1000000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		begin();
		is_int(burst(7, sizes[i], T0, (int)sizes[i] + 10), sizes[i], "%ld a minute are %ld", sizes[i],
		       sizes[i]);
	}
	begin();
	ok(take(7, 1, T0) && state.left == 0 && state.reset_ns == MINUTE, "one a minute");
	ok(!take(7, 1, T0 + MINUTE - 1) && take(7, 1, T0 + MINUTE), "is the next one a minute later");
}

static void test_keys(void)
{
	begin();
	is_int(burst(8, 5, T0, 9), 5, "one key's budget");
	is_int(burst(9, 5, T0, 9), 5, "is not another's");
	is_int(burst(8 + SLOTS, 5, T0, 9), 5, "nor that of one with the same place");
	is_int(burst(8, 5, T0, 1), 0, "and none of them gave the first its own again");
	is_int(burst(UINT64_MAX, 5, T0, 9), 5, "the largest key");
	is_int(burst(1, 5, T0, 9), 5, "the smallest");
}

/* Keys of one set: their low bits, but for three, are the same. */
static uint64_t in_set(int i)
{
	return 8 + (uint64_t)i * SLOTS;
}

static void test_full_table(void)
{
	int held = 0;

	begin();
	for (int i = 0; i < 8; i++)
		burst(in_set(i), 10, T0, 2 + i);
	ok(take(in_set(8), 10, T0), "a ninth key of a set of eight");
	is_int(state.left, 9, "has a full budget");
	is_int(burst(in_set(1), 10, T0, 10), 10 - 3, "the others keep theirs");
	is_int(burst(in_set(7), 10, T0, 10), 10 - 9, "also the last");
	for (int i = 1; i < 9; i++)
		for (int k = 0; k < SLOTS; k++)
			held += table[k].key == in_set(i);
	is_int(held, 8, "the one nearest to a full budget was forgotten");

	begin();
	for (int i = 0; i < 8; i++)
		burst(in_set(i), 10, T0, 10);
	take(in_set(8), 10, T0 + MINUTE);
	is_int(burst(in_set(7), 10, T0 + MINUTE, 10), 10,
	       "where all budgets are full again, nobody loses anything");
}

static void test_clock(void)
{
	int allowed = 0;

	begin();
	burst(7, 5, T0 + 1000 * MINUTE, 9);
	is_int(burst(7, 5, T0, 9), 5, "a time from before a reboot is a full budget, not a wait until then");
	is_int(burst(7, 5, T0, 9), 0, "which can be used up");

	/* A file that outlives a reboot, in a set where all slots are from before it. */
	begin();
	for (int i = 0; i < 8; i++)
		burst(in_set(i), 5, T0 + 1000 * MINUTE, 9);
	for (int i = 0; i < 40; i++)
		allowed += take(in_set(100 + i % 2), 5, T0);
	is_int(allowed, 10, "slots from before a reboot are the first to be given away");

	begin();
	burst(7, 5, T0, 9);
	ok(!take(7, 5, T0 + 12 * S - 1) && !take(7, 1000, T0 + 60 * S / 1000 - 1),
	   "a budget that is used up is so for any limit");
	ok(take(7, 1000, T0 + 60 * S / 1000), "but a larger one lets the next in sooner");
}

/* Processes */

/* Let processes take from each of so many keys at once, one in a set; how many were allowed in all, key by
 * key. */
static void hammer(int nkeys, int times, long per_minute, int64_t now_ns, _Atomic int *allowed)
{
	_Atomic int *go = &allowed[nkeys];

	for (int i = 0; i <= nkeys; i++)
		allowed[i] = 0;
	fflush(stdout);
	for (int p = 0; p < PROCESSES; p++) {
		if (fork() != 0)
			continue;
		atomic_fetch_add(go, 1);
		while (atomic_load(go) < PROCESSES)
			;
		for (int k = 0; k < nkeys; k++)
			for (int i = 0; i < times; i++)
				allowed[k] += take(SET + (uint64_t)k * SET, per_minute, now_ns);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
}

static void test_processes(void)
{
	enum { KEYS = 40, ROUNDS = 50 };
	_Atomic int *allowed = mmap(NULL, (KEYS + 1) * sizeof(*allowed), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int wrong = 0;

	begin();
	hammer(1, 20000, 100000, T0, allowed);
	is_int(allowed[0], 100000, "%d processes at one key get its budget, no more and no less", PROCESSES);

	for (int round = 0; round < ROUNDS; round++) {
		begin();
		hammer(KEYS, 2, 7, T0, allowed);
		for (int k = 0; k < KEYS; k++)
			wrong += allowed[k] != 7;
	}
	is_int(wrong, 0, "also where all of them meet the key for the first time");
	munmap((void *)allowed, (KEYS + 1) * sizeof(*allowed));
}

static void test_count(void)
{
	begin();
	for (int i = 0; i < 2; i++)
		limit_count(table, SLOTS, SET, 3, T0 + i * 29 * S);
	ok(!limit_is_over(table, SLOTS, SET, 3, T0 + 30 * S), "two of three in a minute are not too many");
	limit_count(table, SLOTS, SET, 3, T0 + 61 * S);
	ok(!limit_is_over(table, SLOTS, SET, 3, T0 + 61 * S), "nor is a third one after it");
	limit_count(table, SLOTS, SET, 3, T0 + 62 * S);
	limit_count(table, SLOTS, SET, 3, T0 + 120 * S);
	ok(limit_is_over(table, SLOTS, SET, 3, T0 + 120 * S), "three of them are");
	ok(limit_is_over(table, SLOTS, SET, 3, T0 + 179 * S), "for a minute from the last one");
	ok(!limit_is_over(table, SLOTS, SET, 3, T0 + 181 * S), "and no longer");
	for (int i = 0; i < 5000; i++)
		limit_count(table, SLOTS, SET, 3, T0 + 200 * S);
	ok(limit_is_over(table, SLOTS, SET, 3, T0 + 259 * S) &&
		   !limit_is_over(table, SLOTS, SET, 3, T0 + 261 * S),
	   "however many they are");
	ok(!limit_is_over(table, SLOTS, 2 * SET, 3, T0 + 200 * S), "another key has its own");

	for (int i = 0; i < 100; i++)
		limit_take_in(table, SLOTS, 3 * SET, 100, 2000, T0, &state);
	ok(!limit_take_in(table, SLOTS, 3 * SET, 100, 2000, T0, &state),
	   "a window of two seconds is used up");
	is_int(state.retry_ns, S / 50, "and lets the next in after a fiftieth of one");

	is_int(shm_hash_address(1, "2001:db8::1") == shm_hash_address(1, "2001:db8::ffff:1"), true,
	       "a /64 is one address");
	is_int(shm_hash_address(1, "2001:db8::1") == shm_hash_address(1, "2001:db8:0:1::1"), false,
	       "two are two");
	is_int(shm_hash_address(1, "192.0.2.1") == shm_hash_address(1, "192.0.2.2"), false,
	       "of IPv4 each is one");
}

static void test_parse(void)
{
	static const struct {
		const char *text;
		long max, window_s;
	} good[] = { { "5/hour", 5, 3600 },
		     { "1/second", 1, 1 },
		     { "60/minute", 60, 60 },
		     { "1000000/day", 1000000, 86400 } };
	static const char *const bad[] = { "",        "5",       "/hour",   "0/hour",      "-1/hour",
					   "5/hours", "5/ hour", " 5/hour", "1000001/day", "5/week",
					   "x/hour" };
	long max, window_s;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ok(limit_parse(good[i].text, &max, &window_s), "%s", good[i].text);
		is_int(max, good[i].max, "… so many");
		is_int(window_s, good[i].window_s, "… in so many seconds");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!limit_parse(bad[i], &max, &window_s) && limit_check(bad[i]), "no budget: \"%s\"", bad[i]);
	ok(!limit_check("5/hour"), "as a setting");
}

/* Ten a second, and five seconds' worth at once. */
static void test_debt(void)
{
	int64_t retry_ns;

	begin();
	ok(!limit_owes(table, SLOTS, 5, 5000, T0, &retry_ns), "who has sent nothing owes nothing");
	limit_charge(table, SLOTS, 5, 50, 10, T0);
	ok(!limit_owes(table, SLOTS, 5, 5000, T0, &retry_ns), "nor who sent what may come at once");
	limit_charge(table, SLOTS, 5, 20, 10, T0);
	ok(limit_owes(table, SLOTS, 5, 5000, T0, &retry_ns), "what is more is owed");
	is_int(retry_ns, 2000000000, "for as long as it takes");
	ok(!limit_owes(table, SLOTS, 5, 5000, T0 + 2000000000, &retry_ns), "and no longer");
	ok(!limit_owes(table, SLOTS, 6, 5000, T0, &retry_ns), "another key owes nothing");
	limit_charge(table, SLOTS, 5, 1000000000, 10, T0);
	ok(limit_owes(table, SLOTS, 5, 5000, T0, &retry_ns), "however much it is");
	is_int(retry_ns, 55000000000, "no debt lasts longer than a minute");
	limit_charge(table, SLOTS, 7, 3, 1000000, T0);
	ok(!limit_owes(table, SLOTS, 7, 0, T0 + 3000, &retry_ns), "a microsecond each");
}

int main(void)
{
	test_parse();
	table = mmap(NULL, SLOTS * sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_budget();
	test_steady();
	test_sizes();
	test_keys();
	test_full_table();
	test_clock();
	test_count();
	test_debt();
	test_processes();
	return done_testing();
}
