/*
 * Webhooks that are sent (Standard Webhooks): a workspace's endpoints, and what
 * became of deliveries.  Sending is worker/deliver.c's; which events there are
 * is handlers/events.c's.
 *
 * A URL is looked up before it is stored, which takes time, so who may not call
 * is turned away in a separate transaction before that.
 */
#include "handlers/integrations/webhooks.h"

#include <ctype.h>
#include <json-c/json.h>
#include <strings.h>

#include "build/sql/integrations/webhooks.h"
#include "fcgi/answer.h"
#include "fcgi/event.h"
#include "fcgi/req.h"
#include "handlers/permissions.h"
#include "handlers/shapes.h"
#include "lib/base/array.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/net/header.h"
#include "lib/net/http.h"
#include "providers/standard_webhooks.h"
#include "providers/webhook.h"

enum { TEST_TIMEOUT_MS = 5000, MAX_HEADERS = 10 };

/* clang-format off */
const char *const webhook_states[] = { "pending", "delivering", "delivered", "failed", "dropped", NULL };

static const struct field list_in[] = {
	{ "is_active", F_BOOL, 0, .about = "only those that are switched on, or off" },
	FIELD_END
};

const struct field webhook_test_in[] = {
	{ "event",   F_TEXT,   F_REQUIRED, .min = 1, .max = 100, .about = "its type; the endpoint need not have asked for it", .example = "organization.member_added" },
	{ "payload", F_OBJECT, 0, .about = "the message's data, instead of a sample",
	  .example = "{\"name\":\"Analytical Engines\"}" },
	FIELD_END
};

static const struct field deliveries_in[] = {
	{ "status",    F_ENUM, 0, .values = webhook_states },
	{ "event",     F_TEXT, 0, .min = 1, .max = 100, .example = "organization.member_added" },
	FIELD_END
};

const struct field webhook_fields[] = {
	{ "id",                   F_UUID,     OUT },
	{ "workspace_id",         F_UUID,     OUT | F_NULL, .about = "null: the tenant's own" },
	{ "name",                 F_TEXT,     OUT | NEW | SET | NEEDED, .min = 1, .max = 255, .example = "Billing" },
	{ "description",          F_TEXT,     OUT | NEW | SET | F_NULL, .max = 1000, .example = "Keeps the invoices up to date" },
	{ "url",                  F_URL,      OUT | NEW | SET | NEEDED, .max = 2048, .example = "https://hooks.acme.example/ashlar",
	  .about = "https, without a user name, and leading to public addresses only" },
	{ "events",               F_LIST,     OUT | NEW | SET | NEEDED, .max = 100, .item = F_TEXT, .example = "[\"organization.member_added\"]",
	  .about = "types of the list of events, or * alone for all" },
	{ "headers",              F_OBJECT,   OUT | NEW | SET, .example = "{\"X-Team\":\"billing\"}",
	  .about = "at most 10 that are sent besides; not Host, Connection, Transfer-Encoding, Content-* or webhook-*. Their values are shown as ***" },
	{ "is_active",            F_BOOL,     OUT | NEW | SET, .def = "true", .about = "toggle changes it, too" },
	{ "secret",               F_TEXT,     OUT, .about = "whsec_**** and its last four characters; in full in the answer that made it" },
	{ "last_triggered_at",    F_DATETIME, OUT | F_NULL },
	{ "last_status_code",     F_INT,      OUT | F_NULL, .about = "null also where no answer came" },
	{ "success_count",        F_INT,      OUT, .about = "attempts that were answered with 200 to 299" },
	{ "failure_count",        F_INT,      OUT, .about = "all others" },
	{ "consecutive_failures", F_INT,      OUT, .about = "attempts that failed since the last one that did not" },
	{ "disabled_reason",      F_TEXT,     OUT | F_NULL, .about = "why it was switched off without being asked to" },
	{ "created_by",           F_UUID,     OUT | F_NULL, .about = "a member; null: one who has left" },
	{ "created_at",           F_DATETIME, OUT },
	{ "updated_at",           F_DATETIME, OUT },
	FIELD_END
};
const struct shape webhook_shape = { "Webhook", webhook_fields };
const struct shape webhook_secret_shape = { "WebhookWithSecret", webhook_fields, "Webhook" };

static const struct field count_out[] = {
	{ "count", F_INT, 0 },
	FIELD_END
};

static const struct shape count_shape = { "Count", count_out };

static const struct field test_out[] = {
	{ "success",     F_BOOL, 0, .about = "it was answered with 200 to 299" },
	{ "status_code", F_INT,  F_NULL, .about = "null: no answer came" },
	{ "message",     F_TEXT, 0 },
	FIELD_END
};

