/*
 * Asking the provider of payments to do something, in three steps: an operation is
 * begun and committed; it is asked for, without a connection to the database; what came of it
 * is put down in a second transaction.
 *
 * Whoever dies in between, or gets no answer, has left an operation that is not known
 * to have ended: the same request goes on with it under the same name, by which the provider
 * does it once.
 */
#ifndef HANDLERS_BILLING_ASKING_H
#define HANDLERS_BILLING_ASKING_H

#include <stdbool.h>

#include "fcgi/field.h"
#include "lib/base/err.h"

struct buf;
struct json_object;
struct query;
struct req;
struct stripe_answer;
struct stripe_call;

/* What was begun: strings are the arena's, NULL where there is none.  See billing_ask(). */
struct asking {
	const char *tenant, *look;
	const char *operation;    /* NULL: something is only looked at */
	const char *key;          /* NULL: there is no provider to ask */
	const char *organization; /* whose it is; NULL: the user's own */
	const char *actor;        /* the user who acts */
	const char *customer, *email, *name;
	const char *subscription, *provider_id, *item_id, *schedule_id; /* the current one */
	const char *step;                                               /* what a change of its plan is */
	const char *price, *plan_name, *price_shown, *tier, *cycle;     /* of the plan that is asked for */
	const char *interval;                                           /* the current one's: "month" */
	const char *waiting; /* a subscription that waits for its payment */
	long long quantity, period_end;
	long long trial_days, seats; /* of a checkout; 0: none, and one */
	bool will_cancel;
	bool is_of_org; /* the organization is an org_id to whom is told of it */
};

/* The addresses that a checkout goes back to, and a portal: a page of the tenant's. */
extern const struct field asking_pages[];

/*
 * May customers be sent to these pages, of these fields?  second may be NULL.  ERR_OK, and they are
 * the :request; or ERR_VALIDATION with the field.
 */
enum err asking_check_pages(struct req *rq, const char *first, const char *second);

/* Begin, and commit that: q is a query of billing_ask(), whose values are set but for kind. */
enum err asking_begin(struct req *rq, const char *kind, const struct query *q, struct asking *out);

/* ERR_UNAVAILABLE until somebody has set up what it says; a plan without the provider's price. */
enum err asking_unconfigured(struct req *rq, const char *what);
enum err asking_unpriced(struct req *rq, const struct asking *a);

/* There is a provider to ask, and no connection waits: ERR_OK, or ERR_UNAVAILABLE. */
enum err asking_ready(struct req *rq, const struct asking *a);

/*
 * Ask for one step of the operation.  ERR_OK, or the refusal, which is recorded: a decline is 402
 * with details.reason, a provider that fails 502, after which the operation can be repeated.
 */
enum err asking_do(struct req *rq, const struct asking *a, const char *step, struct stripe_call *call,
		   struct stripe_answer *answer);

/* Its customer, made if there is none. */
enum err asking_customer(struct req *rq, struct asking *a);

/* Whose it is, for when the provider tells of it later: members of the form's "metadata" or the like. */
void asking_owner(struct req *rq, struct buf *form, const char *under, const struct asking *a);

/* A plan that was to follow does not: the schedule lets go of the subscription. */
enum err asking_release(struct req *rq, struct asking *a);

/* Open a checkout of a price.  What the customer pays there is told by the provider later. */
enum err asking_checkout(struct req *rq, struct asking *a, const char *price, const char *cycle,
			 struct stripe_answer *answer);

/* In the second transaction: it is done; made is what the provider calls what it made, or NULL. */
enum err asking_done(struct req *rq, const char *made);

/* The same, and the subscription is what the provider says now; read again where that is old. */
enum err asking_seen(struct req *rq, const struct asking *a, struct json_object *said);

/* Of no operation: the subscription is what was read, unless something newer is known. */
enum err asking_note(struct req *rq, const struct asking *a, struct json_object *said);

/* The same, read from the provider anew. */
enum err asking_read(struct req *rq, const struct asking *a);

/*
 * End the current subscription, with its period or now; take it up again; change its plan.  The second
 * transaction is open behind them, and :shown is the subscription.
 */
enum err asking_cancel(struct req *rq, struct asking *a, bool at_period_end);
enum err asking_resume(struct req *rq, struct asking *a);
enum err asking_change(struct req *rq, struct asking *a, const char *plan);

/* The invoices of a customer, newest first, as the provider has them; NULL where it has none of this owner.
 */
enum err asking_invoices(struct req *rq, const struct query *customer, long long limit,
			 struct json_object **list);

#endif
