/*
 * Signing up with a workspace: what requests and jobs have in common of it.
 *
 * A run is committed before Stripe is asked for anything, and what is asked for is named by it; behind that
 * all of it is made in one transaction (sql/functions/identity/signup.sql).  So whoever dies leaves a run
 * that can be gone on with, or undone.
 *
 * An invite of who has paid has two codes: the one of the mail's link stands for who paid, and the access
 * code beside it is what people type where they have lost the link.  Both are sealed, since a mail that goes
 * again shows them.
 */
#ifndef PROVIDERS_SIGNUP_H
#define PROVIDERS_SIGNUP_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct stripe_answer;
struct tokens;

struct signup_codes {
	const char *code;   /* a ticket (ticket.h) */
	const char *access; /* eight letters and digits that nobody mistakes for one another */
};

/* New codes of an invite of a tenant, and what is stored of them.  NULL: there is no key to seal with. */
const char *signup_codes_make(struct arena *a, const char *tenant, struct signup_codes *out);

/* The codes that were sealed; false: they do not open. */
bool signup_codes_open(struct arena *a, const char *tenant, const char *sealed, struct signup_codes *out);

/* Is that the access code, as people type it?  In constant time. */
bool signup_codes_fit(const struct signup_codes *codes, const char *typed);

/* The page that the mail's link leads to, without the code.  The arena's. */
const char *signup_codes_page(struct arena *a);

/* A step of a sign-up, in order, and how far that is: of those that wait for the answer, and of those that
 * follow. */
struct signup_step {
	const char *name;
	int progress;        /* percent, when it begins */
	const char *message; /* for people */
};

extern const struct signup_step signup_steps[]; /* ends with a NULL name */

/* What a run is asked for with, of a row of signup_facts(); strings are the arena's, NULL where there is
 * none. */
struct signup_run {
	const char *tenant, *id, *kind, *state, *step;
	const char *key; /* of whose account Stripe is asked; NULL: there is none */
	const char *email, *name, *organization;
	const char *price, *tier, *cycle, *affiliate;
	const char *payment_method, *success_url, *cancel_url;
	const char *subscription; /* of an invite */
	const char *job;          /* the id that it is followed by; NULL: it is not */
	const char *look;         /* the number of a read that begins now */
	long long trial_days;
	bool is_followed, is_due;
};

/* What Stripe made of it, or has; NULL: nothing. */
struct signup_asked {
	const char *customer, *object, *page;
};

void signup_run_read(struct arena *a, const PGresult *row, struct signup_run *out);

/*
 * Ask for what the run is to have: a customer and a subscription, or a page to pay on; of an invite, read the
 * subscription that there is.  No transaction may be open.  What was asked before is not done twice.
 *
 * ERR_OK; otherwise as stripe_ask, whose answer is in *answer.  A run that costs nothing, or of an invite
 * where there is no key, asks for nothing.
 */
enum err signup_ask(struct arena *a, const struct signup_run *run, struct signup_asked *out,
		    struct stripe_answer *answer);

/*
 * Take back all that was made for it: its customers, whose subscriptions end with them, and pages that are
 * open. Looks for them at Stripe, whatever is known here.  ERR_OK, or as stripe_ask.
 */
enum err signup_take_back(struct arena *a, const struct signup_run *run, struct stripe_answer *answer);

/*
 * An event of the run's stream: JSON, the arena's.
 *
 * status   "RUNNING", "COMPLETED" or "FAILED"
 * error    of one that failed, or NULL
 * t        of one that is completed: its tokens; with the workspace's id and name.  NULL: none
 */
const char *signup_event(struct arena *a, const char *job, const char *status, const char *step,
			 const char *error, const struct tokens *t, const char *workspace, const char *name);

/* The same sealed, as the outbox has it: {"sealed": …}.  NULL: there is no key to seal with. */
const char *signup_event_sealed(struct arena *a, const char *tenant, const char *event);

#endif
