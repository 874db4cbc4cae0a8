/*
 * Webhooks that others send us: Stripe, Clerk, Supabase, Apple and Google.
 *
 * The signature is asked for first, over the bytes as they came; then the event
 * is stored, once, with the job that processes it (worker/webhook_in.c), in one
 * round trip.  Whoever sends it wants a quick answer, so that nothing else
 * happens here, and nothing on the network.
 *
 * They are configured by environment variables and hence the installation's:
 * what they tell is about the default tenant.
 */
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <strings.h>

#include "fcgi/b64url.h"
#include "fcgi/config.h"
#include "fcgi/db.h"
#include "fcgi/issuer.h"
#include "fcgi/json.h"
#include "fcgi/log.h"
#include "fcgi/req.h"
#include "fcgi/secret.h"
#include "fcgi/tok.h"
#include "handlers/routes.h"
#include "providers/apple_jws.h"
#include "providers/standard_webhooks.h"
#include "providers/stripe_signature.h"

enum {
	MAX_BODY = 512 * 1024,
	MAX_TEXT = 255,                   /* bytes of an event's id and of its type */
	MAX_OBJECT = 2048,                /* of what it is about: Google's purchase tokens are long */
	TOLERANCE_S = 300,                /* how far ahead of ours Apple's clock may be */
	APPLE_MAX_AGE_S = 14 * 24 * 3600, /* it sends a notification again for six and a half days */
};

/* clang-format off */
static const struct field event_in[] = {
	{ "event", F_OBJECT, F_REQUIRED | F_WHOLE, .about = "the event as the provider signs it: its very bytes" },
	FIELD_END
};

static const struct field apple_in[] = {
	{ "signedPayload", F_TEXT, F_REQUIRED, .min = 1, .max = MAX_BODY, .about = "a JWS, which is its own signature", .example = "eyJhbGciOiJFUzI1NiIsIng1YyI6…" },
	FIELD_END
};

static const struct field message_in[] = {
	{ "data",        F_TEXT, F_REQUIRED, .min = 1, .about = "the notification, base64", .example = "eyJ2ZXJzaW9uIjoiMS4wIiwi…" },
	{ "messageId",   F_TEXT, F_REQUIRED, .min = 1, .max = MAX_TEXT, .example = "136969346945" },
	{ "publishTime", F_TEXT, 0, .example = "2026-01-31T12:00:00Z" },
	FIELD_END
};

static const struct field google_in[] = {
	{ "message",      F_OBJECT, F_REQUIRED, .fields = message_in },
	{ "subscription", F_TEXT,   0, .example = "projects/example/subscriptions/play" },
	FIELD_END
};

static const struct field received_out[] = {
	{ "received", F_BOOL, 0, .about = "it is stored, now or before" },
	FIELD_END
};

static const struct shape received_shape = { "WebhookReceived", received_out };
/* clang-format on */

/* What is stored of an event. */
struct event {
	const char *provider;
	const char *id, *type;
	const char *object; /* or NULL */
	int64_t at_ms;      /* when it happened; 0: it does not say */
	const char *payload;
	const char *is_signed; /* a body that is its own proof, or NULL */
};

/* The sender learns nothing, the log why. */
static enum err refuse(struct req *rq, const char *reason)
{
	rq->fail = (struct failure){ 0 };
	req_fail(rq, ERR_AUTHENTICATION, "the signature is missing or not valid");
	rq->fail.reason = reason;
	return ERR_AUTHENTICATION;
}

static enum err not_configured(struct req *rq)
{
	req_set_header(rq, "Retry-After", "3600"); /* until somebody has set it up */
	return req_fail(rq, ERR_UNAVAILABLE, "webhooks of this provider are not configured");
}

static enum err no_event(struct req *rq, const char *what)
{
	return req_fail(rq, ERR_BAD_REQUEST, "this is no event that can be taken: %s", what);
}

static enum err received(struct req *rq)
{
	buf_text(req_open(rq), "{\"received\":true}");
	return req_close(rq);
}

/* A member of an object by its path: two names, or one and NULL. */
static struct json_object *at(struct json_object *object, const char *name, const char *inner)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, name, &value))
		return NULL;
	return inner ? at(value, inner, NULL) : value;
}

/* A string of 1 to max bytes, or NULL. */
static const char *text(struct json_object *value, size_t max)
{
	size_t n =
		json_object_is_type(value, json_type_string) ? (size_t)json_object_get_string_len(value) : 0;

	return n && n <= max ? json_object_get_string(value) : NULL;
}

