/*
 * The spans of this host that have ended and are not sent yet: a ring in memory that its
 * processes share.
 *
 * Many put, one takes.  A place is taken by one compare-and-swap, and filled behind it; one that was
 * taken by a process that died before it had filled it is left out, after a while.  A ring that is
 * full takes no more, and counts.
 */
#ifndef ASHLAR_SPAN_RING_H
#define ASHLAR_SPAN_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/host/span_data.h"

/* Put one in.  False: there is no room, or no memory that is shared. */
bool span_ring_put(const struct span *s);

/*
 * Take the oldest.  By one process alone, which span_ring_claim says.  False: there is none, or one that is
 * just being put.
 */
bool span_ring_take(struct span *out, int64_t now_ns);

/* Is this process the one that takes?  To be asked again and again: who is silent for minutes is not any
 * more. */
bool span_ring_claim(void);

/* How many wait. */
uint64_t span_ring_waiting(void);

/* What became of them: since the memory was made. */
struct span_counts {
	uint64_t put;     /* into the ring */
	uint64_t dropped; /* found no room in it */
	uint64_t torn;    /* were begun to be put there, and not ended */
	uint64_t sent, failed;
};
struct span_counts span_ring_counts(void);
void span_ring_count_sent(uint64_t n);
void span_ring_count_failed(uint64_t n);

#endif
