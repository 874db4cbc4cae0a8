#include "handlers/billing/asking.h"

#include <json-c/json.h>
#include <string.h>

#include "build/sql/billing/looks.h"
#include "build/sql/billing/subscriptions.h"
#include "fcgi/req.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"
#include "providers/stripe_object.h"

/* clang-format off */
const struct field asking_pages[] = {
	{ "success_url", F_TEXT, F_REQUIRED, .min = 1, .max = 2048, .about = "the page to which the customer is sent who has paid, of an origin that is allowed (of a public key, or in CORS_ORIGINS); {CHECKOUT_SESSION_ID} in it becomes that", .example = "https://app.example.com/paid" },
	{ "cancel_url",  F_TEXT, F_REQUIRED, .min = 1, .max = 2048, .about = "and who has not", .example = "https://app.example.com/pricing" },
	FIELD_END
};
/* clang-format on */

/*
 * Where customers go back to
 */

/* Scheme, host and port of an address, as an Origin header has them. */
static const char *origin_of(struct req *rq, const char *url)
{
	const char *host = strstr(url, "://") + 3;
	size_t n = (size_t)(host - url) + strcspn(host, "/?#");

	return arena_dup_n(&rq->tx.arena, url, n);
}

/* A page's address; where Stripe writes the session's id, a brace is no mistake. */
static enum err check_address(struct req *rq, const char *field, const char **origin)
{
	static const char place[] = "{CHECKOUT_SESSION_ID}";
	const struct field url = { field, F_URL, F_PAGE, .max = 2048 };
	const char *text = req_text(rq, field), *at;
	struct value value;
	struct failure why = { ERR_OK };

	while ((at = strstr(text, place)))
		text = arena_fmt(&rq->tx.arena, "%.*s%s", (int)(at - text), text, at + strlen(place));
	if (field_from_text(&rq->tx.arena, &url, text, &value, &why))
		return req_fail_field(rq, ERR_VALIDATION, field, "%s is no address of a page: %s", field,
				      why.message);
	*origin = origin_of(rq, text);
	return ERR_OK;
}

static bool is_ours(struct req *rq, const char *origin)
{
	for (const char *const *o = cfg.cors_origins; o && *o; o++)
		if (!strcmp(*o, "*") || !strcmp(*o, origin))
			return true;
	return !strcmp(origin, origin_of(rq, cfg.public_url));
}

static enum err check_page(struct req *rq, const char *field, const char *origin, bool is_key_s)
{
	if (!origin || is_key_s || is_ours(rq, origin))
		return ERR_OK;
	return req_fail_field(
		rq, ERR_VALIDATION, field,
		"%s leads to an origin that is not allowed: it is of no public key, and not in CORS_ORIGINS",
		field);
}

enum err asking_check_pages(struct req *rq, const char *first, const char *second)
{
	const char *a, *b = NULL;
	struct buf request;
	PGresult *res;
	enum err rc = check_address(rq, first, &a);

	if (!rc && second)
		rc = check_address(rq, second, &b);
	if (rc)
		return rc;
	req_set(rq, "first", a);
	req_set(rq, "second", b);
	rc = tx_call(&rq->tx, &q_billing_origins, false, &res);
	if (!rc)
		rc = check_page(rq, first, a, column_bool(res, 0, "first"));
	if (!rc)
		rc = check_page(rq, second, b, column_bool(res, 0, "second"));
	if (rc)
		return rc;
	/* They are part of what is asked for: another page is another operation. */
	buf_init(&request, &rq->tx.arena, 512);
	buf_char(&request, '{');
	jx_key_str(&request, first, req_text(rq, first));
	if (second)
		jx_key_str(&request, second, req_text(rq, second));
	buf_char(&request, '}');
	req_set(rq, "request", buf_str(&request));
	return ERR_OK;
}

/*
 * The steps
 */

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	const char *text = column_text(res, 0, column);

	return text ? arena_dup(&rq->tx.arena, text) : NULL;
}

