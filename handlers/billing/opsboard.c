/*
 * Seats on the observability surface: bought, cancelled, taken up again, changed.  What is asked of
 * the provider is asked as on every surface (asking.h); what it shows decides what an organization has
 * (sql/functions/billing/seats.sql).
 */
#include "handlers/billing/opsboard.h"

#include <json-c/json.h>
#include <time.h>

#include "build/sql/billing/opsboard.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

enum { TRIAL_LEAST_S = 48 * 3600 + 600 }; /* how far ahead the end of a trial has to be at Stripe */

/* clang-format off */
static const char *const prorations[] = { "create_prorations", "always_invoice", "none", NULL };
static const char *const payments[] = { "allow_incomplete", "error_if_incomplete", NULL };
static const char *const discount_types[] = { "percent_off", "amount_off", NULL };

static const struct field seats_in[] = {
	{ "price_id",      F_TEXT, F_REQUIRED, .min = 1, .max = 255, .about = "a price by the seat", .example = "price_1MoBy5LkdIwHu7ix" },
	{ "discount_code", F_TEXT, F_RARE, .min = 1, .max = 255, .about = "a promotion code, or a coupon's id", .example = "LAUNCH20" },
	{ "quantity",      F_INT,  0, .min = 1, .max = 100, .def = "1", .about = "seats" },
	FIELD_END
};

static const struct field free_in[] = {
	{ "price_id",      F_TEXT, F_REQUIRED, .min = 1, .max = 255, .example = "price_1MoBy5LkdIwHu7ix" },
	{ "discount_code", F_TEXT, 0, .min = 1, .max = 255, .about = "worth 100 percent; 400 without it", .example = "FRIENDS" },
	{ "quantity",      F_INT,  0, .min = 1, .max = 100, .def = "1", .about = "not used: there is a seat for each member" },
	FIELD_END
};

static const struct field code_in[] = {
	{ "discount_code", F_TEXT, F_REQUIRED, .min = 1, .max = 255, .example = "LAUNCH20" },
	FIELD_END
};

static const struct field cancel_in[] = {
	{ "subscription_id", F_TEXT, F_REQUIRED, .min = 1, .max = 255, .about = "the organization's, as Stripe calls it", .example = "sub_harbour" },
	FIELD_END
};

static const struct field update_in[] = {
	{ "price_id",           F_TEXT, F_RARE, .min = 1, .max = 255, .about = "what the first item moves to; left out, it keeps its price", .example = "price_1MoBy5LkdIwHu7ix" },
	{ "proration_behavior", F_ENUM, 0, .values = prorations, .def = "create_prorations", .about = "charged with the next invoice, now, or not at all" },
	{ "payment_behavior",   F_ENUM, 0, .values = payments, .def = "allow_incomplete", .about = "of a card that is declined: it is past due, or nothing changes" },
	FIELD_END
};

static const struct field secret_out[] = {
	{ "clientSecret", F_TEXT, 0, .about = "for Stripe's elements, in the customer's browser alone", .example = "cs_test_a1_secret_a1" },
	FIELD_END
};

static const struct field free_out[] = {
	{ "message",         F_TEXT, 0 },
	{ "subscription_id", F_TEXT, 0, .example = "sub_1MowQVLkdIwHu7ixeRlqHVzs" },
	{ "org_id",          F_UUID, 0, .example = "organization" },
	FIELD_END
};

static const struct field discount_out[] = {
	{ "valid",                F_BOOL,   0, .about = "false: there is no such code now, and what follows is null" },
	{ "discount_type",        F_ENUM,   F_NULL, .values = discount_types },
	{ "discount_value",       F_NUMBER, F_NULL, .about = "percent, or cents", .example = "20" },
	{ "discount_description", F_TEXT,   F_NULL, .example = "20% off for 3 months" },
	{ "currency",             F_TEXT,   F_NULL, .about = "of amount_off", .example = "USD" },
	{ "is_100_percent_off",   F_BOOL,   0 },
	FIELD_END
};

