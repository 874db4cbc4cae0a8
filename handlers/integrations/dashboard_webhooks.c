/*
 * The tenant's own webhooks, as the dashboard manages them.  They hear of all
 * that happens in the tenant, in its organizations too; the rest is what
 * workspaces have (see webhooks.h).  A webhook is of the mode in which it is
 * made: with X-Test-Mode it hears of what test keys do.
 */
#include "build/sql/integrations/webhooks.h"
#include "fcgi/req.h"
#include "handlers/integrations/webhooks.h"
#include "handlers/shapes.h"

/* clang-format off */
static const struct field list_in[] = {
	{ "is_active", F_BOOL, 0, .about = "only those that are switched on, or off" },
	FIELD_END
};

static const struct field deliveries_in[] = {
	{ "status",   F_ENUM, 0, .values = webhook_states },
	{ "event",    F_TEXT, 0, .min = 1, .max = 100, .example = "user.created" },
	FIELD_END
};


#define BASE "/api/v1/dashboard/webhooks"

const struct route dashboard_webhook_routes[] = {
	{ GET,    BASE,                 "platform.webhooks_out.list",   &by_team, "List the tenant's webhooks",
	  .about = "Newest first; those of the test mode with X-Test-Mode. Secrets are masked.",
	  .query = list_in, .out = &webhook_shape, .list = &sliced, .items = "webhooks", .sql = &q_webhook_list },
	{ POST,   BASE,                 "platform.webhooks_out.create", &by_team_admin, "Create a webhook of the tenant",
	  .about = "Messages are sent as Standard Webhooks. The secret to verify them with is in this answer only. At most 50.",
	  .needs = { "a URL of yours", ERR_VALIDATION }, .body = webhook_fields, .as = NEW, .out = &webhook_secret_shape, .errors = webhook_is_full, .sql = &q_webhook_create,
	  .run = webhooks_write, .flags = PRIVATE | SLOW },
	{ GET,    BASE "/events",       "platform.webhooks_out.events", &by_team, "List the events that the tenant's webhooks tell of",
	  .out = &webhook_event_shape, .list = &unwrapped, .run = webhooks_events },
	{ GET,    BASE "/{webhook_id}", "platform.webhooks_out.get",    &by_team, "Get a webhook of the tenant",
	  .out = &webhook_shape, .sql = &q_webhook_get },
	{ PUT,    BASE "/{webhook_id}", "platform.webhooks_out.update", &by_team_admin, "Change a webhook of the tenant",
	  .about = "Fields left out keep their value; events and headers are replaced whole. Messages that wait go to the new URL. "
	  "Switched off, it forgets what has not been delivered; switched on, why it was off.",
	  .needs = { "a URL of yours", ERR_VALIDATION }, .body = webhook_fields, .as = SET, .out = &webhook_shape, .sql = &q_webhook_update, .run = webhooks_write, .flags = SLOW },
	{ DELETE, BASE "/{webhook_id}", "platform.webhooks_out.delete", &by_team_admin, "Delete a webhook of the tenant",
	  .about = "What has not been delivered is dropped.",
	  .out = &webhook_shape, .sql = &q_webhook_delete, .status = 204 },
	{ POST,   BASE "/{webhook_id}/regenerate-secret", "platform.webhooks_out.regenerate_secret", &by_team_admin,
	  "Replace the secret of a webhook of the tenant",
	  "The new one is in this answer only. For 24 hours messages are signed with both, so that receivers can be changed in peace.",
	  .out = &webhook_secret_shape, .sql = &q_webhook_regenerate, .run = webhooks_regenerate, .flags = PRIVATE, .status = 200 },
	{ POST,   BASE "/{webhook_id}/test", "platform.webhooks_out.test", &by_team_admin, "Send a test to a webhook of the tenant",
	  .about = "Signed as any message, once, while you wait, for 5 s at most; also while the webhook is switched off, and counted nowhere.",
	  .needs = { "a webhook whose secret was made here", ERR_UNAVAILABLE }, .body = webhook_test_in, .out = &webhook_test_shape, .run = webhooks_test, .flags = SLOW, .status = 200 },
	{ GET,    BASE "/{webhook_id}/deliveries", "platform.webhooks_out.list_deliveries", &by_team, "List deliveries to a webhook of the tenant",
	  .about = "Newest first, with their attempts; kept for 30 days. total counts up to 10,001.",
	  .query = deliveries_in, .out = &webhook_delivery_shape, .list = &turned, .items = "deliveries", .sql = &q_webhook_delivery_list },
	{ GET,    BASE "/{webhook_id}/deliveries/{delivery_id}", "platform.webhooks_out.get_delivery", &by_team,
	  "Get a delivery to a webhook of the tenant", "Also with the body that was sent, and the beginning of what was answered.",
	  .out = &webhook_delivery_long_shape, .sql = &q_webhook_delivery_get },
	{ POST,   BASE "/{webhook_id}/deliveries/{delivery_id}/redeliver", "platform.webhooks_out.redeliver", &by_team_admin,
	  "Deliver again to a webhook of the tenant", "Whatever became of it. A delivery of its own, of the same message under the same webhook-id.",
	  .needs = { "a webhook that is switched on", ERR_CONFLICT }, .out = &webhook_delivery_shape, .errors = webhook_is_off, .sql = &q_webhook_redeliver },
	ROUTE_END
};
/* clang-format on */
