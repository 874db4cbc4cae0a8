/*
 * A connection to PostgreSQL that its process never waits for: statements are
 * sent as they come (a pipeline, each its own transaction), answers go to a
 * function.  For the worker's master, which has several things going at once.
 */
#ifndef WORKER_PGPIPE_H
#define WORKER_PGPIPE_H

#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/db/db.h"

/* The answer, borrowed, once it is committed: tuples, or an error; NULL: the connection is gone, and what was
 * done is not known. */
typedef void pgpipe_fn(void *arg, const PGresult *res);

enum { PGPIPE_CALLS = 64 };

struct pgpipe {
	const char *name;
	const char *options; /* as PGOPTIONS */
	void (*on_up)(void); /* connected, again */
	const char *listen; /* "LISTEN channel": the one statement that is no query, and cannot be prepared */
	void (*on_notify)(void);

	PGconn *conn;
	enum { PGPIPE_DOWN, PGPIPE_CONNECTING, PGPIPE_UP } state;
	short events;
	PGresult *answer; /* of the first call, until its transaction has ended */
	int64_t retry_at_ns, give_up_at_ns;
	struct {
		pgpipe_fn *fn;
		void *arg;
	} calls[PGPIPE_CALLS]; /* a ring */
	unsigned first, ncalls;
};

/* Send a query; its parameters by position.  false: not connected, or too much on its way; fn is not called.
 */
bool pgpipe_send(struct pgpipe *l, const struct query *q, const char *const *params, pgpipe_fn *fn,
		 void *arg);

/* For an answer that says nothing: an error is logged. */
void pgpipe_note(void *arg, const PGresult *res);

static inline bool pgpipe_is_idle(const struct pgpipe *l)
{
	return l->state == PGPIPE_UP && !l->ncalls;
}

/* Connect when it is time; what to poll for, fd -1: nothing. */
struct pollfd pgpipe_poll(struct pgpipe *l);

/* After poll. */
void pgpipe_pump(struct pgpipe *l, short revents);

/* Finish, without any call's answer. */
void pgpipe_close(struct pgpipe *l);

/* In a child that was forked, which uses it no more: let go of the connection, which is the parent's. */
void pgpipe_forget(struct pgpipe *l);

#endif
