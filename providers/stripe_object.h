/*
 * Stripe's objects, as STRIPE_VERSION has them: where in a subscription, an
 * invoice or a payment what we need stands, whoever brought it, an answer or an
 * event.  An event is in the version that its endpoint was made with, so for
 * what has moved the older place is read, too.
 *
 * Amounts are integers in the currency's smallest unit, as Stripe has them.
 */
#ifndef PROVIDERS_STRIPE_OBJECT_H
#define PROVIDERS_STRIPE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"

struct json_object;

/* Strings are the tree's; NULL or 0: it does not say.  Times are seconds since 1970. */
struct stripe_subscription {
	const char *id;
	const char *customer;
	const char *status; /* incomplete, incomplete_expired, trialing, active, past_due, canceled, unpaid,
			       paused */
	const char *currency;
	const char *latest_invoice;
	const char *schedule;         /* what will change it, or NULL */
	struct json_object *metadata; /* borrowed of the tree; NULL: none */
	/* The first item: what the plan is.  A second one is metered usage, say. */
	const char *item, *price, *product, *interval;
	int64_t unit_amount, quantity;
	/* The earliest start and the latest end of its items' periods. */
	int64_t period_start, period_end;
	int64_t created, trial_start, trial_end, cancel_at, canceled_at, ended_at;
	bool will_cancel; /* at the period's end, or at cancel_at */
	bool is_live;
};

struct stripe_invoice {
	const char *id, *number; /* a draft has no number */
	const char *customer, *subscription;
	const char *status; /* draft, open, paid, uncollectible, void */
	const char *reason; /* billing_reason: subscription_create, subscription_cycle, … */
	const char *currency;
	const char *payment_intent; /* the default payment's, where "payments" was expanded */
	const char *page_url, *pdf_url;
	struct json_object *metadata; /* the subscription's, as it was when the invoice was made */
	int64_t subtotal, total, amount_due, amount_paid, amount_remaining, attempts;
	int64_t created, period_start, period_end, due_at, paid_at, next_attempt_at;
	bool is_live;
};

struct stripe_price {
	const char *id, *currency;
	const char *interval;               /* NULL: it is paid once */
	const char *usage;                  /* licensed, metered; NULL: it is paid once */
	const char *exact;                  /* the amount with its fractions, digits and at most one point */
	const char *product, *product_name; /* the name where "product" was expanded */
	int64_t unit_amount, interval_count;
	int64_t divide_by; /* so many are one unit; 0: each is */
	bool is_whole;     /* unit_amount is exact */
};

struct stripe_payment {
	const char *id, *customer, *status, *currency;
	const char *client_secret; /* only for the customer's own browser: never logged or stored */
	struct json_object *metadata;
	int64_t amount, amount_received, created;
	bool is_live;
};

/* Read such an object.  False: the tree is none, or lacks its id or status; *out is then not to be read. */
bool stripe_object_subscription(struct json_object *tree, struct stripe_subscription *out);
bool stripe_object_invoice(struct json_object *tree, struct stripe_invoice *out);
bool stripe_object_price(struct json_object *tree, struct stripe_price *out);
bool stripe_object_payment(struct json_object *tree, struct stripe_payment *out);

/* An object's id, be it expanded or not; NULL: there is none. */
const char *stripe_object_id(struct json_object *value);

/* Of a list: how many it has, one of them, and after whose id the next page starts (starting_after); NULL: it
 * is the last page. */
size_t stripe_object_count(struct json_object *list);
struct json_object *stripe_object_nth(struct json_object *list, size_t n);
const char *stripe_object_next(struct json_object *list);

/*
 * How many decimals amounts of a currency have, by its code in any case: 0 for
 * yen and its like, 3 for dinars, else 2.  Stripe's numbers, not ISO 4217's: ISK
 * and UGX have no fractions any more, and are written with two zeros for them.
 */
int stripe_object_decimals(const char *currency);

/* What an amount has to be a multiple of for a card to be charged with it: 1, 10 (three decimals) or 100
 * (ISK, UGX). */
int stripe_object_step(const char *currency);

/* An amount for people and programs, "-49.00", "500", "5.120"; the arena's.  No floating point is used. */
char *stripe_object_amount(struct arena *a, int64_t amount, const char *currency);

#endif
