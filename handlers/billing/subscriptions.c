/*
 * Subscriptions of organizations, on the platform surface: by the path of the organization, by
 * their own id, and by a server with the secret key, which says for whom it acts.  One core serves
 * them (asking.h); the rows differ in who may, and in what the answer looks like.
 */
#include <json-c/json.h>

#include "build/sql/billing/subscriptions.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/billing/asking.h"
#include "handlers/billing/plans.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "handlers/tenancy/organization_header.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

/* clang-format off */
static const char *const cycles[] = { "monthly", "yearly", NULL };
static const char *const states[] = { "active", "cancelled", "past_due", "incomplete", "trialing", "unpaid", NULL };

static const struct field subscription[] = {
	{ "id",                     F_UUID,     OUT },
	{ "plan_id",                F_UUID,     OUT | NEW | SET | NEEDED | F_NULL_OUT, .about = "null: its price is of no plan here" },
	{ "organization_id",        F_UUID,     OUT | NEW | NEEDED },
	{ "tenant_id",              F_UUID,     OUT },
	{ "stripe_customer_id",     F_TEXT,     OUT | F_NULL, .about = "null: no payment is due, or none was made yet", .example = "cus_NffrFeUfNV2Hib" },
	{ "stripe_subscription_id", F_TEXT,     OUT | F_NULL, .example = "sub_1MowQVLkdIwHu7ixeRlqHVzs" },
	{ "billing_cycle",          F_ENUM,     OUT | NEW | SET, .values = cycles, .def = "monthly" },
	{ "status",                 F_ENUM,     OUT, .values = states },
	{ "current_period_start",   F_DATETIME, OUT | F_NULL, .about = "null: it waits for its first payment, or has ended without one" },
	{ "current_period_end",     F_DATETIME, OUT | F_NULL },
	{ "cancel_at_period_end",   F_BOOL,     OUT },
	{ "canceled_at",            F_DATETIME, OUT | F_NULL },
	{ "trial_start",            F_DATETIME, OUT | F_NULL },
	{ "trial_end",              F_DATETIME, OUT | F_NULL },
	{ "subscription_metadata",  F_OBJECT,   OUT | NEW | SET, .about = "your own; with scheduled_plan_id and scheduled_at while another plan is to follow" },
	{ "created_at",             F_DATETIME, OUT },
	{ "updated_at",             F_DATETIME, OUT },
	FIELD_END
};

static const struct field with_plan[] = {
	FIELDS_OF(subscription),
	{ "plan", F_OBJECT, OUT | F_NULL, .fields = plan_fields },
	FIELD_END
};

#define AT_PERIOD_END { "cancel_at_period_end", F_BOOL, 0, .def = "true", .about = "false: now, without a refund" }
#define ACTING { "user_id", F_UUID, F_REQUIRED, .about = "the member who acts; the secret key vouches for it" }

static const struct field cancel_in[] = {
	AT_PERIOD_END,
	FIELD_END
};

static const struct field acting_in[] = {
	ACTING,
	FIELD_END
};

static const struct field acting_cancel_in[] = {
	ACTING,
	AT_PERIOD_END,
	FIELD_END
};

static const struct field by_id_cancel_in[] = {
	{ "subscription_id", F_UUID, F_REQUIRED },
	AT_PERIOD_END,
	FIELD_END
};

static const struct field history_in[] = {
	{ "limit", F_INT, 0, .min = 1, .max = 100, .def = "20" },
	FIELD_END
};

static const struct field checkout_in[] = {
	{ "plan_id",         F_UUID, F_REQUIRED },
	FIELDS_OF(asking_pages),
	{ "organization_id", F_UUID, 0, .about = "the caller's default one, unless given" },
	FIELD_END
};

static const struct field session_in[] = {
	{ "user_id",         F_UUID, F_REQUIRED, .about = "the end user who pays" },
	{ "organization_id", F_UUID, F_REQUIRED },
	{ "plan_id",         F_UUID, F_REQUIRED },
	FIELDS_OF(asking_pages),
	FIELD_END
};

static const struct field change_in[] = {
	{ "subscription_id", F_UUID, F_REQUIRED },
	{ "new_plan_id",     F_UUID, F_REQUIRED },
	FIELD_END
};

