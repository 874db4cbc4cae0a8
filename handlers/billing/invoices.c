/*
 * Invoices of an organization: those that were, as their provider last had them, also as a file; and the one
 * that another plan would make.
 */
#include <json-c/json.h>

#include "build/sql/billing/invoices.h"
#include "build/sql/billing/subscriptions.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/billing/asking.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

/* clang-format off */
static const char *const states[] = { "draft", "open", "paid", "uncollectible", "void", NULL };
static const char *const cycles[] = { "monthly", "yearly", NULL };
static const char *const effects[] = { "none", "now", "period_end", "checkout", NULL };

static const struct field list_in[] = {
	{ "status", F_ENUM,     0, .values = states },
	{ "from",   F_DATETIME, 0, .about = "issued at this time or later" },
	{ "to",     F_DATETIME, 0, .about = "issued before this time" },
	FIELD_END
};

static const struct field invoice[] = {
	{ "id",               F_UUID,     OUT },
	{ "number",           F_TEXT,     OUT | F_NULL, .about = "null: a draft", .example = "HARB-0001" },
	{ "status",           F_ENUM,     OUT, .values = states },
	{ "currency",         F_TEXT,     OUT, .example = "usd" },
	{ "amount_total",     F_INT,      OUT, .about = "as all amounts, in the currency's smallest unit", .example = "2900" },
	{ "amount_due",       F_INT,      OUT },
	{ "amount_paid",      F_INT,      OUT },
	{ "amount_remaining", F_INT,      OUT },
	{ "attempts",         F_INT,      OUT, .about = "how often it was tried to collect it" },
	{ "next_attempt_at",  F_DATETIME, OUT | F_NULL },
	{ "issued_at",        F_DATETIME, OUT },
	{ "period_start",     F_DATETIME, OUT | F_NULL },
	{ "period_end",       F_DATETIME, OUT | F_NULL },
	{ "paid_at",          F_DATETIME, OUT | F_NULL },
	{ "page_url",         F_URL,      OUT | F_NULL },
	{ "pdf_url",          F_URL,      OUT | F_NULL },
	{ "provider",         F_TEXT,     OUT, .example = "stripe" },
	{ "provider_id",      F_TEXT,     OUT, .example = "in_1MtHbELkdIwHu7ixl4OzzPMv" },
	FIELD_END
};

static const struct field preview_in[] = {
	{ "plan_id",       F_UUID, F_REQUIRED, .example = "plan" },
	{ "billing_cycle", F_ENUM, 0, .values = cycles, .about = "as it is, when left out" },
	FIELD_END
};

static const struct field preview[] = {
	{ "effect",        F_ENUM,     0, .values = effects, .about = "when it would count; none: it is so already; checkout: it has to be paid first" },
	{ "plan_id",       F_UUID,     0 },
	{ "billing_cycle", F_ENUM,     0, .values = cycles },
	{ "currency",      F_TEXT,     0, .example = "usd" },
	{ "due_now",       F_INT,      0, .about = "in the smallest unit", .example = "1933" },
	{ "next_amount",   F_INT,      0, .about = "of the next invoice", .example = "2900" },
	{ "next_at",       F_DATETIME, F_NULL, .about = "when that is due" },
	FIELD_END
};

static const struct shape invoice_shape = { "BilledInvoice", invoice };
static const struct shape preview_shape = { "PlanChangePreview", preview, "Subscription" };
/* clang-format on */

/* Ask for the invoice of a change as it would be made; how: its proration_behavior. */
static enum err ask_preview(struct req *rq, const struct asking *a, const char *how,
			    struct stripe_answer *answer, struct stripe_invoice *out)
{
	struct stripe_call call = { .method = "POST", .resource = "invoices/create_preview" };
	struct buf form;
	enum err rc;

	buf_init(&form, &rq->tx.arena, 512);
	stripe_text(&form, "subscription", a->provider_id);
	stripe_text(&form, "subscription_details[items][0][id]", a->item_id);
	stripe_text(&form, "subscription_details[items][0][price]", a->price);
	stripe_text(&form, "subscription_details[proration_behavior]", how);
	if (a->will_cancel)
		stripe_bool(&form, "subscription_details[cancel_at_period_end]", false);
	call.form = &form;
	rc = asking_do(rq, a, how, &call, answer);
	if (!rc && !stripe_object_invoice(answer->said, out))
		return req_fail_inside(rq, ERR_EXTERNAL, "Stripe's answer is no invoice");
	return rc;
}

