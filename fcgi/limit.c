#include "fcgi/limit.h"

#include <ctype.h>

enum { WAYS = 8 };

static const int64_t window_ns = 60LL * 1000000000;

/* A time further ahead than a full window is from before a reboot, or from a larger limit: a full budget. */
static bool is_used(int64_t tat_ns, int64_t now_ns)
{
	return tat_ns > now_ns && tat_ns <= now_ns + window_ns;
}

/* The key's slot, taken over from a used-up one when the key is new. */
static struct shm_limit *slot_of(struct shm_limit *table, uint32_t slots, uint64_t key, int64_t now_ns)
{
	struct shm_limit *set = &table[(key & (slots - 1)) & ~(uint64_t)(WAYS - 1)];

	for (;;) {
		struct shm_limit *oldest = NULL;
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

bool limit_take(struct shm_limit *table, uint32_t slots, uint64_t key, long per_minute, int64_t now_ns,
		struct limit_state *out)
{
	struct shm_limit *slot = slot_of(table, slots, key, now_ns);
	int64_t step = window_ns / per_minute;
	int64_t tat = atomic_load_explicit(&slot->tat_ns, memory_order_relaxed), next;

	out->limit = per_minute;
	out->retry_ns = 0;
	do {
		int64_t from = is_used(tat, now_ns) ? tat : now_ns;

		next = from + step;
		if (next - now_ns > window_ns) {
			out->left = 0;
			out->reset_ns = from - now_ns;
			out->retry_ns = next - now_ns - window_ns;
			return false;
		}
	} while (!atomic_compare_exchange_weak(&slot->tat_ns, &tat, next));
	out->left = (long)((window_ns - (next - now_ns)) / step);
	out->reset_ns = next - now_ns;
	return true;
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