/* A whole number, or one in a string, as Google writes those of 64 bits; 0 when it is neither. */
static int64_t number(struct json_object *value)
{
	if (json_object_is_type(value, json_type_string)) {
		const char *digits = text(value, 18);

		return digits && !digits[strspn(digits, "0123456789")] ? strtoll(digits, NULL, 10) : 0;
	}
	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
}

/* A body whose signature is good, as a JSON object. */
static enum err read_body(struct req *rq, struct json_object **out)
{
	const char *problem;

	if (json_read(&rq->arena, rq->body ? rq->body : "", rq->body_len, out, &problem))
		return req_fail(rq, ERR_BAD_REQUEST, "%s", problem);
	if (!json_object_is_type(*out, json_type_object))
		return req_fail(rq, ERR_BAD_REQUEST, "the body must be a JSON object");
	return ERR_OK;
}

/* Store it, if it is new, and have it processed. */
static enum err store(struct req *rq, const struct event *e)
{
	/* What PostgreSQL cannot take for a time is none. */
	bool has_time = e->at_ms > 0 && e->at_ms < 253402300800000;
	PGresult *res;
	enum err rc;

	if (!e->id)
		return no_event(rq, "it has no id");
	if (!e->type)
		return no_event(rq, "it has no type");
	req_set(rq, "provider", e->provider);
	req_set(rq, "event_id", e->id);
	req_set(rq, "type", e->type);
	req_set(rq, "object_key", e->object);
	req_set(rq, "occurred_ms", has_time ? arena_fmt(&rq->arena, "%lld", (long long)e->at_ms) : NULL);
	req_set(rq, "payload", e->payload);
	req_set(rq, "signed", e->is_signed);
	rc = db_call(rq, Q_webhook_event_store, true, &res);
	return rc ? rc : received(rq);
}

/*
 * Stripe
 */

/* What a payment or a subscription's change is about: events of the same have the same. */
static const char *stripe_object(struct json_object *object)
{
	struct json_object *subscription = at(object, "subscription", NULL);

	if (!subscription)
		subscription = at(at(object, "parent", "subscription_details"), "subscription", NULL);
	if (json_object_is_type(subscription, json_type_object))
		subscription = at(subscription, "id", NULL);
	return text(subscription ? subscription : at(object, "id", NULL), MAX_OBJECT);
}

static enum err stripe_receive(struct req *rq)
{
	struct event e = { .provider = "stripe", .payload = rq->body };
	struct json_object *event;
	enum err rc;

	if (!*cfg.stripe_webhook_secret)
		return not_configured(rq);
	if (!stripe_signature_verify(cfg.stripe_webhook_secret, req_header(rq, "Stripe-Signature"), rq->body,
				     rq->body_len, time(NULL)))
		return refuse(rq, "Stripe-Signature");
	rc = read_body(rq, &event);
	if (rc)
		return rc;
	e.id = text(at(event, "id", NULL), MAX_TEXT);
	e.type = text(at(event, "type", NULL), MAX_TEXT);
	e.object = stripe_object(at(event, "data", "object"));
	e.at_ms = number(at(event, "created", NULL));
	e.at_ms = e.at_ms < 253402300800 ? e.at_ms * 1000 : 0;
	return store(rq, &e);
}

/*
 * Clerk, which has Svix send its webhooks
 */

/* Svix sends its headers under either name. */
static const char *svix_header(struct req *rq, const char *svix, const char *standard)
{
	const char *value = req_header(rq, svix);

	return value ? value : req_header(rq, standard);
}

static enum err clerk_receive(struct req *rq)
{
	const char *id = svix_header(rq, "svix-id", "webhook-id");
	struct event e = { .provider = "clerk", .payload = rq->body };
	struct json_object *event;
	enum err rc;

	if (!*cfg.clerk_webhook_secret)
		return not_configured(rq);
	if (!standard_webhooks_verify(cfg.clerk_webhook_secret, id,
				      svix_header(rq, "svix-timestamp", "webhook-timestamp"),
				      svix_header(rq, "svix-signature", "webhook-signature"), rq->body,
				      rq->body_len, time(NULL)))
		return refuse(rq, "svix-signature");
	rc = read_body(rq, &event);
	if (rc)
		return rc;
	e.id = strlen(id) <= MAX_TEXT ? id : NULL;
	e.type = text(at(event, "type", NULL), MAX_TEXT);
	e.object = text(at(event, "data", "id"), MAX_OBJECT);
	e.at_ms = number(at(event, "timestamp", NULL));
	return store(rq, &e);
}

