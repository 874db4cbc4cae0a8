/*
 * Licences on the observability surface: who of an organization has one of its seats, and what one
 * more would cost.
 *
 * How many there are is Stripe's to say, so it is told first, and nothing changes here unless it takes that.
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
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/stripe.h"
#include "providers/stripe_object.h"

/* clang-format off */
static const struct field licences_in[] = {
	{ "add",    F_LIST, F_RARE, .item = F_UUID, .max = 1000, .about = "members who are to have one; who is no member is left out" },
	{ "remove", F_LIST, F_RARE, .item = F_UUID, .max = 1000, .about = "and who are not: no owner" },
	FIELD_END
};

static const struct field licences_out[] = {
	{ "message",            F_TEXT, 0 },
	{ "paid_members_count", F_INT,  0, .example = "3" },
	FIELD_END
};

static const struct field cost_out[] = {
	{ "immediate_charge",   F_NUMBER,   0, .about = "for what is left of the period, in whole units", .example = "12.5" },
	{ "next_period_charge", F_NUMBER,   0, .example = "40" },
	{ "billing_interval",   F_TEXT,     0, .example = "month" },
	{ "period_end",         F_DATETIME, F_NULL },
	{ "currency",           F_TEXT,     0, .example = "usd" },
	FIELD_END
};

static const struct shape licences_shape = { "MemberLicenses", licences_out, "Organization" };
static const struct shape cost_shape = { "MemberCostPreview", cost_out, "Organization" };

/* In X-Error-Code; what the handler refuses has words of its own. */
static const struct error_code codes[] = {
	{ ERR_AUTHENTICATION, "permission_denied" },
	{ ERR_AUTHORIZATION,  "permission_denied" },
	{ ERR_NOT_FOUND,      "permission_denied" },
	{ ERR_EXTERNAL,       "stripe_api_error" },
	{ ERR_UNAVAILABLE,    "stripe_api_error" },
	{ ERR_PAYMENT,        "stripe_api_error" },
	{ ERR_OK },
};
/* clang-format on */

static enum err refuse(struct req *rq, const char *code, const char *message)
{
	req_set_header(rq, "X-Error-Code", code);
	return req_fail(rq, ERR_BAD_REQUEST, "%s", message);
}

/* Is the subscription one whose seats can be dealt? */
static enum err check(struct req *rq, const struct opsboard *o)
{
	if (!o->asking.provider_id)
		return refuse(rq, "no_subscription", "the organization has no subscription");
	if (o->asking.will_cancel)
		return refuse(rq, "subscription_cancelled", "the subscription is set to cancel");
	if (!*cfg.stripe_subscription_price_id)
		return asking_unconfigured(
			rq, "prices of seats (STRIPE_SUBSCRIPTION_PRICE_ID) are not configured");
	if (!o->price || strcmp(o->price, cfg.stripe_subscription_price_id) != 0)
		return refuse(rq, "legacy_billing_plan",
			      "the subscription is at a price that is not sold any more");
	if (!o->asking.item_id)
		return req_fail_inside(rq, ERR_EXTERNAL, "the subscription has no item of seats");
	return ERR_OK;
}

static enum err licences(struct req *rq)
{
	struct stripe_call call = { .method = "POST", .resource = "subscriptions" };
	struct stripe_answer answer;
	struct opsboard o;
	struct asking a;
	struct buf form;
	PGresult *res;
	long long count;
	enum err rc = opsboard_read(rq, &o);

	if (!rc)
		rc = check(rq, &o);
	if (!rc)
		rc = tx_call(&rq->tx, &q_org_seats_plan, false, &res);
	if (rc)
		return rc;
	if (column_bool(res, 0, "takes_owner"))
		return refuse(rq, "owner_license_required", "an owner's licence cannot be taken away");
	count = column_int(res, 0, "count");
	req_set(rq, "paid", arena_dup(&rq->tx.arena, column_text(res, 0, "paid")));
	req_set(rq, "request", arena_dup(&rq->tx.arena, column_text(res, 0, "request")));
	rc = asking_begin(rq, "seats deal", &q_billing_ask_org, &a);
	if (!rc)
		rc = asking_ready(rq, &a);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 256);
	stripe_text(&form, "items[0][id]", a.item_id);
	stripe_int(&form, "items[0][quantity]", count);
	stripe_text(&form, "proration_behavior", "create_prorations");
	call.id = a.provider_id;
	call.form = &form;
	rc = asking_do(rq, &a, "seats", &call, &answer);
	if (!rc)
		rc = asking_seen(rq, &a, answer.said);
	if (!rc)
		rc = asking_done(rq, a.provider_id);
	return rc ? rc : answer_rows(rq, &q_org_seats_dealt);
}

/*
 * What one more costs
 */

