#include "providers/stripe_object.h"

#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "lib/base/json.h"

enum { MAX_TEXT = 5000 }; /* what Stripe allows the longest of its URLs */

/*
 * Members
 */

static const char *text_at(struct json_object *tree, const char *name, const char *inner)
{
	return json_text(json_at(tree, name, inner), MAX_TEXT);
}

static int64_t int_at(struct json_object *tree, const char *name, const char *inner)
{
	struct json_object *value = json_at(tree, name, inner);

	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
}

static bool bool_at(struct json_object *tree, const char *name)
{
	struct json_object *value = json_at(tree, name, NULL);

	return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

static struct json_object *object_at(struct json_object *tree, const char *name)
{
	struct json_object *value = json_at(tree, name, NULL);

	return json_object_is_type(value, json_type_object) ? value : NULL;
}

const char *stripe_object_id(struct json_object *value)
{
	if (json_object_is_type(value, json_type_object))
		value = json_at(value, "id", NULL);
	return json_text(value, 255);
}

static const char *id_at(struct json_object *tree, const char *name)
{
	return stripe_object_id(json_at(tree, name, NULL));
}

static bool is_a(struct json_object *tree, const char *object)
{
	const char *name = json_object_is_type(tree, json_type_object) ? text_at(tree, "object", NULL) : NULL;

	return name && !strcmp(name, object);
}

/*
 * Lists
 */

size_t stripe_object_count(struct json_object *list)
{
	struct json_object *data = json_at(list, "data", NULL);

	return json_object_is_type(data, json_type_array) ? json_object_array_length(data) : 0;
}

struct json_object *stripe_object_nth(struct json_object *list, size_t n)
{
	return n < stripe_object_count(list) ? json_object_array_get_idx(json_at(list, "data", NULL), n)
					     : NULL;
}

const char *stripe_object_next(struct json_object *list)
{
	size_t n = stripe_object_count(list);

	return n && bool_at(list, "has_more") ? stripe_object_id(stripe_object_nth(list, n - 1)) : NULL;
}

/*
 * Objects
 */

static void items_read(struct json_object *tree, struct stripe_subscription *out)
{
	struct json_object *items = object_at(tree, "items"), *first = stripe_object_nth(items, 0);
	struct json_object *price = object_at(first, "price");

	out->item = stripe_object_id(first);
	out->price = stripe_object_id(price);
	out->product = id_at(price, "product");
	out->interval = text_at(price, "recurring", "interval");
	if (!out->currency) /* before 2022-08-01 */
		out->currency = text_at(price, "currency", NULL);
	out->unit_amount = int_at(price, "unit_amount", NULL);
	out->quantity = int_at(first, "quantity", NULL);
	for (size_t i = 0; i < stripe_object_count(items); i++) {
		struct json_object *item = stripe_object_nth(items, i);
		int64_t start = int_at(item, "current_period_start", NULL);
		int64_t end = int_at(item, "current_period_end", NULL);

		if (start && (!out->period_start || start < out->period_start))
			out->period_start = start;
		if (end > out->period_end)
			out->period_end = end;
	}
	if (!out->period_end) { /* before 2025-03-31 */
		out->period_start = int_at(tree, "current_period_start", NULL);
		out->period_end = int_at(tree, "current_period_end", NULL);
	}
}

bool stripe_object_subscription(struct json_object *tree, struct stripe_subscription *out)
{
	*out = (struct stripe_subscription){ 0 };
	if (!is_a(tree, "subscription"))
		return false;
	out->id = id_at(tree, "id");
	out->customer = id_at(tree, "customer");
	out->status = text_at(tree, "status", NULL);
	out->currency = text_at(tree, "currency", NULL);
	out->latest_invoice = id_at(tree, "latest_invoice");
	out->schedule = id_at(tree, "schedule");
	out->metadata = object_at(tree, "metadata");
	items_read(tree, out);
	out->created = int_at(tree, "created", NULL);
	out->trial_start = int_at(tree, "trial_start", NULL);
	out->trial_end = int_at(tree, "trial_end", NULL);
	out->cancel_at = int_at(tree, "cancel_at", NULL);
	out->canceled_at = int_at(tree, "canceled_at", NULL);
	out->ended_at = int_at(tree, "ended_at", NULL);
	out->will_cancel = !out->ended_at && (bool_at(tree, "cancel_at_period_end") || out->cancel_at);
	out->is_live = bool_at(tree, "livemode");
	return out->id && out->status;
}

/* The payment that an invoice is paid by, as long as no other one is made. */
static const char *payment_of(struct json_object *tree)
{
	struct json_object *payments = object_at(tree, "payments");

	for (size_t i = 0; i < stripe_object_count(payments); i++) {
		struct json_object *one = stripe_object_nth(payments, i);

		if (bool_at(one, "is_default"))
			return stripe_object_id(json_at(one, "payment", "payment_intent"));
	}
	return id_at(tree, "payment_intent"); /* before 2025-03-31 */
}

/* Where the subscription is that made it, if one did. */
static const char *subscription_of(struct json_object *tree)
{
	struct json_object *details = json_at(tree, "parent", "subscription_details");

	return json_object_is_type(details, json_type_object) ? id_at(details, "subscription")
							      : id_at(tree, "subscription");
}

bool stripe_object_invoice(struct json_object *tree, struct stripe_invoice *out)
{
	*out = (struct stripe_invoice){ 0 };
	if (!is_a(tree, "invoice"))
		return false;
	out->id = id_at(tree, "id");
	out->number = text_at(tree, "number", NULL);
	out->customer = id_at(tree, "customer");
	out->subscription = subscription_of(tree);
	out->metadata = object_at(json_at(tree, "parent", "subscription_details"), "metadata");
	out->status = text_at(tree, "status", NULL);
	out->reason = text_at(tree, "billing_reason", NULL);
	out->currency = text_at(tree, "currency", NULL);
	out->payment_intent = payment_of(tree);
	out->page_url = text_at(tree, "hosted_invoice_url", NULL);
	out->pdf_url = text_at(tree, "invoice_pdf", NULL);
	out->subtotal = int_at(tree, "subtotal", NULL);
	out->total = int_at(tree, "total", NULL);
	out->amount_due = int_at(tree, "amount_due", NULL);
	out->amount_paid = int_at(tree, "amount_paid", NULL);
	out->amount_remaining = int_at(tree, "amount_remaining", NULL);
	out->attempts = int_at(tree, "attempt_count", NULL);
	out->created = int_at(tree, "created", NULL);
	out->period_start = int_at(tree, "period_start", NULL);
	out->period_end = int_at(tree, "period_end", NULL);
	out->due_at = int_at(tree, "due_date", NULL);
	out->paid_at = int_at(tree, "status_transitions", "paid_at");
	out->next_attempt_at = int_at(tree, "next_payment_attempt", NULL);
	out->is_live = bool_at(tree, "livemode");
	return out->id && out->status;
}

bool stripe_object_price(struct json_object *tree, struct stripe_price *out)
{
	struct json_object *amount = json_at(tree, "unit_amount", NULL);

	*out = (struct stripe_price){ 0 };
	if (!is_a(tree, "price"))
		return false;
	out->id = id_at(tree, "id");
	out->currency = text_at(tree, "currency", NULL);
	out->interval = text_at(tree, "recurring", "interval");
	out->interval_count = int_at(tree, "recurring", "interval_count");
	out->usage = text_at(tree, "recurring", "usage_type");
	out->unit_amount = int_at(tree, "unit_amount", NULL);
	out->is_whole = json_object_is_type(amount, json_type_int);
	out->exact = text_at(tree, "unit_amount_decimal", NULL);
	if (out->exact && strspn(out->exact, "0123456789.") != strlen(out->exact))
		out->exact = NULL;
	out->divide_by = int_at(tree, "transform_quantity", "divide_by");
	out->product = id_at(tree, "product");
	out->product_name = text_at(object_at(tree, "product"), "name", NULL);
	return out->id && out->currency;
}

bool stripe_object_payment(struct json_object *tree, struct stripe_payment *out)
{
	*out = (struct stripe_payment){ 0 };
	if (!is_a(tree, "payment_intent"))
		return false;
	out->id = id_at(tree, "id");
	out->customer = id_at(tree, "customer");
	out->status = text_at(tree, "status", NULL);
	out->currency = text_at(tree, "currency", NULL);
	out->client_secret = text_at(tree, "client_secret", NULL);
	out->metadata = object_at(tree, "metadata");
	out->amount = int_at(tree, "amount", NULL);
	out->amount_received = int_at(tree, "amount_received", NULL);
	out->created = int_at(tree, "created", NULL);
	out->is_live = bool_at(tree, "livemode");
	return out->id && out->status;
}

/*
 * Money
 */

static bool is_one_of(const char *currency, const char *const *codes)
{
	for (; *codes; codes++)
		if (!strcasecmp(currency, *codes))
			return true;
	return false;
}

static const char *const without_decimals[] = { "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
						"pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf", NULL };
static const char *const with_three[] = { "bhd", "jod", "kwd", "omr", "tnd", NULL };
static const char *const whole_with_two[] = { "isk", "ugx", NULL };

int stripe_object_decimals(const char *currency)
{
	return is_one_of(currency, without_decimals) ? 0 : is_one_of(currency, with_three) ? 3 : 2;
}

int stripe_object_step(const char *currency)
{
	return is_one_of(currency, whole_with_two) ? 100 : is_one_of(currency, with_three) ? 10 : 1;
}

char *stripe_object_amount(struct arena *a, int64_t amount, const char *currency)
{
	uint64_t size = amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount, unit = 1;
	const char *sign = amount < 0 ? "-" : "";
	int decimals = stripe_object_decimals(currency);

	for (int i = 0; i < decimals; i++)
		unit *= 10;
	if (!decimals)
		return arena_fmt(a, "%s%llu", sign, (unsigned long long)size);
	return arena_fmt(a, "%s%llu.%0*llu", sign, (unsigned long long)(size / unit), decimals,
			 (unsigned long long)(size % unit));
}
