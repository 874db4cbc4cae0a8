/*
 * A job as its code sees it: all that a kind of job needs to include.
 *
 * A kind is a row in worker/kinds.c and a function, which gets a transaction
 * (its arena, tx_set, tx_call, db_close before it waits for another's
 * server, http_do, seal) and the job:
 *
 *	enum err welcome_run(struct tx *tx, const struct job *job)
 *	{
 *		PGresult *res;
 *
 *		tx_set(tx, "user", …);
 *		return tx_call(tx, &q_welcome_mark, false, &res);
 *	}
 *
 * ERR_OK completes the job in the transaction of the statements that ran last:
 * what they did and that it is done are committed together, or not at all.
 * Anything else rolls them back and is recorded as a failed attempt, with the
 * reason (else the message) of tx_fail; the job is tried again after a while.
 * The first statement travels with job_enter(), which goes into the job's
 * tenant and refuses an attempt that has been taken away.
 *
 * Where the effect is outside of PostgreSQL it may happen twice: a worker can
 * die between it and the commit.  The job's id stays the same over all
 * attempts; send it as the idempotency key.
 */
#ifndef WORKER_JOB_H
#define WORKER_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

struct constraint;
struct tx;

struct job {
	const char *id;        /* uuid */
	const char *tenant_id; /* uuid */
	const char *queue;
	const char *kind;
	const char *payload; /* JSON text; json_read() it */
	int attempt;         /* from 1 */
	int max_attempts;
	int timeout_s;
	double wait_ms;    /* from when it could run to its claim */
	const char *trace; /* the traceparent of what made it; NULL or "": nothing that is traced */
};

struct job_kind {
	const char *name;

	/* Run one; NULL: there is nothing to do, as for what is only to be counted. */
	enum err (*run)(struct tx *tx, const struct job *job);

	/*
	 * Or many of one tenant at once, up to max_batch, completed in one statement.
	 * When that fails, each of them is run alone (in a batch of one), so that one
	 * that cannot be done fails alone.
	 */
	enum err (*run_all)(struct tx *tx, const struct job *jobs, size_t n);
	int max_batch;

	const struct constraint *constraints; /* as a route's: what a violated one means, for last_error */
};

/*
 * Ways to fail, for "return job_give_up(tx, …)".  Not to be tried again,
 * whatever attempts are left:
 */
enum err job_give_up(struct tx *tx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* … and to be tried again, if attempts are left, after so many seconds and not when it is usual. */
enum err job_retry_after(struct tx *tx, double seconds, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What the job that runs has said about its failure: for the child, which runs one at a time. */
extern struct job_verdict {
	bool give_up;
	double retry_after_s; /* below 0: as the job has it */
} job_verdict;

#endif
