/*
 * Memory shared by all children of all pools of this host: rate limits,
 * metrics, circuit breakers, and who is busy with what.
 *
 * One file, mapped by every process, of one fixed layout.  Everything in it is
 * updated with atomics and no lock, so a child that dies in the middle of
 * anything leaves nothing behind that others would wait for.
 */
#ifndef ASHLAR_SHM_H
#define ASHLAR_SHM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/http.h"
#include "fcgi/jwks.h"

enum {
	SHM_CHILDREN = 256,   /* of one pool */
	SHM_LIMITS = 1 << 16, /* rate-limit slots */
	SHM_ROUTES = 2048,
	SHM_STATUSES = 27,    /* statuses counted apart; the last stands for all others */
	SHM_BUCKETS = 12,     /* of the latency histogram, without +Inf */
	SHM_OUTCOMES = 4,     /* of jobs, and of deliveries: see metrics.h */
	SHM_REALTIME = 16,    /* realtime processes of the host */
	SHM_API_KEYS = 4096,  /* that were let in */
	SHM_HASHERS = 256,    /* passwords hashed at once; a host with more cores uses as many */
	SHM_SHARES = 1 << 14, /* places for shares of the slow pool: many, so that two rarely meet */
	SHM_SHARERS = 2,      /* who may have one: a tenant, a caller */
};

/* The pools of a host, and its workers. */
enum pool { POOL_MAIN, POOL_SLOW, POOL_HASH, POOL_WORKER, SHM_POOLS };

/* "main", … */
extern const char *const shm_pool_names[SHM_POOLS];

/* A child's line on the scoreboard. */
struct shm_child {
	_Atomic int32_t pid;           /* 0: free */
	_Atomic int64_t busy_since_ns; /* of the request in hand; 0: idle */
	_Atomic uint64_t requests;
};

struct shm_pool {
	_Atomic int64_t started_ns;
	_Atomic uint64_t respawns; /* children replaced after they died */
	_Atomic uint64_t killed;   /* children replaced because they were stuck */
	_Atomic uint64_t reloads;
	_Atomic uint64_t db_ns; /* waited for PostgreSQL */
	_Atomic uint64_t db_connects;
	struct shm_child children[SHM_CHILDREN];
};

struct shm_route {
	_Atomic uint64_t by_status[SHM_STATUSES];
	_Atomic uint64_t by_latency[SHM_BUCKETS + 1]; /* not cumulative; the last is +Inf */
	_Atomic uint64_t latency_ns;
};

struct shm_jobs {
	_Atomic uint64_t by_outcome[SHM_OUTCOMES];
	_Atomic uint64_t run_ns;
	_Atomic uint64_t by_wait[SHM_BUCKETS + 1]; /* from when a job could run to its start */
	_Atomic uint64_t wait_ns;
};

/* Webhooks that were sent. */
struct shm_deliveries {
	_Atomic uint64_t by_outcome[SHM_OUTCOMES];
	_Atomic uint64_t ms; /* until they were answered, or given up */
};

/* What a realtime process tells once a second. */
struct shm_realtime {
	_Atomic int32_t pid; /* 0: free */
	_Atomic uint64_t connections, streams, subscriptions;
	_Atomic uint64_t opened, received, delivered, dropped, slow;
};

struct shm_limit {
	_Atomic uint64_t key;   /* 0: never used */
	_Atomic int64_t tat_ns; /* GCRA's theoretical arrival time */
};

struct shm {
	uint64_t layout; /* differs between versions that lay it out differently */
	uint64_t seed;   /* of the hash that spreads keys over slots */
	struct http_breaker breakers[HTTP_BREAKERS];
	struct jwks_flag jwks[JWKS_MAX];
	struct shm_pool pools[SHM_POOLS];
	struct shm_route routes[SHM_ROUTES];
	struct shm_jobs jobs;
	struct shm_deliveries deliveries;
	struct shm_realtime realtime[SHM_REALTIME];
	_Atomic uint32_t wake;         /* wake.h's marks, and the futex that its notifier waits on */
	_Atomic int64_t room_asked_ns; /* when PostgreSQL was last asked to write (handlers/ops/health.c) */
	_Atomic int32_t is_full;       /* and could not */
	_Atomic uint64_t hashers[SHM_HASHERS]; /* password.c's: the pid of who hashes, and since when */
	_Atomic uint64_t shares[SHM_SHARES];   /* share.c's, likewise */
	_Atomic uint64_t share_refusals[SHM_SHARERS];
	_Atomic uint64_t api_keys[SHM_API_KEYS]; /* key_use.c's: hashes of keys that were let in */
	struct shm_limit limits[SHM_LIMITS];
};

extern struct shm *shm;

/* This process's. */
extern enum pool shm_pool;

/*
 * Map the file, making it when it is missing or of another layout.  Called
 * once by each master before it forks.  0, or -1 with errno.
 */
int shm_map(const char *path);

/* A free line of a pool's scoreboard, the caller's; NULL: there is none. */
struct shm_child *shm_take_child(int pool);
void shm_free_child(struct shm_child *child);

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

/* A keyed 64-bit hash for spreading keys over slots, never 0; not for secrets. */
uint64_t shm_hash(uint64_t class, const char *text);

/* The key of an address: of IPv6 the /64, which is what one customer has (as limit_ip() in sql/functions). */
uint64_t shm_hash_address(uint64_t class, const char *ip);

#endif