static const struct field url_out[] = {
	{ "url", F_URL, 0, .example = "https://billing.stripe.com/p/session/test_1" },
	FIELD_END
};

static const struct shape secret_shape = { "CheckoutClientSecret", secret_out, "Organization" };
static const struct shape free_shape = { "FreeSubscription", free_out, "Organization" };
static const struct shape discount_shape = { "DiscountValidation", discount_out, "Organization" };
static const struct shape url_shape = { "CustomerPortal", url_out, "Organization" };
/* clang-format on */

/*
 * Discounts
 */

struct discount {
	const char *promotion, *coupon; /* ids; promotion is NULL where the code was a coupon's */
	struct json_object *terms;      /* the coupon; NULL: there is none */
};

static bool is_true(struct json_object *tree, const char *name)
{
	return json_object_get_boolean(json_at(tree, name, NULL));
}

/* What a code stands for, first a promotion code's, then a coupon's id: ERR_OK, also where it is nothing. */
static enum err find_discount(struct req *rq, const struct asking *a, const char *code, struct discount *out)
{
	static const char *const coupons[] = { "data.promotion.coupon", NULL };
	struct stripe_call list = {
		.key = a->key, .method = "GET", .resource = "promotion_codes", .expand = coupons
	};
	struct stripe_call get = { .key = a->key, .method = "GET", .resource = "coupons", .id = code };
	struct stripe_answer answer;
	struct json_object *first;
	struct buf form;
	enum err rc;

	*out = (struct discount){ 0 };
	buf_init(&form, &rq->tx.arena, 256);
	stripe_text(&form, "code", code);
	stripe_bool(&form, "active", true);
	stripe_int(&form, "limit", 1);
	list.form = &form;
	rc = asking_do(rq, a, "", &list, &answer);
	if (rc)
		return rc;
	first = stripe_object_nth(answer.said, 0);
	if (first) {
		out->promotion = stripe_object_id(first);
		out->terms = json_at(first, "promotion", "coupon");
		return ERR_OK;
	}
	rc = stripe_ask(&rq->tx.arena, &get, &answer);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (rc)
		return req_fail_inside(rq, rc == ERR_UNAVAILABLE ? rc : ERR_EXTERNAL, "%s",
				       answer.reason ? answer.reason : "no reason is known");
	if (is_true(answer.said, "valid")) {
		out->coupon = stripe_object_id(answer.said);
		out->terms = answer.said;
	}
	return ERR_OK;
}

/* The same, of a code that has to be one. */
static enum err need_discount(struct req *rq, const struct asking *a, struct discount *out)
{
	const char *code = req_text(rq, "discount_code");
	enum err rc = find_discount(rq, a, code, out);

	if (rc || out->terms)
		return rc;
	return req_fail_field(rq, ERR_BAD_REQUEST, "discount_code", "there is no such discount now");
}

static void write_discount(struct buf *form, const struct discount *d)
{
	stripe_text(form, "discounts[0][promotion_code]", d->promotion);
	stripe_text(form, "discounts[0][coupon]", d->coupon);
}

static bool is_whole(const struct discount *d)
{
	return json_object_get_double(json_at(d->terms, "percent_off", NULL)) == 100;
}

/* "20% off for 3 months". */
static const char *describe(struct req *rq, struct json_object *terms)
{
	struct json_object *percent = json_at(terms, "percent_off", NULL);
	const char *currency = json_text(json_at(terms, "currency", NULL), 3);
	const char *duration = json_text(json_at(terms, "duration", NULL), 20);
	int64_t amount = json_object_get_int64(json_at(terms, "amount_off", NULL));
	const char *off =
		percent ? arena_fmt(&rq->tx.arena, "%s%% off", json_object_get_string(percent))
			: arena_fmt(&rq->tx.arena, "%s %s off",
				    stripe_object_amount(&rq->tx.arena, amount, currency), currency);

	if (duration && !strcmp(duration, "once"))
		return arena_fmt(&rq->tx.arena, "%s for the first month", off);
	if (duration && !strcmp(duration, "repeating"))
		return arena_fmt(&rq->tx.arena, "%s for %s months", off,
				 json_object_get_string(json_at(terms, "duration_in_months", NULL)));
	return arena_fmt(&rq->tx.arena, "%s forever", off);
}