static const struct field cancelled_out[] = {
	{ "message",      F_TEXT,   0 },
	{ "subscription", F_OBJECT, 0, .fields = subscription },
	FIELD_END
};

static const struct field checkout_out[] = {
	{ "checkout_url", F_URL,  0, .about = "where to send the customer", .example = "https://checkout.stripe.com/c/pay/cs_test_a1" },
	{ "session_id",   F_TEXT, 0, .example = "cs_test_a1" },
	FIELD_END
};

static const struct field session_out[] = {
	FIELDS_OF(checkout_out),
	{ "plan_name", F_TEXT, 0, .example = "Pro" },
	{ "price",     F_TEXT, 0, .example = "$29.00" },
	{ "message",   F_TEXT, F_NULL },
	FIELD_END
};

static const struct field change_out[] = {
	{ "success",                F_BOOL, 0 },
	{ "message",                F_TEXT, 0 },
	{ "plan_name",              F_TEXT, 0, .example = "Pro" },
	{ "subscription_id",        F_UUID, F_NULL },
	{ "stripe_subscription_id", F_TEXT, F_NULL },
	{ "status",                 F_ENUM, F_NULL, .values = states },
	{ "cancel_at_period_end",   F_BOOL, F_NULL },
	FIELD_END
};

static const struct field ended_out[] = {
	{ "success",              F_BOOL, 0 },
	{ "message",              F_TEXT, 0 },
	{ "cancel_at_period_end", F_BOOL, 0 },
	FIELD_END
};

static const struct field invoice[] = {
	{ "id",                 F_TEXT, 0, .example = "in_1MtHbELkdIwHu7ixl4OzzPMv" },
	{ "number",             F_TEXT, F_NULL, .about = "null: a draft" },
	{ "status",             F_TEXT, 0, .example = "paid" },
	{ "currency",           F_TEXT, 0, .example = "usd" },
	{ "amount_due",         F_INT,  0, .about = "as all amounts here, in the currency's smallest unit", .example = "2900" },
	{ "amount_paid",        F_INT,  0 },
	{ "amount_remaining",   F_INT,  0 },
	{ "total",              F_INT,  0 },
	{ "created",            F_INT,  0, .about = "in seconds since 1970, as all times here" },
	{ "period_start",       F_INT,  0 },
	{ "period_end",         F_INT,  0 },
	{ "hosted_invoice_url", F_URL,  F_NULL },
	{ "invoice_pdf",        F_URL,  F_NULL },
	{ "subscription",       F_TEXT, F_NULL },
	{ "customer",           F_TEXT, 0 },
	FIELD_END
};

static const struct field history_out[] = {
	{ "success",         F_BOOL, 0 },
	{ "organization_id", F_TEXT, 0 },
	{ "invoices",        F_LIST, 0, .fields = invoice },
	{ "total_invoices",  F_INT,  0, .about = "how many are shown" },
	FIELD_END
};

static const struct field assigned_out[] = {
	{ "success", F_BOOL, 0 },
	{ "user_id", F_UUID, 0 },
	{ "plan_id", F_UUID, 0 },
	FIELD_END
};

static const struct shape subscription_shape = { "SubscriptionResponse", subscription, "Subscription" };
static const struct shape with_plan_shape = { "SubscriptionWithPlanResponse", with_plan, "Subscription", .as = DETAIL };
static const struct shape cancelled_shape = { "SubscriptionCancelled", cancelled_out, "Subscription" };
static const struct shape checkout_shape = { "SubscriptionCheckout", checkout_out, "Plan" };
static const struct shape session_shape = { "BillingCheckout", session_out, "Plan" };
static const struct shape change_shape = { "PlanChange", change_out, "Subscription" };
static const struct shape ended_shape = { "SubscriptionEnded", ended_out, "Subscription" };
static const struct shape invoice_shape = { "StripeInvoice", invoice, "Organization" };
static const struct shape history_shape = { "BillingHistory", history_out, "Organization" };
static const struct shape assigned_shape = { "PlanAssignment", assigned_out, "Plan" };
/* clang-format on */

/*
 * Who acts on whose subscription
 */

