/*
 * What is sold on the observability surface, what an organization has of it, and what that costs.
 */
#include <json-c/json.h>

#include "build/sql/billing/opsboard.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/billing/opsboard.h"
#include "handlers/permissions.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"
#include "providers/stripe_object.h"

/* clang-format off */
const struct field opsboard_path[] = {
	{ "org_id", F_UUID, F_REQUIRED, .example = "organization" },
	FIELD_END
};

static const struct field seat_price[] = {
	{ "priceId",        F_TEXT, 0, .example = "price_1MoBy5LkdIwHu7ix" },
	{ "amount",         F_INT,  0, .about = "in cents", .example = "4000" },
	{ "currency",       F_TEXT, 0, .example = "usd" },
	{ "interval",       F_TEXT, 0, .about = "or one_time", .example = "month" },
	{ "interval_count", F_INT,  F_NULL, .example = "1" },
	FIELD_END
};

static const struct field usage_price[] = {
	{ "priceId",      F_TEXT,   F_NULL, .about = "null: the price could not be read, and the default is shown", .example = "price_1MoBy5LkdIwHu7iy" },
	{ "amount",       F_NUMBER, 0, .about = "of one unit, in cents", .example = "0.02" },
	{ "currency",     F_TEXT,   0, .example = "usd" },
	{ "unit_size",    F_INT,    0, .about = "how many are one unit", .example = "1000" },
	{ "display_unit", F_TEXT,   0, .example = "thousand tokens" },
	FIELD_END
};

static const struct field pricing_out[] = {
	{ "seat",   F_OBJECT, 0, .fields = seat_price },
	{ "tokens", F_OBJECT, F_OPTIONAL, .fields = usage_price, .about = "where STRIPE_TOKEN_PRICE_ID is set" },
	{ "spans",  F_OBJECT, F_OPTIONAL, .fields = usage_price, .about = "where STRIPE_SPAN_PRICE_ID is set" },
	FIELD_END
};

static const struct field detail_out[] = {
	{ "subscription_id",      F_TEXT, 0, .example = "sub_1MowQVLkdIwHu7ixeRlqHVzs" },
	{ "status",               F_TEXT, 0, .about = "in Stripe's words", .example = "active" },
	{ "current_period_start", F_INT,  0, .about = "in seconds since 1970", .example = "1795996800" },
	{ "current_period_end",   F_INT,  0, .example = "1798588800" },
	{ "price_id",             F_TEXT, F_NULL, .about = "of the first item, as what follows", .example = "price_1MoBy5LkdIwHu7ix" },
	{ "product_name",         F_TEXT, F_NULL, .example = "Seats" },
	{ "quantity",             F_INT,  F_NULL, .example = "5" },
	FIELD_END
};

static const struct field dashboard_in[] = {
	{ "start_date", F_DATETIME, F_RARE, .about = "with end_date: the days to be computed" },
	{ "end_date",   F_DATETIME, F_RARE, .about = "a midnight stands for its whole day" },
	{ "project_id", F_UUID,     F_RARE, .about = "what this project has used, and no other" },
	{ "period",     F_UUID,     F_RARE, .about = "a period that was billed; nothing else counts then" },
	FIELD_END
};

static const char *const usages[] = { "tokens", "spans", NULL };
static const char *const period_states[] = { "pending", "invoiced", "paid", "current", "custom", NULL };

static const struct field usage_cost[] = {
	{ "usage_type", F_ENUM, 0, .values = usages },
	{ "quantity",   F_INT,  0, .example = "2500000" },
	{ "cost_cents", F_INT,  0, .example = "50" },
	FIELD_END
};