static bool is_proration(struct json_object *line)
{
	struct json_object *of_item = json_at(line, "parent", "subscription_item_details");
	struct json_object *of_invoice = json_at(line, "parent", "invoice_item_details");

	return json_object_get_boolean(json_at(of_item, "proration", NULL)) ||
	       json_object_get_boolean(json_at(of_invoice, "proration", NULL));
}

/* What is due for the rest of the period, as the invoice that Stripe previews has it. */
static int64_t due_now(struct json_object *invoice)
{
	struct json_object *lines = json_at(invoice, "lines", NULL);
	int64_t sum = 0;

	for (size_t i = 0; i < stripe_object_count(lines); i++) {
		struct json_object *line = stripe_object_nth(lines, i);

		if (is_proration(line))
			sum += json_object_get_int64(json_at(line, "amount", NULL));
	}
	return sum > 0 ? sum : 0;
}

static enum err write_cost(struct req *rq, const char *now, const char *next, const char *interval,
			   const char *ends_at, const char *currency)
{
	struct buf *b = answer_open(rq);

	buf_char(b, '{');
	jx_key(b, "immediate_charge"), buf_text(b, now);
	jx_key(b, "next_period_charge"), buf_text(b, next);
	jx_key_str(b, "billing_interval", interval);
	jx_key_text(b, "period_end", ends_at);
	jx_key_str(b, "currency", currency);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err preview(struct req *rq)
{
	struct stripe_call call = { .method = "POST", .resource = "invoices/create_preview" };
	struct arena *m = &rq->tx.arena;
	struct opsboard_prices prices;
	struct stripe_answer answer;
	struct opsboard o;
	struct buf form;
	long long months = 1;
	enum err rc = opsboard_need(rq, &o);

	if (!rc && !o.asking.key)
		return asking_ready(rq, &o.asking);
	if (!rc)
		rc = opsboard_prices(rq, o.asking.key, &prices);
	if (!rc)
		rc = tx_finish(&rq->tx, true);
	if (!rc)
		rc = asking_ready(rq, &o.asking);
	if (rc)
		return rc;
	if (!o.asking.item_id)
		return req_fail_inside(rq, ERR_EXTERNAL, "the subscription has no item of seats");
	buf_init(&form, m, 256);
	stripe_text(&form, "subscription", o.asking.provider_id);
	stripe_text(&form, "subscription_details[items][0][id]", o.asking.item_id);
	stripe_int(&form, "subscription_details[items][0][quantity]", o.asking.quantity + 1);
	stripe_text(&form, "subscription_details[proration_behavior]", "create_prorations");
	call.key = o.asking.key;
	call.form = &form;
	call.operation = arena_fmt(m, "%s/preview/%s", o.asking.tenant, o.asking.look); /* each is another */
	rc = stripe_ask(m, &call, &answer);
	if (rc) {
		log_msg(LOG_WARNING, &rq->tx.log, "Stripe does not preview a seat's cost: %s",
			answer.reason ? answer.reason : err_info(rc)->message);
		return write_cost(rq, "0", "40", "month", NULL, "usd");
	}
	if (prices.seat && o.price && !strcmp(o.price, cfg.stripe_subscription_price_id))
		months = json_object_get_int64(json_at(prices.seat, "interval_count", NULL));
	return write_cost(rq, stripe_object_amount(m, due_now(answer.said), o.currency),
			  stripe_object_amount(m, o.amount, o.currency),
			  months > 1 ? arena_fmt(m, "%lld %ss", months, o.interval) : o.interval, o.ends_at,
			  o.currency);
}

static const enum err errors[] = { ERR_BAD_REQUEST, ERR_NOT_FOUND,           ERR_PAYMENT,
				   ERR_CONFLICT,    ERR_IDEMPOTENCY_RUNNING, ERR_OK };

/* clang-format off */
#define OF_ORG "/api/opsboard/orgs/{org_id}"

const struct route opsboard_licence_routes[] = {
	{ PUT, OF_ORG "/members/licenses",     "observability.billing.update_member_licenses", &by_org_member, "Deal the licences",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "Stripe's number of seats becomes that of those who have one, with what is left of the period on the next invoice. X-Error-Code is one of "
		   "permission_denied, no_subscription, subscription_cancelled, legacy_billing_plan, owner_license_required and stripe_api_error. 409 while "
		   "another change is on its way.",
	  .may = &billing_manage, .params = opsboard_path, .body = licences_in, .out = &licences_shape, .errors = errors, .codes = codes,
	  .sql = &q_org_seats_dealt, .run = licences, .flags = SLOW },
	{ GET, OF_ORG "/preview-member-cost",  "observability.billing.preview_member_cost",    &by_org_member, "What would one more member cost?",
	  .needs = { "payments that are configured", ERR_UNAVAILABLE },
	  .about = "As Stripe previews it; while it does not, 40 dollars a month.",
	  .may = &org_read, .params = opsboard_path, .out = &cost_shape, .errors = errors, .run = preview, .flags = SLOW | WRITES },
	ROUTE_END
};
/* clang-format on */