/* Whose account is asked: the tenant's own, or the installation's. */
static const char *key_of(struct req *rq, const PGresult *res)
{
	return stripe_billing_key(&rq->tx.arena, column_text(res, 0, "tenant"),
				  column_text(res, 0, "key_sealed"), column_bool(res, 0, "is_test"));
}

enum err asking_begin(struct req *rq, const char *kind, const struct query *q, struct asking *out)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "kind", kind);
	rc = tx_call(&rq->tx, q, false, &res);
	if (rc)
		return rc;
	*out = (struct asking){
		.tenant = kept(rq, res, "tenant"),
		.operation = kept(rq, res, "operation"),
		.look = kept(rq, res, "look"),
		.key = key_of(rq, res),
		.organization = kept(rq, res, "organization"),
		.actor = kept(rq, res, "actor"),
		.customer = kept(rq, res, "customer"),
		.email = kept(rq, res, "email"),
		.name = kept(rq, res, "name"),
		.subscription = kept(rq, res, "subscription"),
		.provider_id = kept(rq, res, "provider_id"),
		.item_id = kept(rq, res, "item_id"),
		.schedule_id = kept(rq, res, "schedule_id"),
		.step = kept(rq, res, "step"),
		.price = kept(rq, res, "price"),
		.plan_name = kept(rq, res, "plan_name"),
		.price_shown = kept(rq, res, "price_shown"),
		.tier = kept(rq, res, "tier"),
		.cycle = kept(rq, res, "new_cycle"),
		.interval = kept(rq, res, "interval"),
		.waiting = kept(rq, res, "waiting"),
		.quantity = column_int(res, 0, "quantity"),
		.period_end = column_int(res, 0, "period_end"),
		.will_cancel = column_bool(res, 0, "will_cancel"),
		.trial_days = column_int(res, 0, "trial_days"),
		.seats = column_int(res, 0, "seats"),
	};
	req_set(rq, "operation", out->operation);
	req_set(rq, "organization", out->organization);
	req_set(rq, "shown", out->subscription);
	req_set(rq, "customer", NULL);
	return tx_finish(&rq->tx, true);
}

enum err asking_unconfigured(struct req *rq, const char *what)
{
	req_set_header(rq, "Retry-After", "3600"); /* until an operator has set it up */
	return req_fail(rq, ERR_UNAVAILABLE, "%s", what);
}

enum err asking_unpriced(struct req *rq, const struct asking *a)
{
	return asking_unconfigured(
		rq, arena_fmt(&rq->tx.arena, "the plan %s has no price at the payment provider: enter its id",
			      a->plan_name));
}

static enum err ready(struct req *rq, const char *key)
{
	if (!key)
		return asking_unconfigured(rq, "payments (STRIPE_SECRET_KEY) are not configured");
	db_close();
	return ERR_OK;
}

enum err asking_ready(struct req *rq, const struct asking *a)
{
	return ready(rq, a->key);
}

/* The operation is over, and nothing was done. */
static enum err give_up(struct req *rq, const char *why)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "state", "failed");
	req_set(rq, "made", NULL);
	req_set(rq, "error", why);
	rc = tx_call(&rq->tx, &q_billing_done, false, &res);
	return rc ? rc : tx_finish(&rq->tx, true);
}

static enum err declined(struct req *rq, const struct asking *a, const struct stripe_answer *answer)
{
	const char *why = answer->decline_code ? answer->decline_code
			  : answer->code       ? answer->code
					       : "declined";
	struct buf details;
	enum err rc = a && a->operation ? give_up(rq, why) : ERR_OK;

	if (rc)
		return rc;
	buf_init(&details, &rq->tx.arena, 64);
	buf_text(&details, "\"reason\":");
	jx_str(&details, why);
	req_fail(rq, ERR_PAYMENT, "%s", answer->message ? answer->message : "the payment was declined");
	rq->tx.fail.details = buf_str(&details);
	return ERR_PAYMENT;
}

