/*
 * What a user pays for on the operations surface: a tier, by a checkout or a change of what they
 * have, and packages of tokens.  The customer's pages lead back to the front end (APP_URL), else to
 * ours.
 *
 * What Stripe knows of a tier is a price, which is found, or made, by a name that tier and amount
 * give it: so nobody enters ids, and an amount that is edited is another price.
 */
#include <json-c/json.h>
#include <string.h>

#include "build/sql/billing/subscriptions.h"
#include "build/sql/billing/tiers.h"
#include "build/sql/billing/topups.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/billing/asking.h"
#include "handlers/billing/tiers.h"
#include "handlers/permissions.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

/* clang-format off */
static const char *const actions[] = { "changed", "checkout_required", "unchanged", NULL };

static const struct field checkout_out[] = {
	{ "session_id", F_TEXT, 0, .example = "cs_test_a1" },
	{ "url",        F_URL,  0, .about = "where to send the browser", .example = "https://checkout.stripe.com/c/pay/cs_test_a1" },
	{ "tier",       F_TEXT, 0, .example = "pro" },
	FIELD_END
};

static const struct field page_out[] = {
	{ "session_id", F_TEXT, 0, .example = "cs_test_a1" },
	{ "url",        F_URL,  0, .about = "where to send the browser", .example = "https://checkout.stripe.com/c/pay/cs_test_a1" },
	FIELD_END
};

static const struct field portal_out[] = {
	{ "url", F_URL, 0, .example = "https://billing.stripe.com/p/session/test_1" },
	FIELD_END
};

static const struct field change_out[] = {
	{ "action",        F_ENUM,     0, .values = actions },
	{ "tier",          F_TEXT,     0, .example = "pro" },
	{ "previous_tier", F_TEXT,     0, .example = "starter" },
	{ "effective_at",  F_DATETIME, F_NULL, .about = "from when on; null: nothing has changed" },
	{ "checkout",      F_OBJECT,   F_NULL, .fields = page_out, .about = "what has to be paid first" },
	{ "subscription",  F_OBJECT,   F_NULL, .fields = tier_subscription_fields },
	FIELD_END
};

static const struct field payment_in[] = {
	{ "package_slug",    F_TEXT, F_REQUIRED, .min = 1, .max = 63, .about = "of a package of tokens that is on offer", .example = "tokens-50k" },
	{ "idempotency_key", F_TEXT, 0, .min = 1, .max = 255, .about = "a name of yours for the purchase: sent again, it is the same one", .example = "order-41" },
	FIELD_END
};

static const struct field payment_out[] = {
	{ "payment_intent_id", F_TEXT, 0, .example = "pi_3MtwBwLkdIwHu7ix28a3tqPa" },
	{ "client_secret",     F_TEXT, 0, .about = "for Stripe.js, which confirms the payment", .example = "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH" },
	{ "amount_cents",      F_INT,  0, .example = "500" },
	{ "currency",          F_TEXT, 0, .example = "usd" },
	{ "package_slug",      F_TEXT, 0, .example = "tokens-50k" },
	{ "tokens",            F_INT,  0, .about = "without those that are given with them", .example = "50000" },
	FIELD_END
};

static const struct shape
	checkout_shape = { "TierCheckout", checkout_out },
	portal_shape   = { "TierPortal", portal_out, "Customer" },
	change_shape   = { "PlanChange", change_out },
	payment_shape  = { "TokenPayment", payment_out };
/* clang-format on */

static const char *page(struct req *rq, const char *query)
{
	const char *base = *cfg.app_url ? cfg.app_url : cfg.public_url;
	size_t n = strlen(base);

	while (n && base[n - 1] == '/')
		n--;
	return arena_fmt(&rq->tx.arena, "%.*s/%s", (int)n, base, query);
}

static const char *text_of(struct req *rq, const PGresult *res, const char *column)
{
	const char *text = column_text(res, 0, column);

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

/* What a request is, as its operation knows it. */
static void set_request(struct req *rq, const char *name, const char *value)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '{');
	jx_key_str(&b, name, value);
	buf_char(&b, '}');
	req_set(rq, "request", buf_str(&b));
}

/*
 * Tiers
 */