/*
 * Supabase's database webhooks
 */

/* Is the bearer one of the secrets?  Digests are compared, so that the time tells nothing about either. */
static bool is_supabase(const char *authorization)
{
	unsigned char sent[SECRET_BYTES], ours[SECRET_BYTES];
	const char *secrets = cfg.supabase_webhook_secret;
	bool found = false;

	if (!authorization || strncasecmp(authorization, "Bearer ", 7))
		return false;
	authorization += 7;
	secret_sha256(authorization, strlen(authorization), sent);
	for (size_t n; *secrets; secrets += n) {
		secrets += strspn(secrets, ", ");
		n = strcspn(secrets, ", ");
		if (!n)
			continue;
		secret_sha256(secrets, n, ours);
		found |= !CRYPTO_memcmp(sent, ours, sizeof(ours));
	}
	return found;
}

/* They have no ids: the same bytes are the same event. */
static enum err supabase_receive(struct req *rq)
{
	struct event e = { .provider = "supabase", .payload = rq->body };
	const char *type, *schema, *table, *id;
	unsigned char digest[SECRET_BYTES];
	struct json_object *event;
	enum err rc;

	if (!*cfg.supabase_webhook_secret)
		return not_configured(rq);
	if (!is_supabase(req_header(rq, "Authorization")))
		return refuse(rq, "Authorization");
	rc = read_body(rq, &event);
	if (rc)
		return rc;
	type = text(at(event, "type", NULL), 16);
	schema = text(at(event, "schema", NULL), 63 * 4);
	table = text(at(event, "table", NULL), 63 * 4);
	if (!type || !schema || !table)
		return no_event(rq, "it has no type, schema and table");
	secret_sha256(rq->body, rq->body_len, digest);
	e.id = secret_bytea(&rq->arena, digest, sizeof(digest)) + 2;
	e.type = arena_fmt(&rq->arena, "%s %s.%s", type, schema, table);
	if (strlen(e.type) > MAX_TEXT)
		return no_event(rq, "the names are too long");
	id = text(at(event, "record", "id"), MAX_OBJECT);
	e.object = id ? id : text(at(event, "old_record", "id"), MAX_OBJECT);
	return store(rq, &e);
}

/*
 * Apple's App Store Server Notifications
 */