static void upper(char *text)
{
	for (; *text; text++)
		*text = *text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text;
}

static enum err validate_discount(struct req *rq)
{
	struct json_object *percent, *amount;
	char *currency = NULL;
	struct opsboard o;
	struct discount d;
	struct buf *b;
	enum err rc = opsboard_read(rq, &o);

	if (!rc)
		rc = tx_finish(&rq->tx, true);
	if (!rc)
		rc = asking_ready(rq, &o.asking);
	if (!rc)
		rc = find_discount(rq, &o.asking, req_text(rq, "discount_code"), &d);
	if (rc)
		return rc;
	percent = json_at(d.terms, "percent_off", NULL);
	amount = json_at(d.terms, "amount_off", NULL);
	if (amount && !percent) {
		currency =
			arena_dup(&rq->tx.arena, json_object_get_string(json_at(d.terms, "currency", NULL)));
		upper(currency);
	}
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "valid"), jx_bool(b, d.terms);
	jx_key_text(b, "discount_type", !d.terms ? NULL : percent ? "percent_off" : "amount_off");
	jx_key(b, "discount_value");
	buf_text(b, d.terms ? json_object_to_json_string(percent ? percent : amount) : "null");
	jx_key_text(b, "discount_description", d.terms ? describe(rq, d.terms) : NULL);
	jx_key_text(b, "currency", currency);
	jx_key(b, "is_100_percent_off"), jx_bool(b, d.terms && is_whole(&d));
	buf_char(b, '}');
	return answer_close(rq);
}

/*
 * Buying
 */

/* What is asked for, as an operation knows it. */
static void set_request(struct req *rq, const struct asking *a, const char *who)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '{');
	jx_key_str(&b, "price_id", req_text(rq, "price_id"));
	jx_key_str(&b, "discount_code", req_text(rq, "discount_code"));
	jx_key_int(&b, "quantity", req_int(rq, "quantity"));
	jx_key_str(&b, "customer", a->customer);
	jx_key_str(&b, "by", who);
	buf_char(&b, '}');
	req_set(rq, "request", buf_str(&b));
}

static bool is_paid(const struct opsboard *o)
{
	return o->asking.provider_id && !o->withheld &&
	       (!strcmp(o->status, "active") || !strcmp(o->status, "trialing"));
}

/* Nobody pays twice.  *starts: when the new one may begin, at the end of one that ends and is not sold any
 * more; 0: now. */
static enum err check_free(struct req *rq, const struct opsboard *o, long long *starts)
{
	*starts = 0;
	if (!is_paid(o))
		return ERR_OK;
	if (!o->asking.will_cancel)
		return req_fail(rq, ERR_BAD_REQUEST, "there is an active subscription");
	if (o->price && !strcmp(o->price, cfg.stripe_subscription_price_id))
		return req_fail(rq, ERR_BAD_REQUEST,
				"the subscription goes on until its period ends: reactivate it instead");
	*starts = o->asking.period_end;
	return ERR_OK;
}

/* What is known, as far as Stripe knows it, too: one that is gone there has ended. */
static enum err read_anew(struct req *rq, struct opsboard *o)
{
	struct stripe_call call = { .method = "GET", .resource = "subscriptions" };
	struct stripe_answer answer;
	PGresult *res;
	enum err rc = asking_ready(rq, &o->asking);

