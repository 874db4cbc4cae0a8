/*
 * What a user of the app surface pays for by themselves: one tier, by the month or by the year, whose
 * prices are settings.
 */
#include <json-c/json.h>

#include "build/sql/billing/subscriptions.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/billing/asking.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

/* clang-format off */
static const char *const intervals[] = { "monthly", "yearly", NULL };

static const struct field status_out[] = {
	{ "plan",                    F_TEXT,     0, .about = "what the subscription is called here; free: none goes on", .example = "pro" },
	{ "status",                  F_TEXT,     0, .about = "none: there never was a subscription", .example = "active" },
	{ "current_period_end",      F_DATETIME, F_NULL },
	{ "cancel_at_period_end",    F_BOOL,     0 },
	{ "has_active_subscription", F_BOOL,     0, .about = "active, or on trial" },
	FIELD_END
};

static const struct field checkout_in[] = {
	{ "plan", F_ENUM, F_REQUIRED, .values = intervals, .about = "how it is paid" },
	FIELDS_OF(asking_pages),
	FIELD_END
};

static const struct field checkout_out[] = {
	{ "session_id", F_TEXT, 0, .example = "cs_test_a1" },
	{ "url",        F_URL,  0, .about = "where to send the browser", .example = "https://checkout.stripe.com/c/pay/cs_test_a1" },
	FIELD_END
};

static const struct field portal_in[] = {
	{ "return_url", F_URL, F_REQUIRED | F_PAGE, .max = 2048, .about = "where the portal sends the user back; of an origin that is allowed", .example = "https://app.example.com/account" },
	FIELD_END
};

static const struct field portal_out[] = {
	{ "url", F_URL, 0, .example = "https://billing.stripe.com/p/session/test_1" },
	FIELD_END
};

static const struct field invoice_out[] = {
	{ "id",                 F_TEXT, 0, .example = "in_1MtHbELkdIwHu7ixl4OzzPMv" },
	{ "number",             F_TEXT, F_NULL, .about = "null: a draft" },
	{ "status",             F_TEXT, 0, .example = "paid" },
	{ "amount_due",         F_INT,  0, .about = "in the currency's smallest unit", .example = "2900" },
	{ "amount_paid",        F_INT,  0 },
	{ "currency",           F_TEXT, 0, .example = "usd" },
	{ "created",            F_INT,  0, .about = "in seconds since 1970" },
	{ "hosted_invoice_url", F_URL,  F_NULL },
	{ "invoice_pdf",        F_URL,  F_NULL },
	FIELD_END
};

static const struct field cancel_in[] = {
	{ "immediate", F_BOOL, 0, .def = "false", .about = "true: now, without a refund" },
	FIELD_END
};

static const struct field cancelled_out[] = {
	{ "message",              F_TEXT,     0 },
	{ "cancel_at_period_end", F_BOOL,     0 },
	{ "current_period_end",   F_DATETIME, 0, .about = "until when it is paid; of one that has ended, when it did" },
	FIELD_END
};

static const struct field resumed_out[] = {
	{ "message", F_TEXT, 0 },
	{ "status",  F_TEXT, 0, .example = "active" },
	{ "plan",    F_TEXT, 0, .example = "pro" },
	FIELD_END
};

static const struct shape status_shape = { "BillingStatus", status_out };
static const struct shape checkout_shape = { "CheckoutSession", checkout_out };
static const struct shape portal_shape = { "BillingPortal", portal_out };
static const struct shape invoice_shape = { "Invoice", invoice_out };
static const struct shape cancelled_shape = { "SubscriptionCancelResult", cancelled_out, "Subscription" };
static const struct shape resumed_shape = { "SubscriptionResumeResult", resumed_out, "Subscription" };
/* The first few, in an array. */
static const struct list newest = { NULL, NULL, { NULL }, { "limit" }, { 10, 100 } };
/* clang-format on */

static const char *url_of(struct json_object *session)
{
	return json_object_get_string(json_object_object_get(session, "url"));
}

static enum err checkout(struct req *rq)
{
	bool is_yearly = !strcmp(req_text(rq, "plan"), "yearly");
	const char *price = is_yearly ? cfg.billing_price_yearly : cfg.billing_price_monthly;
	struct stripe_answer session;
	struct asking a;
	struct buf *b;
	enum err rc = asking_check_pages(rq, "success_url", "cancel_url");

