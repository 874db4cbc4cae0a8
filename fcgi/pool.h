/*
 * A pool: a master process and its children, all answering one listening socket.
 */
#ifndef ASHLAR_POOL_H
#define ASHLAR_POOL_H

#include "lib/host/scoreboard.h"

struct pool_options {
	enum pool number;
	const char *name;   /* "main", "slow", "hash" */
	int processes;      /* children */
	const char *socket; /* where to listen; NULL when fd 0 is the socket already */
};

/*
 * Run the pool until SIGTERM or SIGINT; returns the process's exit status.
 * The caller has loaded the configuration and built the router.
 *
 * Signals of the master: SIGHUP replaces all children gracefully and reads key
 * files again; SIGTERM and SIGINT end the pool after the requests in hand and
 * those that wait in the backlog of a socket of our own.
 *
 * Started by systemd with Type=notify it reports READY, RELOADING, STOPPING
 * and feeds the watchdog (sd_notify(3)).
 */
int pool_run(const struct pool_options *options);

#endif
