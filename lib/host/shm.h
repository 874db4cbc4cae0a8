/*
 * Memory shared by all processes of this host: rate limits, metrics, circuit
 * breakers, and who is busy with what.
 *
 * One file, mapped by every process.  What is in it is its modules' affair: each
 * has a region of its own, of zeros at first.  Everything is updated with atomics
 * and no lock, so a child that dies in the middle of anything leaves nothing
 * behind that others would wait for.
 */
#ifndef ASHLAR_SHM_H
#define ASHLAR_SHM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A module's region.  Another size is another layout; for another meaning of the same size, another name. */
struct shm_region {
	const char *name;
	size_t bytes;
	void *at; /* NULL until shm_map() */
	struct shm_region *next;
};

/* Have this region in the file: before shm_map(). */
void shm_region(struct shm_region *region);

/*
 * At the head of a module:
 *
 *	SHM_REGION(hashers, _Atomic uint64_t, HASHERS)
 *
 * makes hashers(), an array of that many in the file; NULL until shm_map().
 */
#define SHM_REGION(id, type, n)                                                              \
	static struct shm_region id##_region = { .name = #id, .bytes = sizeof(type) * (n) }; \
	__attribute__((constructor)) static void id##_register(void)                         \
	{                                                                                    \
		shm_region(&id##_region);                                                    \
	}                                                                                    \
	static type *id(void)                                                                \
	{                                                                                    \
		return id##_region.at;                                                       \
	}

/*
 * Map the file, making it when it is missing or of another layout: of other
 * regions, or of another version, a number that differs wherever the regions mean
 * something else.  Called once by each master before it forks.  Without a path
 * the memory is this process's and its children's.  0, or -1 with errno.
 */
int shm_map(const char *path, uint64_t version);

/* Unmap it, for tests: NULL is where it was.  The regions are at NULL again. */
void shm_unmap(void);

/* Where a region is; NULL: not mapped, or there is none of this name. */
void *shm_at(const char *name);

/*
 * Take a place for this process: a word that says whose it is and since when.
 * It is free when no process has it, when its process has died, or when it was held
 * for longer than max_s: pids come round again.
 *
 * True, and *held is what shm_place_free wants; false: another process has it.
 */
bool shm_place_take(_Atomic uint64_t *place, long max_s, uint64_t *held);

/* Give it back, unless another process has taken it over meanwhile. */
void shm_place_free(_Atomic uint64_t *place, uint64_t held);

/* It is held from now on; one that was lost meanwhile stays so. */
void shm_place_keep(_Atomic uint64_t *place, uint64_t *held);

/* The same for a word that holds a pid, until its process ends: true when it is this one's now. */
bool shm_pid_take(_Atomic int32_t *pid);

/* A keyed 64-bit hash for spreading keys over slots, never 0; not for secrets. */
uint64_t shm_hash(uint64_t class, const char *text);

/* The key of an address: of IPv6 the /64, which is what one customer has (as limit_ip() in sql/functions). */
uint64_t shm_hash_address(uint64_t class, const char *ip);

/* Go on from a hash with a text: FNV-1a, with a finalizer that mixes the high bits down. */
uint64_t shm_mix(uint64_t start, const char *text);

#endif