/* What the provider did not do, or perhaps did; a NULL: of no operation. */
static enum err refused(struct req *rq, const struct asking *a, enum err rc,
			const struct stripe_answer *answer)
{
	const char *why = answer->reason ? answer->reason : "no reason is known";
	bool is_price = answer->param && strstr(answer->param, "price");
	enum err end;

	switch (rc) {
	case ERR_PAYMENT: return declined(rq, a, answer);
	case ERR_IDEMPOTENCY_RUNNING: return req_fail(rq, rc, "this is being done right now");
	case ERR_UNAVAILABLE:
	case ERR_EXTERNAL: return req_fail_inside(rq, rc, "%s", why);
	default: break;
	}
	end = a && a->operation ? give_up(rq, why) : ERR_OK;
	if (end)
		return end;
	if (is_price) {
		asking_unconfigured(
			rq,
			"the plan's price is none of the payment provider's: enter the id that it has there");
		rq->tx.fail.reason = why;
		return ERR_UNAVAILABLE;
	}
	if (answer->code && !strcmp(answer->code, "tax_id_invalid"))
		return req_fail_field(rq, ERR_VALIDATION, "tax_id", "this is no tax id of that type");
	if (rc == ERR_CONFLICT)
		return req_fail(rq, rc, "the payment provider is changing this right now");
	return req_fail_inside(rq, ERR_EXTERNAL, "%s", why);
}

static enum err ask(struct req *rq, const struct asking *a, const char *step, struct stripe_call *call,
		    struct stripe_answer *answer)
{
	call->key = a->key;
	if (!strcmp(call->method, "POST"))
		call->operation = arena_fmt(&rq->tx.arena, "%s/%s/%s", a->tenant, a->operation, step);
	return stripe_ask(&rq->tx.arena, call, answer);
}

enum err asking_do(struct req *rq, const struct asking *a, const char *step, struct stripe_call *call,
		   struct stripe_answer *answer)
{
	enum err rc = ask(rq, a, step, call, answer);

	return rc ? refused(rq, a, rc, answer) : ERR_OK;
}

void asking_owner(struct req *rq, struct buf *form, const char *under, const struct asking *a)
{
	struct arena *m = &rq->tx.arena;

	stripe_text(form, arena_fmt(m, "%s[tenant_id]", under), a->tenant);
	stripe_text(form, arena_fmt(m, "%s[organization_id]", under), a->organization);
	if (a->is_of_org)
		stripe_text(form, arena_fmt(m, "%s[org_id]", under), a->organization);
	stripe_text(form, arena_fmt(m, "%s[user_id]", under), a->actor);
}

enum err asking_customer(struct req *rq, struct asking *a)
{
	struct stripe_call call = { .method = "POST", .resource = "customers" };
	const char *owner = a->organization ? a->organization : a->actor;
	struct stripe_answer answer;
	struct buf form;
	enum err rc;

	if (a->customer)
		return ERR_OK;
	buf_init(&form, &rq->tx.arena, 512);
	stripe_text(&form, "email", a->email);
	stripe_text(&form, "name", a->name);
	asking_owner(rq, &form, "metadata", a);
	call.form = &form;
	call.key = a->key;
	/* Of two checkouts at once both name the same customer. */
	call.operation = arena_fmt(&rq->tx.arena, "%s/%s/customer", a->tenant, owner);
	rc = stripe_ask(&rq->tx.arena, &call, &answer);
	if (rc == ERR_IDEMPOTENCY_MISMATCH) { /* another name or address than an hour ago */
		call.operation = arena_fmt(&rq->tx.arena, "%s/%s/customer", a->tenant, a->operation);
		rc = stripe_ask(&rq->tx.arena, &call, &answer);
	}
	if (rc)
		return refused(rq, a, rc, &answer);
	a->customer = stripe_object_id(answer.said);
	req_set(rq, "customer", a->customer);
	return ERR_OK;
}