/* How the caller comes from their tier to the one that is asked for; by the names that q_tier_change answers.
 */
enum step { STEP_SAME, STEP_CHECKOUT, STEP_MOVE, STEP_END };
static const char *const step_names[] = { "same", "checkout", "move", "end" };

/* What is asked for, and what it means for the caller. */
struct change {
	enum step step;
	const char *slug, *name, *currency, *interval, *previous;
	long long amount;
	bool is_lower;
};

static enum step step_named(const char *name)
{
	for (size_t i = 0; name && i < sizeof step_names / sizeof *step_names; i++)
		if (!strcmp(step_names[i], name))
			return (enum step)i;
	return STEP_SAME;
}

static enum err change_read(struct req *rq, struct change *out)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_tier_change, false, &res);

	if (rc)
		return rc;
	*out = (struct change){
		.step = step_named(column_text(res, 0, "step")),
		.slug = text_of(rq, res, "slug"),
		.name = text_of(rq, res, "name"),
		.currency = text_of(rq, res, "currency"),
		.interval = text_of(rq, res, "cycle"),
		.previous = text_of(rq, res, "previous"),
		.amount = column_int(res, 0, "amount"),
		.is_lower = column_bool(res, 0, "is_lower"),
	};
	return ERR_OK;
}

/* Stripe's price of a tier.  Of two who make it at once both make the same one. */
static enum err price_of(struct req *rq, const struct asking *a, const struct change *c, const char **price)
{
	struct arena *m = &rq->tx.arena;
	struct stripe_call find = { .method = "GET", .resource = "prices" };
	struct stripe_call make = { .method = "POST", .resource = "prices" };
	struct asking everybodys = *a;
	struct stripe_answer answer;
	struct buf form;
	const char *key =
		arena_fmt(m, "ashlar_tier_%s_%s_%lld_%s", c->slug, c->interval, c->amount, c->currency);
	enum err rc;

	buf_init(&form, m, 256);
	stripe_text(&form, "lookup_keys[0]", key);
	stripe_text(&form, "active", "true");
	find.form = &form;
	rc = asking_do(rq, a, "price", &find, &answer);
	if (rc)
		return rc;
	if (stripe_object_count(answer.said)) {
		*price = stripe_object_id(stripe_object_nth(answer.said, 0));
		return ERR_OK;
	}
	everybodys.tenant = "tiers";
	everybodys.operation = key;
	buf_init(&form, m, 512);
	stripe_text(&form, "currency", c->currency);
	stripe_int(&form, "unit_amount", c->amount);
	stripe_text(&form, "recurring[interval]", c->interval);
	stripe_text(&form, "product_data[name]", c->name);
	stripe_text(&form, "lookup_key", key);
	make.form = &form;
	rc = asking_do(rq, &everybodys, "price", &make, &answer);
	if (!rc)
		*price = stripe_object_id(answer.said);
	return rc;
}

static enum err open_page(struct req *rq, struct asking *a, const struct change *c, const char **session,
			  const char **url)
{
	struct stripe_answer answer;
	const char *price;
	enum err rc = price_of(rq, a, c, &price);

	if (rc)
		return rc;
	a->tier = c->slug;
	req_set(rq, "success_url", page(rq, "?checkout={CHECKOUT_SESSION_ID}"));
	req_set(rq, "cancel_url", page(rq, ""));
	rc = asking_checkout(rq, a, price, c->interval, &answer);
	if (rc)
		return rc;
	*session = stripe_object_id(answer.said);
	*url = json_object_get_string(json_at(answer.said, "url", NULL));
	return ERR_OK;
}

static enum err checkout(struct req *rq)
{
	const char *session, *url;
	struct change c;
	struct asking a;
	struct buf *b;
	enum err rc = change_read(rq, &c);

	if (rc)
		return rc;
	if (!c.amount)
		return req_fail_field(rq, ERR_VALIDATION, "tier", "the tier %s costs nothing", c.slug);
	set_request(rq, "tier", c.slug);
	rc = asking_begin(rq, "checkout tier", &q_billing_ask_user, &a);
	if (!rc)
		rc = asking_ready(rq, &a);
	if (!rc)
		rc = open_page(rq, &a, &c, &session, &url);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "session_id", session), jx_key_str(b, "url", url), jx_key_str(b, "tier", c.slug);
	buf_char(b, '}');
	return answer_close(rq);
}

