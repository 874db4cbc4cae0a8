/*
 * Webhooks that were received, as administrators see them, and the team of their tenant.
 */
#include "build/sql/integrations/webhook_events.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "lib/db/column.h"
#include "providers/webhook_event.h"

/* clang-format off */
static const char *const providers[] = { "stripe", "clerk", "supabase", "apple", "google", NULL };
static const char *const states[] = { "received", "processed", "ignored", "failed", NULL };

static const struct field list_in[] = {
	{ "provider", F_ENUM,     0, .values = providers },
	{ "type",     F_TEXT,     0, .min = 1, .max = 255, .example = "customer.subscription.updated" },
	{ "state",    F_ENUM,     0, .values = states },
	{ "from",     F_DATETIME, 0, .about = "received at this time or later" },
	{ "to",       F_DATETIME, 0, .about = "received before this time" },
	FIELD_END
};

static const struct field event[] = {
	{ "id",           F_UUID,     OUT },
	{ "provider",     F_ENUM,     OUT, .values = providers },
	{ "event_id",     F_TEXT,     OUT, .about = "the provider's; of Supabase's, which have none, the SHA-256 of the body", .example = "evt_1NG8Du2eZvKYlo2C" },
	{ "type",         F_TEXT,     OUT, .example = "customer.subscription.updated" },
	{ "object_key",   F_TEXT,     OUT | F_NULL, .about = "what it is about: a user, a subscription", .example = "sub_1NG8Du2eZvKYlo2C" },
	{ "state",        F_ENUM,     OUT, .values = states, .about = "received: a job is going to process it" },
	{ "attempts",     F_INT,      OUT, .about = "how often it was processed, or tried to" },
	{ "replays",      F_INT,      OUT, .about = "how often an administrator asked for that" },
	{ "error",        F_TEXT,     OUT | F_NULL, .about = "why it failed or was ignored" },
	{ "occurred_at",  F_DATETIME, OUT, .about = "when it happened, as the provider tells" },
	{ "processed_at", F_DATETIME, OUT | F_NULL },
	{ "created_at",   F_DATETIME, OUT, .about = "when it was received" },
	{ "payload",      F_OBJECT,   DETAIL, .about = "the body, without passwords, tokens and the like; Apple's and Google's decoded" },
	FIELD_END
};

static const struct shape event_shape = { "WebhookEvent", event };
static const struct shape detail_shape = { "WebhookEventDetail", event, "Webhook event", .as = DETAIL };
/* clang-format on */

/* What was kept as it came is read again: this version may understand what the one that took it did not. */
static enum err event_replay(struct req *rq)
{
	struct webhook_event e = { .type = NULL };
	const char *sealed, *body;
	PGresult *res;
	enum err rc;
	size_t n;

	rc = tx_call(&rq->tx, &q_webhook_event_raw, false, &res);
	if (rc)
		return rc;
	sealed = PQntuples(res) ? column_text(res, 0, "raw") : NULL;
	body = sealed ? webhook_event_open(&rq->tx.arena, sealed, &n) : NULL;
	if (body)
		webhook_event_read(&rq->tx.arena, arena_dup(&rq->tx.arena, column_text(res, 0, "provider")),
				   arena_dup(&rq->tx.arena, column_text(res, 0, "event_id")), body, n, &e);
	else if (sealed)
		e.problem =
			"the body as it came does not open: its key is not among ENCRYPTION_KEYS any more";
	req_set(rq, "type", e.type);
	req_set(rq, "object_key", e.object);
	req_set(rq, "occurred_ms", e.at_ms ? arena_fmt(&rq->tx.arena, "%lld", (long long)e.at_ms) : NULL);
	req_set(rq, "payload", e.payload);
	req_set(rq, "problem", e.problem);
	return answer_rows(rq, &q_webhook_event_replay);
}

/* clang-format off */
const struct route webhook_event_routes[] = {
	{ GET,  "/api/v1/admin/webhook-events", "app.admin.list_webhook_events", &by_admin, "List received webhooks",
	  "Newest first; kept for 90 days. Filters combine, and total counts up to 10,001.",
	  .query = list_in, .out = &event_shape, .list = &skipped, .sql = &q_webhook_event_list, .outputs = AS_CSV | AS_NDJSON },
	{ GET,  "/api/v1/admin/webhook-events/{webhook_event_id}", "app.admin.get_webhook_event", &by_admin, "Read a received webhook",
	  .out = &detail_shape, .sql = &q_webhook_event_get },
	{ POST, "/api/v1/admin/webhook-events/{webhook_event_id}/replay", "app.admin.replay_webhook_event", &by_admin, "Process a received webhook again",
	  "By a job, as if it had just come; what it says is applied only if nothing newer was. One that could not be read is read again, and "
	  "stays failed when it still cannot. Put down in the audit log.",
	  .out = &detail_shape, .sql = &q_webhook_event_replay, .run = event_replay, .status = 202 },
	{ GET,  "/api/v1/dashboard/webhook-events", "platform.webhooks.list_dashboard_webhook_events", &by_team_admin, "List received webhooks",
	  "As an administrator of the product sees them: newest first, kept for 90 days.",
	  .query = list_in, .out = &event_shape, .list = &turned, .sql = &q_webhook_event_list },
	{ GET,  "/api/v1/dashboard/webhook-events/{webhook_event_id}", "platform.webhooks.get_dashboard_webhook_event", &by_team_admin,
	  "Read a received webhook", .out = &detail_shape, .sql = &q_webhook_event_get },
	{ POST, "/api/v1/dashboard/webhook-events/{webhook_event_id}/replay", "platform.webhooks.replay_dashboard_webhook_event", &by_team_admin,
	  "Process a received webhook again", "By a job, as if it had just come; what it says is applied only if nothing newer was.",
	  .out = &detail_shape, .sql = &q_webhook_event_replay, .run = event_replay, .status = 202 },
	ROUTE_END
};
/* clang-format on */
