/*
 * What a member of a workspace is notified of, and wants to be.  Who is notified
 * is sql/functions/work/notify.sql's; the stream is a row of
 * handlers/integrations/realtime.c.
 */
#include "build/sql/work/notifications.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/tenancy/member_ref.h"
#include "handlers/tenancy/workspaces.h"
#include "providers/notification.h"

/* clang-format off */
static const char *const modes[] = { "instant", "digest", NULL };
static const char *const frequencies[] = { "30", "60", NULL };

static const struct field find_in[] = {
	{ "unread_only", F_BOOL, 0, .def = "false" },
	FIELD_END
};

static const struct field read_in[] = {
	{ "notification_id", F_UUID, 0, .about = "left out: all" },
	FIELD_END
};

static const struct field notification[] = {
	{ "id",              F_UUID,     0 },
	{ "event_type",      F_ENUM,     0, .values = notification_type_names, .example = "team_added" },
	{ "category",        F_ENUM,     0, .values = notification_category_names, .example = "team" },
	{ "title",           F_TEXT,     0, .about = "what happened" },
	{ "message",         F_TEXT,     0, .about = "to what; of the last one, where several are folded" },
	{ "data",            F_OBJECT,   0, .about = "for programs" },
	{ "link",            F_TEXT,     F_NULL, .about = "the page about it, without the host", .example = "/teams/018f3c1e-7b5a-7c3e-8d2f-0a1b2c3d4e5f" },
	{ "entity_type",     F_TEXT,     F_NULL, .example = "team" },
	{ "entity_id",       F_TEXT,     F_NULL },
	{ "actor",           F_OBJECT,   F_NULL, .fields = member_ref, .about = "who did it; null: nobody, or one who has left" },
	{ "needs_attention", F_BOOL,     0 },
	{ "count",           F_INT,      0, .example = "1", .about = "how often it happened since I last read of it" },
	{ "is_read",         F_BOOL,     0 },
	{ "read_at",         F_DATETIME, F_NULL },
	{ "archived_at",     F_DATETIME, F_NULL },
	{ "snoozed_until",   F_DATETIME, F_NULL },
	{ "created_at",      F_DATETIME, 0, .about = "of the last one, where several are folded" },
	FIELD_END
};

#define FLAG(marks, name, flag, text, is_there) { #flag, F_BOOL, marks, .about = text },
#define FLAGS(marks) \
	NOTIFICATION_CHANNELS(FLAG, marks) \
	{ "muted", F_BOOL, marks, .about = "not at all, whatever the others say" }

static const struct field preference[] = {
	{ "id",         F_UUID,     OUT },
	{ "member_id",  F_UUID,     OUT },
	{ "event_type", F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 100, .example = "goal_assigned" },
	{ "category",   F_TEXT,     OUT, .example = "team" },
	FLAGS(OUT | NEW | SET),
	{ "created_at", F_DATETIME, OUT },
	{ "updated_at", F_DATETIME, OUT },
	FIELD_END
};

static const struct field choice[] = {
	{ "event_type", F_TEXT, OUT, .example = "team_added" },
	{ "category",   F_TEXT, OUT, .example = "team" },
	{ "label",      F_TEXT, OUT, .example = "You were added to a team" },
	FLAGS(OUT | SET),
	{ "is_default", F_BOOL, OUT, .about = "nothing is stored: this is what is recommended" },
	FIELD_END
};

static const struct field bulk_in[] = {
	{ "preferences", F_LIST, F_REQUIRED, .min = 1, .max = 200, .fields = preference },
	FIELD_END
};

static const struct field event_type[] = {
	{ "event_type", F_TEXT, F_REQUIRED, .min = 1, .max = 100 },
	FIELD_END
};

static const struct field defaults_out[] = { { "defaults", F_OBJECT, F_WHOLE, .about = "category: {label, description, event_types: {event type: {label and flags}}}" }, FIELD_END };
static const struct field choices_out[] = { { "preferences", F_OBJECT, 0, .about = "event type: its preference" }, FIELD_END };
static const struct field count_out[] = { { "count", F_INT, 0 }, FIELD_END };
static const struct field read_out[] = { { "updated", F_INT, 0, .about = "how many had not been read" }, FIELD_END };