	if (rc || !o->asking.provider_id)
		return rc;
	call.key = o->asking.key;
	call.id = o->asking.provider_id;
	rc = stripe_ask(&rq->tx.arena, &call, &answer);
	if (rc == ERR_NOT_FOUND) {
		req_set(rq, "shown", o->asking.subscription);
		rc = tx_call(&rq->tx, &q_subscription_lost, false, &res);
	} else if (rc) {
		return req_fail_inside(rq, rc == ERR_UNAVAILABLE ? rc : ERR_EXTERNAL, "%s",
				       answer.reason ? answer.reason : "no reason is known");
	} else {
		rc = asking_note(rq, &o->asking, answer.said);
	}
	if (!rc)
		rc = opsboard_read(rq, o);
	return rc ? rc : tx_finish(&rq->tx, true);
}

/* What both ways to buy have in common, up to the price and the discount, which are good then. */
static enum err begin_buying(struct req *rq, struct opsboard *o, struct discount *d)
{
	long long starts;
	enum err rc = opsboard_read(rq, o);

	if (rc)
		return rc;
	if (!o->asking.email)
		return req_fail(rq, ERR_BAD_REQUEST, "you have no email address on record");
	rc = tx_finish(&rq->tx, true);
	if (!rc)
		rc = read_anew(rq, o);
	if (!rc)
		rc = check_free(rq, o, &starts);
	if (!rc)
		rc = asking_ready(rq, &o->asking);
	if (!rc)
		rc = opsboard_seat_price(rq, &o->asking, "price_id", req_text(rq, "price_id"));
	*d = (struct discount){ 0 };
	if (!rc && req_text(rq, "discount_code"))
		rc = need_discount(rq, &o->asking, d);
	return rc;
}

/* Pages that were opened before are closed, but for the operation's own: or two could be paid. */
static void close_pages(struct req *rq, const struct asking *a, const char *const *pages, int n)
{
	struct stripe_answer answer;

	for (int i = 0; i < n; i++) {
		struct stripe_call end = { .key = a->key,
					   .method = "POST",
					   .resource = "checkout/sessions",
					   .id = pages[2 * i + 1],
					   .action = "expire",
					   .operation = arena_fmt(&rq->tx.arena, "%s/%s/expire %s", a->tenant,
								  a->operation, pages[2 * i + 1]) };

		if (strcmp(pages[2 * i], a->operation) != 0)
			stripe_ask(&rq->tx.arena, &end, &answer);
	}
}

/* Pairs of operation and page, the arena's. */
static const char **open_pages(struct req *rq, int *n)
{
	PGresult *res;
	const char **all;

	if (tx_call(&rq->tx, &q_org_pages, false, &res))
		return NULL;
	all = arena_alloc(&rq->tx.arena, (size_t)(2 * PQntuples(res) + 1) * sizeof(*all));
	*n = 0;
	for (int i = 0; i < PQntuples(res); i++) {
		const char *page = column_text(res, i, "page");

		if (!page)
			continue;
		all[2 * *n] = arena_dup(&rq->tx.arena, column_text(res, i, "operation"));
		all[2 * (*n)++ + 1] = arena_dup(&rq->tx.arena, page);
	}
	return all;
}

/* It is paid from then on: what is before that is a trial, or, where Stripe takes none so short, a part of a
 * period that costs nothing. */
static void write_start(struct buf *form, long long starts)
{
	if (!starts)
		return;
	if (starts - time(NULL) >= TRIAL_LEAST_S) {
		stripe_int(form, "subscription_data[trial_end]", starts);
		return;
	}
	stripe_int(form, "subscription_data[billing_cycle_anchor]", starts);
	stripe_text(form, "subscription_data[proration_behavior]", "none");
}

static enum err checkout(struct req *rq)
{
	struct stripe_call call = { .method = "POST", .resource = "checkout/sessions" };
	static const char *const places[] = { "metadata", "subscription_data[metadata]" };
	const char *seats = arena_fmt(&rq->tx.arena, "%lld", req_int(rq, "quantity")), **pages, *page;
	struct stripe_answer session;
	struct discount d;
	struct opsboard o;
	struct asking a;
	struct buf form, *b;
	long long starts;
	int n;
	enum err rc = begin_buying(rq, &o, &d);

