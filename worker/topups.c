/*
 * A package is charged to a card whose owner is not there.
 *
 * In three steps: which card is chosen; that it will be asked with that card is committed; and Stripe is
 * asked, under a name that is the top-up's own.  So whoever dies anywhere in between has it repeated to the
 * letter, which Stripe does once; and what it has done is credited by whoever says so first (topup_see).
 * Stripe forgets such names after a day: then the payment is looked for among those of the customer.
 *
 * The card's bank may want its owner.  Nobody is there to be asked, so that is an error
 * (error_on_requires_action) and not a payment that waits; and like each decline it is the last try until
 * somebody switches it on again.
 */
#include "worker/topups.h"

#include <json-c/json.h>

#include "build/sql/billing/topups.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"
#include "providers/stripe_object.h"

/* What is paid, and how. */
struct topup {
	const char *id, *key, *tenant, *customer, *method, *payment, *currency, *who;
	long long price_cents;
	bool is_old;
};

static const char *kept(struct tx *tx, const PGresult *res, const char *column)
{
	const char *text = column_text(res, 0, column);

	return text ? arena_dup(&tx->arena, text) : NULL;
}

static const char *word(struct json_object *tree, const char *name)
{
	return json_text(json_at(tree, name, NULL), 255);
}

/* It has come to nothing; declined: until somebody switches it on again. */
static enum err failed(struct tx *tx, const char *why, bool is_declined)
{
	PGresult *res;

	tx_set(tx, "why", why);
	tx_set(tx, "is_declined", is_declined ? "true" : "false");
	tx_set(tx, "wait_s", "3600");
	return tx_call(tx, &q_topup_fail, false, &res);
}

static enum err seen(struct tx *tx, struct json_object *said)
{
	const char *object = stripe_billing_payment(&tx->arena, said);
	PGresult *res;

	if (!object)
		return tx_fail_inside(tx, ERR_EXTERNAL, "Stripe's answer is no payment");
	tx_set(tx, "object", object);
	return tx_call(tx, &q_topup_paid, false, &res);
}

/* What Stripe did not do: for good, or for now, and then the job repeats it. */
static enum err refused(struct tx *tx, enum err rc, const struct stripe_answer *answer)
{
	const char *why = answer->decline_code ? answer->decline_code
			  : answer->code       ? answer->code
					       : "declined";

	if (rc == ERR_PAYMENT || rc == ERR_VALIDATION || rc == ERR_NOT_FOUND)
		return failed(tx, why, true);
	if (rc == ERR_IDEMPOTENCY_RUNNING)
		return job_retry_after(tx, 15, "it is being paid right now");
	return tx_fail_inside(tx, rc, "%s", answer->reason ? answer->reason : "no reason is known");
}

/* The card that the customer has chosen for what is charged without them; ERR_OK and NULL: none. */
static enum err default_card(struct tx *tx, struct topup *t, struct stripe_answer *answer)
{
	struct stripe_call call = {
		.key = t->key, .method = "GET", .resource = "customers", .id = t->customer
	};
	struct json_object *card;
	enum err rc = stripe_ask(&tx->arena, &call, answer);

	if (rc)
		return rc;
	card = json_at(json_at(answer->said, "invoice_settings", NULL), "default_payment_method", NULL);
	t->method =
		json_object_is_type(card, json_type_object) ? stripe_object_id(card) : json_text(card, 255);
	return ERR_OK;
}

/* The payment among those of the customer; NULL: there is none. */
static enum err find(struct tx *tx, const struct topup *t, struct json_object **payment,
		     struct stripe_answer *answer)
{
	struct stripe_call list = { .key = t->key, .method = "GET", .resource = "payment_intents" };
	struct buf form;
	enum err rc;

	buf_init(&form, &tx->arena, 128);
	stripe_text(&form, "customer", t->customer);
	stripe_int(&form, "limit", 100);
	list.form = &form;
	*payment = NULL;
	rc = stripe_ask(&tx->arena, &list, answer);
	for (size_t i = 0; !rc && !*payment && i < stripe_object_count(answer->said); i++) {
		struct json_object *one = stripe_object_nth(answer->said, i);
		const char *of = word(json_at(one, "metadata", NULL), "topup_id");

		if (of && !strcmp(of, t->id))
			*payment = one;
	}
	return rc;
}