const struct shape webhook_test_shape = { "WebhookTestResult", test_out, "Webhook" };

static const struct field event_out[] = {
	{ "type",        F_TEXT, 0, .example = "organization.member_added" },
	{ "description", F_TEXT, 0, .about = "when it is sent" },
	FIELD_END
};

const struct shape webhook_event_shape = { "WebhookEventType", event_out };

static const struct field history[] = {
	{ "number",          F_INT,      OUT, .about = "one that is missing was cut off" },
	{ "attempted_at",    F_DATETIME, OUT },
	{ "status_code",     F_INT,      OUT | F_NULL, .about = "null: no answer came" },
	{ "error",           F_TEXT,     OUT | F_NULL },
	{ "latency_ms",      F_INT,      OUT },
	{ "request_headers", F_OBJECT,   OUT, .about = "your own headers' values and the signature are shown as ***" },
	{ "response_head",   F_TEXT,     OUT | F_NULL, .about = "status line and headers" },
	{ "response_body",   F_TEXT,     DETAIL | F_NULL, .about = "its first KiB" },
	FIELD_END
};
static const struct field delivery[] = {
	{ "id",              F_UUID,     OUT },
	{ "webhook_id",      F_UUID,     OUT },
	{ "message_id",      F_TEXT,     OUT, .about = "the header webhook-id", .example = "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj" },
	{ "event",           F_TEXT,     OUT, .example = "organization.member_added" },
	{ "status",          F_ENUM,     OUT, .values = webhook_states, .about = "dropped: the webhook was switched off or deleted meanwhile" },
	{ "attempts",        F_INT,      OUT },
	{ "next_attempt_at", F_DATETIME, OUT | F_NULL },
	{ "status_code",     F_INT,      OUT | F_NULL, .about = "of the last attempt" },
	{ "error",           F_TEXT,     OUT | F_NULL, .about = "of the last attempt" },
	{ "is_redelivery",   F_BOOL,     OUT },
	{ "created_at",      F_DATETIME, OUT },
	{ "finished_at",     F_DATETIME, OUT | F_NULL },
	{ "history",         F_LIST,     OUT, .fields = history },
	{ "payload",         F_OBJECT,   DETAIL, .about = "the body as it was sent" },
	FIELD_END
};
const struct shape webhook_delivery_shape = { "WebhookDelivery", delivery, "Delivery" };
const struct shape webhook_delivery_long_shape = { "WebhookDeliveryDetail", delivery, "Delivery", .as = DETAIL };

static const struct list deliveries_page = { "items", NULL, { "total", "page", "page_size" }, { "page", "page_size" }, { 20, 100 } };

const enum err webhook_is_full[] = { ERR_CONFLICT, ERR_OK };
const enum err webhook_is_off[] = { ERR_CONFLICT, ERR_OK };
/* clang-format on */

/* ---- checking what was sent ---- */

static enum err check_url(struct req *rq)
{
	const char *url = req_text(rq, "url"), *reason;

	if (!url)
		return ERR_OK;
	if (strncasecmp(url, "https://", 8) && !cfg.webhook_allow_http)
		return req_fail_field(rq, ERR_VALIDATION, "url", "this URL cannot be used: it is not https");
	if (http_check_url(&rq->tx.arena, url, &reason))
		return req_fail_field(rq, ERR_VALIDATION, "url", "this URL cannot be used: %s", reason);
	return ERR_OK;
}

/* May the endpoint's owner hear of this? */
static bool is_told(const struct event *e, const char *workspace)
{
	return e && (!workspace || e->scope == EVENT_ORGANIZATION);
}

static enum err no_event(struct req *rq, const char *field, const char *type, const char *workspace)
{
	return req_fail_field(rq, ERR_VALIDATION, field,
			      "%.100s is no event that this webhook could hear of; GET %s lists them", type,
			      workspace ? "/api/v1/webhooks/events" : "/api/v1/dashboard/webhooks/events");
}

/* The types that were sent, each once, as the value "event_list". */
static enum err read_events(struct req *rq, const char *workspace)
{
	const struct value *v = req_value(rq, "events");
	size_t n = v->json ? json_object_array_length(v->json) : 0;
	struct buf b;