	if (!rc)
		rc = asking_begin(rq, is_yearly ? "checkout yearly" : "checkout", &q_billing_ask_user, &a);
	if (rc)
		return rc;
	if (!*price)
		return asking_unconfigured(
			rq, is_yearly ? "prices by the year (BILLING_PRICE_YEARLY) are not configured"
				      : "prices by the month (BILLING_PRICE_MONTHLY) are not configured");
	a.tier = cfg.billing_tier;
	rc = asking_checkout(rq, &a, price, is_yearly ? "year" : "month", &session);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "session_id", stripe_object_id(session.said));
	jx_key_str(b, "url", url_of(session.said));
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err portal(struct req *rq)
{
	struct stripe_call call = { .method = "POST", .resource = "billing_portal/sessions" };
	struct stripe_answer answer;
	struct asking a;
	struct buf form, *b;
	enum err rc = asking_check_pages(rq, "return_url", NULL);

	if (!rc)
		rc = asking_begin(rq, "portal", &q_billing_ask_user, &a);
	if (!rc)
		rc = asking_ready(rq, &a);
	if (!rc)
		rc = asking_customer(rq, &a);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 512);
	stripe_text(&form, "customer", a.customer);
	stripe_text(&form, "return_url", req_text(rq, "return_url"));
	call.form = &form;
	rc = asking_do(rq, &a, "portal", &call, &answer);
	if (!rc)
		rc = asking_done(rq, NULL);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "url", url_of(answer.said));
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err invoices(struct req *rq)
{
	struct json_object *list;
	struct buf *b;
	enum err rc = asking_invoices(rq, &q_billing_customer_of_user, req_int(rq, "limit"), &list);

	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '[');
	for (size_t i = 0; i < stripe_object_count(list); i++) {
		struct stripe_invoice v;

		if (!stripe_object_invoice(stripe_object_nth(list, i), &v))
			continue;
		jx_next(b), buf_char(b, '{');
		jx_key_str(b, "id", v.id), jx_key_text(b, "number", v.number),
			jx_key_str(b, "status", v.status);
		jx_key_int(b, "amount_due", v.amount_due), jx_key_int(b, "amount_paid", v.amount_paid);
		jx_key_str(b, "currency", v.currency), jx_key_int(b, "created", v.created);
		jx_key_text(b, "hosted_invoice_url", v.page_url), jx_key_text(b, "invoice_pdf", v.pdf_url);
		buf_char(b, '}');
	}
	buf_char(b, ']');
	return answer_close(rq);
}

static enum err cancel(struct req *rq)
{
	bool is_now = req_value(rq, "immediate")->b;
	struct asking a;
	enum err rc;

	req_set(rq, "request", "{}");
	rc = asking_begin(rq, is_now ? "end" : "cancel", &q_billing_ask_user, &a);
	if (!rc)
		rc = asking_cancel(rq, &a, !is_now);
	return rc ? rc : answer_rows(rq, &q_billing_cancelled);
}

static enum err resume(struct req *rq)
{
	struct asking a;
	enum err rc;

	req_set(rq, "request", "{}");
	rc = asking_begin(rq, "resume", &q_billing_ask_user, &a);
	if (!rc)
		rc = asking_resume(rq, &a);
	return rc ? rc : answer_rows(rq, &q_billing_resumed);
}

static const enum err errors[] = { ERR_NOT_FOUND, ERR_PAYMENT, ERR_CONFLICT, ERR_IDEMPOTENCY_RUNNING,
				   ERR_OK };

/* clang-format off */
#define BASE "/api/v1/app/billing"

const struct route billing_routes[] = {
	{ GET,  BASE "/status",   "app.billing.get_status",              &by_user, "What do I pay for?",
	  .out = &status_shape, .sql = &q_billing_status },
	{ POST, BASE "/checkout", "app.billing.create_checkout_session", &by_user, "Open a checkout",
	  .needs = { "addresses whose origin is allowed", ERR_VALIDATION },
	  .about = "Send the browser to url. The prices are settings: 503 where they are not set. 409 while a subscription is active.",
	  .body = checkout_in, .out = &checkout_shape, .errors = errors, .run = checkout, .flags = SLOW, .status = 200 },
	{ GET,  BASE "/portal",   "app.billing.get_portal",              &by_user, "Open the customer portal",
	  .needs = { "addresses whose origin is allowed", ERR_VALIDATION },
	  .about = "A page of the payment provider's on which the user changes cards and finds invoices.",
	  .query = portal_in, .out = &portal_shape, .errors = errors, .run = portal, .flags = SLOW | WRITES },
	{ GET,  BASE "/invoices", "app.billing.list_invoices",           &by_user, "List my invoices",
	  .about = "As the payment provider has them, the newest first.",
	  .out = &invoice_shape, .list = &newest, .errors = errors, .run = invoices, .flags = SLOW | WRITES },
	{ POST, BASE "/cancel",   "app.billing.cancel_subscription",     &by_user, "Cancel my subscription",
	  .needs = { "a subscription of one's own", ERR_NOT_FOUND },
	  .about = "It goes on until the end of what is paid, unless immediate. 404 where there is none.",
	  .query = cancel_in, .out = &cancelled_shape, .errors = errors, .run = cancel, .flags = SLOW, .status = 200 },
	{ POST, BASE "/resume",   "app.billing.resume_subscription",     &by_user, "Take my subscription up again",
	  .needs = { "a subscription of one's own", ERR_NOT_FOUND },
	  .about = "Withdraws a cancellation while the period runs. 409 where there is nothing to withdraw.",
	  .out = &resumed_shape, .errors = errors, .run = resume, .flags = SLOW, .status = 200 },
	ROUTE_END
};
/* clang-format on */
