#include "providers/webhook_event.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/json.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"

enum { MAX_TEXT = WEBHOOK_EVENT_TEXT, MAX_OBJECT = WEBHOOK_EVENT_OBJECT };

/* What PostgreSQL takes for a time ends with the year 9999. */
static const int64_t end_of_time_ms = 253402300800000;

/* A whole number, or one in a string, as Google writes those of 64 bits; 0 when it is neither. */
static int64_t number(struct json_object *value)
{
	if (json_object_is_type(value, json_type_string)) {
		const char *digits = json_text(value, 18);

		return digits && !digits[strspn(digits, "0123456789")] ? strtoll(digits, NULL, 10) : 0;
	}
	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
}

/* Milliseconds from a count of so many a second. */
static int64_t time_of(struct json_object *value, int64_t per_second)
{
	int64_t n = number(value);

	return n > 0 && n < end_of_time_ms / 1000 * per_second ? n * (1000 / per_second) : 0;
}

/*
 * A JSON object, read strictly, else as it can be stored: then the payload is
 * not all that the body had.  NULL: it is none, and *problem says why.
 */
static struct json_object *read_object(struct arena *a, const char *p, size_t n, bool *is_whole,
				       const char **problem)
{
	struct json_object *object;

	if (json_read(a, p, n, &object, problem)) {
		*is_whole = false;
		if (json_read_any(a, p, n, &object, problem))
			return NULL;
	}
	if (json_object_is_type(object, json_type_object)) {
		*problem = NULL;
		return object;
	}
	*is_whole = false;
	*problem = "the body is not a JSON object";
	return NULL;
}

static const char *as_text(struct json_object *object)
{
	return json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
}

/* What every event has when it is stored. */
static void complete(struct arena *a, const char *body, size_t n, struct webhook_event *out)
{
	unsigned char digest[SECRET_BYTES];

	if (!out->id || strlen(out->id) > MAX_TEXT) {
		secret_sha256(body, n, digest);
		out->id = secret_bytea(a, digest, sizeof(digest)) + 2;
	}
	if (!out->type || strlen(out->type) > MAX_TEXT) {
		out->type = "unknown";
		if (!out->problem)
			out->problem = "the event has no type of 1 to 255 bytes";
	}
	if (!out->payload)
		out->payload = "{}";
}

/*
 * Stripe
 */

/* What a payment or a subscription's change is about: events of the same have the same. */
static const char *stripe_object(struct json_object *object)
{
	struct json_object *subscription = json_at(object, "subscription", NULL);

	if (!subscription)
		subscription =
			json_at(json_at(object, "parent", "subscription_details"), "subscription", NULL);
	if (json_object_is_type(subscription, json_type_object))
		subscription = json_at(subscription, "id", NULL);
	return json_text(subscription ? subscription : json_at(object, "id", NULL), MAX_OBJECT);
}

static void stripe_read(struct arena *a, struct json_object *event, struct webhook_event *out)
{
	(void)a;
	out->id = json_text(json_at(event, "id", NULL), MAX_TEXT);
	out->type = json_text(json_at(event, "type", NULL), MAX_TEXT);
	out->object = stripe_object(json_at(event, "data", "object"));
	out->at_ms = time_of(json_at(event, "created", NULL), 1);
}

/*
 * Clerk, whose events have their id in a header
 */

static void clerk_read(struct arena *a, struct json_object *event, struct webhook_event *out)
{
	(void)a;
	out->type = json_text(json_at(event, "type", NULL), MAX_TEXT);
	out->object = json_text(json_at(event, "data", "id"), MAX_OBJECT);
	out->at_ms = time_of(json_at(event, "timestamp", NULL), 1000);
}

/*
 * Supabase, whose changes of rows have no ids: the same bytes are the same event
 */

static void supabase_read(struct arena *a, struct json_object *event, struct webhook_event *out)
{
	const char *type = json_text(json_at(event, "type", NULL), MAX_TEXT);
	const char *schema = json_text(json_at(event, "schema", NULL), MAX_TEXT);
	const char *table = json_text(json_at(event, "table", NULL), MAX_TEXT);

	if (type && schema && table)
		out->type = arena_fmt(a, "%s %s.%s", type, schema, table);
	out->object = json_text(json_at(event, "record", "id"), MAX_OBJECT);
	if (!out->object)
		out->object = json_text(json_at(event, "old_record", "id"), MAX_OBJECT);
}

/*
 * Google Play, whose notifications Pub/Sub pushes
 */

static const char *const subscription_types[] = {
	[1] = "SUBSCRIPTION_RECOVERED",
	[2] = "SUBSCRIPTION_RENEWED",
	[3] = "SUBSCRIPTION_CANCELED",
	[4] = "SUBSCRIPTION_PURCHASED",
	[5] = "SUBSCRIPTION_ON_HOLD",
	[6] = "SUBSCRIPTION_IN_GRACE_PERIOD",
	[7] = "SUBSCRIPTION_RESTARTED",
	[8] = "SUBSCRIPTION_PRICE_CHANGE_CONFIRMED",
	[9] = "SUBSCRIPTION_DEFERRED",
	[10] = "SUBSCRIPTION_PAUSED",
	[11] = "SUBSCRIPTION_PAUSE_SCHEDULE_CHANGED",
	[12] = "SUBSCRIPTION_REVOKED",
	[13] = "SUBSCRIPTION_EXPIRED",
	[17] = "SUBSCRIPTION_ITEMS_CHANGED",
	[18] = "SUBSCRIPTION_CANCELLATION_SCHEDULED",
	[19] = "SUBSCRIPTION_PRICE_CHANGE_UPDATED",
	[20] = "SUBSCRIPTION_PENDING_PURCHASE_CANCELED",
	[22] = "SUBSCRIPTION_PRICE_STEP_UP_CONSENT_UPDATED",
};