static enum err charge(struct tx *tx, const struct topup *t, struct stripe_answer *answer)
{
	struct stripe_call call = { .key = t->key, .method = "POST", .resource = "payment_intents" };
	struct buf form;

	buf_init(&form, &tx->arena, 512);
	stripe_int(&form, "amount", t->price_cents);
	stripe_text(&form, "currency", t->currency);
	stripe_text(&form, "customer", t->customer);
	stripe_text(&form, "payment_method", t->method);
	stripe_bool(&form, "confirm", true);
	stripe_bool(&form, "off_session", true);
	stripe_bool(&form, "error_on_requires_action", true);
	stripe_text(&form, "metadata[tenant_id]", t->tenant);
	stripe_text(&form, "metadata[user_id]", t->who);
	stripe_text(&form, "metadata[topup_id]", t->id);
	call.form = &form;
	call.operation = arena_fmt(&tx->arena, "%s/%s/topup", t->tenant, t->id);
	return stripe_ask(&tx->arena, &call, answer);
}

/* What was asked for before, so that it may be done: look, where asking again would not be the same. */
static enum err look(struct tx *tx, const struct topup *t)
{
	struct stripe_call get = {
		.key = t->key, .method = "GET", .resource = "payment_intents", .id = t->payment
	};
	struct json_object *payment = NULL;
	struct stripe_answer answer;
	enum err rc;

	tx_finish(tx, false);
	db_close();
	if (t->payment) {
		rc = stripe_ask(&tx->arena, &get, &answer);
		payment = answer.said;
	} else {
		rc = find(tx, t, &payment, &answer);
	}
	if (rc)
		return refused(tx, rc, &answer);
	return payment ? seen(tx, payment) : failed(tx, "lost", false);
}

static enum err pay(struct tx *tx, struct topup *t)
{
	struct stripe_answer answer;
	PGresult *res;
	enum err rc;

	if (!t->method) {
		tx_finish(tx, false);
		db_close();
		rc = default_card(tx, t, &answer);
		if (rc)
			return refused(tx, rc, &answer);
		if (!t->method)
			return failed(tx, "no_payment_method", true);
	}
	tx_set(tx, "method", t->method);
	rc = tx_call(tx, &q_topup_ask, false, &res);
	if (rc)
		return rc;
	if (!column_bool(res, 0, "is_asked"))
		return ERR_OK; /* it has ended meanwhile */
	rc = tx_finish(tx, true);
	if (rc)
		return rc;
	db_close();
	rc = charge(tx, t, &answer);
	return rc ? refused(tx, rc, &answer) : seen(tx, answer.said);
}

static enum err run(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	struct topup t = { 0 };
	const char *problem;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(t.id = word(payload, "topup")))
		return job_give_up(tx, "the payload names no top-up");
	tx_set(tx, "topup", t.id);
	rc = tx_call(tx, &q_topup_begin, false, &res);
	if (rc)
		return rc;
	t.customer = kept(tx, res, "customer");
	if (!t.customer)
		return ERR_OK;
	t.tenant = kept(tx, res, "tenant"), t.method = kept(tx, res, "method");
	t.payment = kept(tx, res, "payment"), t.currency = kept(tx, res, "currency");
	t.who = kept(tx, res, "who"), t.price_cents = column_int(res, 0, "price_cents");
	t.is_old = column_bool(res, 0, "is_old");
	t.key = stripe_billing_key(&tx->arena, t.tenant, column_text(res, 0, "key_sealed"),
				   column_bool(res, 0, "is_test"));
	if (!t.key)
		return column_bool(res, 0, "was_asked") ? ERR_OK : failed(tx, "not_configured", false);
	return t.payment || t.is_old ? look(tx, &t) : pay(tx, &t);
}

static enum err sweep(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	return tx_call(tx, &q_topups_sweep, false, &res);
}

const struct job_kind topup_job = { .name = "topup", .run = run };
const struct job_kind topups_sweep_job = { .name = "topups.sweep", .run = sweep };
