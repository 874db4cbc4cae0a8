/*
 * Look at an object of a provider of payments: the job "billing.look", with its kind
 * and id.
 *
 * The number of the read is taken before it begins, and what was read is applied in the
 * transaction that completes the job, unless something newer was (sql/functions/billing).
 * Where the provider fails the job tries again; where it knows of no such object, or
 * there is no key to ask it with, there is nothing to do.
 *
 * Once a day "billing.reconcile" has all subscriptions looked at that go on: events can be
 * lost.  In what one differed then is told in the log and the audit log.
 *
 * Once an hour "billing.remind" does what is due about payments and trials (sql/functions/billing/steps.sql).
 */
#include "worker/billing.h"

#include <json-c/json.h>

#include "build/sql/billing/looks.h"
#include "build/sql/billing/steps.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/stripe.h"
#include "providers/stripe_billing.h"

static const char *word(struct json_object *payload, const char *name)
{
	return json_text(json_at(payload, name, NULL), 255);
}

static enum err run(struct tx *tx, const struct job *job)
{
	const char *kind, *id, *key, *object, *problem;
	struct stripe_answer answer;
	struct json_object *payload;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(kind = word(payload, "kind")) || !(id = word(payload, "id")))
		return job_give_up(tx, "the payload names no object");
	rc = tx_call(tx, &q_billing_look_begin, false, &res);
	if (rc)
		return rc;
	key = stripe_billing_key(&tx->arena, column_text(res, 0, "tenant"), column_text(res, 0, "key_sealed"),
				 column_bool(res, 0, "is_test"));
	if (!key)
		return ERR_OK;
	tx_set(tx, "look", arena_dup(&tx->arena, column_text(res, 0, "look")));
	tx_set(tx, "provider", "stripe");
	tx_set(tx, "kind", kind);
	tx_set(tx, "seat_price", cfg.stripe_subscription_price_id);

	/* It may take its time: no connection waits with us. */
	tx_finish(tx, false);
	db_close();
	rc = stripe_billing_read(&tx->arena, key, kind, id, &object, &answer);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (rc)
		return tx_fail_inside(tx, rc, "%s", answer.reason ? answer.reason : "it is no such object");
	tx_set(tx, "object", object);
	if (!json_at(payload, "compare", NULL))
		return tx_call(tx, &q_billing_looked, false, &res);
	rc = tx_call(tx, &q_billing_compared, false, &res);
	if (!rc && column_text(res, 0, "drift"))
		log_msg(LOG_WARNING, &tx->log, "subscription %s was not as Stripe has it: %s", id,
			column_text(res, 0, "drift"));
	return rc;
}

/*
 * Have a subscription end with its period, because its price is not sold any more: the job "billing.retire".
 * Stripe tells of it as of every change.
 */
static enum err retire(struct tx *tx, const struct job *job)
{
	struct stripe_call call = { .method = "POST", .resource = "subscriptions" };
	struct stripe_answer answer;
	struct json_object *payload;
	const char *problem;
	struct buf form;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(call.id = word(payload, "id")))
		return job_give_up(tx, "the payload names no subscription");
	rc = tx_call(tx, &q_billing_look_begin, false, &res);
	if (rc)
		return rc;
	call.key = stripe_billing_key(&tx->arena, column_text(res, 0, "tenant"),
				      column_text(res, 0, "key_sealed"), column_bool(res, 0, "is_test"));
	if (!call.key)
		return ERR_OK;
	tx_finish(tx, false);
	db_close();
	buf_init(&form, &tx->arena, 128);
	stripe_bool(&form, "cancel_at_period_end", true);
	stripe_text(&form, "metadata[cancellation_reason]", "billing_model_change");
	call.form = &form;
	call.operation = arena_fmt(&tx->arena, "%s/%s/retire", job->tenant_id, job->id);
	rc = stripe_ask(&tx->arena, &call, &answer);
	if (!rc || rc == ERR_NOT_FOUND)
		return ERR_OK;
	return tx_fail_inside(tx, rc, "%s", answer.reason ? answer.reason : "no reason is known");
}