	if (rc)
		return rc;
	page = opsboard_page(rq,
			     arena_fmt(&rq->tx.arena, "?org_id=%s&checkout_status={CHECKOUT_SESSION_STATUS}",
				       req_text(rq, "org_id")));
	if (!page)
		return rq->tx.fail.err;
	rc = opsboard_read(rq, &o);
	if (!rc)
		rc = check_free(rq, &o, &starts);
	if (rc)
		return rc;
	pages = open_pages(rq, &n);
	if (!pages)
		return rq->tx.fail.err;
	set_request(rq, &o.asking, o.asking.actor);
	rc = asking_begin(rq, "seats", &q_billing_ask_org, &a);
	if (!rc)
		rc = asking_ready(rq, &a);
	if (rc)
		return rc;
	a.is_of_org = true;
	close_pages(rq, &a, pages, n);
	buf_init(&form, &rq->tx.arena, 2048);
	stripe_text(&form, "mode", "subscription");
	stripe_text(&form, "ui_mode", "elements"); /* what was "custom" before 2026-03-25 */
	stripe_text(&form, "return_url", page);
	stripe_text(&form, a.customer ? "customer" : "customer_email", a.customer ? a.customer : a.email);
	stripe_text(&form, "client_reference_id", a.organization);
	stripe_text(&form, "line_items[0][price]", req_text(rq, "price_id"));
	stripe_text(&form, "line_items[0][quantity]", seats);
	write_discount(&form, &d);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		asking_owner(rq, &form, places[i], &a);
		stripe_text(&form, arena_fmt(&rq->tx.arena, "%s[initial_seats]", places[i]), seats);
	}
	write_start(&form, starts);
	call.form = &form;
	rc = asking_do(rq, &a, "session", &call, &session);
	if (!rc)
		rc = asking_done(rq, stripe_object_id(session.said));
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "clientSecret", json_object_get_string(json_at(session.said, "client_secret", NULL)));
	buf_char(b, '}');
	return answer_close(rq);
}

/* How many members there are to have a seat each. */
static enum err count_members(struct req *rq, long long *n)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_org_member_count, false, &res);

	if (!rc)
		*n = column_int(res, 0, "members");
	return rc;
}

static enum err free_subscription(struct req *rq)
{
	struct stripe_call call = { .method = "POST", .resource = "subscriptions" };
	struct stripe_answer made;
	struct discount d;
	struct opsboard o;
	struct asking a;
	struct buf form, *b;
	long long starts, members;
	enum err rc = begin_buying(rq, &o, &d);

	if (!rc && !req_text(rq, "discount_code"))
		return req_fail_field(rq, ERR_BAD_REQUEST, "discount_code", "a discount_code is needed");
	if (!rc && !is_whole(&d))
		return req_fail_field(rq, ERR_BAD_REQUEST, "discount_code",
				      "this discount is not 100 percent");
	if (!rc)
		rc = opsboard_read(rq, &o);
	if (!rc)
		rc = check_free(rq, &o, &starts);
	if (!rc && starts)
		rc = req_fail(rq, ERR_BAD_REQUEST, "there is an active subscription, which has to end first");
	if (!rc)
		rc = count_members(rq, &members);
	if (rc)
		return rc;
	set_request(rq, &o.asking, NULL);
	rc = asking_begin(rq, "seats free", &q_billing_ask_org, &a);
	if (!rc)
		rc = asking_ready(rq, &a);
	a.is_of_org = true;
	if (!rc)
		rc = asking_customer(rq, &a);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 1024);
	stripe_text(&form, "customer", a.customer);
	stripe_text(&form, "items[0][price]", req_text(rq, "price_id"));
	stripe_int(&form, "items[0][quantity]", members);
	write_discount(&form, &d);
	asking_owner(rq, &form, "metadata", &a);
	stripe_text(&form, "metadata[free_seats]", "true");
	call.form = &form;
	rc = asking_do(rq, &a, "subscription", &call, &made);
	if (!rc)
		rc = asking_seen(rq, &a, made.said);
	if (!rc)
		rc = asking_done(rq, stripe_object_id(made.said));
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "message", "the subscription is there, and costs nothing");
	jx_key_str(b, "subscription_id", stripe_object_id(made.said));
	jx_key_str(b, "org_id", a.organization);
	buf_char(b, '}');
	return answer_close(rq);
}