static const struct field delivery[] = {
	{ "email_delivery_mode",      F_ENUM, OUT | SET | F_REQUIRED, .values = modes, .about = "each at once, or grouped" },
	{ "digest_frequency_minutes", F_ENUM, OUT | SET, .values = frequencies, .about = "of digest" },
	FIELD_END
};

static const struct shape notification_shape = { "Notification", notification };
static const struct shape preference_shape = { "NotificationPreference", preference };
static const struct shape choice_shape = { "EventPreference", choice };
static const struct shape defaults_shape = { "NotificationDefaults", defaults_out };
static const struct shape choices_shape = { "EventPreferences", choices_out };
static const struct shape delivery_shape = { "EmailDelivery", delivery };
static const struct shape unread_shape = { "UnreadCount", count_out };
static const struct shape read_shape = { "NotificationsRead", read_out, "Notification" };

static const struct list notifications = { "notifications", NULL, { "total", "unread_count", "limit", "offset" }, { "limit", "offset" }, { 50, 100 } };

static const struct constraint constraints[] = {
	{ "notification_preferences_event_unique", ERR_CONFLICT, "event_type", "there is a preference for this kind of event already" },
	{ NULL }
};

static const enum err not_there[] = { ERR_NOT_FOUND, ERR_OK };

#define THIS { "notification_id", F_UUID, F_REQUIRED }
static const struct field this_in[] = { THIS, FIELD_END };

static const struct field snooze_in[] = {
	THIS,
	{ "until", F_DATETIME, F_REQUIRED | F_NULL, .example = "2026-12-24T08:00:00Z", .about = "within the next year; null, or what has passed: now" },
	FIELD_END
};

static const struct field counts_out[] = {
	{ "total",      F_INT, 0 },
	{ "unread",     F_INT, 0 },
	{ "categories", F_OBJECT, 0, .about = "category: {total, unread}" },
	FIELD_END
};

static const struct pattern hour = { "^([01][0-9]|2[0-3]):[0-5][0-9]$", "a time of the day as 22:00" };

static const struct field quiet[] = {
	{ "from",      F_TEXT, OUT | SET | F_REQUIRED | F_NULL, .fits = &hour, .example = "22:00" },
	{ "to",        F_TEXT, OUT | SET | F_REQUIRED | F_NULL, .fits = &hour, .example = "07:00", .about = "of the next day, if it is before from" },
	{ "time_zone", F_TEXT, OUT | SET | F_REQUIRED | F_NULL, .max = 64, .fits = &workspace_timezone, .example = "Europe/Berlin", .about = "whose clock that is; null, as the others: no quiet hours" },
	FIELD_END
};

static const struct shape counts_shape = { "NotificationCounts", counts_out };
static const struct shape quiet_shape = { "QuietHours", quiet };
static const struct list put_away = { "notifications", NULL, { "total", "limit", "offset" }, { "limit", "offset" }, { 50, 100 } };

/* RFC 8058: mail programs post to the link in List-Unsubscribe; to open it changes nothing. */
static const struct field link_in[] = {
	{ "unsubscribe_token", F_TEXT, F_REQUIRED, .min = 1, .max = 512, .about = "of a mail's link",
	  .example = "KiAqICogKg.mQ3T0bq3CAZGtaHAAcACAAAAAAAAACrhN3cyuLPC" },
	FIELD_END
};

static const struct field link_out[] = {
	{ "event_type",    F_ENUM, F_NULL, .values = notification_type_names, .about = "null: of every kind, as a digest has them" },
	{ "label",         F_TEXT, F_NULL, .example = "You became owner of a goal" },
	{ "workspace",     F_TEXT, 0, .example = "Acme Inc." },
	{ "email_enabled", F_BOOL, 0, .about = "is there mail of it?" },
	FIELD_END
};

