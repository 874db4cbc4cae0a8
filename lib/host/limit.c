#include "lib/host/limit.h"

#include <ctype.h>
#include <string.h>

enum { WAYS = 8 };

static const int64_t window_ns = 60LL * 1000000000;

/* A time further ahead than a full window is from before a reboot, or from a larger limit: a full budget. */
static bool is_used(int64_t tat_ns, int64_t now_ns)
{
	return tat_ns > now_ns && tat_ns <= now_ns + window_ns;
}

/* The key's slot, taken over from a used-up one when the key is new. */
static struct limit_slot *slot_of(struct limit_slot *table, uint32_t slots, uint64_t key, int64_t now_ns)
{
	struct limit_slot *set = &table[(key & (slots - 1)) & ~(uint64_t)(WAYS - 1)];

	for (;;) {
		struct limit_slot *oldest = NULL;
		int64_t oldest_tat = 0, oldest_rank = INT64_MAX;
		uint64_t oldest_key = 0;

		for (int i = 0; i < WAYS; i++) {
			uint64_t held = atomic_load_explicit(&set[i].key, memory_order_acquire);
			int64_t tat = atomic_load_explicit(&set[i].tat_ns, memory_order_acquire);
			int64_t rank = is_used(tat, now_ns) ? tat : INT64_MIN;

			if (held == key)
				return &set[i];
			/* Taken in between, perhaps for our key: the time is not this key's. */
			if (atomic_load_explicit(&set[i].key, memory_order_relaxed) != held) {
				i--;
				continue;
			}
			if (rank < oldest_rank) {
				oldest = &set[i];
				oldest_rank = rank;
				oldest_tat = tat;
				oldest_key = held;
			}
		}
		if (atomic_compare_exchange_strong(&oldest->key, &oldest_key, key)) {
			/* A budget that is full stays so by itself, and others may be taking from it already.
			 */
			if (is_used(oldest_tat, now_ns))
				atomic_compare_exchange_strong(&oldest->tat_ns, &oldest_tat, 0);
			return oldest;
		}
		/* Another process took it first, perhaps for the same key: look again. */
	}
}

bool limit_take_in(struct limit_slot *table, uint32_t slots, uint64_t key, long max, long window_ms,
		   int64_t now_ns, struct limit_state *out)
{
	struct limit_slot *slot = slot_of(table, slots, key, now_ns);
	int64_t whole = window_ms * 1000000, step = whole / max;
	int64_t tat = atomic_load_explicit(&slot->tat_ns, memory_order_relaxed), next;

	out->limit = max;
	out->retry_ns = 0;
	do {
		int64_t from = is_used(tat, now_ns) ? tat : now_ns;

		next = from + step;
		if (next - now_ns > whole) {
			out->left = 0;
			out->reset_ns = from - now_ns;
			out->retry_ns = next - now_ns - whole;
			return false;
		}
	} while (!atomic_compare_exchange_weak(&slot->tat_ns, &tat, next));
	out->left = (long)((whole - (next - now_ns)) / step);
	out->reset_ns = next - now_ns;
	return true;
}

bool limit_take(struct limit_slot *table, uint32_t slots, uint64_t key, long per_minute, int64_t now_ns,
		struct limit_state *out)
{
	return limit_take_in(table, slots, key, per_minute, window_ns / 1000000, now_ns, out);
}

/* A counter's slot has the end of its window, and in the lowest bits of that how often it was. */
static const int64_t count_mask = 1023;

void limit_count(struct limit_slot *table, uint32_t slots, uint64_t key, long max, int64_t now_ns)
{
	struct limit_slot *slot = slot_of(table, slots, key, now_ns);
	int64_t held = atomic_load_explicit(&slot->tat_ns, memory_order_relaxed), next;

	do {
		bool is_open = is_used(held, now_ns);
		int64_t n = is_open ? held & count_mask : 0;

		n += n < count_mask;
		next = is_open && n < max ? held : now_ns + window_ns - count_mask;
		next = (next & ~count_mask) | n;
	} while (!atomic_compare_exchange_weak(&slot->tat_ns, &held, next));
}

void limit_charge(struct limit_slot *table, uint32_t slots, uint64_t key, long n, long per_second,
		  int64_t now_ns)
{
	struct limit_slot *slot = slot_of(table, slots, key, now_ns);
	int64_t tat = atomic_load_explicit(&slot->tat_ns, memory_order_relaxed), next;
	int64_t cost = n < per_second * 60 ? n * (1000000000 / per_second) : window_ns;

	do {
		next = (is_used(tat, now_ns) ? tat : now_ns) + cost;
		if (next > now_ns + window_ns)
			next = now_ns + window_ns; /* no debt lasts longer */
	} while (!atomic_compare_exchange_weak(&slot->tat_ns, &tat, next));
}

/* The key's time, without taking a slot; 0: it has none. */
static int64_t look(const struct limit_slot *table, uint32_t slots, uint64_t key)
{
	const struct limit_slot *set = &table[(key & (slots - 1)) & ~(uint64_t)(WAYS - 1)];

	for (int i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&set[i].key, memory_order_acquire) == key)
			return atomic_load_explicit(&set[i].tat_ns, memory_order_acquire);
	return 0;
}

bool limit_owes(struct limit_slot *table, uint32_t slots, uint64_t key, long burst_ms, int64_t now_ns,
		int64_t *retry_ns)
{
	int64_t tat = look(table, slots, key);

	*retry_ns = is_used(tat, now_ns) ? tat - now_ns - burst_ms * 1000000 : 0;
	return *retry_ns > 0;
}

/* Looks, and takes no slot: hardly any key has one. */
bool limit_is_over(struct limit_slot *table, uint32_t slots, uint64_t key, long max, int64_t now_ns)
{
	int64_t held = look(table, slots, key);

	return is_used(held, now_ns) && (held & count_mask) >= max;
}

bool limit_parse(const char *text, long *max, long *window_s)
{
	static const struct {
		const char *unit;
		long seconds;
	} windows[] = { { "/second", 1 }, { "/minute", 60 }, { "/hour", 3600 }, { "/day", 86400 } };
	char *end;

	*max = strtol(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *max < 1 || *max > 1000000)
		return false;
	for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		*window_s = windows[i].seconds;
		if (!strcmp(end, windows[i].unit))
			return true;
	}
	return false;
}

const char *limit_check(const char *text)
{
	long max, window_s;

	return limit_parse(text, &max, &window_s)
		       ? NULL
		       : "must be such as 5/hour: 1 to 1000000 in a second, minute, hour or day";
}

long limit_active(const struct limit_slot *table, uint32_t slots, int64_t now_ns)
{
	long n = 0;

	for (uint32_t i = 0; i < slots; i++)
		n += is_used(atomic_load_explicit(&table[i].tat_ns, memory_order_relaxed), now_ns);
	return n;
}