static void place(struct req *rq, const char *organization, const char *subscription_id, const char *who,
		  const char *permission)
{
	req_set(rq, "organization", organization);
	req_set(rq, "subscription", subscription_id);
	req_set(rq, "who", who);
	req_set(rq, "permission", permission);
	req_set(rq, "plan", NULL);
	req_set(rq, "cycle", NULL);
	req_set(rq, "request", "{}");
}

/* The user of the token, as the door knows them. */
static const char *caller(struct req *rq)
{
	PGresult *res;

	if (tx_call(&rq->tx, &q_caller_id, false, &res))
		return NULL;
	return column_text(res, 0, "id");
}

static const char *cycle_of(struct req *rq)
{
	const char *cycle = req_text(rq, "billing_cycle");

	return !cycle ? NULL : strcmp(cycle, "yearly") ? "month" : "year";
}

/* By what the row has: the path's organization, the subscription's id, or a server that acts for somebody. */
static enum err place_of_row(struct req *rq)
{
	const char *organization = req_text(rq, "organization_id"), *id = req_text(rq, "subscription_id");
	const char *user = req_text(rq, "user_id");
	bool is_server = rq->asked.route->caller == &by_secret_key;

	if (!is_server)
		user = caller(rq);
	if (rq->tx.fail.err)
		return rq->tx.fail.err;
	place(rq, organization, organization ? NULL : id, user, user ? "BILLING_MANAGE" : NULL);
	return ERR_OK;
}

/*
 * Subscribe
 */

static enum err subscription_create(struct req *rq)
{
	PGresult *res;
	enum err rc;

	if (!req_value(rq, "billing_cycle")) {
		req_set(rq, "billing_cycle", "monthly");
		req_set(rq, "subscription_metadata", NULL);
	}
	rc = tx_call(&rq->tx, &q_subscription_create_here, false, &res);
	if (rc)
		return rc;
	req_set(rq, "shown", column_text(res, 0, "id"));
	return answer_rows(rq, &q_subscription_shown);
}

/* A page of the provider's on which the organization pays for the plan, by the month. */
static enum err open_checkout(struct req *rq, const char *who, struct asking *a,
			      struct stripe_answer *session)
{
	enum err rc;

	place(rq, req_text(rq, "organization_id"), NULL, who, "BILLING_MANAGE");
	req_set(rq, "plan", req_text(rq, "plan_id"));
	req_set(rq, "cycle", "month");
	rc = asking_check_pages(rq, "success_url", "cancel_url");
	if (!rc)
		rc = asking_begin(rq, "checkout", &q_billing_ask_organization, a);
	if (rc)
		return rc;
	if (!a->price)
		return asking_unpriced(rq, a);
	return asking_checkout(rq, a, a->price, "month", session);
}

static enum err write_session(struct req *rq, const struct asking *a, struct json_object *session)
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key_str(b, "checkout_url", json_object_get_string(json_object_object_get(session, "url")));
	jx_key_str(b, "session_id", stripe_object_id(session));
	if (a) {
		jx_key_str(b, "plan_name", a->plan_name);
		jx_key_str(b, "price", a->price_shown);
		jx_key(b, "message"), jx_null(b);
	}
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err subscription_checkout(struct req *rq)
{
	struct stripe_answer session;
	const char *who = caller(rq);
	struct asking a;
	enum err rc = rq->tx.fail.err ? rq->tx.fail.err : open_checkout(rq, who, &a, &session);

	return rc ? rc : write_session(rq, NULL, session.said);
}

static enum err billing_checkout(struct req *rq)
{
	struct stripe_answer session;
	struct asking a;
	enum err rc = open_checkout(rq, req_text(rq, "user_id"), &a, &session);

	return rc ? rc : write_session(rq, &a, session.said);
}

static enum err subscription_current(struct req *rq)
{
	enum err rc = organization_header_read(rq);

	return rc ? rc : answer_rows(rq, &q_subscription_current);
}

/*
 * Change
 */

static enum err subscription_update(struct req *rq)
{
	const char *plan = req_text(rq, "plan_id");
	struct asking a;
	PGresult *res;
	enum err rc = place_of_row(rq);