/* A page that was opened before, and not paid, is closed: or both could be. */
static void close_pages(struct req *rq, const struct asking *a)
{
	struct stripe_call list = { .method = "GET", .resource = "checkout/sessions" };
	struct stripe_answer answer, ended;
	struct buf form;

	buf_init(&form, &rq->tx.arena, 128);
	stripe_text(&form, "customer", a->customer);
	stripe_text(&form, "status", "open");
	list.form = &form;
	if (ask(rq, a, "open", &list, &answer))
		return;
	for (size_t i = 0; i < stripe_object_count(answer.said); i++) {
		const char *id = stripe_object_id(stripe_object_nth(answer.said, i));
		struct stripe_call end = {
			.method = "POST", .resource = "checkout/sessions", .id = id, .action = "expire"
		};

		ask(rq, a, arena_fmt(&rq->tx.arena, "expire %s", id), &end, &ended);
	}
}

enum err asking_checkout(struct req *rq, struct asking *a, const char *price, const char *cycle,
			 struct stripe_answer *answer)
{
	struct stripe_call call = { .method = "POST", .resource = "checkout/sessions" };
	static const char *const places[] = { "metadata", "subscription_data[metadata]" };
	bool is_known = a->customer;
	struct buf form;
	enum err rc = asking_ready(rq, a);

	if (!rc)
		rc = asking_customer(rq, a);
	if (rc)
		return rc;
	if (is_known)
		close_pages(rq, a);
	buf_init(&form, &rq->tx.arena, 2048);
	stripe_text(&form, "mode", "subscription");
	stripe_text(&form, "customer", a->customer);
	stripe_text(&form, "client_reference_id", a->organization ? a->organization : a->actor);
	stripe_text(&form, "success_url", req_text(rq, "success_url"));
	stripe_text(&form, "cancel_url", req_text(rq, "cancel_url"));
	stripe_text(&form, "line_items[0][price]", price);
	stripe_int(&form, "line_items[0][quantity]", a->seats > 0 ? a->seats : 1);
	if (a->trial_days > 0)
		stripe_int(&form, "subscription_data[trial_period_days]", a->trial_days);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		asking_owner(rq, &form, places[i], a);
		stripe_text(&form, arena_fmt(&rq->tx.arena, "%s[tier]", places[i]), a->tier);
		stripe_text(&form, arena_fmt(&rq->tx.arena, "%s[cycle]", places[i]), cycle);
		stripe_text(&form, arena_fmt(&rq->tx.arena, "%s[subscription_id]", places[i]), a->waiting);
	}
	call.form = &form;
	rc = asking_do(rq, a, "session", &call, answer);
	return rc ? rc : asking_done(rq, stripe_object_id(answer->said));
}

enum err asking_done(struct req *rq, const char *made)
{
	PGresult *res;

	req_set(rq, "state", "done");
	req_set(rq, "made", made);
	req_set(rq, "error", NULL);
	return tx_call(&rq->tx, &q_billing_done, false, &res);
}

static enum err see(struct req *rq, const char *look, const char *object, bool *is_applied)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "object", object);
	req_set(rq, "look", look);
	req_set(rq, "seat_price", cfg.stripe_subscription_price_id);
	rc = tx_call(&rq->tx, &q_billing_seen, false, &res);
	if (!rc)
		*is_applied = column_bool(res, 0, "is_applied");
	return rc;
}

enum err asking_read(struct req *rq, const struct asking *a)
{
	const char *object, *look;
	struct stripe_answer answer;
	bool is_applied;
	PGresult *res;
	enum err rc = tx_call(&rq->tx, &q_billing_look_begin, false, &res);

	if (rc)
		return rc;
	look = kept(rq, res, "look");
	rc = tx_finish(&rq->tx, true);
	if (rc)
		return rc;
	db_close();
	rc = stripe_billing_read(&rq->tx.arena, a->key, "subscription", a->provider_id, &object, &answer);
	if (rc)
		return refused(rq, NULL, rc, &answer);
	return see(rq, look, object, &is_applied);
}

enum err asking_note(struct req *rq, const struct asking *a, struct json_object *said)
{
	const char *object = stripe_billing_subscription(&rq->tx.arena, said);
	bool is_applied;

