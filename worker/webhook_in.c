/*
 * Process a webhook that was received: the job "webhook.in".
 *
 * PostgreSQL does it (webhook_event_process), in the transaction that completes
 * the job, and puts down in the event how it went; an event that makes no sense
 * fails there, and the job is done.  Google's notifications say so little
 * that it has to be asked first, and a checkout of nobody here is an invite to sign up, for
 * which Stripe is asked what was paid for.  Then those may fail: the job tries again
 * while it has attempts, and with the last one the event fails.
 */
#include "worker/webhook_in.h"

#include <json-c/json.h>

#include "build/sql/integrations/webhook_events.h"
#include "lib/base/email.h"
#include "lib/base/json.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "providers/google_play.h"
#include "worker/signup_invite.h"

/* A list of words from the configuration as PostgreSQL's text[]. */
static const char *array_of(struct arena *a, const char *const *words)
{
	struct buf b;

	buf_init(&b, a, 128);
	buf_char(&b, '{');
	for (; *words; words++) {
		if (b.n > 1)
			buf_char(&b, ',');
		buf_char(&b, '"');
		for (const char *p = *words; *p; p++) {
			if (*p == '"' || *p == '\\')
				buf_char(&b, '\\');
			buf_char(&b, *p);
		}
		buf_char(&b, '"');
	}
	buf_char(&b, '}');
	return buf_str(&b);
}

/* The event's id from the payload; NULL: a job that is none of ours. */
static const char *event_of(struct arena *a, const struct job *job)
{
	struct json_object *payload, *event;
	const char *problem;

	if (json_read(a, job->payload, strlen(job->payload), &payload, &problem) ||
	    !json_object_is_type(payload, json_type_object) ||
	    !json_object_object_get_ex(payload, "event", &event) ||
	    !json_object_is_type(event, json_type_string))
		return NULL;
	return json_object_get_string(event);
}

/*
 * Who was asked has not answered.  Put it down, to stay whatever becomes of the job; then the job fails, or
 * is over.
 */
static enum err asking_failed(struct tx *tx, const struct job *job, enum err why, const char *reason)
{
	bool is_last = why == ERR_NOT_FOUND || job->attempt >= job->max_attempts;
	PGresult *res;
	enum err rc;

	tx_set(tx, "error", reason);
	tx_set(tx, "is_last", is_last ? "true" : "false");
	rc = tx_call(tx, &q_webhook_event_failed, !is_last, &res);
	if (rc || is_last)
		return rc;
	return tx_fail_inside(tx, why, "%s", reason);
}

/* What was done is rolled back, and done again when Stripe has said what the invite is for. */
static enum err invite(struct tx *tx, const struct job *job)
{
	const char *reason = NULL;
	PGresult *res;
	enum err rc;

	tx_finish(tx, false);
	db_close();
	rc = signup_invite_look(tx, &reason);
	if (rc)
		return asking_failed(tx, job, rc, reason ? reason : "Stripe did not answer");
	rc = tx_call(tx, &q_webhook_event_process, false, &res);
	return rc ? rc : signup_invite_make(tx);
}

static enum err run(struct tx *tx, const struct job *job)
{
	const char *event = event_of(&tx->arena, job), *package, *token, *state, *reason;
	struct email email;
	PGresult *res;
	enum err rc;

	if (!event)
		return job_give_up(tx, "the payload names no event");
	tx_set(tx, "event", event);
	tx_set(tx, "clerk_issuer", cfg.clerk_issuer);
	tx_set(tx, "supabase_issuer", cfg.supabase_issuer);
	tx_set(tx, "plays", array_of(&tx->arena, cfg.google_play_packages));
	tx_set(tx, "play", NULL);
	tx_set(tx, "email", NULL);
	rc = tx_call(tx, &q_webhook_event_process, false, &res);
	if (!rc && signup_invite_is_wanted(tx, res))
		return invite(tx, job);
	if (!rc && column_text(res, 0, "address")) {
		email_find(&tx->arena, column_text(res, 0, "address"), &email);
		tx_set(tx, "email", email.address);
		return tx_call(tx, &q_webhook_event_process, false, &res);
	}
	if (rc || !column_text(res, 0, "package"))
		return rc;
	package = arena_dup(&tx->arena, column_text(res, 0, "package"));
	token = arena_dup(&tx->arena, column_text(res, 0, "purchase_token"));

	/* Google may take its time: no connection waits with us. */
	tx_finish(tx, false);
	db_close();
	rc = google_play_subscription(&tx->arena, package, token, &state, &reason);
	if (rc)
		return asking_failed(tx, job, rc, reason);
	tx_set(tx, "play", state);
	return tx_call(tx, &q_webhook_event_process, false, &res);
}

const struct job_kind webhook_in_job = { .name = "webhook.in", .run = run };