	buf_init(&b, &rq->tx.arena, 256);
	buf_char(&b, '{');
	if (v->given && !n)
		return req_fail_field(rq, ERR_VALIDATION, "events", "a webhook needs at least one event");
	for (size_t i = 0; i < n; i++) {
		const char *type = json_object_get_string(json_object_array_get_idx(v->json, i));
		bool is_all = !strcmp(type, "*"), seen = false;

		if (is_all && n > 1)
			return req_fail_field(rq, ERR_VALIDATION, "events",
					      "* stands for all events, and alone");
		if (!is_all && !is_told(event_find(type), workspace))
			return no_event(rq, "events", type, workspace);
		for (size_t k = 0; k < i && !seen; k++)
			seen = !strcmp(type, json_object_get_string(json_object_array_get_idx(v->json, k)));
		if (!seen)
			array_add(&b, type);
	}
	buf_char(&b, '}');
	req_set(rq, "event_list", buf_str(&b));
	return ERR_OK;
}

/* Those of the specification are ours to send. */
static const char *own_header_problem(const char *name, struct json_object *value)
{
	if (!strncasecmp(name, "webhook-", strlen("webhook-")))
		return "this header is reserved";
	if (!json_object_is_type(value, json_type_string))
		return "its value is no string";
	return header_problem(name, json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

/* The headers that were sent: their names as the value "header_names", all of it sealed as "headers_sealed".
 */
static enum err read_headers(struct req *rq, const char *tenant)
{
	const struct value *v = req_value(rq, "headers");
	const char *sealed = NULL;
	struct buf names, all;
	int n = 0;

	buf_init(&names, &rq->tx.arena, 128);
	buf_init(&all, &rq->tx.arena, 256);
	buf_char(&names, '{');
	buf_char(&all, '{');
	if (v->json) {
		json_object_object_foreach(v->json, name, value)
		{
			const char *problem = own_header_problem(name, value);

			if (problem)
				return req_fail_field(rq, ERR_VALIDATION, "headers", "%.*s: %s",
						      HEADER_MAX_NAME, name, problem);
			if (++n > MAX_HEADERS)
				return req_fail_field(rq, ERR_VALIDATION, "headers", "more than %d headers",
						      MAX_HEADERS);
			/* Two that differ in case are one header. */
			json_object_object_foreach(v->json, other, ignored)
			{
				(void)ignored;
				if (other != name && !strcasecmp(other, name))
					return req_fail_field(rq, ERR_VALIDATION, "headers",
							      "%s is given twice", name);
			}
			array_add(&names, name);
			jx_key(&all, name), jx_str(&all, json_object_get_string(value));
		}
	}
	buf_char(&names, '}');
	buf_char(&all, '}');
	if (n) {
		sealed = seal_text(&rq->tx.arena, WEBHOOK_SEAL, tenant, buf_str(&all));
		if (!sealed)
			return req_fail(rq, ERR_UNAVAILABLE,
					"secrets cannot be kept: ENCRYPTION_KEYS is not set");
	}
	req_set(rq, "header_names", buf_str(&names));
	req_set(rq, "headers_sealed", sealed);
	return ERR_OK;
}

/* A new secret, as the values "secret_text" and "secret_sealed". */
static enum err make_secret(struct req *rq, const char *tenant)
{
	const char *secret = standard_webhooks_secret(&rq->tx.arena);
	const char *sealed = seal_text(&rq->tx.arena, WEBHOOK_SEAL, tenant, secret);

	if (!sealed)
		return req_fail(rq, ERR_UNAVAILABLE, "secrets cannot be kept: ENCRYPTION_KEYS is not set");
	req_set(rq, "secret_text", secret);
	req_set(rq, "secret_sealed", sealed);
	return ERR_OK;
}

/* ---- handlers ---- */

/* Let the caller in, and find the place or the endpoint that this is about. */
static enum err enter_place(struct req *rq, const struct query *q, PGresult **out)
{
	enum err rc = tx_call(&rq->tx, q, true, out);

	if (!rc && !PQntuples(*out))
		return answer_not_found(rq, req_path_text(rq, "webhook_id"));
	return rc;
}

enum err webhooks_write(struct req *rq)
{
	bool is_new = rq->asked.route->method == POST;
	const char *tenant;
	PGresult *res;
	enum err rc = enter_place(rq, is_new ? &q_webhook_place : &q_webhook_found, &res);

	if (rc)
		return rc;
	tenant = column_text(res, 0, "tenant");
	rc = read_events(rq, column_text(res, 0, "workspace"));
	if (!rc)
		rc = read_headers(rq, tenant);
	if (!rc && is_new)
		rc = make_secret(rq, tenant);
	if (!rc)
		rc = check_url(rq);
	return rc ? rc : answer_rows(rq, rq->asked.route->sql);
}

enum err webhooks_regenerate(struct req *rq)
{
	PGresult *res;
	enum err rc = enter_place(rq, &q_webhook_found, &res);

	if (!rc)
		rc = make_secret(rq, column_text(res, 0, "tenant"));
	return rc ? rc : answer_rows(rq, &q_webhook_regenerate);
}

/* The data of a test: what was sent, or a sample. */
static const char *test_data(struct req *rq)
{
	const struct value *v = req_value(rq, "payload");

	if (v->json)
		return json_object_to_json_string_ext(v->json, JSON_C_TO_STRING_PLAIN |
								       JSON_C_TO_STRING_NOSLASHESCAPE);
	return "{\"id\":\"00000000-0000-7000-8000-000000000000\",\"test\":true}";
}

static const char *test_message(struct req *rq, const struct http_answer *a, enum err rc)
{
	if (a->status >= 200 && a->status < 300)
		return arena_fmt(&rq->tx.arena, "the endpoint answered %d", a->status);
	if (a->status >= 300 && a->status < 400)
		return arena_fmt(&rq->tx.arena, "the endpoint answered %d; redirects are not followed",
				 a->status);
	if (a->status)
		return arena_fmt(&rq->tx.arena, "the endpoint answered %d", a->status);
	return a->reason ? a->reason : err_info(rc)->message;
}

enum err webhooks_test(struct req *rq)
{
	const char *type = req_text(rq, "event");
	struct webhook w = { 0 };
	struct http_answer answer;
	struct http_call call;
	PGresult *res;
	struct buf *b;
	enum err rc = enter_place(rq, &q_webhook_found, &res);

	if (rc)
		return rc;
	if (!is_told(event_find(type), column_text(res, 0, "workspace")))
		return no_event(rq, "event", type, column_text(res, 0, "workspace"));
	w.tenant = column_text(res, 0, "tenant");
	w.url = column_text(res, 0, "url");
	w.secret_sealed = column_text(res, 0, "secret_sealed");
	w.previous_secret_sealed = column_text(res, 0, "previous_secret_sealed");
	w.headers_sealed = column_text(res, 0, "headers_sealed");
	w.message_id = webhook_message_id(&rq->tx.arena);
	w.body = webhook_body(&rq->tx.arena, type, column_text(res, 0, "workspace"), test_data(rq));
	w.body_len = strlen(w.body);
	if (w.body_len > WEBHOOK_MAX_BODY)
		return req_fail_field(rq, ERR_VALIDATION, "payload", "the body would have more than 256 KiB");
	rc = webhook_call(&rq->tx.arena, &w, &call);
	if (rc)
		return req_fail_inside(rq, ERR_UNAVAILABLE, "the webhook's secret does not open");
	/* A user waits for it. */
	if (call.timeout_ms > TEST_TIMEOUT_MS)
		call.timeout_ms = TEST_TIMEOUT_MS;
	rc = http_do(&rq->tx.arena, &call, &answer);
	b = answer_open(rq);
	buf_char(b, '{');
	jx_key(b, "success"), jx_bool(b, answer.status >= 200 && answer.status < 300);
	jx_key(b, "status_code");
	if (answer.status)
		jx_int(b, answer.status);
	else
		jx_null(b);
	jx_key(b, "message"), jx_str(b, test_message(rq, &answer, rc));
	buf_char(b, '}');
	return answer_close(rq);
}

/* Those that a workspace can hear of; the tenant's own endpoints hear of all. */
enum err webhooks_events(struct req *rq)
{
	bool all = rq->asked.route->caller != &by_member;
	PGresult *res;
	struct buf *b;
	enum err rc = tx_call(&rq->tx, &q_webhook_place, true, &res);

	if (rc)
		return rc;
	b = answer_open(rq);
	buf_char(b, '[');
	for (const struct event *e = events; e->type; e++) {
		if (!all && e->scope != EVENT_ORGANIZATION)
			continue;
		jx_next(b), buf_char(b, '{');
		jx_key(b, "type"), jx_str(b, e->type);
		jx_key(b, "description"), jx_str(b, e->about);
		buf_char(b, '}');
	}
	buf_char(b, ']');
	return answer_close(rq);
}

/* clang-format off */
#define BASE "/api/v1/webhooks"

const struct route webhook_routes[] = {
	{ GET,    BASE,                  "workspace.webhooks_out.list",   &by_member, "List webhooks",
	  .about = "Newest first. Secrets are masked.",
	  .may = &can_view_webhook, .query = list_in, .out = &webhook_shape, .list = &sliced, .size = { 50, 100 }, .sql = &q_webhook_list },
	{ POST,   BASE,                  "workspace.webhooks_out.create", &by_member, "Create a webhook",
	  .about = "Messages are sent as Standard Webhooks. The secret to verify them with is in this answer only. At most 50 a workspace.",
	  .needs = { "a URL of yours", ERR_VALIDATION }, .may = &can_manage_webhook, .body = webhook_fields, .as = NEW, .out = &webhook_secret_shape, .errors = webhook_is_full, .sql = &q_webhook_create,
	  .run = webhooks_write, .flags = PRIVATE | SLOW },
	{ GET,    BASE "/count",         "workspace.webhooks_out.count",  &by_member, "Count webhooks",
	  .may = &can_view_webhook, .query = list_in, .out = &count_shape, .sql = &q_webhook_count },
	{ GET,    BASE "/events",        "workspace.webhooks_out.events", &by_member, "List the events that webhooks tell of",
	  .may = &can_view_webhook, .out = &webhook_event_shape, .list = &unwrapped, .run = webhooks_events },
	{ GET,    BASE "/{webhook_id}",  "workspace.webhooks_out.get",    &by_member, "Get a webhook",
	  .may = &can_view_webhook, .out = &webhook_shape, .sql = &q_webhook_get },
	{ PUT,    BASE "/{webhook_id}",  "workspace.webhooks_out.update", &by_member, "Change a webhook",
	  .about = "Fields left out keep their value; events and headers are replaced whole. Messages that wait go to the new URL.",
	  .needs = { "a URL of yours", ERR_VALIDATION }, .may = &can_manage_webhook, .body = webhook_fields, .as = SET, .out = &webhook_shape, .sql = &q_webhook_update, .run = webhooks_write,
	  .flags = SLOW },
	{ DELETE, BASE "/{webhook_id}",  "workspace.webhooks_out.delete", &by_member, "Delete a webhook",
	  .about = "What has not been delivered is dropped.",
	  .may = &can_manage_webhook, .out = &webhook_shape, .sql = &q_webhook_delete, .status = 204 },
	{ POST,   BASE "/{webhook_id}/regenerate-secret", "workspace.webhooks_out.regenerate_secret", &by_member, "Replace a webhook's secret",
	  .about = "The new one is in this answer only. For 24 hours messages are signed with both, so that receivers can be changed in peace.",
	  .may = &can_manage_webhook, .out = &webhook_secret_shape, .sql = &q_webhook_regenerate, .run = webhooks_regenerate,
	  .flags = PRIVATE, .status = 200 },
	{ POST,   BASE "/{webhook_id}/toggle", "workspace.webhooks_out.toggle", &by_member, "Switch a webhook on or off",
	  .about = "On forgets why it was switched off; off drops what has not been delivered.",
	  .may = &can_manage_webhook, .out = &webhook_shape, .sql = &q_webhook_toggle, .status = 200 },
	{ POST,   BASE "/{webhook_id}/test", "workspace.webhooks_out.test", &by_member, "Send a test to a webhook",
	  .about = "Signed as any message, once, while you wait, for 5 s at most; also while the webhook is switched off, and counted nowhere.",
	  .needs = { "a webhook whose secret was made here", ERR_UNAVAILABLE }, .may = &can_manage_webhook, .body = webhook_test_in, .out = &webhook_test_shape, .run = webhooks_test, .flags = SLOW, .status = 200 },
	{ GET,    BASE "/{webhook_id}/deliveries", "workspace.webhooks_out.list_deliveries", &by_member, "List deliveries",
	  .about = "Newest first, with their attempts; kept for 30 days. total counts up to 10,001.",
	  .may = &can_view_webhook, .query = deliveries_in, .out = &webhook_delivery_shape, .list = &deliveries_page,
	  .sql = &q_webhook_delivery_list },
	{ GET,    BASE "/{webhook_id}/deliveries/{delivery_id}", "workspace.webhooks_out.get_delivery", &by_member, "Get a delivery",
	  .about = "Also with the body that was sent, and the beginning of what was answered.",
	  .may = &can_view_webhook, .out = &webhook_delivery_long_shape, .sql = &q_webhook_delivery_get },
	{ POST,   BASE "/{webhook_id}/deliveries/{delivery_id}/redeliver", "workspace.webhooks_out.redeliver", &by_member, "Deliver again",
	  .about = "Whatever became of it. A delivery of its own, of the same message under the same webhook-id.",
	  .needs = { "a webhook that is switched on", ERR_CONFLICT }, .may = &can_manage_webhook, .out = &webhook_delivery_shape, .errors = webhook_is_off, .sql = &q_webhook_redeliver },
	ROUTE_END
};
/* clang-format on */
