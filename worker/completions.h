/*
 * Attempts that have ended well and left nothing in PostgreSQL that their
 * completion could be committed with: all that end while one statement is on
 * its way are completed by the next, in one commit.  A statement for each costs
 * PostgreSQL seven times as much.
 *
 * What is on this list when the process dies runs again: as ever, where what
 * a job does is done elsewhere.
 */
#ifndef WORKER_COMPLETIONS_H
#define WORKER_COMPLETIONS_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "worker/claimed.h"
#include "worker/pgpipe.h"

extern size_t completions_count; /* not confirmed yet */

void completions_add(const struct attempt *job);

/* Send what has ended, unless something is on its way. */
void completions_send(struct pgpipe *l, const char *worker);

/* Append ",id" for each job. */
void completions_list(struct buf *ids);

/* They are no longer ours. */
void completions_drop(void);

#endif
