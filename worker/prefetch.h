/*
 * How fast jobs end, and so how many to claim ahead of the children.
 *
 * What ends in the time that a portion takes and a few milliseconds more: so
 * there is always something at hand where jobs are short, and nothing waits
 * here for a child while another host has one where they are long.  Without
 * that time, claims would never grow where it is longer than the few
 * milliseconds, as with a slow disk: what is under way is all that the rate
 * times the time comes to.
 */
#ifndef WORKER_PREFETCH_H
#define WORKER_PREFETCH_H

#include <stddef.h>
#include <stdint.h>

/* So many jobs of a portion have ended, that long after they were claimed. */
void prefetch_ended(size_t jobs, int64_t portion_ns);

/* To be called often: the rate of the last milliseconds. */
void prefetch_measure(void);

/* Jobs to have at hand beyond one for each child. */
long prefetch_ahead(void);

#endif