	if (rc)
		return rc;
	req_set(rq, "plan", plan);
	req_set(rq, "cycle", cycle_of(rq));
	rc = asking_begin(rq, "change", &q_billing_ask_organization, &a);
	if (!rc && req_text(rq, "subscription_id") && strcmp(req_text(rq, "subscription_id"), a.subscription))
		return req_fail(rq, ERR_CONFLICT, "the subscription has ended");
	if (!rc)
		rc = asking_change(rq, &a, plan ? plan : NULL);
	if (!rc && req_given(rq, "subscription_metadata"))
		rc = tx_call(&rq->tx, &q_subscription_metadata_set, false, &res);
	return rc ? rc : answer_rows(rq, &q_subscription_shown);
}

static enum err billing_change_plan(struct req *rq)
{
	const char *plan = req_text(rq, "new_plan_id"), *message;
	struct asking a;
	enum err rc = place_of_row(rq);

	if (rc)
		return rc;
	req_set(rq, "plan", plan);
	rc = asking_begin(rq, "change", &q_billing_ask_organization, &a);
	if (rc)
		return rc;
	if (!strcmp(a.step, "same"))
		return req_fail_field(rq, ERR_BAD_REQUEST, "new_plan_id", "the subscription is on that plan");
	rc = asking_change(rq, &a, plan);
	if (rc)
		return rc;
	message = !strcmp(a.step, "downgrade") || !strcmp(a.step, "end")
			  ? "the new plan begins when the period ends"
			  : "the new plan counts from now on";
	req_set(rq, "message", message);
	req_set(rq, "plan_name", a.plan_name);
	return answer_rows(rq, &q_subscription_changed);
}

/*
 * Cancel and resume
 */

static enum err cancel(struct req *rq)
{
	bool at_period_end = req_value(rq, "cancel_at_period_end")->b;
	struct asking a;
	enum err rc = place_of_row(rq);

	if (!rc)
		rc = asking_begin(rq, at_period_end ? "cancel" : "end", &q_billing_ask_organization, &a);
	if (!rc && req_text(rq, "subscription_id") && strcmp(req_text(rq, "subscription_id"), a.subscription))
		return req_fail(rq, ERR_CONFLICT, "the subscription has ended");
	return rc ? rc : asking_cancel(rq, &a, at_period_end);
}

static enum err subscription_cancel(struct req *rq)
{
	enum err rc = cancel(rq);

	return rc ? rc : answer_rows(rq, &q_subscription_shown);
}

static enum err subscription_cancel_path(struct req *rq)
{
	enum err rc = cancel(rq);

	return rc ? rc : answer_rows(rq, &q_subscription_cancelled);
}

static enum err billing_cancel(struct req *rq)
{
	enum err rc = cancel(rq);

	return rc ? rc : answer_rows(rq, &q_subscription_ended);
}

static enum err subscription_resume(struct req *rq)
{
	struct asking a;
	enum err rc = place_of_row(rq);

	if (!rc)
		rc = asking_begin(rq, "resume", &q_billing_ask_organization, &a);
	if (!rc)
		rc = asking_resume(rq, &a);
	return rc ? rc : answer_rows(rq, &q_subscription_shown);
}

/*
 * Invoices, and what is not paid for
 */