static const struct field period_out[] = {
	{ "id",               F_TEXT,     0, .about = "of a period that was billed; else current or custom", .example = "current" },
	{ "period_start",     F_DATETIME, 0 },
	{ "period_end",       F_DATETIME, 0 },
	{ "seat_cost",        F_INT,      0, .about = "money is in cents", .example = "8000" },
	{ "seat_count",       F_INT,      0, .about = "members who have a licence", .example = "2" },
	{ "usage_costs",      F_OBJECT,   0, .item = F_INT, .about = "by what was used; what costs less than a cent is left out" },
	{ "usage_quantities", F_OBJECT,   0, .item = F_INT },
	{ "usage_breakdown",  F_LIST,     0, .fields = usage_cost },
	{ "total_cost",       F_INT,      0, .example = "8050" },
	{ "status",           F_ENUM,     0, .values = period_states },
	FIELD_END
};

static const struct field project_usage[] = {
	{ "project_id",   F_UUID, 0 },
	{ "project_name", F_TEXT, 0, .example = "Website" },
	{ "tokens",       F_INT,  0 },
	{ "spans",        F_INT,  0 },
	{ "token_cost",   F_INT,  0 },
	{ "span_cost",    F_INT,  0 },
	{ "total_cost",   F_INT,  0 },
	FIELD_END
};

static const struct field dashboard_out[] = {
	{ "current_period",          F_OBJECT,   F_NULL, .fields = period_out, .about = "null: no member has a licence, and nothing was used" },
	{ "past_periods",            F_LIST,     0, .fields = period_out, .about = "none" },
	{ "total_spent_all_time",    F_INT,      0, .about = "of the period that is shown" },
	{ "is_legacy_billing",       F_BOOL,     0, .about = "the subscription ends, or is at another price than is sold" },
	{ "legacy_cancellation_date", F_DATETIME, F_NULL },
	{ "project_breakdown",       F_LIST,     F_NULL, .fields = project_usage },
	FIELD_END
};

static const struct shape pricing_shape = { "StripePricing", pricing_out };
static const struct shape detail_shape = { "SubscriptionDetail", detail_out, "Subscription" };
static const struct shape dashboard_shape = { "BillingDashboard", dashboard_out, "Billing period" };
/* clang-format on */

/*
 * What is known
 */

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	const char *text = column_text(res, 0, column);

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

enum err opsboard_read(struct req *rq, struct opsboard *out)
{
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_org_subscription, false, &res);

	if (rc)
		return rc;
	*out = (struct opsboard){
		.asking = { .tenant = kept(rq, res, "tenant"),
			    .look = kept(rq, res, "look"),
			    .actor = kept(rq, res, "actor"),
			    .organization = req_text(rq, "org_id"),
			    .customer = kept(rq, res, "customer"),
			    .email = kept(rq, res, "email"),
			    .subscription = kept(rq, res, "subscription"),
			    .provider_id = kept(rq, res, "provider_id"),
			    .item_id = kept(rq, res, "item_id"),
			    .schedule_id = kept(rq, res, "schedule_id"),
			    .quantity = column_int(res, 0, "quantity"),
			    .period_end = column_int(res, 0, "period_end"),
			    .will_cancel = column_bool(res, 0, "will_cancel") },
		.status = kept(rq, res, "status"),
		.prem_status = kept(rq, res, "prem_status"),
		.price = kept(rq, res, "price"),
		.currency = kept(rq, res, "currency"),
		.interval = kept(rq, res, "interval"),
		.ends_at = kept(rq, res, "ends_at"),
		.amount = column_int(res, 0, "amount"),
		.withheld = kept(rq, res, "withheld"),
	};
	out->asking.key =
		stripe_billing_key(&rq->tx.arena, column_text(res, 0, "tenant"),
				   column_text(res, 0, "key_sealed"), column_bool(res, 0, "is_test"));
	return ERR_OK;
}

enum err opsboard_need(struct req *rq, struct opsboard *out)
{
	enum err rc = opsboard_read(rq, out);

	if (rc || out->asking.provider_id)
		return rc;
	return req_fail(rq, ERR_BAD_REQUEST, "the organization has no subscription");
}

