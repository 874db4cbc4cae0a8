/*
 * Who is busy with what: a line for each child of each pool of the host, and
 * what the pools count.  In shared memory.
 */
#ifndef ASHLAR_SCOREBOARD_H
#define ASHLAR_SCOREBOARD_H

#include <stdatomic.h>
#include <stdint.h>

enum { SCOREBOARD_CHILDREN = 512 }; /* of one pool: twice what it may have, while it is replaced */

/* The pools of a host, and its workers. */
enum pool { POOL_MAIN, POOL_SLOW, POOL_HASH, POOL_WORKER, POOLS };

/* "main", … */
extern const char *const pool_names[POOLS];

/* A child's line. */
struct scoreboard_child {
	_Atomic int32_t pid;           /* 0: free */
	_Atomic int64_t busy_since_ns; /* of the request in hand; 0: idle */
	_Atomic uint64_t requests;
};

struct scoreboard {
	_Atomic int64_t started_ns;
	_Atomic uint64_t respawns; /* children replaced after they died */
	_Atomic uint64_t killed;   /* children replaced because they were stuck */
	_Atomic uint64_t reloads;
	_Atomic uint64_t db_ns; /* waited for PostgreSQL */
	_Atomic uint64_t db_connects;
	struct scoreboard_child children[SCOREBOARD_CHILDREN];
};

/* The scoreboard of a pool; NULL before shm_map(). */
struct scoreboard *scoreboard_of(enum pool pool);

/* This process's pool, and its scoreboard. */
extern enum pool scoreboard_pool;
struct scoreboard *scoreboard(void);

/* A free line of a pool's scoreboard, the caller's; NULL: there is none. */
struct scoreboard_child *scoreboard_take(enum pool pool);
void scoreboard_free(struct scoreboard_child *child);

#endif
