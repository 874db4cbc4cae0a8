/*
 * A worker: a master process that claims jobs, and children that run them.
 *
 * The master talks to PostgreSQL without ever waiting for it, and hands what it
 * claimed to whichever child is free: all children read from one socket, so
 * nothing stands behind a slow job while another child has nothing to do.  A
 * portion is one job, or many of a kind that takes many at once.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "worker/options.h"

/*
 * Run until SIGTERM or SIGINT, which let the jobs in hand end (DRAIN_TIMEOUT_S)
 * and give the others back; SIGHUP replaces the children.  Returns the exit
 * status.
 */
int worker_run(const struct worker_options *options);

#endif
