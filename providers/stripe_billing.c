#include "providers/stripe_billing.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/host/config.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

/* A time, null where there is none. */
static void at(struct buf *b, const char *name, int64_t seconds)
{
	jx_key(b, name);
	if (seconds)
		jx_int(b, seconds);
	else
		jx_null(b);
}

/* What we gave it to keep, as it is. */
static void metadata(struct buf *b, struct json_object *tree)
{
	const char *value = tree ? json_object_to_json_string_ext(tree, JSON_C_TO_STRING_PLAIN) : "{}";

	jx_key(b, "metadata");
	jx_json(b, value, strlen(value));
}

const char *stripe_billing_subscription(struct arena *a, struct json_object *tree)
{
	struct stripe_subscription s;
	struct buf b;

	if (!stripe_object_subscription(tree, &s))
		return NULL;
	buf_init(&b, a, 1024);
	buf_char(&b, '{');
	jx_key_text(&b, "id", s.id), jx_key_text(&b, "customer", s.customer),
		jx_key_text(&b, "status", s.status);
	jx_key_text(&b, "currency", s.currency), jx_key_text(&b, "interval", s.interval),
		jx_key_text(&b, "price", s.price);
	jx_key_text(&b, "item", s.item), jx_key_text(&b, "schedule", s.schedule);
	jx_key_int(&b, "amount", s.unit_amount), jx_key_int(&b, "quantity", s.quantity);
	at(&b, "created", s.created), at(&b, "period_start", s.period_start),
		at(&b, "period_end", s.period_end);
	at(&b, "trial_start", s.trial_start), at(&b, "trial_end", s.trial_end);
	at(&b, "cancel_at", s.cancel_at), at(&b, "canceled_at", s.canceled_at),
		at(&b, "ended_at", s.ended_at);
	jx_key(&b, "will_cancel"), jx_bool(&b, s.will_cancel);
	metadata(&b, s.metadata);
	buf_char(&b, '}');
	return buf_str(&b);
}

const char *stripe_billing_invoice(struct arena *a, struct json_object *tree)
{
	struct stripe_invoice i;
	struct buf b;

	if (!stripe_object_invoice(tree, &i))
		return NULL;
	buf_init(&b, a, 1024);
	buf_char(&b, '{');
	jx_key_text(&b, "id", i.id), jx_key_text(&b, "customer", i.customer),
		jx_key_text(&b, "subscription", i.subscription);
	jx_key_text(&b, "number", i.number), jx_key_text(&b, "status", i.status),
		jx_key_text(&b, "currency", i.currency);
	jx_key_text(&b, "payment", i.payment_intent), jx_key_text(&b, "page_url", i.page_url),
		jx_key_text(&b, "pdf_url", i.pdf_url);
	jx_key_int(&b, "total", i.total), jx_key_int(&b, "amount_due", i.amount_due);
	jx_key_int(&b, "amount_paid", i.amount_paid), jx_key_int(&b, "amount_remaining", i.amount_remaining);
	at(&b, "created", i.created), at(&b, "period_start", i.period_start),
		at(&b, "period_end", i.period_end);
	at(&b, "paid_at", i.paid_at), at(&b, "next_attempt_at", i.next_attempt_at);
	jx_key_int(&b, "attempts", i.attempts);
	metadata(&b, i.metadata);
	buf_char(&b, '}');
	return buf_str(&b);
}

const char *stripe_billing_payment(struct arena *a, struct json_object *tree)
{
	struct stripe_payment p;
	struct buf b;

	if (!stripe_object_payment(tree, &p))
		return NULL;
	buf_init(&b, a, 512);
	buf_char(&b, '{');
	jx_key_text(&b, "id", p.id), jx_key_text(&b, "customer", p.customer),
		jx_key_text(&b, "status", p.status);
	jx_key_text(&b, "currency", p.currency);
	jx_key_int(&b, "amount", p.amount), jx_key_int(&b, "amount_received", p.amount_received);
	metadata(&b, p.metadata);
	buf_char(&b, '}');
	return buf_str(&b);
}

const char *stripe_billing_price(struct arena *a, struct json_object *tree)
{
	struct stripe_price p;
	struct buf b;

	if (!stripe_object_price(tree, &p))
		return NULL;
	buf_init(&b, a, 256);
	buf_char(&b, '{');
	jx_key_text(&b, "id", p.id), jx_key_text(&b, "currency", p.currency);
	jx_key(&b, "amount");
	if (p.is_whole)
		jx_int(&b, p.unit_amount);
	else
		jx_null(&b);
	jx_key_text(&b, "exact", p.exact), jx_key_text(&b, "usage", p.usage);
	jx_key_text(&b, "interval", p.interval);
	at(&b, "interval_count", p.interval_count), at(&b, "divide_by", p.divide_by);
	buf_char(&b, '}');
	return buf_str(&b);
}

const char *stripe_billing_key(struct arena *a, const char *tenant, const char *sealed, bool is_test)
{
	const char *key = sealed ? seal_open(a, STRIPE_KEY_SEAL, tenant, sealed) : cfg.stripe_secret_key;

	return !key || !*key || (is_test && stripe_is_live(key)) ? NULL : key;
}

enum err stripe_billing_read(struct arena *a, const char *key, const char *kind, const char *id,
			     const char **object, struct stripe_answer *out)
{
	static const char *const payments[] = { "payments", NULL };
	static const struct {
		const char *kind, *resource;
		const char *const *expand;
		const char *(*in_our_words)(struct arena *, struct json_object *);
	} kinds[] = {
		{ "subscription", "subscriptions", NULL, stripe_billing_subscription },
		{ "invoice", "invoices", payments, stripe_billing_invoice },
		{ "payment", "payment_intents", NULL, stripe_billing_payment },
	};
	enum err rc;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct stripe_call call = { .key = key, .method = "GET", .id = id };

		if (strcmp(kinds[i].kind, kind))
			continue;
		call.resource = kinds[i].resource;
		call.expand = kinds[i].expand;
		rc = stripe_ask(a, &call, out);
		if (rc)
			return rc;
		*object = kinds[i].in_our_words(a, out->said);
		return *object ? ERR_OK : ERR_EXTERNAL;
	}
	return ERR_NOT_FOUND;
}