static void set_int(struct req *rq, const char *name, int64_t value)
{
	req_set(rq, name, arena_fmt(&rq->tx.arena, "%lld", (long long)value));
}

/* Until when the last line of an invoice pays. */
static int64_t paid_until(struct json_object *said)
{
	struct json_object *lines = json_at(said, "lines", NULL);
	int64_t end = 0;

	for (size_t i = 0; i < stripe_object_count(lines); i++) {
		struct json_object *at = json_at(stripe_object_nth(lines, i), "period", "end");

		if (at && json_object_get_int64(at) > end)
			end = json_object_get_int64(at);
	}
	return end;
}

/*
 * What is due now, and next.  Where the interval is another one, a period begins with the change; else the
 * next invoice is that of the end of the period.
 */
static enum err ask_amounts(struct req *rq, const struct asking *a, bool is_now, bool is_same_interval)
{
	struct stripe_answer answer;
	struct stripe_invoice v;
	enum err rc = ERR_OK;

	if (is_now) {
		rc = ask_preview(rq, a, "always_invoice", &answer, &v);
		if (rc)
			return rc;
		set_int(rq, "due_now", v.amount_due);
		if (!is_same_interval)
			set_int(rq, "next_at", paid_until(answer.said));
	}
	if (is_same_interval)
		rc = ask_preview(rq, a, "none", &answer, &v);
	if (!rc && is_same_interval)
		set_int(rq, "next_amount", v.amount_due);
	return rc;
}

static enum err subscription_preview(struct req *rq)
{
	const char *cycle = req_text(rq, "billing_cycle"), *effect = "none", *was;
	struct asking a;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_caller_id, false, &res);

	if (rc)
		return rc;
	req_set(rq, "organization", req_text(rq, "organization_id"));
	req_set(rq, "subscription", NULL);
	req_set(rq, "who", column_text(res, 0, "id"));
	req_set(rq, "permission", "BILLING_MANAGE");
	req_set(rq, "request", "{}");
	req_set(rq, "plan", req_text(rq, "plan_id"));
	req_set(rq, "cycle", !cycle ? NULL : strcmp(cycle, "yearly") ? "month" : "year");
	req_set(rq, "due_now", NULL);
	req_set(rq, "next_amount", NULL);
	req_set(rq, "next_at", NULL);
	rc = asking_begin(rq, "preview", &q_billing_ask_organization, &a);
	if (rc)
		return rc;
	was = a.interval;
	if (!strcmp(a.step, "upgrade") || !strcmp(a.step, "downgrade")) {
		bool is_now = !strcmp(a.step, "upgrade");

		rc = asking_ready(rq, &a);
		if (!rc && !a.price)
			rc = asking_unpriced(rq, &a);
		if (!rc)
			rc = ask_amounts(rq, &a, is_now, was && !strcmp(was, a.cycle));
		if (rc)
			return rc;
		effect = is_now ? "now" : "period_end";
	} else if (!strcmp(a.step, "end")) {
		effect = "period_end";
	} else if (!strcmp(a.step, "unpaid")) {
		effect = "checkout";
	} else if (strcmp(a.step, "same")) {
		effect = "now";
	}
	req_set(rq, "effect", effect);
	req_set(rq, "step", a.step);
	req_set(rq, "cycle", a.cycle);
	return answer_rows(rq, &q_subscription_previewed);
}

static const enum err errors[] = { ERR_AUTHORIZATION, ERR_NOT_FOUND, ERR_PAYMENT, ERR_CONFLICT, ERR_OK };

/* clang-format off */
#define OF_ORGANIZATION "/api/v1/organizations/{organization_id}"

const struct route invoice_routes[] = {
	{ GET, OF_ORGANIZATION "/invoices", "platform.billing.list_invoices", &by_organization_member, "List an organization's invoices, or save them",
	  .about = "As the payment provider last had them, the newest first.",
	  .may = &billing_read, .query = list_in, .out = &invoice_shape, .list = &skipped, .sql = &q_invoice_list, .outputs = AS_CSV | AS_NDJSON },
	{ GET, OF_ORGANIZATION "/subscription/preview", "platform.billing.get_plan_change_preview", &by_organization_member, "See what another plan would cost",
	  .about = "What a change of the subscription would charge now, and next; nothing is changed.",
	  .may = &billing_manage, .query = preview_in, .out = &preview_shape, .errors = errors, .sql = &q_subscription_previewed,
	  .run = subscription_preview, .flags = SLOW | WRITES },
	ROUTE_END
};
/* clang-format on */