static enum err reconcile(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	return tx_call(tx, &q_billing_sweep, false, &res);
}

/*
 * What is to be done of itself: the job "billing.do".  The operation is committed before the provider is
 * asked, so that whoever repeats the job does it once.
 */
static enum err do_of_itself(struct tx *tx, const struct job *job)
{
	struct stripe_call call = { .resource = "subscriptions" };
	const char *kind, *id, *problem, *operation, *tenant, *object = NULL;
	struct stripe_answer answer;
	struct json_object *payload;
	PGresult *res;
	struct buf form;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(kind = word(payload, "kind")) || !(id = word(payload, "subscription")))
		return job_give_up(tx, "the payload names no subscription");
	tx_set(tx, "subscription", id);
	tx_set(tx, "kind", kind);
	tx_set(tx, "job", job->id);
	rc = tx_call(tx, &q_billing_do_begin, false, &res);
	if (rc)
		return rc;
	if (column_bool(res, 0, "is_busy"))
		return job_retry_after(tx, 15, "the last change is being made");
	tenant = column_text(res, 0, "tenant");
	operation = column_text(res, 0, "operation");
	call.key = operation ? stripe_billing_key(&tx->arena, tenant, column_text(res, 0, "key_sealed"),
						  column_bool(res, 0, "is_test"))
			     : NULL;
	if (!call.key)
		return ERR_OK;
	operation = arena_dup(&tx->arena, operation);
	call.operation = arena_fmt(&tx->arena, "%s/%s/%s", tenant, operation, kind);
	call.id = arena_dup(&tx->arena, column_text(res, 0, "provider_id"));
	call.method = strcmp(kind, "end") ? "POST" : "DELETE";
	buf_init(&form, &tx->arena, 256);
	if (strcmp(kind, "end")) {
		stripe_text(&form, "items[0][id]", column_text(res, 0, "item_id"));
		stripe_int(&form, "items[0][quantity]", column_int(res, 0, "quantity"));
		stripe_text(&form, "proration_behavior", "create_prorations");
		call.form = &form;
	}
	tx_set(tx, "operation", operation);
	tx_set(tx, "look", arena_dup(&tx->arena, column_text(res, 0, "look")));
	rc = tx_finish(tx, true);
	if (rc)
		return rc;
	db_close();

	rc = stripe_ask(&tx->arena, &call, &answer);
	if (!rc)
		object = stripe_billing_subscription(&tx->arena, answer.said);
	else if (rc == ERR_NOT_FOUND) /* it has ended, perhaps by an earlier try */
		rc = stripe_billing_read(&tx->arena, call.key, "subscription", call.id, &object, &answer);
	if (rc == ERR_PAYMENT || rc == ERR_VALIDATION || rc == ERR_NOT_FOUND || rc == ERR_CONFLICT) {
		tx_set(tx, "error", answer.reason);
		return tx_call(tx, &q_billing_do_failed, false, &res);
	}
	if (rc || !object)
		return tx_fail_inside(tx, rc ? rc : ERR_EXTERNAL, "%s",
				      answer.reason ? answer.reason : "it is no subscription");
	tx_set(tx, "object", object);
	return tx_call(tx, &q_billing_do_end, false, &res);
}

static enum err remind(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	return tx_call(tx, &q_billing_remind, false, &res);
}

const struct job_kind billing_do_job = { .name = "billing.do", .run = do_of_itself };
const struct job_kind billing_remind_job = { .name = "billing.remind", .run = remind };
const struct job_kind billing_reconcile_job = { .name = "billing.reconcile", .run = reconcile };
const struct job_kind billing_retire_job = { .name = "billing.retire", .run = retire };
const struct job_kind billing_look_job = { .name = "billing.look", .run = run };
