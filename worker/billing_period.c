/*
 * The period is stored before an item is asked for, with the invoice that it is for, so that whoever repeats
 * the job adds the same amounts to the same invoice (sql/functions/billing/periods.sql).  Each item has a
 * name at Stripe, made of the period's id and of the kind of usage; since Stripe forgets names after a day, a
 * period that was there before is looked for in the invoice first.
 */
#include "worker/billing_period.h"

#include <json-c/json.h>

#include "build/sql/billing/looks.h"
#include "build/sql/billing/opsboard.h"
#include "build/sql/billing/periods.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"
#include "providers/stripe_object.h"

/* What is to be billed, and where. */
struct bill {
	const char *id; /* the period's */
	const char *key, *tenant;
	const char *invoice, *customer, *currency, *organization;
	long long from, until; /* in seconds since 1970 */
	struct json_object *costs, *quantities;
};

static const char *const kinds[] = { "tokens", "spans" };

static struct json_object *parsed(struct tx *tx, const char *json)
{
	struct json_object *tree;
	const char *problem;

	return json && !json_read(&tx->arena, json, strlen(json), &tree, &problem) ? tree : NULL;
}

static const char *word(struct json_object *tree, const char *name)
{
	return json_text(json_at(tree, name, NULL), 255);
}

static enum err failed(struct tx *tx, enum err rc, const struct stripe_answer *answer)
{
	return tx_fail_inside(tx, rc, "%s", answer->reason ? answer->reason : "no reason is known");
}

static void write_price(struct buf *b, const char *name, struct json_object *price)
{
	const char *text = price ? json_object_to_json_string_ext(price, JSON_C_TO_STRING_PLAIN) : "null";

	jx_key(b, name), jx_json(b, text, strlen(text));
}

/*
 * The prices that count, set as "prices": those that were read within the hour, the others are asked for, and
 * set as "fresh".  One that Stripe does not have is as the defaults are, as the dashboard shows it.
 */
static enum err price(struct tx *tx, const char *key)
{
	const char *const names[] = { "seat", "tokens", "spans" };
	const char *const ids[] = { cfg.stripe_subscription_price_id, cfg.stripe_token_price_id,
				    cfg.stripe_span_price_id };
	struct json_object *known;
	struct buf fresh, prices;
	bool has_asked = false;
	PGresult *res;
	enum err rc;

	tx_set(tx, "seat_price", ids[0]);
	tx_set(tx, "token_price", ids[1]);
	tx_set(tx, "span_price", ids[2]);
	rc = tx_call(tx, &q_billing_prices_known, false, &res);
	if (rc)
		return rc;
	known = parsed(tx, column_text(res, 0, "prices"));
	buf_init(&fresh, &tx->arena, 512);
	buf_init(&prices, &tx->arena, 512);
	buf_char(&fresh, '{');
	buf_char(&prices, '{');
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		struct stripe_call call = { .key = key, .method = "GET", .resource = "prices", .id = ids[i] };
		struct json_object *one = *ids[i] ? json_at(known, ids[i], NULL) : NULL;
		struct stripe_answer answer;

		if (!one && *ids[i]) {
			if (!has_asked)
				tx_finish(tx, false), db_close();
			has_asked = true;
			rc = stripe_ask(&tx->arena, &call, &answer);
			if (rc && rc != ERR_NOT_FOUND)
				return failed(tx, rc, &answer);
			one = rc ? NULL : parsed(tx, stripe_billing_price(&tx->arena, answer.said));
			if (one)
				write_price(&fresh, ids[i], one);
			else
				log_msg(LOG_WARNING, &tx->log,
					"the price %s is none of Stripe's: the default counts", ids[i]);
		}
		write_price(&prices, names[i], one);
	}
	buf_char(&fresh, '}');
	buf_char(&prices, '}');
	tx_set(tx, "prices", buf_str(&prices));
	tx_set(tx, "seat_cents", arena_fmt(&tx->arena, "%lld", (long long)cfg.stripe_seat_price_cents));
	if (fresh.n <= 2)
		return ERR_OK;
	tx_set(tx, "fresh", buf_str(&fresh));
	return tx_call(tx, &q_billing_prices_keep, false, &res);
}

/* Is the item of this kind in the invoice already, of this list of its items? */
static bool has_item(struct json_object *list, const struct bill *b, const char *kind)
{
	for (size_t i = 0; i < stripe_object_count(list); i++) {
		struct json_object *about = json_at(stripe_object_nth(list, i), "metadata", NULL);
		const char *period = word(about, "period_id"), *what = word(about, "usage_type");

		if (period && what && !strcmp(period, b->id) && !strcmp(what, kind))
			return true;
	}
	return false;
}

static enum err add_item(struct tx *tx, const struct bill *b, const char *kind, struct stripe_answer *answer)
{
	struct stripe_call call = { .key = b->key, .method = "POST", .resource = "invoiceitems" };
	long long quantity = json_object_get_int64(json_at(b->quantities, kind, NULL));
	struct buf form;