static const struct shape link_shape = { "MailedNotifications", link_out };
static const enum err no_link[] = { ERR_TICKET, ERR_OK };
/* clang-format on */

static enum err put(struct req *rq, const char *place)
{
	req_set(rq, "place", place);
	return answer_rows(rq, &q_notification_put);
}

static enum err archive(struct req *rq)
{
	req_set(rq, "until", NULL);
	return put(rq, "archive");
}

static enum err unarchive(struct req *rq)
{
	req_set(rq, "until", NULL);
	return put(rq, "list");
}

static enum err snooze(struct req *rq)
{
	return put(rq, req_text(rq, "until") ? "later" : "list");
}

static enum err answer_link(struct req *rq, const struct query *q)
{
	struct notification_link link;
	PGresult *res;
	enum err rc;

	if (!notification_link_read(&rq->tx.arena, req_text(rq, "unsubscribe_token"), &link))
		return req_fail(rq, ERR_TICKET, NULL);
	auth_act_for(rq, link.tenant);
	req_set(rq, "organization", link.organization);
	req_set(rq, "member", link.member);
	req_set(rq, "event", link.event);
	rc = tx_call(&rq->tx, &q_notification_mail_get, false, &res);
	if (rc)
		return rc;
	return PQntuples(res) ? answer_rows(rq, q) : req_fail(rq, ERR_TICKET, NULL);
}

static enum err link_get(struct req *rq)
{
	return answer_link(rq, &q_notification_mail_get);
}

static enum err link_end(struct req *rq)
{
	return answer_link(rq, &q_notification_mail_end);
}

/* clang-format off */
#define BASE "/api/v1/notifications"