/* What there is in one of the provider's invoices of what we pass on. */
static void write_invoices(struct buf *b, struct json_object *list)
{
	buf_char(b, '[');
	for (size_t i = 0; i < stripe_object_count(list); i++) {
		struct stripe_invoice v;

		if (!stripe_object_invoice(stripe_object_nth(list, i), &v))
			continue;
		jx_next(b), buf_char(b, '{');
		jx_key_str(b, "id", v.id), jx_key_text(b, "number", v.number),
			jx_key_str(b, "status", v.status);
		jx_key_str(b, "currency", v.currency), jx_key_int(b, "amount_due", v.amount_due);
		jx_key_int(b, "amount_paid", v.amount_paid),
			jx_key_int(b, "amount_remaining", v.amount_remaining);
		jx_key_int(b, "total", v.total), jx_key_int(b, "created", v.created);
		jx_key_int(b, "period_start", v.period_start), jx_key_int(b, "period_end", v.period_end);
		jx_key_text(b, "hosted_invoice_url", v.page_url), jx_key_text(b, "invoice_pdf", v.pdf_url);
		jx_key_text(b, "subscription", v.subscription), jx_key_str(b, "customer", v.customer);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static enum err invoices_list(struct req *rq)
{
	struct json_object *list;
	enum err rc;

	place(rq, req_text(rq, "organization_id"), NULL, req_text(rq, "user_id"), "BILLING_READ");
	rc = asking_invoices(rq, &q_billing_customer_of_organization, 100, &list);
	if (rc)
		return rc;
	write_invoices(answer_open(rq), list);
	return answer_close(rq);
}

static enum err billing_history(struct req *rq)
{
	struct json_object *list;
	struct buf *b;
	enum err rc;

	place(rq, req_text(rq, "organization_id"), NULL, NULL, NULL);
	rc = asking_invoices(rq, &q_billing_customer_of_organization, req_int(rq, "limit"), &list);
	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "success"), jx_bool(b, true);
	jx_key_str(b, "organization_id", req_text(rq, "organization_id"));
	jx_key(b, "invoices"), write_invoices(b, list);
	jx_key_int(b, "total_invoices", (long long)stripe_object_count(list));
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err user_plan_assign(struct req *rq)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_user_plan_assign, false, &res);

	if (rc)
		return rc;
	if (!column_bool(res, 0, "success")) {
		req_fail(rq, ERR_PAYMENT, "this plan is not free, and no subscription pays for it");
		rq->tx.fail.details = "\"reason\":\"no_subscription\"";
		return ERR_PAYMENT;
	}
	return answer_rows(rq, &q_user_plan_assigned);
}