	if (!object)
		return req_fail_inside(rq, ERR_EXTERNAL, "Stripe's answer is no subscription");
	return see(rq, a->look, object, &is_applied);
}

enum err asking_seen(struct req *rq, const struct asking *a, struct json_object *said)
{
	const char *object = stripe_billing_subscription(&rq->tx.arena, said);
	bool is_applied = false;
	enum err rc;

	if (!object)
		return req_fail_inside(rq, ERR_EXTERNAL, "Stripe's answer is no subscription");
	rc = see(rq, a->look, object, &is_applied);
	/* Somebody has read since the operation began, perhaps before it was done. */
	return rc || is_applied ? rc : asking_read(rq, a);
}

/*
 * What is done about the current subscription
 */

/* What is only ours. */
static enum err change_here(struct req *rq, const char *kind, bool at_period_end, const char *plan,
			    const char *cycle)
{
	PGresult *res;
	enum err rc;

	req_set(rq, "kind", kind);
	req_set(rq, "at_period_end", at_period_end ? "true" : "false");
	req_set(rq, "plan", plan);
	req_set(rq, "cycle", cycle);
	rc = tx_call(&rq->tx, &q_subscription_change_here, false, &res);
	return rc ? rc : asking_done(rq, NULL);
}

/* What will be from the period's end on; plan NULL: nothing else. */
static enum err set_next(struct req *rq, const char *plan, const char *cycle, const char *schedule)
{
	PGresult *res;

	req_set(rq, "next_plan", plan);
	req_set(rq, "next_cycle", cycle);
	req_set(rq, "schedule", schedule);
	return tx_call(&rq->tx, &q_subscription_next, false, &res);
}

enum err asking_release(struct req *rq, struct asking *a)
{
	struct stripe_call call = { .method = "POST",
				    .resource = "subscription_schedules",
				    .id = a->schedule_id,
				    .action = "release" };
	struct stripe_answer answer;
	enum err rc = a->schedule_id ? asking_do(rq, a, "release", &call, &answer) : ERR_OK;

	if (!rc)
		a->schedule_id = NULL;
	return rc;
}

/* Let the subscription end with its period, or go on. */
static enum err set_ending(struct req *rq, const struct asking *a, bool ends, struct stripe_answer *answer)
{
	struct stripe_call call = { .method = "POST", .resource = "subscriptions", .id = a->provider_id };
	struct buf form;

	buf_init(&form, &rq->tx.arena, 64);
	stripe_bool(&form, "cancel_at_period_end", ends);
	call.form = &form;
	return asking_do(rq, a, ends ? "end" : "go on", &call, answer);
}

enum err asking_cancel(struct req *rq, struct asking *a, bool at_period_end)
{
	struct stripe_call end = { .method = "DELETE", .resource = "subscriptions", .id = a->provider_id };
	struct stripe_answer answer;
	enum err rc;

	if (!a->provider_id)
		return change_here(rq, "cancel", at_period_end, NULL, NULL);
	rc = asking_ready(rq, a);
	if (!rc)
		rc = asking_release(rq, a);
	if (rc)
		return rc;
	if (at_period_end)
		rc = set_ending(rq, a, true, &answer);
	else
		rc = ask(rq, a, "", &end, &answer);
	if (at_period_end && rc)
		return rc;
	/* One that is not there any more has ended, by an earlier try. */
	if (rc && rc != ERR_NOT_FOUND)
		return refused(rq, a, rc, &answer);
	if (!rc)
		rc = asking_seen(rq, a, answer.said);
	else
		rc = asking_read(rq, a);
	if (!rc)
		rc = set_next(rq, NULL, NULL, NULL);
	return rc ? rc : asking_done(rq, a->provider_id);
}

enum err asking_resume(struct req *rq, struct asking *a)
{
	struct stripe_answer answer;
	enum err rc;

	if (!a->provider_id)
		return change_here(rq, "resume", false, NULL, NULL);
	rc = asking_ready(rq, a);
	if (!rc)
		rc = set_ending(rq, a, false, &answer);
	if (!rc)
		rc = asking_seen(rq, a, answer.said);
	return rc ? rc : asking_done(rq, a->provider_id);
}

