/*
 * A transaction: a door, statements behind it, and how it ends.
 *
 * The first statement travels together with the door, a query that says for whom
 * the transaction is and opens its row-level security; if it refuses, the server
 * skips the rest.  Nobody writes BEGIN: a transaction begins with its first
 * statement, and ends with one that is the last, or with tx_finish.  Results are
 * binary.
 *
 * To begin, fill in a struct tx: arena and door are needed, all else may be zero.
 * It belongs to one request or job, and ends with it.
 */
#ifndef ASHLAR_TX_H
#define ASHLAR_TX_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/failure.h"
#include "lib/db/query.h"
#include "lib/db/refusal.h"
#include "lib/db/value.h"
#include "lib/host/log.h"

struct tx {
	struct arena arena;
	struct log_context log; /* for whom it is, and what is being done */
	struct value *values;   /* what queries are bound to; the last one of a name counts */
	size_t nvalues, values_cap;

	/* how it begins */
	const struct query *door; /* in front of the first statement: who calls, and may they? */
	const char *const *door_values;
	const struct query *beside; /* or NULL: asked beside the door, which does not want to know; only
				       whether it has a row counts */
	const char *const *beside_values;
	const struct query *frame; /* or NULL: a statement in front of the first one, and the transaction
				      stays open behind the last (tx_frame) */
	const char *const *frame_values;

	/* what it is for */
	const struct constraint *constraints; /* what a violated one means; the last has no name */
	bool writes;                          /* it may change something: never run again by itself */
	bool is_light;   /* it runs where no core is spared for hashing a password: password.h refuses */
	long timeout_ms; /* how long to wait for PostgreSQL; 0: DATABASE_TIMEOUT_MS */

	/* What a query's parameter is that has no value: ERR_OK and *out, or ERR_NOT_FOUND.  NULL: nothing.
	 */
	enum err (*derive)(struct tx *tx, const char *name, const char **out);

	/*
	 * Called with each row of a query by itself as it comes, in place of a result with all; or NULL.
	 * An error, said in *why, ends the statement.
	 */
	enum err (*each)(void *to, const PGresult *row, struct failure *why);
	void *each_to;
	int peer_fd; /* with each: who waits for the rows, a socket; -1: nobody is looked after */

	/* what has come of it */
	bool is_open;
	bool asked;        /* the door was, whatever it said */
	bool entered;      /* it let the caller in */
	bool asked_beside; /* and what is beside it was */
	bool found_beside; /* and had a row */
	bool committed;    /* a transaction that may have written has ended well */
	bool may_rerun;    /* the failure was one that running again can cure, and nothing was committed */
	PGresult *children[MAX_CHILDREN]; /* of tx_call_family */
	int nchildren;
	int64_t ns; /* in which PostgreSQL was waited for */
	struct failure fail;
};

/*
 * Run a query; its parameters are bound by name to the values.  With last, the
 * transaction ends with it, in the same round trip.
 *
 * ERR_OK, and *out is the arena's.  Otherwise the failure is in tx->fail, and the
 * transaction rolled back: the door's refusal, a violated constraint by the table
 * of them, ERR_UNAVAILABLE, ERR_TIMEOUT.  After a failure nothing is asked until
 * tx->fail is emptied.
 */
enum err tx_call(struct tx *tx, const struct query *q, bool last, PGresult **out);

/*
 * The same, and behind it, in the same round trip, its children; their results
 * are tx->children, in their order.
 */
enum err tx_call_family(struct tx *tx, const struct query *q, const struct child *children, bool last,
			PGresult **out);

/* A page's total alone, the only column of one row; for a page behind the last one, which has no row to bear
 * it. */
enum err tx_total(struct tx *tx, const struct query *q, PGresult **out);

/* tx_call with the parameters by position. */
enum err tx_call_with(struct tx *tx, const struct query *q, const char *const *values, bool last,
		      PGresult **out);

/*
 * Have a statement run behind the door, in front of the first one and in the same
 * round trip, and keep the transaction open behind the last one: for who has
 * something to add.  values must live as long as the transaction.
 */
void tx_frame(struct tx *tx, const struct query *q, const char *const *values);

/*
 * End the transaction, if one is open: commit it, or roll it back.  After a
 * failure it is rolled back either way, unless that is_kept: then it is committed,
 * and the failure stays what it was.
 */
enum err tx_finish(struct tx *tx, bool commit);

/* Only ask the door whether the caller may come in. */
enum err tx_enter(struct tx *tx);

/* The same, but what it says is returned, and not recorded. */
struct failure tx_knock(struct tx *tx);

/* Ask what stands beside the door, if no transaction has: tx->found_beside. */
void tx_ask_beside(struct tx *tx);

/* The value of that name, or NULL: the last one, so that what was computed hides what was sent. */
const struct value *tx_value(const struct tx *tx, const char *name);

/* Its text; NULL when there is none, or it is null. */
const char *tx_text(const struct tx *tx, const char *name);

/* Give a query's parameter a value, over any that it has; NULL is SQL's null.  Both are borrowed. */
void tx_set(struct tx *tx, const char *name, const char *text);

/* The same with a value of n bytes in its type's binary form: of arrays, see vector.h. */
void tx_set_binary(struct tx *tx, const char *name, const char *p, size_t n);

/* Record a failure and return its error, for "return tx_fail(…)": see failure.h. */
enum err tx_fail(struct tx *tx, enum err e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
enum err tx_fail_inside(struct tx *tx, enum err e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