const char *opsboard_page(struct req *rq, const char *parameters)
{
	if (*cfg.app_url)
		return arena_fmt(&rq->tx.arena, "%s/settings/organization%s", cfg.app_url, parameters);
	asking_unconfigured(rq, "pages to come back to (APP_URL) are not configured");
	return NULL;
}

/*
 * Prices
 */

static const char *text_of(struct json_object *price, const char *name)
{
	return json_text(json_at(price, name, NULL), 255);
}

static struct json_object *parsed(struct req *rq, const char *json)
{
	struct json_object *tree;
	const char *problem;

	return json && !json_read(&rq->tx.arena, json, strlen(json), &tree, &problem) ? tree : NULL;
}

/* Ask Stripe for one; NULL, and the log knows why. */
static struct json_object *ask_price(struct req *rq, const char *key, const char *id, enum err *why)
{
	struct stripe_call call = { .key = key, .method = "GET", .resource = "prices", .id = id };
	struct stripe_answer answer;

	*why = stripe_ask(&rq->tx.arena, &call, &answer);
	if (!*why)
		return parsed(rq, stripe_billing_price(&rq->tx.arena, answer.said));
	log_msg(LOG_WARNING, &rq->tx.log, "the price %s cannot be read: %s", id,
		answer.reason ? answer.reason : err_info(*why)->message);
	return NULL;
}

static void write_price(struct buf *b, const char *name, struct json_object *price)
{
	const char *text = price ? json_object_to_json_string_ext(price, JSON_C_TO_STRING_PLAIN) : "null";

	jx_key(b, name), jx_json(b, text, strlen(text));
}

enum err opsboard_prices(struct req *rq, const char *key, struct opsboard_prices *out)
{
	const char *const ids[] = { cfg.stripe_subscription_price_id, cfg.stripe_token_price_id,
				    cfg.stripe_span_price_id };
	struct json_object **const all[] = { &out->seat, &out->tokens, &out->spans }, *known;
	bool has_asked = false;
	struct buf fresh, prices;
	PGresult *res;
	enum err rc;

	*out = (struct opsboard_prices){ .why_no_seat = ERR_UNAVAILABLE };
	req_set(rq, "seat_price", ids[0]);
	req_set(rq, "token_price", ids[1]);
	req_set(rq, "span_price", ids[2]);
	rc = tx_call(&rq->tx, &q_billing_prices_known, false, &res);
	if (rc)
		return rc;
	known = parsed(rq, kept(rq, res, "prices"));
	buf_init(&fresh, &rq->tx.arena, 512);
	buf_char(&fresh, '{');
	for (size_t i = 0; i < 3; i++) {
		enum err why = ERR_OK;

		*all[i] = *ids[i] ? json_at(known, ids[i], NULL) : NULL;
		if (*all[i] || !*ids[i] || !key)
			continue;
		if (!has_asked) {
			rc = tx_finish(&rq->tx, true);
			if (rc)
				return rc;
			db_close();
			has_asked = true;
		}
		*all[i] = ask_price(rq, key, ids[i], &why);
		if (i == 0)
			out->why_no_seat = why;
		if (*all[i])
			write_price(&fresh, ids[i], *all[i]);
	}
	buf_char(&fresh, '}');
	buf_init(&prices, &rq->tx.arena, 512);
	buf_char(&prices, '{');
	write_price(&prices, "seat", out->seat), write_price(&prices, "tokens", out->tokens),
		write_price(&prices, "spans", out->spans);
	buf_char(&prices, '}');
	req_set(rq, "prices", buf_str(&prices));
	if (fresh.n <= 2)
		return ERR_OK;
	req_set(rq, "fresh", buf_str(&fresh));
	return tx_call(&rq->tx, &q_billing_prices_keep, false, &res);
}