/* More, at once: what is left of the period is charged with the new price, or nothing changes. */
static enum err upgrade(struct req *rq, struct asking *a)
{
	struct stripe_call call = { .method = "POST", .resource = "subscriptions", .id = a->provider_id };
	struct stripe_answer answer;
	struct buf form;
	enum err rc = asking_release(rq, a);

	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 256);
	stripe_text(&form, "items[0][id]", a->item_id);
	stripe_text(&form, "items[0][price]", a->price);
	stripe_text(&form, "proration_behavior", "always_invoice");
	stripe_text(&form, "payment_behavior", "error_if_incomplete");
	if (a->will_cancel)
		stripe_bool(&form, "cancel_at_period_end", false);
	call.form = &form;
	rc = asking_do(rq, a, "upgrade", &call, &answer);
	if (!rc)
		rc = asking_seen(rq, a, answer.said);
	return rc ? rc : set_next(rq, NULL, NULL, NULL);
}

/* When the schedule's first phase began, which its update has to repeat. */
static long long phase_start(struct json_object *schedule)
{
	struct json_object *phases = json_object_object_get(schedule, "phases"), *start;

	if (!json_object_is_type(phases, json_type_array) || !json_object_array_length(phases))
		return 0;
	start = json_object_object_get(json_object_array_get_idx(phases, 0), "start_date");
	return json_object_get_int64(start);
}

/* What the subscription is now, for the schedule's first phase. */
static enum err price_now(struct req *rq, const struct asking *a, struct stripe_subscription *out)
{
	struct stripe_call call = { .method = "GET", .resource = "subscriptions", .id = a->provider_id };
	struct stripe_answer answer;
	enum err rc = asking_do(rq, a, "", &call, &answer);

	if (rc)
		return rc;
	if (!stripe_object_subscription(answer.said, out))
		return req_fail_inside(rq, ERR_EXTERNAL, "Stripe's answer is no subscription");
	return ERR_OK;
}

/* Less, from the next period on: a schedule at the provider has both. */
static enum err downgrade(struct req *rq, struct asking *a, const char *plan, const char *cycle)
{
	struct stripe_call make = { .method = "POST", .resource = "subscription_schedules" };
	struct stripe_call set = { .method = "POST", .resource = "subscription_schedules" };
	struct stripe_call get = { .method = "GET", .resource = "subscription_schedules" };
	struct stripe_subscription now;
	struct stripe_answer answer;
	struct buf form;
	enum err rc = ERR_OK;

	if (a->will_cancel)
		rc = set_ending(rq, a, false, &answer);
	if (!rc)
		rc = price_now(rq, a, &now);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 512);
	if (now.schedule) {
		get.id = now.schedule;
		rc = asking_do(rq, a, "", &get, &answer);
	} else {
		stripe_text(&form, "from_subscription", a->provider_id);
		make.form = &form;
		rc = asking_do(rq, a, "schedule", &make, &answer);
	}
	if (rc)
		return rc;
	set.id = stripe_object_id(answer.said);
	buf_init(&form, &rq->tx.arena, 512);
	stripe_text(&form, "end_behavior", "release");
	stripe_int(&form, "phases[0][start_date]", phase_start(answer.said));
	stripe_int(&form, "phases[0][end_date]", now.period_end);
	stripe_text(&form, "phases[0][items][0][price]", now.price);
	stripe_int(&form, "phases[0][items][0][quantity]", now.quantity);
	stripe_text(&form, "phases[1][items][0][price]", a->price);
	stripe_int(&form, "phases[1][items][0][quantity]", now.quantity);
	stripe_text(&form, "phases[1][duration][interval]", cycle);
	stripe_int(&form, "phases[1][duration][interval_count]", 1);
	stripe_text(&form, "phases[1][proration_behavior]", "none");
	set.form = &form;
	rc = asking_do(rq, a, "phases", &set, &answer);
	/* Read after that: whoever has read before it knows nothing of the schedule. */
	if (!rc)
		rc = asking_read(rq, a);
	return rc ? rc : set_next(rq, plan, cycle, set.id);
}

