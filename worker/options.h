/*
 * What a worker is started with.
 */
#ifndef WORKER_OPTIONS_H
#define WORKER_OPTIONS_H

enum { WORKER_QUEUES = 16, WORKER_CHILDREN = 128 };

struct worker_options {
	struct {
		char name[101];
		int cap; /* at most so many at once; 0: as many as there are children */
	} queues[WORKER_QUEUES];
	int nqueues;
	int concurrency; /* children */
};

#endif
