/*
 * Rate limits, counted for the whole host in shared memory.
 *
 * GCRA (the generic cell rate algorithm): one time per key says when the
 * key's budget will be full again, so a slot is two words and an update one
 * compare-and-swap.  A minute's budget may be used in one burst.
 */
#ifndef ASHLAR_LIMIT_H
#define ASHLAR_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A key's; zeros at first. */
struct limit_slot {
	_Atomic uint64_t key;   /* 0: never used */
	_Atomic int64_t tat_ns; /* GCRA's theoretical arrival time */
};

struct limit_state {
	long limit;       /* requests in a window: a minute, or the caller's */
	long left;        /* of them now */
	int64_t reset_ns; /* until the budget is full again */
	int64_t retry_ns; /* until the next one is allowed; 0 when this one was */
};

/*
 * Take one request from key's budget of per_minute.
 *
 * table   slots, a power of two of them, at least 8
 * key     not 0
 * now_ns  clock_ns()
 *
 * True when allowed.  A full table forgets the key that is nearest to a full
 * budget; that errs in the client's favour.
 */
bool limit_take(struct limit_slot *table, uint32_t slots, uint64_t key, long per_minute, int64_t now_ns,
		struct limit_state *out);

/* The same with a separate window, of at most a minute: max requests in window_ms, in one burst or evenly.
 */
bool limit_take_in(struct limit_slot *table, uint32_t slots, uint64_t key, long max, long window_ms,
		   int64_t now_ns, struct limit_state *out);

/*
 * Count something that should not happen: max times within a minute are too
 * many, and then it is so until a minute has passed without another one.  max is
 * below 1024, and the key one of no budget.
 */
void limit_count(struct limit_slot *table, uint32_t slots, uint64_t key, long max, int64_t now_ns);
bool limit_is_over(struct limit_slot *table, uint32_t slots, uint64_t key, long max, int64_t now_ns);

/*
 * A budget of per_second things that are counted when they have come, many at once: it
 * takes what it is given, and whoever owes more than burst_ms of it has to wait.  So
 * a batch is never too large by itself, and a flood is refused before it is looked at.
 *
 * limit_owes  false when more may come; else *retry_ns is how long not
 */
void limit_charge(struct limit_slot *table, uint32_t slots, uint64_t key, long n, long per_second,
		  int64_t now_ns);
bool limit_owes(struct limit_slot *table, uint32_t slots, uint64_t key, long burst_ms, int64_t now_ns,
		int64_t *retry_ns);

/* How many keys have used of their budget, and have not got all of it back. */
long limit_active(const struct limit_slot *table, uint32_t slots, int64_t now_ns);

/*
 * Read a budget such as "5/hour": that many in a window of a second, minute, hour or day.
 *
 * False when it is none; 1 to 1000000 are taken.
 */
bool limit_parse(const char *text, long *max, long *window_s);

/* What is wrong with one, for people; NULL: nothing. */
const char *limit_check(const char *text);

#endif