/* To what costs nothing: it ends with its period, and that begins. */
static enum err end_for(struct req *rq, struct asking *a, const char *plan, const char *cycle)
{
	struct stripe_answer answer;
	enum err rc = asking_release(rq, a);

	if (!rc)
		rc = set_ending(rq, a, true, &answer);
	if (!rc)
		rc = asking_read(rq, a);
	return rc ? rc : set_next(rq, plan, cycle, NULL);
}

/* The plan that it has: what was to follow does not. */
static enum err stay(struct req *rq, struct asking *a)
{
	struct stripe_answer answer;
	enum err rc = asking_release(rq, a);

	if (!rc && a->will_cancel)
		rc = set_ending(rq, a, false, &answer);
	if (!rc)
		rc = asking_read(rq, a);
	return rc ? rc : set_next(rq, NULL, NULL, NULL);
}

enum err asking_change(struct req *rq, struct asking *a, const char *plan)
{
	const char *cycle = a->cycle;
	enum err rc;

	if (!strcmp(a->step, "same"))
		return asking_done(rq, NULL);
	if (!strcmp(a->step, "here"))
		return change_here(rq, "change", false, plan, cycle);
	if (!strcmp(a->step, "unpaid")) {
		struct stripe_answer none = { .code = "checkout_required",
					      .message = "this plan has to be paid for: open a checkout" };

		return declined(rq, a, &none);
	}
	rc = asking_ready(rq, a);
	if (rc)
		return rc;
	if (strcmp(a->step, "end") && strcmp(a->step, "stay") && !a->price)
		return asking_unpriced(rq, a);
	if (!strcmp(a->step, "upgrade"))
		rc = upgrade(rq, a);
	else if (!strcmp(a->step, "downgrade"))
		rc = downgrade(rq, a, plan, cycle);
	else if (!strcmp(a->step, "end"))
		rc = end_for(rq, a, plan, cycle);
	else
		rc = stay(rq, a);
	return rc ? rc : asking_done(rq, a->provider_id);
}

/*
 * Invoices
 */

/* Each in our words, as an array. */
static const char *in_our_words(struct req *rq, struct json_object *list)
{
	struct buf b;

	buf_init(&b, &rq->tx.arena, 4096);
	buf_char(&b, '[');
	for (size_t i = 0; i < stripe_object_count(list); i++) {
		const char *one = stripe_billing_invoice(&rq->tx.arena, stripe_object_nth(list, i));

		if (one)
			jx_next(&b), jx_json(&b, one, strlen(one));
	}
	buf_char(&b, ']');
	return buf_str(&b);
}

enum err asking_invoices(struct req *rq, const struct query *customer, long long limit,
			 struct json_object **list)
{
	struct stripe_call call = { .method = "GET", .resource = "invoices" };
	struct stripe_answer answer;
	const char *who;
	PGresult *res;
	struct buf form;
	enum err rc = tx_call(&rq->tx, customer, false, &res);

	*list = NULL;
	if (rc)
		return rc;
	who = kept(rq, res, "customer");
	if (!who)
		return ERR_OK;
	call.key = key_of(rq, res);
	req_set(rq, "look", kept(rq, res, "look"));
	rc = tx_finish(&rq->tx, true);
	if (!rc)
		rc = ready(rq, call.key);
	if (rc)
		return rc;
	buf_init(&form, &rq->tx.arena, 128);
	stripe_text(&form, "customer", who);
	stripe_int(&form, "limit", limit);
	call.form = &form;
	rc = stripe_ask(&rq->tx.arena, &call, &answer);
	if (rc)
		return refused(rq, NULL, rc, &answer);
	*list = answer.said;
	req_set(rq, "objects", in_our_words(rq, answer.said));
	return tx_call(&rq->tx, &q_invoices_keep, false, &res);
}