/* The configured roots, read when the first notification comes; NULL: they cannot be. */
static X509_STORE *apple_roots(struct req *rq)
{
	static X509_STORE *roots;
	const char *problem;

	if (!roots) {
		roots = apple_roots_read(cfg.apple_root_ca, &problem);
		if (!roots)
			log_msg(LOG_ERROR, rq, "APPLE_ROOT_CA: %s: %s", cfg.apple_root_ca, problem);
	}
	return roots;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; word && *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

/* What a notification is about, and where it says which app and environment that is. */
static struct json_object *apple_data(struct json_object *notification)
{
	static const char *const names[] = { "data", "summary", "appData", "externalPurchaseToken" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (at(notification, names[i], NULL))
			return at(notification, names[i], NULL);
	return NULL;
}

/* Is it for one of our apps, and not from the sandbox, where anybody buys for nothing? */
static const char *apple_check(struct json_object *data)
{
	const char *environment = text(at(data, "environment", NULL), MAX_TEXT);
	const char *external = text(at(data, "externalPurchaseId", NULL), MAX_TEXT);

	if (!is_one_of(text(at(data, "bundleId", NULL), MAX_TEXT), cfg.apple_bundle_ids))
		return "another bundle";
	if (!environment && external)
		environment = strncmp(external, "SANDBOX", 7) ? "Production" : "Sandbox";
	return environment && !strcasecmp(environment, cfg.apple_environment) ? NULL : "another environment";
}

/*
 * Put what is signed inside in its decoded form; the same chain signs it, for
 * the same app.  NULL, or why it is refused.
 */
static const char *apple_open_inner(struct req *rq, struct json_object *data, const char *name,
				    const char *as)
{
	const char *inner = text(at(data, name, NULL), MAX_BODY), *problem, *bundle;
	struct json_object *payload;
	int64_t signed_at;

	if (!inner)
		return at(data, name, NULL) ? "what is signed inside is no text" : NULL;
	problem = apple_jws_open(&rq->arena, apple_roots(rq), inner, strlen(inner), &payload, &signed_at);
	if (problem)
		return problem;
	bundle = text(at(payload, "bundleId", NULL), MAX_TEXT); /* renewals tell none */
	if (bundle && !is_one_of(bundle, cfg.apple_bundle_ids))
		return "another bundle inside";
	json_object_object_add(data, as, json_object_get(payload));
	json_object_object_del(data, name);
	return NULL;
}

static enum err apple_receive(struct req *rq)
{
	struct event e = { .provider = "apple" };
	struct json_object *body, *notification, *data;
	X509_STORE *roots;
	const char *problem, *jws;
	int64_t signed_at, now = time(NULL);
	enum err rc;

	if (!*cfg.apple_root_ca)
		return not_configured(rq);
	roots = apple_roots(rq);
	if (!roots) {
		req_set_header(rq, "Retry-After", "3600");
		return req_fail(rq, ERR_UNAVAILABLE, NULL);
	}
	/* The signature is in the body, which has to be read before it can be believed. */
	rc = read_body(rq, &body);
	jws = rc ? NULL : text(at(body, "signedPayload", NULL), MAX_BODY);
	if (!jws)
		return refuse(rq, "no signedPayload");
	problem = apple_jws_open(&rq->arena, roots, jws, strlen(jws), &notification, &signed_at);
	if (!problem && (signed_at - now > TOLERANCE_S || now - signed_at > APPLE_MAX_AGE_S))
		problem = "signed too long ago, or in the future";
	data = problem ? NULL : apple_data(notification);
	if (!problem)
		problem = apple_check(data);
	if (!problem)
		problem = apple_open_inner(rq, data, "signedTransactionInfo", "transactionInfo");
	if (!problem)
		problem = apple_open_inner(rq, data, "signedRenewalInfo", "renewalInfo");
	if (problem)
		return refuse(rq, problem);
	e.id = text(at(notification, "notificationUUID", NULL), MAX_TEXT);
	e.type = text(at(notification, "notificationType", NULL), MAX_TEXT);
	e.object = text(at(data, "transactionInfo", "originalTransactionId"), MAX_OBJECT);
	if (!e.object)
		e.object = text(at(data, "renewalInfo", "originalTransactionId"), MAX_OBJECT);
	e.at_ms = number(at(notification, "signedDate", NULL));
	e.payload = json_object_to_json_string_ext(notification, JSON_C_TO_STRING_PLAIN);
	e.is_signed = jws;
	return store(rq, &e);
}

/*
 * Google Play's notifications, pushed by Pub/Sub
 */

/* Pub/Sub's own token (OpenID Connect), by Google's keys as the table has them. */
static enum err google_check(struct req *rq)
{
	const char *authorization = req_header(rq, "Authorization"), *iss, *email;
	struct json_object *payload, *verified;
	struct claims claims;
	enum err rc;

	if (!authorization || strncasecmp(authorization, "Bearer ", 7))
		return refuse(rq, "no bearer token");
	rc = tok_open_by(rq, authorization + 7, issuer_pubsub_keys(), cfg.google_pubsub_audience, &claims,
			 &payload);
	if (rc == ERR_AUTHENTICATION)
		return refuse(rq, rq->fail.reason ? rq->fail.reason : rq->fail.message);
	if (rc)
		return rc;
	iss = text(at(payload, "iss", NULL), MAX_TEXT);
	email = text(at(payload, "email", NULL), MAX_TEXT);
	verified = at(payload, "email_verified", NULL);
	if (!iss || (strcmp(iss, "https://accounts.google.com") && strcmp(iss, "accounts.google.com") &&
		     strcmp(iss, cfg.google_issuer)))
		return refuse(rq, "another iss");
	if (!email || strcasecmp(email, cfg.google_pubsub_email) ||
	    !json_object_is_type(verified, json_type_boolean) || !json_object_get_boolean(verified))
		return refuse(rq, "another email, or one that is not verified");
	return ERR_OK;
}

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

static const char *word_of(struct req *rq, const char *const *words, size_t n, int64_t i, const char *prefix)
{
	if (i > 0 && (uint64_t)i < n && words[i])
		return words[i];
	return arena_fmt(&rq->arena, "%s_%lld", prefix, (long long)i);
}

/* The notification's type as Google's documentation calls it; *about has the purchaseToken, or is NULL. */
static const char *google_type(struct req *rq, struct json_object *n, struct json_object **about)
{
	if ((*about = at(n, "subscriptionNotification", NULL)))
		return word_of(rq, subscription_types, sizeof(subscription_types) / sizeof(char *),
			       number(at(*about, "notificationType", NULL)), "SUBSCRIPTION");
	if ((*about = at(n, "oneTimeProductNotification", NULL)))
		return word_of(rq, one_time_types, sizeof(one_time_types) / sizeof(char *),
			       number(at(*about, "notificationType", NULL)), "ONE_TIME_PRODUCT");
	if ((*about = at(n, "voidedPurchaseNotification", NULL)))
		return "VOIDED_PURCHASE";
	return at(n, "testNotification", NULL) ? "TEST" : "UNKNOWN";
}

/* message.data as a JSON object, or NULL. */
static struct json_object *google_notification(struct req *rq, struct json_object *message)
{
	const char *data = text(at(message, "data", NULL), MAX_BODY), *problem;
	struct json_object *out;
	size_t n = data ? strlen(data) : 0;
	char *bytes = arena_alloc_raw(&rq->arena, n + 1);
	ssize_t got = data ? b64_decode(data, n, bytes) : -1;

	if (got <= 0 || json_read(&rq->arena, bytes, (size_t)got, &out, &problem))
		return NULL;
	return json_object_is_type(out, json_type_object) ? out : NULL;
}

static enum err google_receive(struct req *rq)
{
	struct event e = { .provider = "google" };
	struct json_object *body, *message, *notification, *about;
	enum err rc;

	if (!*cfg.google_pubsub_audience)
		return not_configured(rq);
	rc = google_check(rq);
	if (!rc)
		rc = read_body(rq, &body);
	if (rc)
		return rc;
	message = at(body, "message", NULL);
	notification = google_notification(rq, message);
	if (!notification)
		return no_event(rq, "message.data is not JSON in base64");
	e.id = text(at(message, "messageId", NULL), MAX_TEXT);
	e.type = google_type(rq, notification, &about);
	e.object = text(at(about, "purchaseToken", NULL), MAX_OBJECT);
	e.at_ms = number(at(notification, "eventTimeMillis", NULL));
	/* The body with the notification in its decoded form. */
	json_object_object_add(body, "notification", json_object_get(notification));
	json_object_object_del(message, "data");
	e.payload = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
	return store(rq, &e);
}

/* clang-format off */
#define RECEIVED .flags = RAW | SIGNED, .max_body = MAX_BODY, .out = &received_shape, .status = 200

const struct route webhook_in_routes[] = {
	{ POST, "/api/v1/public/webhooks/stripe",   "app.webhooks_in.receive_stripe",   PUBLIC, "Receive an event of Stripe's",
	  "Stripe-Signature: t=<seconds>,v1=<hex HMAC>. 401 for a signature that is missing, wrong or more than 300 s old, 503 where Stripe is "
	  "not configured. An event that was sent before is received, and not processed twice.",
	  RECEIVED, .body = event_in, .run = stripe_receive },
	{ POST, "/api/v1/public/webhooks/clerk",    "app.webhooks_in.receive_clerk",    PUBLIC, "Receive an event of Clerk's",
	  "svix-id, svix-timestamp and svix-signature (or webhook-…), as Svix and Standard Webhooks sign. 401 for a signature that is missing, "
	  "wrong or more than 300 s old, 503 where Clerk is not configured.",
	  RECEIVED, .body = event_in, .run = clerk_receive },
	{ POST, "/api/v1/public/webhooks/supabase", "app.webhooks_in.receive_supabase", PUBLIC, "Receive a change of Supabase's auth.users",
	  "Authorization: Bearer <the webhook's secret>. 401 for another one, 503 where Supabase is not configured.",
	  RECEIVED, .body = event_in, .run = supabase_receive },
	{ POST, "/api/v1/public/webhooks/apple",    "app.webhooks_in.receive_apple",    PUBLIC, "Receive an App Store notification",
	  "Version 2. 401 for a payload that is not signed up to the configured root, of another app or environment, or of more than 14 days "
	  "ago; 503 where Apple is not configured.",
	  RECEIVED, .body = apple_in, .run = apple_receive },
	{ POST, "/api/v1/public/webhooks/google",   "app.webhooks_in.receive_google",   PUBLIC, "Receive a Play notification",
	  "A Pub/Sub push with its OpenID Connect token: Authorization: Bearer <token>. 401 for a token that is not Google's, or for another "
	  "audience or service account; 503 where Google is not configured, or its keys are not known yet.",
	  RECEIVED, .body = google_in, .run = google_receive },
	ROUTE_END
};
/* clang-format on */
