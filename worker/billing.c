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
 */
#include "worker/billing.h"

#include <json-c/json.h>

#include "build/sql/billing/looks.h"
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

static enum err reconcile(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	return tx_call(tx, &q_billing_sweep, false, &res);
}

const struct job_kind billing_reconcile_job = { .name = "billing.reconcile", .run = reconcile };
const struct job_kind billing_look_job = { .name = "billing.look", .run = run };
