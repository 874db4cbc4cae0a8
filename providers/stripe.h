/*
 * Stripe's API v1: what is asked, and what came of it.
 *
 * The version is pinned, whatever the account's default is: what stands where
 * in an object (providers/stripe_object.h) and which parameters there are is
 * that version's.  Since 2025-03-31 a subscription's period stands on its items,
 * POST /v1/invoices/create_preview is the only preview, and an invoice names its
 * subscription under "parent"; since 2025-09-30 a promotion code names its
 * coupon under "promotion"; since 2026-03-25 a checkout session's ui_mode is
 * hosted_page or embedded_page; since 2026-09-30 no payment_method_types are sent.
 *
 * A POST carries an Idempotency-Key, always, made of the caller's own name for
 * what is done.  So it is sent again when it failed in passing, here and by
 * whoever repeats the whole operation, and done once.
 */
#ifndef PROVIDERS_STRIPE_H
#define PROVIDERS_STRIPE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

struct json_object;

#define STRIPE_VERSION "2026-10-28.endive"

/* All borrowed. */
struct stripe_call {
	const char *key; /* of whose account it is: sk_… or rk_…, test or live; NULL: STRIPE_SECRET_KEY */
	const char *method; /* "GET", "POST" or "DELETE" */
	/* What is asked: /v1/<resource>, /v1/<resource>/<id>, /v1/<resource>/<id>/<action>. */
	const char *resource; /* "subscriptions", "checkout/sessions", "invoices/create_preview" */
	const char *id;       /* as Stripe or a client says it, and so encoded; or NULL */
	const char *action;   /* "cancel", or NULL */
	struct buf *form;     /* parameters, by the functions below: a POST's body, else the query; or NULL */
	/*
	 * What is to be whole in the answer where otherwise its id stands, to save
	 * a second call: "latest_invoice.payments", "data.customer" in a list.  NULL-
	 * terminated, or NULL.
	 */
	const char *const *expand;
	/*
	 * A POST's name, the same each time the same thing is to be done, and no other
	 * thing's: "<tenant>/<our operation's id>", with the step in it where one operation
	 * asks one path twice.  Only a hash of it, of method and path is sent.  Stripe
	 * keeps the first answer for a day, declines and its own 500s included: what is
	 * to be tried anew after a decline is another operation, and what is repeated
	 * later than that has to look first whether it was done.
	 */
	const char *operation;
};

/* What came of it.  Strings and trees are the arena's; what Stripe did not say is NULL. */
struct stripe_answer {
	int status;               /* HTTP's; 0: there was none */
	struct json_object *said; /* the object that was asked for, on ERR_OK only */
	const char *type;         /* an error's: "card_error", "invalid_request_error", "api_error", … */
	const char *code;         /* "card_declined", "resource_missing", … */
	const char *decline_code; /* the bank's: "insufficient_funds", … */
	const char *param;        /* the parameter that it is about: "items[0][price]" */
	const char *message;      /* Stripe's words, in English; of a card error they are for the customer */
	const char *payment_intent; /* the one that failed, and can be confirmed or paid again */
	const char *request_id;     /* req_…, which Stripe's support asks for */
	long long retry_after;      /* seconds, with ERR_UNAVAILABLE; 0: it does not say */
	bool is_replayed;           /* the first answer again, to an operation that had been done */
	int attempts;               /* requests that were sent */
	const char *reason;         /* when it fails, for the log: no secret, nothing of a customer in it */
};

/*
 * Ask, and wait for the answer, so that no transaction may be open.  It is sent
 * up to three times, within HTTP_TIMEOUT_MS altogether, while Stripe says that
 * it is worth it (Stripe-Should-Retry), or does not say, and answers 409, 429,
 * 5xx or not at all.
 *
 * ERR_OK
 * ERR_PAYMENT: declined, or the customer has to confirm it (402, or a
 * card_error); out->decline_code or out->code is why
 * ERR_NOT_FOUND: no such object in this account; status 400: one that the form
 * names, in out->param
 * ERR_VALIDATION: it does not take what was asked (invalid_request_error).  Where
 * that is not what a client sent, it is ours to mend
 * ERR_CONFLICT: the object is in use, or in no state for that (409)
 * ERR_IDEMPOTENCY_RUNNING, ERR_IDEMPOTENCY_MISMATCH: the operation is still being
 * done; it was something else before
 * ERR_UNAVAILABLE: it was not done: no key, a key that Stripe refuses (401, 403),
 * too many requests (429), or the breaker is open and nothing was sent
 * ERR_EXTERNAL: Stripe failed or did not answer.  Whether it was done is not known:
 * repeat it as the same operation
 *
 * A POST without an operation, or another method, is a mistake of the program, which ends it.
 */
enum err stripe_ask(struct arena *a, const struct stripe_call *call, struct stripe_answer *out);

/*
 * A form's parameters, one each; buf_init makes an empty one.  A name is
 * Stripe's, with its brackets: "line_items[0][price]".  NULL adds nothing; ""
 * clears what is there.
 */
void stripe_text(struct buf *form, const char *name, const char *value);
void stripe_int(struct buf *form, const char *name, long long value);
void stripe_bool(struct buf *form, const char *name, bool value);

/*
 * A whole tree under a name, or, with name NULL, an object's members as parameters:
 * {"metadata": {"plan": "pro"}, "items": [{"quantity": 2}]} is
 * metadata[plan]=pro, items[0][quantity]=2.  null, and an empty array or
 * object, clears.
 */
void stripe_tree(struct buf *form, const char *name, struct json_object *tree);

/* May Stripe be asked with this key: a secret or restricted one?  A publishable key (pk_…) is none. */
bool stripe_is_key(const char *key);

/* Does such a key move money?  Otherwise it is a test key. */
bool stripe_is_live(const char *key);

#endif
