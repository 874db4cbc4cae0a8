/*
 * The deliverer: sends webhooks, hundreds at a time, in one process.
 *
 * Deliveries are rows of webhook_deliveries, a separate queue.  This process
 * takes what is due under a lease, sends it, and writes down what came of it,
 * many in one statement; one that dies in the middle of anything is succeeded
 * when the lease is over.  There may be any number of them on any hosts.
 */
#ifndef WORKER_DELIVER_H
#define WORKER_DELIVER_H

/*
 * Deliver until told to stop; the worker's master forks a child that calls this
 * while it serves the queue ashlar.webhooks.  Needs cfg and shm.
 *
 * SIGTERM: take nothing more, end what is under way within DRAIN_TIMEOUT_S, hand
 * the rest back, exit 0.  SIGQUIT: hand everything back at once.  It ends with its
 * parent, too.
 */
_Noreturn void deliver_run(void);

#endif
