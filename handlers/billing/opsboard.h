/*
 * What the rows of the observability surface's billing share: the subscription of the path's
 * organization, and the prices of what is sold there.
 */
#ifndef HANDLERS_BILLING_OPSBOARD_H
#define HANDLERS_BILLING_OPSBOARD_H

#include <stdbool.h>

#include "fcgi/field.h"
#include "handlers/billing/asking.h"

struct json_object;

/* What is known of it before anything is asked.  Strings are the arena's, NULL where there is none. */
struct opsboard {
	struct asking asking;    /* of no operation; provider_id is NULL where there is no subscription */
	const char *status;      /* the subscription's */
	const char *prem_status; /* the organization's */
	const char *price;       /* the subscription's, */
	const char *currency, *interval;
	const char *ends_at;  /* and its period's end, as JSON has times */
	long long amount;     /* of one seat */
	const char *withheld; /* why its period gives nothing */
};

/* In our words (stripe_billing_price), the arena's; NULL: not configured, or not to be read. */
struct opsboard_prices {
	struct json_object *seat, *tokens, *spans;
	enum err why_no_seat; /* of one that could not be read */
};

/* The path's {org_id}. */
extern const struct field opsboard_path[];

/* Read what is known, in the transaction, which stays open. */
enum err opsboard_read(struct req *rq, struct opsboard *out);

/* The same, and ERR_BAD_REQUEST where there is no subscription. */
enum err opsboard_need(struct req *rq, struct opsboard *out);

/*
 * The prices that the settings name: as they were within the last hour, else Stripe is asked with this key,
 * for which the transaction is committed.  What cannot be read is no failure.  :prices is {"seat", "tokens",
 * "spans"} then, for queries.
 */
enum err opsboard_prices(struct req *rq, const char *key, struct opsboard_prices *out);

/*
 * One price of Stripe's, for which no transaction may be open.  ERR_OK; ERR_BAD_REQUEST with the field: there
 * is none, or it is no price of seats; or as asking_do().
 */
enum err opsboard_seat_price(struct req *rq, const struct asking *a, const char *field, const char *id);

/* The page of the front end that Stripe's pages lead back to, with these parameters behind it ("" for none);
 * NULL: it is not configured, and ERR_UNAVAILABLE is recorded. */
const char *opsboard_page(struct req *rq, const char *parameters);

#endif