const struct route notification_routes[] = {
	{ GET,    BASE "/list",           "workspace.notifications.list_notifications", &by_member, "List my notifications", .about = "Newest first.",
	  .query = find_in, .out = &notification_shape, .list = &notifications, .sql = &q_notification_list },
	{ GET,    BASE "/unread-count",   "workspace.notifications.get_unread_count", &by_member, "Count my unread notifications",
	  .out = &unread_shape, .sql = &q_notification_unread_count },
	{ POST,   BASE "/mark-read",      "workspace.notifications.mark_read", &by_member, "Mark one or all of my notifications as read",
	  .body = read_in, .out = &read_shape, .errors = not_there, .sql = &q_notification_read, .status = 200 },
	{ GET,    BASE "/defaults",       "workspace.notifications.get_default_preferences", &by_member, "List what there is to be notified of, and what is recommended",
	  .out = &defaults_shape, .sql = &q_notification_type_list },
	{ GET,    BASE "/me",             "workspace.notifications.list_my_preferences", &by_member, "List my stored preferences",
	  .out = &preference_shape, .list = &unwrapped, .sql = &q_notification_preference_list },
	{ POST,   BASE "/me",             "workspace.notifications.create_preference", &by_member, "Store a preference",
	  .body = preference, .as = NEW, .out = &preference_shape, .constraints = constraints, .sql = &q_notification_preference_create },
	{ POST,   BASE "/me/reset",       "workspace.notifications.reset_preferences", &by_member, "Store what is recommended, for all kinds of events",
	  .out = &preference_shape, .list = &unwrapped, .sql = &q_notification_preference_reset, .status = 200 },
	{ PUT,    BASE "/me/bulk",        "workspace.notifications.bulk_update_preferences", &by_member, "Store many preferences at once", .about = "All or none; in the order of the request.",
	  .body = bulk_in, .as = NEW, .out = &preference_shape, .list = &unwrapped, .sql = &q_notification_preference_bulk },
	{ PUT,    BASE "/me/{preference_id}", "workspace.notifications.update_preference", &by_member, "Change a stored preference",
	  .body = preference, .as = SET, .out = &preference_shape, .sql = &q_notification_preference_update },
	{ DELETE, BASE "/me/{preference_id}", "workspace.notifications.delete_preference", &by_member, "Forget a stored preference", .about = "What is recommended holds again.",
	  .out = &preference_shape, .sql = &q_notification_preference_delete, .status = 204 },
	{ GET,    BASE "/preferences/v2", "workspace.notifications.get_preferences_v2", &by_member, "Get my preferences for every kind of event",
	  .out = &choices_shape, .sql = &q_notification_choice_list },
	{ PUT,    BASE "/preferences/v2/{event_type}", "workspace.notifications.update_preference_v2", &by_member, "Change my preference for a kind of event",
	  .params = event_type, .body = choice, .as = SET, .out = &choice_shape, .sql = &q_notification_choice_update },
	{ GET,    BASE "/email-delivery", "workspace.notifications.get_email_delivery", &by_member, "Get how I am notified by mail",
	  .out = &delivery_shape, .sql = &q_notification_delivery_get },
	{ PUT,    BASE "/email-delivery", "workspace.notifications.update_email_delivery", &by_member, "Change how I am notified by mail",
	  .body = delivery, .as = SET, .out = &delivery_shape, .sql = &q_notification_delivery_put },
	{ GET,    BASE "/counts",         "workspace.notifications.get_counts", &by_member, "Count my notifications by category",
	  .out = &counts_shape, .sql = &q_notification_counts },
	{ GET,    BASE "/archived",       "workspace.notifications.list_archived", &by_member, "List what I have archived", .about = "The last first.",
	  .out = &notification_shape, .list = &put_away, .sql = &q_notification_archive_list },
	{ GET,    BASE "/snoozed",        "workspace.notifications.list_snoozed", &by_member, "List what I have snoozed", .about = "What comes back next first.",
	  .out = &notification_shape, .list = &put_away, .sql = &q_notification_snooze_list },
	{ POST,   BASE "/archive",        "workspace.notifications.archive", &by_member, "Archive a notification", .about = "It is read then, and in the list no more.",
	  .body = this_in, .out = &notification_shape, .errors = not_there, .sql = &q_notification_put, .run = archive, .status = 200 },
	{ POST,   BASE "/unarchive",      "workspace.notifications.unarchive", &by_member, "Put a notification back into the list",
	  .body = this_in, .out = &notification_shape, .errors = not_there, .sql = &q_notification_put, .run = unarchive, .status = 200 },
	{ POST,   BASE "/snooze",         "workspace.notifications.snooze", &by_member, "Snooze a notification", .about = "It comes back on top, unread, within 15 seconds of that time.",
	  .body = snooze_in, .out = &notification_shape, .errors = not_there, .sql = &q_notification_put, .run = snooze, .status = 200 },
	{ GET,    BASE "/quiet-hours",    "workspace.notifications.get_quiet_hours", &by_member, "Get my quiet hours",
	  .out = &quiet_shape, .sql = &q_notification_quiet_get },
	{ PUT,    BASE "/quiet-hours",    "workspace.notifications.update_quiet_hours", &by_member, "Change my quiet hours",
	  .about = "In them no mail comes: what would have comes together when they end.",
	  .body = quiet, .as = SET, .out = &quiet_shape, .sql = &q_notification_quiet_put },
	{ GET,    BASE "/unsubscribe/{unsubscribe_token}", "workspace.notifications.get_unsubscribe", &by_anyone, "Show what a mail's link would end",
	  .about = "The token is the credential. Looks only.", .needs = { "the token of a mail of ours", ERR_TICKET },
	  .params = link_in, .out = &link_shape, .errors = no_link, .sql = &q_notification_mail_get, .run = link_get },
	{ POST,   BASE "/unsubscribe/{unsubscribe_token}", "workspace.notifications.unsubscribe", &by_anyone, "End mails of a kind",
	  .about = "By one click (RFC 8058): what mail programs post to, with whatever body. Of a digest's link all kinds end. In-app notifications stay.",
	  .needs = { "the token of a mail of ours", ERR_TICKET },
	  .params = link_in, .out = &link_shape, .errors = no_link, .sql = &q_notification_mail_end, .run = link_end, .flags = RAW | PRIVATE, .status = 200 },
	ROUTE_END
};
/* clang-format on */