/*
 * What there is
 */

static enum err answer_status(struct req *rq, const char *message)
{
	struct buf *b = answer_open(rq);

	buf_text(b, "{\"success\":true");
	jx_key_str(b, "message", message);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err cancel(struct req *rq)
{
	struct opsboard o;
	struct asking a;
	enum err rc = opsboard_need(rq, &o);

	if (rc)
		return rc;
	if (strcmp(req_text(rq, "subscription_id"), o.asking.provider_id) != 0)
		return req_fail_field(rq, ERR_BAD_REQUEST, "subscription_id",
				      "this is not the organization's subscription");
	req_set(rq, "request", "{}");
	rc = asking_begin(rq, "seats cancel", &q_billing_ask_org, &a);
	if (!rc)
		rc = asking_cancel(rq, &a, true);
	return rc ? rc : answer_status(rq, "the subscription ends with its period");
}

static enum err reactivate(struct req *rq)
{
	struct opsboard o;
	struct asking a;
	enum err rc = opsboard_need(rq, &o);

	if (rc)
		return rc;
	if (!o.asking.will_cancel)
		return req_fail(rq, ERR_BAD_REQUEST, "no cancellation is pending");
	req_set(rq, "request", "{}");
	rc = asking_begin(rq, "seats resume", &q_billing_ask_org, &a);
	if (!rc)
		rc = asking_resume(rq, &a);
	return rc ? rc : answer_status(rq, "the subscription goes on");
}

static enum err ask_update(struct req *rq, struct asking *a)
{
	struct stripe_call call = { .method = "POST", .resource = "subscriptions", .id = a->provider_id };
	const char *price = req_text(rq, "price_id");
	struct stripe_answer answer;
	struct buf form;
	enum err rc = asking_ready(rq, a);

	if (!rc && price)
		rc = asking_release(rq, a);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 256);
	if (price) {
		stripe_text(&form, "items[0][id]", a->item_id);
		stripe_text(&form, "items[0][price]", price);
	}
	stripe_text(&form, "proration_behavior", req_text(rq, "proration_behavior"));
	stripe_text(&form, "payment_behavior", req_text(rq, "payment_behavior"));
	call.form = &form;
	rc = asking_do(rq, a, "update", &call, &answer);
	if (!rc)
		rc = asking_seen(rq, a, answer.said);
	return rc ? rc : asking_done(rq, a->provider_id);
}

static enum err update(struct req *rq)
{
	const char *price = req_text(rq, "price_id"), *proration = req_text(rq, "proration_behavior");
	struct opsboard o;
	struct asking a;
	struct buf b;
	enum err rc = opsboard_need(rq, &o);

	if (rc)
		return rc;
	if (strcmp(o.status, "active") != 0 && strcmp(o.status, "trialing") != 0)
		return req_fail(rq, ERR_BAD_REQUEST, "the subscription is neither active nor trialing");
	if (o.asking.will_cancel)
		return req_fail(rq, ERR_BAD_REQUEST, "the subscription is set to cancel");
	if (!o.asking.item_id)
		return req_fail(rq, ERR_BAD_REQUEST, "the subscription has no items");
	if (price) {
		rc = tx_finish(&rq->tx, true);
		if (!rc)
			rc = asking_ready(rq, &o.asking);
		if (!rc)
			rc = opsboard_seat_price(rq, &o.asking, "price_id", price);
		if (rc)
			return rc;
	}
	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '{');
	jx_key_str(&b, "price_id", price), jx_key_str(&b, "proration_behavior", proration);
	jx_key_str(&b, "payment_behavior", req_text(rq, "payment_behavior"));
	buf_char(&b, '}');
	req_set(rq, "request", buf_str(&b));
	rc = asking_begin(rq, "seats update", &q_billing_ask_org, &a);
	if (!rc)
		rc = ask_update(rq, &a);
	if (rc)
		return rc;
	return answer_status(rq, !strcmp(proration, "always_invoice") ? "the difference is charged now"
				 : !strcmp(proration, "create_prorations")
					 ? "the difference is charged with the next invoice"
					 : "the difference is not charged");
}

