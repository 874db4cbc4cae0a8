#include "lib/host/span_ring.h"

#include <stddef.h>
#include <string.h>

#include "lib/host/shm.h"

/*
 * A bounded queue after Dmitry Vyukov's, with one who takes.  A slot's turn says whose move
 * it is: at the i-th time round, 2 i: it is free; 2 i + 1: there is a span in it.  Zeros are a
 * ring that is empty.
 *
 * Who has moved the tail on owns the slot until the turn is odd.  If they die in between, or are
 * stopped for longer than HALTED_NS, the reader gives the slot up.  A process that was stopped just
 * there and goes on a whole round later may mix its bytes with another's span: so what is read out
 * of a span is never believed to be whole (span_data_next).
 */
enum { LINE = 64, READER_S = 300 /* longer than it is silent */ };
#define HALTED_NS 1000000000LL

struct slot {
	_Atomic uint64_t turn;
	struct span span;
};

struct ring {
	_Alignas(LINE) _Atomic uint64_t tail; /* the next one is put there */
	_Alignas(LINE) _Atomic uint64_t head; /* the next one is taken from there */
	_Atomic uint64_t reader;              /* shm_place_take */
	_Alignas(LINE) _Atomic uint64_t dropped;
	_Atomic uint64_t torn, sent, failed;
	_Alignas(LINE) struct slot slots[SPAN_SLOTS];
};

_Static_assert(sizeof(struct slot) == 512, "a slot is a whole number of cache lines");

SHM_REGION(span_rings, struct ring, 1)

static struct slot *slot_at(uint64_t at)
{
	return &span_rings()->slots[at % SPAN_SLOTS];
}

static uint64_t free_turn(uint64_t at)
{
	return at / SPAN_SLOTS * 2;
}

bool span_ring_put(const struct span *s)
{
	struct ring *r = span_rings();
	uint64_t at, turn;

	if (!r)
		return false;
	at = atomic_load_explicit(&r->tail, memory_order_relaxed);
	for (;;) {
		turn = atomic_load_explicit(&slot_at(at)->turn, memory_order_acquire);
		if (turn < free_turn(at)) {
			atomic_fetch_add_explicit(&r->dropped, 1, memory_order_relaxed);
			return false;
		}
		if (turn > free_turn(at))
			at = atomic_load_explicit(&r->tail, memory_order_relaxed);
		else if (atomic_compare_exchange_weak_explicit(&r->tail, &at, at + 1, memory_order_relaxed,
							       memory_order_relaxed))
			break;
	}
	memcpy(&slot_at(at)->span, s, offsetof(struct span, data) + s->n);
	/* Not a store: the reader may have given the slot up, and it be another's. */
	return atomic_compare_exchange_strong_explicit(&slot_at(at)->turn, &turn, turn + 1,
						       memory_order_release, memory_order_relaxed);
}

/* Behind the oldest one, whatever became of it. */
static void go_on(struct ring *r, uint64_t at)
{
	atomic_store_explicit(&r->head, at + 1, memory_order_relaxed);
}

/* Nobody fills the slot: is it time to give it up? */
static bool give_up(struct slot *slot, uint64_t at, int64_t now_ns)
{
	static uint64_t halted_at;
	static int64_t since_ns;
	uint64_t turn = free_turn(at);

	if (halted_at != at + 1) {
		halted_at = at + 1;
		since_ns = now_ns;
	}
	return now_ns - since_ns >= HALTED_NS && atomic_compare_exchange_strong(&slot->turn, &turn, turn + 2);
}

bool span_ring_take(struct span *out, int64_t now_ns)
{
	struct ring *r = span_rings();

	while (r) {
		uint64_t at = atomic_load_explicit(&r->head, memory_order_relaxed), turn;
		struct slot *slot = slot_at(at);

		if (at >= atomic_load_explicit(&r->tail, memory_order_acquire))
			return false;
		turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
		if (turn == free_turn(at) + 1) {
			memcpy(out, &slot->span, sizeof(*out));
			atomic_store_explicit(&slot->turn, turn + 1, memory_order_release);
			go_on(r, at);
			return true;
		}
		if (turn == free_turn(at)) {
			if (!give_up(slot, at, now_ns))
				return false;
			atomic_fetch_add_explicit(&r->torn, 1, memory_order_relaxed);
		}
		go_on(r, at); /* it was given up, or a reader that died here had taken it */
	}
	return false;
}

bool span_ring_claim(void)
{
	static uint64_t held;
	struct ring *r = span_rings();

	if (!r)
		return false;
	if (held) {
		shm_place_keep(&r->reader, &held);
		if (atomic_load(&r->reader) == held)
			return true;
	}
	if (shm_place_take(&r->reader, READER_S, &held))
		return true;
	held = 0;
	return false;
}

uint64_t span_ring_waiting(void)
{
	struct ring *r = span_rings();
	uint64_t head = r ? atomic_load_explicit(&r->head, memory_order_relaxed) : 0;
	uint64_t tail = r ? atomic_load_explicit(&r->tail, memory_order_relaxed) : 0;

	return tail > head ? tail - head : 0;
}

static uint64_t get(_Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

struct span_counts span_ring_counts(void)
{
	struct ring *r = span_rings();

	if (!r)
		return (struct span_counts){ 0 };
	return (struct span_counts){ .put = get(&r->tail),
				     .dropped = get(&r->dropped),
				     .torn = get(&r->torn),
				     .sent = get(&r->sent),
				     .failed = get(&r->failed) };
}

void span_ring_count_sent(uint64_t n)
{
	if (span_rings())
		atomic_fetch_add_explicit(&span_rings()->sent, n, memory_order_relaxed);
}

void span_ring_count_failed(uint64_t n)
{
	if (span_rings())
		atomic_fetch_add_explicit(&span_rings()->failed, n, memory_order_relaxed);
}
