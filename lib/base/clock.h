/*
 * Time, in the two kinds needed: since boot for durations, since 1970 for people.
 */
#ifndef ASHLAR_CLOCK_H
#define ASHLAR_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since boot, the same on all processes of the host. */
static inline int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Nanoseconds since 1970-01-01 UTC. */
static inline int64_t clock_unix_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Microseconds since 1970-01-01 UTC. */
static inline int64_t clock_unix_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* PostgreSQL counts from 2000-01-01 UTC; in microseconds since 1970. */
#define CLOCK_PG_EPOCH_US (946684800LL * 1000000)

/* Now, as jx_timestamptz takes it. */
static inline int64_t clock_pg_us(void)
{
	return clock_unix_us() - CLOCK_PG_EPOCH_US;
}

#endif