/* At once: more is charged for what is left of the period or nothing changes, less is a credit. */
static enum err move(struct req *rq, struct asking *a, const struct change *c)
{
	struct stripe_call call = { .method = "POST", .resource = "subscriptions", .id = a->provider_id };
	struct stripe_answer answer;
	const char *price;
	struct buf form;
	enum err rc = price_of(rq, a, c, &price);

	if (!rc)
		rc = asking_release(rq, a);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 512);
	stripe_text(&form, "items[0][id]", a->item_id);
	stripe_text(&form, "items[0][price]", price);
	stripe_text(&form, "metadata[tier]", c->slug);
	stripe_text(&form, "proration_behavior", c->is_lower ? "create_prorations" : "always_invoice");
	if (!c->is_lower)
		stripe_text(&form, "payment_behavior", "error_if_incomplete");
	if (a->will_cancel)
		stripe_bool(&form, "cancel_at_period_end", false);
	call.form = &form;
	rc = asking_do(rq, a, "move", &call, &answer);
	if (!rc)
		rc = asking_seen(rq, a, answer.said);
	return rc ? rc : asking_done(rq, a->provider_id);
}

static enum err change_plan(struct req *rq)
{
	const char *session = NULL, *url = NULL;
	struct change c;
	struct asking a;
	enum err rc = change_read(rq, &c);

	if (rc)
		return rc;
	req_set(rq, "action", "unchanged");
	req_set(rq, "previous", c.previous);
	req_set(rq, "step", step_names[c.step]);
	if (c.step != STEP_SAME) {
		bool is_checkout = c.step == STEP_CHECKOUT;

		set_request(rq, "tier", c.slug);
		rc = asking_begin(rq,
				  is_checkout          ? "checkout tier"
				  : c.step == STEP_END ? "cancel"
						       : "tier",
				  &q_billing_ask_user, &a);
		if (!rc)
			rc = asking_ready(rq, &a);
		if (rc)
			return rc;
		req_set(rq, "action", is_checkout ? "checkout_required" : "changed");
		if (is_checkout)
			rc = open_page(rq, &a, &c, &session, &url);
		else if (c.step == STEP_END)
			rc = asking_cancel(rq, &a, true);
		else
			rc = move(rq, &a, &c);
	}
	if (rc)
		return rc;
	req_set(rq, "session_id", session);
	req_set(rq, "url", url);
	return answer_rows(rq, &q_tier_changed);
}

static enum err portal(struct req *rq)
{
	struct stripe_call call = { .method = "POST", .resource = "billing_portal/sessions" };
	struct stripe_answer answer;
	struct asking a;
	struct buf form, *b;
	enum err rc;

	req_set(rq, "request", "{}");
	rc = asking_begin(rq, "portal", &q_billing_ask_user, &a);
	if (rc)
		return rc;
	if (!a.customer)
		return req_fail(rq, ERR_NOT_FOUND, "you have not bought anything yet");
	rc = asking_ready(rq, &a);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 512);
	stripe_text(&form, "customer", a.customer);
	stripe_text(&form, "return_url", page(rq, ""));
	call.form = &form;
	rc = asking_do(rq, &a, "portal", &call, &answer);
	if (!rc)
		rc = asking_done(rq, NULL);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "url", json_object_get_string(json_at(answer.said, "url", NULL)));
	buf_char(b, '}');
	return answer_close(rq);
}

/*
 * Packages
 */