enum err opsboard_seat_price(struct req *rq, const struct asking *a, const char *field, const char *id)
{
	struct stripe_call call = { .key = a->key, .method = "GET", .resource = "prices", .id = id };
	struct stripe_answer answer;
	struct stripe_price price;
	enum err rc = stripe_ask(&rq->tx.arena, &call, &answer);

	if (rc == ERR_NOT_FOUND)
		return req_fail_field(rq, ERR_BAD_REQUEST, field, "there is no such price");
	if (rc)
		return req_fail_inside(rq, rc == ERR_UNAVAILABLE ? rc : ERR_EXTERNAL, "%s",
				       answer.reason ? answer.reason : "no reason is known");
	if (!stripe_object_price(answer.said, &price))
		return req_fail_inside(rq, ERR_EXTERNAL, "Stripe's answer is no price");
	if (!price.usage || strcmp(price.usage, "licensed"))
		return req_fail_field(rq, ERR_BAD_REQUEST, field, "this is no price of seats");
	return ERR_OK;
}

static void write_seat(struct buf *b, struct json_object *price)
{
	const char *interval = text_of(price, "interval");
	struct json_object *count = json_at(price, "interval_count", NULL);

	jx_key_open(b, "seat", '{');
	jx_key_str(b, "priceId", text_of(price, "id"));
	jx_key_int(b, "amount", json_object_get_int64(json_at(price, "amount", NULL)));
	jx_key_str(b, "currency", text_of(price, "currency"));
	jx_key_str(b, "interval", interval ? interval : "one_time");
	jx_key(b, "interval_count");
	if (count)
		jx_int(b, json_object_get_int64(count));
	else
		jx_null(b);
	buf_char(b, '}');
}

/* Of tokens or spans; what cannot be read is as the defaults have it. */
static void write_usage(struct buf *b, const char *name, struct json_object *price, const char *amount)
{
	struct json_object *size = json_at(price, "divide_by", NULL);
	const char *exact = price ? text_of(price, "exact") : NULL;

	jx_key_open(b, name, '{');
	jx_key_text(b, "priceId", price ? text_of(price, "id") : NULL);
	jx_key(b, "amount"), buf_text(b, exact ? exact : amount);
	jx_key_str(b, "currency", price ? text_of(price, "currency") : "usd");
	jx_key_int(b, "unit_size", size ? json_object_get_int64(size) : 1000);
	jx_key_str(b, "display_unit", arena_fmt(b->arena, "thousand %s", name));
	buf_char(b, '}');
}

static enum err pricing(struct req *rq)
{
	struct opsboard_prices prices;
	struct opsboard o;
	struct buf *b;
	enum err rc = opsboard_read(rq, &o);

	if (!rc && (!o.asking.key || !*cfg.stripe_subscription_price_id))
		return asking_unconfigured(rq, "prices of seats (STRIPE_SECRET_KEY, "
					       "STRIPE_SUBSCRIPTION_PRICE_ID) are not configured");
	if (!rc)
		rc = opsboard_prices(rq, o.asking.key, &prices);
	if (rc)
		return rc;
	if (!prices.seat && prices.why_no_seat == ERR_UNAVAILABLE)
		return req_fail(rq, ERR_UNAVAILABLE, "the price of a seat cannot be read right now");
	if (!prices.seat || !json_at(prices.seat, "amount", NULL))
		return req_fail(rq, ERR_EXTERNAL,
				"the price of a seat (STRIPE_SUBSCRIPTION_PRICE_ID) is none");
	b = answer_open(rq);
	buf_char(b, '{');
	write_seat(b, prices.seat);
	if (*cfg.stripe_token_price_id)
		write_usage(b, "tokens", prices.tokens, "0.02");
	if (*cfg.stripe_span_price_id)
		write_usage(b, "spans", prices.spans, "0.01");
	buf_char(b, '}');
	return answer_close(rq);
}

/*
 * The subscription, as Stripe shows it
 */

