/*
 * What the two faces of the queue, tasks and BullMQ's words, have in common.
 */
#ifndef HANDLERS_OPS_QUEUES_H
#define HANDLERS_OPS_QUEUES_H

/* The statuses that a job is shown with. */
extern const char *const queue_statuses[];

#endif
