#include "lib/host/scoreboard.h"

#include "lib/host/shm.h"

SHM_REGION(scoreboards, struct scoreboard, POOLS)

const char *const pool_names[POOLS] = { "main", "slow", "hash", "worker" };

enum pool scoreboard_pool;

struct scoreboard *scoreboard_of(enum pool pool)
{
	return scoreboards() ? &scoreboards()[pool] : NULL;
}

struct scoreboard *scoreboard(void)
{
	return scoreboard_of(scoreboard_pool);
}

struct scoreboard_child *scoreboard_take(enum pool pool)
{
	struct scoreboard_child *children = scoreboard_of(pool)->children;

	for (int i = 0; i < SCOREBOARD_CHILDREN; i++)
		if (shm_pid_take(&children[i].pid)) {
			atomic_store(&children[i].busy_since_ns, 0);
			atomic_store(&children[i].requests, 0);
			return &children[i];
		}
	return NULL;
}

void scoreboard_free(struct scoreboard_child *child)
{
	if (!child)
		return;
	atomic_store(&child->busy_since_ns, 0);
	atomic_store(&child->pid, 0);
}