static enum err portal(struct req *rq)
{
	struct stripe_call call = { .method = "POST", .resource = "billing_portal/sessions" };
	struct stripe_answer answer;
	const char *page;
	struct opsboard o;
	struct asking a;
	struct buf form, *b;
	enum err rc = opsboard_need(rq, &o);

	if (rc)
		return rc;
	if (!o.asking.key)
		return asking_ready(rq, &o.asking);
	page = opsboard_page(rq, "");
	if (!page)
		return rq->tx.fail.err;
	req_set(rq, "request", "{}");
	rc = asking_begin(rq, "seats portal", &q_billing_ask_org, &a);
	if (!rc)
		rc = asking_ready(rq, &a);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 512);
	stripe_text(&form, "customer", o.asking.customer);
	stripe_text(&form, "return_url", page);
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

static const enum err errors[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND,           ERR_PAYMENT,
				   ERR_CONFLICT,    ERR_IDEMPOTENCY_RUNNING, ERR_OK };

/* clang-format off */
#define OF_ORG "/api/opsboard/orgs/{org_id}"
#define MANAGED .may = &billing_manage, .params = opsboard_path, .errors = errors, .status = 200

const struct route opsboard_routes[] = {
	{ POST, OF_ORG "/create-checkout-session",  "observability.billing.create_checkout_session",  &by_org_member, "Open a checkout of seats",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "Its secret is for a form of Stripe's elements. 400 while a subscription is active; one that ends, and is at a price that is not sold any more, is "
		   "followed by the new one. The organization is pro once Stripe has told of the payment.",
	  MANAGED, .body = seats_in, .out = &secret_shape, .run = checkout, .flags = SLOW | PRIVATE },
	{ POST, OF_ORG "/create-free-subscription", "observability.billing.create_free_subscription", &by_org_member, "Subscribe with a discount of 100 percent",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "Without a checkout: each member has a licence at once.",
	  MANAGED, .body = free_in, .out = &free_shape, .run = free_subscription, .flags = SLOW },
	{ POST, OF_ORG "/validate-discount-code",   "observability.billing.validate_discount_code",   &by_org_member, "What is a discount code worth?",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  MANAGED, .body = code_in, .out = &discount_shape, .run = validate_discount, .flags = SLOW },
	{ POST, OF_ORG "/cancel-subscription",      "observability.billing.cancel_subscription",      &by_org_member, "Cancel the subscription",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "It goes on until the end of what is paid.",
	  MANAGED, .body = cancel_in, .out = &opsboard_status_shape, .run = cancel, .flags = SLOW },
	{ POST, OF_ORG "/reactivate-subscription",  "observability.billing.reactivate_subscription",  &by_org_member, "Withdraw a cancellation",
	  .needs = { "a subscription that was cancelled and goes on", ERR_BAD_REQUEST },
	  MANAGED, .out = &opsboard_status_shape, .run = reactivate, .flags = SLOW },
	{ POST, OF_ORG "/update-subscription",      "observability.billing.update_subscription",      &by_org_member, "Change the price of the subscription",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  MANAGED, .body = update_in, .out = &opsboard_status_shape, .run = update, .flags = SLOW },
	{ POST, OF_ORG "/customer-portal",          "observability.billing.create_portal_session",    &by_org_member, "Open the customer portal",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "A page of Stripe's for cards and invoices.",
	  MANAGED, .out = &url_shape, .run = portal, .flags = SLOW },
	ROUTE_END
};
/* clang-format on */