static enum err detail(struct req *rq)
{
	static const char *const expand[] = { "items.data.price.product", NULL };
	struct stripe_call call = { .method = "GET", .resource = "subscriptions", .expand = expand };
	struct stripe_subscription s;
	struct stripe_answer answer;
	struct stripe_price price;
	struct opsboard o;
	struct buf *b;
	enum err rc = opsboard_need(rq, &o);

	if (!rc)
		rc = tx_finish(&rq->tx, true);
	if (!rc)
		rc = asking_ready(rq, &o.asking);
	if (rc)
		return rc;
	call.id = o.asking.provider_id;
	rc = asking_do(rq, &o.asking, "", &call, &answer);
	if (rc)
		return rc;
	if (!stripe_object_subscription(answer.said, &s) || !s.period_start || !s.period_end)
		return req_fail_inside(rq, ERR_EXTERNAL, "Stripe's answer is no subscription with a period");
	rc = asking_note(rq, &o.asking, answer.said);
	if (rc)
		return rc;
	if (!stripe_object_price(
		    json_at(stripe_object_nth(json_at(answer.said, "items", NULL), 0), "price", NULL),
		    &price))
		price = (struct stripe_price){ 0 };
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key_str(b, "subscription_id", s.id), jx_key_str(b, "status", s.status);
	jx_key_int(b, "current_period_start", s.period_start),
		jx_key_int(b, "current_period_end", s.period_end);
	jx_key_text(b, "price_id", s.price), jx_key_text(b, "product_name", price.product_name);
	jx_key_int(b, "quantity", s.quantity);
	buf_char(b, '}');
	return answer_close(rq);
}

/*
 * The dashboard
 */

static enum err dashboard(struct req *rq)
{
	const char *from = req_text(rq, "start_date"), *until = req_text(rq, "end_date");
	struct opsboard_prices prices;
	struct opsboard o;
	enum err rc = opsboard_read(rq, &o);

	if (!rc)
		rc = opsboard_prices(rq, o.asking.key, &prices);
	if (rc)
		return rc;
	/* An answer is made of the prices that were read; where Stripe's cannot be, of the defaults. */
	req_set(rq, "seat_cents", arena_fmt(&rq->tx.arena, "%lld", (long long)cfg.stripe_seat_price_cents));
	req_set(rq, "from_at", until ? from : NULL);
	req_set(rq, "until_at", from ? until : NULL);
	return answer_rows(rq, &q_org_dashboard);
}

static const enum err read_errors[] = { ERR_NOT_FOUND, ERR_OK };
static const enum err detail_errors[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND, ERR_OK };

/* clang-format off */
#define OF_ORG "/api/opsboard/orgs/{org_id}"

const struct route opsboard_pricing_routes[] = {
	{ GET, OF_ORG "/stripe-pricing",      "observability.billing.get_stripe_pricing",      &by_org_member, "Get what is sold",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "As Stripe has it, at most an hour old.",
	  .may = &org_read, .params = opsboard_path, .out = &pricing_shape, .errors = read_errors, .run = pricing, .flags = SLOW | WRITES },
	{ GET, OF_ORG "/subscription-detail", "observability.billing.get_subscription_detail", &by_org_member, "Get the subscription as Stripe has it",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "400 where there is none.",
	  .may = &billing_manage, .params = opsboard_path, .out = &detail_shape, .errors = detail_errors, .run = detail, .flags = SLOW | WRITES },
	{ GET, OF_ORG "/billing/dashboard",   "observability.billing.get_dashboard",           &by_org_member, "Get what seats and usage cost",
	  .about = "A period that was billed; the days from start_date to end_date; else the subscription's period, or the month of the calendar, so far. "
		   "Days are UTC.",
	  .may = &org_read, .params = opsboard_path, .query = dashboard_in, .out = &dashboard_shape, .errors = read_errors, .sql = &q_org_dashboard,
	  .run = dashboard, .flags = SLOW | WRITES },
	ROUTE_END
};
/* clang-format on */