static enum err payment(struct req *rq)
{
	struct stripe_call make = { .method = "POST", .resource = "payment_intents" };
	struct stripe_call get = { .method = "GET", .resource = "payment_intents" };
	const char *topup, *slug, *currency;
	long long price, tokens;
	struct stripe_answer answer;
	struct asking a;
	struct buf form, *b;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_topup_once, false, &res);

	if (rc)
		return rc;
	topup = text_of(rq, res, "topup"), slug = text_of(rq, res, "package");
	currency = text_of(rq, res, "currency");
	price = column_int(res, 0, "price_cents"), tokens = column_int(res, 0, "amount");
	get.id = text_of(rq, res, "payment");
	set_request(rq, "topup", topup);
	rc = asking_begin(rq, "payment", &q_billing_ask_user, &a);
	if (!rc)
		rc = asking_ready(rq, &a);
	if (!rc && !get.id)
		rc = asking_customer(rq, &a);
	if (rc)
		return rc;
	if (get.id) {
		rc = asking_do(rq, &a, "", &get, &answer);
	} else {
		buf_init(&form, &rq->tx.arena, 512);
		stripe_int(&form, "amount", price);
		stripe_text(&form, "currency", currency);
		stripe_text(&form, "customer", a.customer);
		stripe_bool(&form, "automatic_payment_methods[enabled]", true);
		asking_owner(rq, &form, "metadata", &a);
		stripe_text(&form, "metadata[topup_id]", topup);
		make.form = &form;
		rc = asking_do(rq, &a, "intent", &make, &answer);
	}
	if (rc)
		return rc;
	req_set(rq, "topup", topup);
	req_set(rq, "payment", stripe_object_id(answer.said));
	rc = tx_call(&rq->tx, &q_topup_asked, false, &res);
	if (!rc)
		rc = asking_done(rq, stripe_object_id(answer.said));
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "payment_intent_id", stripe_object_id(answer.said));
	jx_key_str(b, "client_secret", json_object_get_string(json_at(answer.said, "client_secret", NULL)));
	jx_key_int(b, "amount_cents", price), jx_key_str(b, "currency", currency);
	jx_key_str(b, "package_slug", slug), jx_key_int(b, "tokens", tokens);
	buf_char(b, '}');
	return answer_close(rq);
}

static const enum err refused[] = { ERR_CONFLICT, ERR_PAYMENT, ERR_IDEMPOTENCY_RUNNING, ERR_OK };
static const enum err change_refused[] = { ERR_CONFLICT, ERR_PAYMENT, ERR_NOT_FOUND, ERR_IDEMPOTENCY_RUNNING,
					   ERR_TIER,     ERR_OK };
static const enum err portal_refused[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_IDEMPOTENCY_RUNNING, ERR_OK };

/* clang-format off */
#define BASE "/api/billing"

const struct route tier_payment_routes[] = {
	{ POST, BASE "/checkout", "operations.billing.create_checkout", &by_person, "Open a checkout of a tier",
	  .about = "By the month. Send the browser to url; the subscription is there once the provider has told of the payment. 409 while there is one.",
	  .needs = { "Stripe", ERR_UNAVAILABLE }, .may = &tenant_write, .body = tier_fields, .out = &checkout_shape, .errors = refused, .run = checkout, .flags = SLOW, .status = 200 },
	{ POST, BASE "/portal", "operations.billing.create_portal", &by_person, "Open the customer portal of tiers",
	  .about = "A page of the payment provider's for cards, invoices and the subscription. 404 for who has bought nothing.",
	  .needs = { "a customer", ERR_NOT_FOUND }, .may = &tenant_write, .out = &portal_shape, .errors = portal_refused, .run = portal, .flags = SLOW, .status = 200 },
	{ POST, BASE "/create-payment-intent", "operations.billing.create_payment_intent", &by_person, "Buy tokens",
	  .about = "Makes a payment for Stripe.js to confirm. The tokens, and what is given with them, are in the caller's own wallet once the provider has told of it. "
		   "Idempotency-Key is not read here: idempotency_key is it.",
	  .needs = { "Stripe", ERR_UNAVAILABLE }, .may = &tenant_write, .body = payment_in, .out = &payment_shape, .errors = refused, .run = payment, .flags = SLOW | PRIVATE, .status = 200 },
	{ POST, BASE "/change-plan", "operations.billing.change_plan", &by_person, "Change the tier",
	  .about = "Of who pays already at once, with proration; free begins when the period that is paid ends; who pays nothing yet gets a checkout. "
		   "422 LIMITS_EXCEEDED, with details.violations, where more is used than a lower tier allows.",
	  .needs = { "Stripe", ERR_UNAVAILABLE }, .may = &tenant_write, .body = tier_fields, .out = &change_shape, .errors = change_refused, .run = change_plan, .flags = SLOW, .status = 200 },
	ROUTE_END
};
/* clang-format on */
