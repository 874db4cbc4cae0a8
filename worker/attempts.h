/*
 * Attempts as PostgreSQL's arrays: the tenants, ids and numbers of several, for
 * a statement that is about all of them.
 */
#ifndef WORKER_ATTEMPTS_H
#define WORKER_ATTEMPTS_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "worker/claimed.h"

struct attempts {
	struct buf tenants, ids, numbers;
	bool any;
};

/* None yet; what is added is a's. */
void attempts_init(struct attempts *list, struct arena *a);
void attempts_add(struct attempts *list, const struct attempt *attempt);

/* No more: the three arrays, as texts that live as long as the arena. */
void attempts_params(struct attempts *list, const char *params[3]);

#endif
