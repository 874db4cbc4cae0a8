/*
 * Notifications of a tenant on the operations surface: each is for everybody in it, and read by each for
 * themselves; how many are unread is a difference of numbers (sql/functions/work/tenant_notifications.sql).
 * A workspace's, which are a member's own, are notifications.c's.
 */
#include "build/sql/work/tenant_notifications.h"
#include "fcgi/route.h"
#include "handlers/permissions.h"

/* clang-format off */
static const char *const types[] = { "info", "warning", "error", "success", NULL };
static const char *const flags[] = { "true", "false", NULL };

/* No javascript:, and no //host, which looks like a path. */
static const struct pattern target = { "^(https?://[!-~]+|/([!-.0-[^-~][!-~]*)?)?$", "an http or https URL, or a path that begins with one /," };

static const struct field find_in[] = {
	{ "read", F_ENUM, 0, .values = flags, .about = "only what the caller has read, or has not" },
	{ "type", F_ENUM, 0, .values = types },
	FIELD_END
};

static const struct field notification[] = {
	{ "id",         F_INT,      OUT, .example = "41" },
	{ "title",      F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 200, .example = "Spring tide on Friday" },
	{ "message",    F_TEXT,     OUT | NEW | NEEDED, .min = 1, .max = 5000, .example = "Moor with longer lines." },
	{ "type",       F_ENUM,     OUT | NEW, .values = types, .def = "info" },
	{ "source",     F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 100, .about = "what it comes from", .example = "tide-tables" },
	{ "link",       F_TEXT,     OUT | NEW | F_NULL_OUT, .max = 2048, .fits = &target, .about = "http or https, or a path of the product's own", .example = "/tides/friday" },
	{ "read",       F_BOOL,     OUT, .about = "by the caller" },
	{ "read_at",    F_DATETIME, OUT | F_NULL, .about = "by the caller; of what is older than the account, when that was made" },
	{ "created_at", F_DATETIME, OUT },
	FIELD_END
};

static const struct field notification_params[] = {
	{ "notification_number", F_INT, F_REQUIRED, .min = 1, .about = "the notification's id", .example = "1" },
	FIELD_END
};

static const struct field count_out[] = { { "count", F_INT, 0, .example = "3" }, FIELD_END };

static const struct field read_out[] = {
	{ "success", F_BOOL, 0, .example = "true" },
	{ "updated", F_INT,  0, .about = "how many had not been read", .example = "3" },
	FIELD_END
};

static const enum err hidden[] = { ERR_NOT_FOUND, ERR_OK };

static const struct shape
	tenant_notification_shape = { "TenantNotification", notification, "Notification" },
	unread_shape              = { "TenantNotificationsUnread", count_out },
	read_shape                = { "TenantNotificationsRead", read_out };

#define BASE "/api/notifications"

const struct route tenant_notification_routes[] = {
	{ GET,   BASE, "operations.notifications.list", &by_person, "List the notifications of a tenant", .about = "The newest first. total is exact but for read and type together, which are counted up to 10,001.",
	  .query = find_in, .out = &tenant_notification_shape, .list = &enveloped, .sql = &q_tenant_notification_list },
	{ POST,  BASE, "operations.notifications.create", &by_user_or_key, "Notify everybody in a tenant", .about = "It is unread for each.",
	  .may = &tenant_write, .body = notification, .as = NEW, .out = &tenant_notification_shape, .sql = &q_tenant_notification_create },
	{ GET,   BASE "/unread-count", "operations.notifications.get_unread_count", &by_person, "Count the notifications of a tenant that the caller has not read",
	  .about = "What is older than the account counts as read.", .out = &unread_shape, .sql = &q_tenant_notification_unread_count },
	{ PATCH, BASE "/read-all", "operations.notifications.mark_all_read", &by_person, "Mark all notifications of a tenant as read", .about = "For the caller alone.",
	  .out = &read_shape, .done = "All notifications are read", .sql = &q_tenant_notification_read_all },
	{ PATCH, BASE "/{notification_number}/read", "operations.notifications.mark_read", &by_person, "Mark a notification of a tenant as read", .about = "For the caller alone; once more changes nothing.",
	  .params = notification_params, .out = &tenant_notification_shape, .errors = hidden, .sql = &q_tenant_notification_read },
	ROUTE_END
};
/* clang-format on */