	buf_init(&form, &tx->arena, 512);
	stripe_text(&form, "customer", b->customer);
	stripe_text(&form, "invoice", b->invoice);
	stripe_int(&form, "amount", json_object_get_int64(json_at(b->costs, kind, NULL)));
	stripe_text(&form, "currency", b->currency);
	stripe_text(&form, "description", arena_fmt(&tx->arena, "Traces: %lld %s", quantity, kind));
	stripe_int(&form, "period[start]", b->from);
	stripe_int(&form, "period[end]", b->until);
	stripe_text(&form, "metadata[tenant_id]", b->tenant);
	stripe_text(&form, "metadata[organization_id]", b->organization);
	stripe_text(&form, "metadata[period_id]", b->id);
	stripe_text(&form, "metadata[usage_type]", kind);
	stripe_int(&form, "metadata[quantity]", quantity);
	call.form = &form;
	call.operation = arena_fmt(&tx->arena, "%s/%s/%s", b->tenant, b->id, kind);
	return stripe_ask(&tx->arena, &call, answer);
}

static enum err add_items(struct tx *tx, const struct bill *b, bool was_there)
{
	struct stripe_call list = { .key = b->key, .method = "GET", .resource = "invoiceitems" };
	struct stripe_answer answer = { 0 };
	struct json_object *there = NULL;
	struct buf form;
	enum err rc = ERR_OK;

	if (was_there) {
		buf_init(&form, &tx->arena, 128);
		stripe_text(&form, "invoice", b->invoice);
		stripe_int(&form, "limit", 100);
		list.form = &form;
		rc = stripe_ask(&tx->arena, &list, &answer);
		there = answer.said;
	}
	for (size_t i = 0; !rc && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (json_at(b->costs, kinds[i], NULL) && !has_item(there, b, kinds[i]))
			rc = add_item(tx, b, kinds[i], &answer);
	/* It is not there any more, or no draft any more: trying again would not help. */
	if (rc == ERR_NOT_FOUND || rc == ERR_VALIDATION || rc == ERR_CONFLICT)
		return job_give_up(tx, "%s", answer.reason ? answer.reason : "the invoice takes no items");
	return rc ? failed(tx, rc, &answer) : ERR_OK;
}

static enum err run(struct tx *tx, const struct job *job)
{
	struct json_object *payload = parsed(tx, job->payload);
	struct bill b = {
		.invoice = word(payload, "id"),
		.customer = word(payload, "customer"),
		.currency = word(payload, "currency"),
		.organization = word(payload, "organization"),
		.from = json_object_get_int64(json_at(payload, "from", NULL)),
		.until = json_object_get_int64(json_at(payload, "until", NULL)),
	};
	const char *problem;
	bool was_there;
	PGresult *res;
	enum err rc;

	if (!b.invoice || !b.customer || !b.currency || !b.organization || b.from >= b.until)
		return job_give_up(tx, "the payload names no invoice with a period");
	rc = tx_call(tx, &q_billing_look_begin, false, &res);
	if (rc)
		return rc;
	b.tenant = arena_dup(&tx->arena, column_text(res, 0, "tenant"));
	b.key = stripe_billing_key(&tx->arena, b.tenant, column_text(res, 0, "key_sealed"),
				   column_bool(res, 0, "is_test"));
	if (!b.key)
		return ERR_OK;
	rc = price(tx, b.key);
	if (rc)
		return rc;
	tx_set(tx, "organization", b.organization);
	tx_set(tx, "invoice", b.invoice);
	tx_set(tx, "currency", b.currency);
	tx_set(tx, "from", arena_fmt(&tx->arena, "%lld", b.from));
	tx_set(tx, "until", arena_fmt(&tx->arena, "%lld", b.until));
	rc = tx_call(tx, &q_billing_period_keep, false, &res);
	if (rc)
		return rc;
	if (column_bool(res, 0, "is_early"))
		return job_retry_after(tx, 30, "what was used on the last day is being summed");
	problem = column_text(res, 0, "problem");
	if (problem)
		return job_give_up(tx, "%s", problem);
	b.id = column_text(res, 0, "period");
	if (!b.id)
		return ERR_OK;
	b.id = arena_dup(&tx->arena, b.id);
	b.costs = parsed(tx, column_text(res, 0, "costs"));
	b.quantities = parsed(tx, column_text(res, 0, "quantities"));
	was_there = column_bool(res, 0, "was_there");
	rc = tx_finish(tx, true);
	if (rc)
		return rc;
	db_close();
	rc = add_items(tx, &b, was_there);
	if (rc)
		return rc;
	tx_set(tx, "period", b.id);
	return tx_call(tx, &q_billing_period_invoiced, false, &res);
}

const struct job_kind billing_period_job = { .name = "billing.period", .run = run };