static const enum err absent[] = { ERR_NOT_FOUND, ERR_OK };
static const enum err create_errors[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err read_errors[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_BAD_REQUEST, ERR_OK };
static const enum err change_errors[] = { ERR_BAD_REQUEST, ERR_AUTHORIZATION, ERR_NOT_FOUND,
					  ERR_PAYMENT,     ERR_CONFLICT,      ERR_IDEMPOTENCY_RUNNING,
					  ERR_OK };
static const enum err assign_errors[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_PAYMENT, ERR_OK };

/* clang-format off */
#define OF_ORGANIZATION "/api/v1/organizations/{organization_id}/subscription"
#define BY_ID "/api/v1/subscriptions/subscriptions/{subscription_id}"
#define BY_SERVER "/api/v1/subscriptions/organizations/{organization_id}"

const struct route subscription_routes[] = {
	{ GET,    OF_ORGANIZATION, "platform.billing.get_org_subscription", &by_organization_member, "Get an organization's subscription",
	  .about = "With its plan; null where there is none that goes on.",
	  .may = &billing_read, .out = &with_plan_shape, .sql = &q_subscription_of_organization },
	{ POST,   OF_ORGANIZATION "/{plan_id}", "platform.billing.subscribe_org", &by_organization_member, "Subscribe an organization",
	  .needs = { "an organization without a subscription", ERR_CONFLICT },
	  .about = "To a plan that costs nothing at once; one that costs something waits, incomplete, until it is paid: open a checkout for it.",
	  .may = &billing_manage, .out = &subscription_shape, .errors = create_errors, .run = subscription_create, .sql = &q_subscription_shown },
	{ PUT,    OF_ORGANIZATION, "platform.billing.update_org_subscription", &by_organization_member, "Change an organization's subscription",
	  .about = "What is left out stays. Another plan or cycle that costs more counts at once, and is charged for what is left of the period; one "
		   "that costs less begins when the period ends.",
	  .may = &billing_manage, .body = subscription, .as = SET, .out = &subscription_shape, .errors = change_errors, .run = subscription_update,
	  .flags = SLOW },
	{ DELETE, OF_ORGANIZATION, "platform.billing.cancel_org_subscription", &by_organization_member, "Cancel an organization's subscription",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .may = &billing_manage, .query = cancel_in, .out = &cancelled_shape, .errors = change_errors, .run = subscription_cancel_path, .flags = SLOW,
	  .status = 200 },

	{ GET,    "/api/v1/subscriptions/current",  "platform.billing.get_current_subscription", &by_key_and_user, "Get my subscription",
	  .headers = organization_header_in, .out = &subscription_shape, .errors = read_errors, .run = subscription_current },
	{ POST,   "/api/v1/subscriptions/checkout", "platform.billing.checkout", &by_key_and_user, "Open a checkout",
	  .needs = { "addresses whose origin is allowed", ERR_VALIDATION },
	  .about = "Send the customer to checkout_url; the subscription begins when they have paid. 409 while one is active, 503 where the plan has no "
		   "price at the payment provider, or there is none.",
	  .body = checkout_in, .out = &checkout_shape, .errors = change_errors, .run = subscription_checkout, .flags = SLOW, .status = 200 },
	{ POST,   "/api/v1/subscriptions/subscriptions", "platform.billing.create_subscription", &by_key_and_user, "Subscribe an organization, by a body",
	  .needs = { "an organization without a subscription", ERR_CONFLICT },
	  .body = subscription, .as = NEW, .out = &subscription_shape, .errors = create_errors, .run = subscription_create },
	{ GET,    BY_ID, "platform.billing.get_subscription", &by_key_and_user, "Get a subscription",
	  .about = "For who may manage the billing of its organization.",
	  .out = &subscription_shape, .errors = read_errors, .sql = &q_subscription_get },
	{ PUT,    BY_ID, "platform.billing.update_subscription", &by_key_and_user, "Change a subscription",
	  .body = subscription, .as = SET, .out = &subscription_shape, .errors = change_errors, .run = subscription_update, .flags = SLOW },
	{ DELETE, BY_ID, "platform.billing.delete_subscription", &by_key_and_user, "Cancel a subscription",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .query = cancel_in, .out = &subscription_shape, .errors = change_errors, .run = subscription_cancel, .flags = SLOW, .status = 200 },
	{ PUT,    "/api/v1/subscriptions/users/{user_id}/plan/{plan_id}", "platform.billing.assign_user_plan", &by_key_and_user, "Take a plan",
	  .about = "For oneself, and one that costs nothing or that an organization of one's own pays for.",
	  .out = &assigned_shape, .errors = assign_errors, .run = user_plan_assign },

	{ POST,   BY_SERVER "/resume", "platform.billing.resume_org_subscription", &by_secret_key, "Take a cancelled subscription up again",
	  .needs = { "a subscription that was cancelled and goes on", ERR_CONFLICT },
	  .query = acting_in, .out = &subscription_shape, .errors = change_errors, .run = subscription_resume, .flags = SLOW, .status = 200 },
	{ GET,    BY_SERVER "/invoices", "platform.billing.list_org_invoices", &by_secret_key, "List an organization's invoices",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "As the payment provider has them, the newest first.",
	  .query = acting_in, .out = &invoice_shape, .list = &unwrapped, .errors = read_errors, .run = invoices_list, .flags = SLOW | WRITES },
	{ DELETE, BY_SERVER "/subscription", "platform.billing.cancel_org_subscription_by_key", &by_secret_key, "Cancel a subscription for a member",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .query = acting_cancel_in, .out = &subscription_shape, .errors = change_errors, .run = subscription_cancel, .flags = SLOW, .status = 200 },

	{ POST,   "/api/v1/billing/create-checkout-session", "platform.billing.create_checkout_session", &by_secret_key, "Open a checkout for a member",
	  .needs = { "addresses whose origin is allowed", ERR_VALIDATION },
	  .body = session_in, .out = &session_shape, .errors = change_errors, .run = billing_checkout, .flags = SLOW, .status = 200 },
	{ POST,   "/api/v1/billing/change-plan", "platform.billing.change_plan", &by_secret_key, "Change a subscription's plan",
	  .needs = { "another plan", ERR_NOT_FOUND },
	  .about = "More counts at once, and is charged for what is left of the period; less begins when the period ends. 400 on that plan already.",
	  .body = change_in, .out = &change_shape, .errors = change_errors, .run = billing_change_plan, .flags = SLOW, .status = 200 },
	{ POST,   "/api/v1/billing/cancel-subscription", "platform.billing.cancel_subscription", &by_secret_key, "Cancel a subscription by a server",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .query = by_id_cancel_in, .out = &ended_shape, .errors = change_errors, .run = billing_cancel, .flags = SLOW, .status = 200 },
	{ GET,    "/api/v1/billing/billing-history-org/{organization_id}", "platform.billing.billing_history", &by_secret_key, "Get what an organization was billed",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .query = history_in, .out = &history_shape, .errors = absent, .run = billing_history, .flags = SLOW | WRITES },
	ROUTE_END
};
/* clang-format on */
