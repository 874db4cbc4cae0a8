/*
 * The job "signup" of a run (providers/signup.h).
 *
 * One that a client follows: Stripe says what the invite is for, and all is made in the transaction that
 * completes the job; what went wrong in passing is tried again, and whoever was killed is followed by another
 * one, who begins anew, since nothing is half made.  One that was begun by a request which did not come to an
 * end: what Stripe has made for it is taken back.
 *
 * Every half minute "signup.sweep" finds runs that nobody goes on with.
 */
#include "worker/signup.h"

#include <json-c/json.h>

#include "build/sql/identity/signup.h"
#include "fcgi/tokens.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "providers/signup.h"
#include "providers/stripe.h"

/* The event as the outbox has it; "null" where nobody follows, or it cannot be sealed. */
static const char *sealed(struct tx *tx, const struct signup_run *run, const char *event)
{
	const char *text = run->is_followed ? signup_event_sealed(&tx->arena, run->tenant, event) : NULL;

	return text ? text : "null";
}

/* It is over, and nothing was made: what was begun is rolled back, and who follows is told why. */
static enum err fail(struct tx *tx, const struct signup_run *run, const char *why)
{
	PGresult *res;

	tx_finish(tx, false);
	tx->fail = (struct failure){ ERR_OK };
	tx_set(tx, "error", why);
	tx_set(tx, "event",
	       run->is_followed ? sealed(tx, run,
					 signup_event(&tx->arena, run->job, "FAILED", run->step, why, NULL,
						      NULL, NULL))
				: NULL);
	return tx_call(tx, &q_signup_failed, false, &res);
}

/* What Stripe has made for it is taken back. */
static enum err undo(struct tx *tx, const struct signup_run *run)
{
	struct stripe_answer answer;
	PGresult *res;
	enum err rc = ERR_OK;

	tx_set(tx, "error", "the request was not finished");
	if (!strcmp(run->state, "running"))
		rc = tx_call(tx, &q_signup_undo, false, &res);
	if (!rc)
		rc = tx_finish(tx, true);
	if (rc)
		return rc;
	db_close();
	rc = signup_take_back(&tx->arena, run, &answer);
	if (rc)
		return tx_fail_inside(tx, rc, "%s", answer.reason ? answer.reason : "Stripe did not answer");
	return fail(tx, run, "it was undone");
}

/* The events of the steps behind the first one, and the last, which has the tokens: a JSON array. */
static const char *events_of(struct tx *tx, const struct signup_run *run, const struct tokens *t,
			     const char *workspace, const char *name)
{
	struct buf b;

	buf_init(&b, &tx->arena, 8192);
	buf_char(&b, '[');
	for (const struct signup_step *s = signup_steps + 1; s->name; s++) {
		bool is_last = s->progress == 100;

		if (b.n > 1)
			buf_char(&b, ',');
		buf_text(&b, sealed(tx, run,
				    signup_event(&tx->arena, run->job, is_last ? "COMPLETED" : "RUNNING",
						 s->name, NULL, is_last ? t : NULL, workspace, name)));
	}
	buf_char(&b, ']');
	return buf_str(&b);
}

/* All is made: sign in, and tell who follows. */
static enum err tell(struct tx *tx, const struct signup_run *run)
{
	struct tokens t;
	PGresult *res;
	enum err rc;

	tx_set(tx, "signin_ttl_s", arena_fmt(&tx->arena, "%d", TOKENS_SESSION_TTL_S));
	rc = tx_call(tx, &q_signup_session, false, &res);
	if (!rc)
		rc = tokens_read(tx, res, &t);
	if (rc)
		return rc;
	tx_set(tx, "events",
	       events_of(tx, run, &t, run->organization, column_text(res, 0, "workspace_name")));
	return tx_call(tx, &q_signup_told, false, &res);
}

/* Will it never be otherwise, however often it is tried? */
static bool is_final(enum err e)
{
	return e == ERR_CONFLICT || e == ERR_GONE || e == ERR_NOT_FOUND || e == ERR_VALIDATION;
}

static enum err finish(struct tx *tx, const struct job *job, const struct signup_run *run)
{
	bool is_last = job->attempt >= job->max_attempts;
	struct stripe_answer answer;
	struct signup_asked asked;
	PGresult *res;
	enum err rc;

	tx_finish(tx, false);
	db_close();
	rc = signup_ask(&tx->arena, run, &asked, &answer);
	if (rc == ERR_NOT_FOUND)
		return fail(tx, run, "the subscription that the invite is for is not there any more");
	if (rc && is_last)
		return fail(tx, run, "the payment provider cannot be reached: try again later");
	if (rc)
		return tx_fail_inside(tx, rc, "%s", answer.reason ? answer.reason : "Stripe did not answer");
	tx_set(tx, "password_hash", NULL);
	tx_set(tx, "customer", asked.customer);
	tx_set(tx, "object", asked.object);
	tx_set(tx, "look", run->look);
	tx_set(tx, "seat_price", cfg.stripe_subscription_price_id);
	rc = tx_call(tx, &q_signup_finish, false, &res);
	if (!rc)
		rc = tell(tx, run);
	if (is_final(rc))
		return fail(tx, run, tx->fail.message ? tx->fail.message : "it could not be made");
	if (rc && is_last)
		return fail(tx, run, "it could not be made: try again later");
	return rc;
}

static enum err run_signup(struct tx *tx, const struct job *job)
{
	struct json_object *payload;
	const char *id, *problem;
	struct signup_run run;
	PGresult *res;
	enum err rc;

	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !(id = json_text(json_at(payload, "run", NULL), 36)))
		return job_give_up(tx, "the payload names no run");
	tx_set(tx, "run", id);
	rc = tx_call(tx, &q_signup_facts, false, &res);
	if (rc || !PQntuples(res))
		return rc;
	signup_run_read(&tx->arena, res, &run);
	if (!strcmp(run.state, "undoing") ||
	    (!strcmp(run.state, "running") && !run.is_followed && run.is_due))
		return undo(tx, &run);
	return !strcmp(run.state, "running") && run.is_followed ? finish(tx, job, &run) : ERR_OK;
}

static enum err sweep(struct tx *tx, const struct job *job)
{
	PGresult *res;

	(void)job;
	return tx_call(tx, &q_signup_sweep, false, &res);
}

const struct job_kind signup_job = { .name = "signup", .run = run_signup };
const struct job_kind signup_sweep_job = { .name = "signup.sweep", .run = sweep };