static const char *const one_time_types[] = {
	[1] = "ONE_TIME_PRODUCT_PURCHASED",
	[2] = "ONE_TIME_PRODUCT_CANCELED",
};

static const char *word_of(struct arena *a, const char *const *words, size_t n, int64_t i, const char *prefix)
{
	if (i > 0 && (uint64_t)i < n && words[i])
		return words[i];
	return arena_fmt(a, "%s_%lld", prefix, (long long)i);
}

/* The notification's type as Google's documentation calls it; *about has the purchaseToken, or is NULL. */
static const char *google_type(struct arena *a, struct json_object *n, struct json_object **about)
{
	if ((*about = json_at(n, "subscriptionNotification", NULL)))
		return word_of(a, subscription_types, sizeof(subscription_types) / sizeof(char *),
			       number(json_at(*about, "notificationType", NULL)), "SUBSCRIPTION");
	if ((*about = json_at(n, "oneTimeProductNotification", NULL)))
		return word_of(a, one_time_types, sizeof(one_time_types) / sizeof(char *),
			       number(json_at(*about, "notificationType", NULL)), "ONE_TIME_PRODUCT");
	if ((*about = json_at(n, "voidedPurchaseNotification", NULL)))
		return "VOIDED_PURCHASE";
	return json_at(n, "testNotification", NULL) ? "TEST" : "UNKNOWN";
}

/* message.data takes its decoded form; without one the event stays as it came, with a problem. */
static void google_read(struct arena *a, struct json_object *body, struct webhook_event *out)
{
	struct json_object *message = json_at(body, "message", NULL), *notification, *about;
	const char *data = json_text(json_at(message, "data", NULL), SIZE_MAX), *problem;
	size_t n = data ? strlen(data) : 0;
	char *bytes = arena_alloc_raw(a, n + 1);
	ssize_t got = data ? base64_decode(data, n, bytes) : -1;

	out->id = json_text(json_at(message, "messageId", NULL), MAX_TEXT);
	notification = got > 0 ? read_object(a, bytes, (size_t)got, &out->is_whole, &problem) : NULL;
	if (!notification) {
		out->is_whole = false;
		out->problem = "message.data is not a JSON object in base64";
		return;
	}
	out->type = google_type(a, notification, &about);
	out->object = json_text(json_at(about, "purchaseToken", NULL), MAX_OBJECT);
	out->at_ms = time_of(json_at(notification, "eventTimeMillis", NULL), 1000);
	json_object_object_add(body, "notification", json_object_get(notification));
	json_object_object_del(message, "data");
	out->payload = as_text(body);
}

/*
 * Apple
 */

struct json_object *webhook_event_apple_data(struct json_object *notification)
{
	static const char *const names[] = { "data", "summary", "appData", "externalPurchaseToken" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (json_at(notification, names[i], NULL))
			return json_at(notification, names[i], NULL);
	return NULL;
}

/*
 * All of them
 */

void webhook_event_read(struct arena *a, const char *provider, const char *id, const char *body, size_t n,
			struct webhook_event *out)
{
	static const struct {
		const char *provider;
		void (*read)(struct arena *a, struct json_object *body, struct webhook_event *out);
	} readers[] = {
		{ "stripe", stripe_read },
		{ "clerk", clerk_read },
		{ "supabase", supabase_read },
		{ "google", google_read },
	};
	struct json_object *event;

	*out = (struct webhook_event){ .provider = provider, .is_whole = true };
	event = read_object(a, body, n, &out->is_whole, &out->problem);
	for (size_t i = 0; event && i < sizeof(readers) / sizeof(*readers); i++)
		if (!strcmp(readers[i].provider, provider))
			readers[i].read(a, event, out);
	if (event && !out->payload)
		out->payload = out->is_whole ? body : as_text(event);
	if (id)
		out->id = id;
	complete(a, body, n, out);
}

void webhook_event_read_apple(struct arena *a, struct json_object *notification, const char *jws, size_t n,
			      struct webhook_event *out)
{
	struct json_object *data = webhook_event_apple_data(notification);

	*out = (struct webhook_event){
		.provider = "apple",
		.id = json_text(json_at(notification, "notificationUUID", NULL), MAX_TEXT),
		.type = json_text(json_at(notification, "notificationType", NULL), MAX_TEXT),
		.object = json_text(json_at(data, "transactionInfo", "originalTransactionId"), MAX_OBJECT),
		.at_ms = time_of(json_at(notification, "signedDate", NULL), 1000),
		.payload = as_text(notification),
		.is_whole = true,
	};
	if (!out->object)
		out->object = json_text(json_at(data, "renewalInfo", "originalTransactionId"), MAX_OBJECT);
	complete(a, jws, n, out);
}

/* Sealed text is text: base64 makes it of bytes.  They are the installation's, as the secrets are that
 * verified them. */
char *webhook_event_seal(struct arena *a, const char *body, size_t n)
{
	char *text = arena_alloc_raw(a, (n + 2) / 3 * 4 + 1);

	base64_encode(body, n, text);
	return n ? seal_text(a, "webhook_event", NULL, text) : NULL;
}

const char *webhook_event_open(struct arena *a, const char *sealed, size_t *n)
{
	const char *text = seal_open(a, "webhook_event", NULL, sealed);
	char *body = text ? arena_alloc(a, strlen(text) + 1) : NULL;
	ssize_t got = text ? base64_decode(text, strlen(text), body) : -1;

	if (got < 0)
		return NULL;
	body[got] = '\0';
	*n = (size_t)got;
	return body;
}
