/*
 * Webhooks that others send us: Stripe, Clerk, Supabase, Apple and Google.
 *
 * The signature is asked for first, over the bytes as they came; then the event
 * is stored, once, with the job that processes it (worker/webhook_in.c), in one
 * round trip.  The sender wants a quick answer, so that nothing else happens here,
 * and nothing on the network.
 *
 * They are configured by environment variables and hence the installation's:
 * what they tell is about the tenant that WEBHOOKS_IN_TENANT names, else the
 * default one.  A tenant's own account at Stripe has a path with the tenant in it.
 */
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <strings.h>

#include "build/sql/billing/payment_accounts.h"
#include "build/sql/integrations/webhook_events.h"
#include "fcgi/answer.h"
#include "fcgi/auth.h"
#include "fcgi/req.h"
#include "handlers/shapes.h"
#include "lib/base/json.h"
#include "lib/crypto/issuer.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/tok.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "providers/apple_jws.h"
#include "providers/standard_webhooks.h"
#include "providers/stripe_billing.h"
#include "providers/stripe_signature.h"
#include "providers/webhook_event.h"

enum {
	MAX_BODY = 512 * 1024,
	MAX_TEXT = WEBHOOK_EVENT_TEXT,
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

static const char *const successes[] = { "success", NULL };

static const struct field success_out[] = {
	{ "status", F_ENUM, 0, .values = successes, .about = "it is stored, now or before" },
	FIELD_END
};

static const struct shape received_shape = { "WebhookReceived", received_out };
static const struct shape success_shape = { "WebhookSuccess", success_out };
/* clang-format on */

/* What a provider's check has found out beside that the sender is believed. */
struct proof {
	const char *id;                   /* the event's, where a header has it */
	const char *jws;                  /* a body that is its own proof (Apple's), */
	struct json_object *notification; /* and what is in it */
};

/* Which has a dialect of its own here, too. */
static bool is_observability(const struct req *rq)
{
	return !strncmp(rq->asked.route->id, "observability.", 14);
}

/* NULL: there is none. */
static const char *bearer(const struct req *rq)
{
	const char *authorization = req_header(rq, "Authorization");

	return authorization && !strncasecmp(authorization, "Bearer ", 7) ? authorization + 7 : NULL;
}

/* The sender learns nothing, the log why.  Surfaces but the app's call it a malformed request. */
static enum err refuse(struct req *rq, const char *reason)
{
	bool is_app = !strncmp(rq->asked.route->id, "app.", 4);

	req_fail(rq, is_app ? ERR_AUTHENTICATION : ERR_BAD_REQUEST, "the signature is missing or not valid");
	rq->tx.fail.reason = reason;
	return rq->tx.fail.err;
}

/*
 * Stripe
 */

static enum err stripe_check(struct req *rq, struct proof *proof)
{
	(void)proof;
	if (!stripe_signature_verify(cfg.stripe_webhook_secret, req_header(rq, "Stripe-Signature"),
				     rq->asked.body, rq->asked.body_len, time(NULL)))
		return refuse(rq, "Stripe-Signature");
	return ERR_OK;
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

static enum err clerk_check(struct req *rq, struct proof *proof)
{
	proof->id = svix_header(rq, "svix-id", "webhook-id");
	if (!standard_webhooks_verify(cfg.clerk_webhook_secret, proof->id,
				      svix_header(rq, "svix-timestamp", "webhook-timestamp"),
				      svix_header(rq, "svix-signature", "webhook-signature"), rq->asked.body,
				      rq->asked.body_len, time(NULL)))
		return refuse(rq, "svix-signature");
	return ERR_OK;
}

/*
 * Supabase's database webhooks
 */

static enum err supabase_check(struct req *rq, struct proof *proof)
{
	const char *token = bearer(rq);

	(void)proof;
	return token && secret_is_one_of(token, cfg.supabase_webhook_secret) ? ERR_OK
									     : refuse(rq, "Authorization");
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
		roots = apple_jws_roots_read(cfg.apple_root_ca, &problem);
		if (!roots)
			log_msg(LOG_ERROR, &rq->tx.log, "APPLE_ROOT_CA: %s: %s", cfg.apple_root_ca, problem);
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

/* Is it for one of our apps, and not from the sandbox, where purchases cost nothing? */
static const char *apple_app_problem(struct json_object *data)
{
	const char *environment = json_text(json_at(data, "environment", NULL), MAX_TEXT);
	const char *external = json_text(json_at(data, "externalPurchaseId", NULL), MAX_TEXT);

	if (!is_one_of(json_text(json_at(data, "bundleId", NULL), MAX_TEXT), cfg.apple_bundle_ids))
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
	const char *inner = json_text(json_at(data, name, NULL), MAX_BODY), *problem, *bundle;
	struct json_object *payload;
	int64_t signed_at;

	if (!inner)
		return json_at(data, name, NULL) ? "what is signed inside is no text" : NULL;
	problem = apple_jws_open(&rq->tx.arena, apple_roots(rq), inner, strlen(inner), &payload, &signed_at);
	if (problem)
		return problem;
	bundle = json_text(json_at(payload, "bundleId", NULL), MAX_TEXT); /* renewals tell none */
	if (bundle && !is_one_of(bundle, cfg.apple_bundle_ids))
		return "another bundle inside";
	json_object_object_add(data, as, json_object_get(payload));
	json_object_object_del(data, name);
	return NULL;
}

static enum err apple_check(struct req *rq, struct proof *proof)
{
	struct json_object *body, *notification, *data;
	int64_t signed_at, now = time(NULL);
	const char *problem, *jws;
	X509_STORE *roots = apple_roots(rq);

	if (!roots) {
		req_set_header(rq, "Retry-After", "3600");
		return req_fail(rq, ERR_UNAVAILABLE, NULL);
	}
	/* The signature is in the body, which has to be read before it can be believed. */
	if (json_read_any(&rq->tx.arena, rq->asked.body ? rq->asked.body : "", rq->asked.body_len, &body,
			  &problem))
		body = NULL;
	jws = json_text(json_at(body, "signedPayload", NULL), MAX_BODY);
	if (!jws)
		return refuse(rq, "no signedPayload");
	problem = apple_jws_open(&rq->tx.arena, roots, jws, strlen(jws), &notification, &signed_at);
	if (!problem && (signed_at - now > TOLERANCE_S || now - signed_at > APPLE_MAX_AGE_S))
		problem = "signed too long ago, or in the future";
	data = problem ? NULL : webhook_event_apple_data(notification);
	if (!problem)
		problem = apple_app_problem(data);
	if (!problem)
		problem = apple_open_inner(rq, data, "signedTransactionInfo", "transactionInfo");
	if (!problem)
		problem = apple_open_inner(rq, data, "signedRenewalInfo", "renewalInfo");
	if (problem)
		return refuse(rq, problem);
	proof->jws = jws;
	proof->notification = notification;
	return ERR_OK;
}

/*
 * Google Play's notifications, pushed by Pub/Sub
 */

/* Pub/Sub's own token (OpenID Connect), by Google's keys as the table has them. */
static enum err google_check(struct req *rq, struct proof *proof)
{
	const char *token = bearer(rq), *iss, *email;
	struct json_object *payload, *verified;
	struct claims claims;
	enum err rc;

	(void)proof;
	if (!token)
		return refuse(rq, "no bearer token");
	rc = tok_open_by(&rq->tx.arena, token, issuer_pubsub_keys(), cfg.google_pubsub_audience, &claims,
			 &payload, &rq->tx.fail);
	if (rc == ERR_AUTHENTICATION)
		return refuse(rq, failure_reason(&rq->tx.fail));
	if (rc)
		return rc;
	iss = json_text(json_at(payload, "iss", NULL), MAX_TEXT);
	email = json_text(json_at(payload, "email", NULL), MAX_TEXT);
	verified = json_at(payload, "email_verified", NULL);
	if (!iss || (strcmp(iss, "https://accounts.google.com") && strcmp(iss, "accounts.google.com") &&
		     strcmp(iss, cfg.google_issuer)))
		return refuse(rq, "another iss");
	if (!email || strcasecmp(email, cfg.google_pubsub_email) ||
	    !json_object_is_type(verified, json_type_boolean) || !json_object_get_boolean(verified))
		return refuse(rq, "another email, or one that is not verified");
	return ERR_OK;
}

/*
 * Receiving
 */

/* clang-format off */
/* Of each provider, by how the last part of its path begins: the setting without which it is not configured, and its check. */
static const struct receiver {
	const char *provider;
	const char *const *setting;
	enum err (*check)(struct req *rq, struct proof *proof);
} receivers[] = {
	{ "stripe",   &cfg.stripe_webhook_secret,   stripe_check },
	{ "clerk",    &cfg.clerk_webhook_secret,    clerk_check },
	{ "supabase", &cfg.supabase_webhook_secret, supabase_check },
	{ "apple",    &cfg.apple_root_ca,           apple_check },
	{ "google",   &cfg.google_pubsub_audience,  google_check },
};
/* clang-format on */

static const struct receiver *receiver_of(const struct route *r)
{
	const char *provider = strrchr(r->path, '/') + 1;
	size_t i = 0;

	if (!strcmp(provider, "webhook")) /* of /api/billing: whom that is paid to */
		provider = "stripe";
	while (strncmp(receivers[i].provider, provider, strlen(receivers[i].provider)) != 0)
		i++;
	return &receivers[i];
}

/*
 * Store it, if it is new, and have it processed; one with a problem is a dead
 * letter.  What PostgreSQL could not hold as it came is kept sealed beside it:
 * it may hold what webhook_redact() leaves out.
 */
static enum err store(struct req *rq, const struct webhook_event *e, const struct proof *proof, bool is_own)
{
	bool is_kept = !proof->jws && !e->is_whole;
	PGresult *res;

	if (*cfg.webhooks_in_tenant && !is_own)
		auth_act_for(rq, cfg.webhooks_in_tenant);
	req_set(rq, "provider", e->provider);
	req_set(rq, "event_id", e->id);
	req_set(rq, "type", e->type);
	req_set(rq, "object_key", e->object);
	req_set(rq, "occurred_ms", e->at_ms ? arena_fmt(&rq->tx.arena, "%lld", (long long)e->at_ms) : NULL);
	req_set(rq, "payload", e->payload);
	req_set(rq, "signed", proof->jws);
	req_set(rq, "raw",
		is_kept ? webhook_event_seal(&rq->tx.arena, rq->asked.body, rq->asked.body_len) : NULL);
	req_set(rq, "problem", e->problem);
	req_set(rq, "is_own", is_own ? "true" : "false");
	return tx_call(&rq->tx, &q_webhook_event_store, true, &res);
}

static enum err received(struct req *rq, const struct webhook_event *e, const struct proof *proof,
			 bool is_own)
{
	enum err rc = store(rq, e, proof, is_own);

	if (rc)
		return rc;
	buf_text(answer_open(rq), is_observability(rq) ? "{\"status\":\"success\"}" : "{\"received\":true}");
	return answer_close(rq);
}

static enum err receive(struct req *rq)
{
	const struct receiver *r = receiver_of(rq->asked.route);
	struct proof proof = { 0 };
	struct json_object *tree;
	struct webhook_event e;
	const char *problem;
	enum err rc;

	if (!**r->setting) {
		req_set_header(rq, "Retry-After", "3600"); /* until an operator has set it up */
		return req_fail(rq, ERR_UNAVAILABLE, "webhooks of this provider are not configured");
	}
	rc = r->check(rq, &proof);
	if (rc)
		return rc;
	if (is_observability(rq) && json_read_any(&rq->tx.arena, rq->asked.body ? rq->asked.body : "",
						  rq->asked.body_len, &tree, &problem))
		return req_fail(rq, ERR_BAD_REQUEST, "the body is no JSON: %s", problem);
	if (proof.jws)
		webhook_event_read_apple(&rq->tx.arena, proof.notification, proof.jws, strlen(proof.jws), &e);
	else
		webhook_event_read(&rq->tx.arena, r->provider, proof.id, rq->asked.body ? rq->asked.body : "",
				   rq->asked.body_len, &e);
	return received(rq, &e, &proof, false);
}

/* Of the tenant's own account, which the path names. */
static enum err receive_own(struct req *rq)
{
	const char *tenant = req_path_text(rq, "tenant_id"), *sealed, *secret = NULL;
	struct proof proof = { 0 };
	struct webhook_event e;
	PGresult *res;
	enum err rc;

	auth_act_for(rq, tenant);
	rc = tx_call(&rq->tx, &q_payment_account_webhook, false, &res);
	if (rc)
		return rc;
	sealed = PQntuples(res) ? column_text(res, 0, "sealed") : NULL;
	if (sealed)
		secret = seal_open(&rq->tx.arena, STRIPE_WEBHOOK_SEAL, tenant, sealed);
	if (!secret)
		return answer_not_found(rq, tenant);
	if (!stripe_signature_verify(secret, req_header(rq, "Stripe-Signature"), rq->asked.body,
				     rq->asked.body_len, time(NULL)))
		return refuse(rq, "Stripe-Signature");
	webhook_event_read(&rq->tx.arena, req_path_text(rq, "provider"), NULL,
			   rq->asked.body ? rq->asked.body : "", rq->asked.body_len, &e);
	return received(rq, &e, &proof, true);
}

/* clang-format off */
static const struct field stripe_headers[] = {
	{ "Stripe-Signature", F_TEXT, F_REQUIRED, .example = "t=1492774577,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
	  .about = "t, when it was signed, in seconds since 1970; v1, hex of HMAC-SHA256 over that, a full stop and the body" },
	FIELD_END
};
static const struct field clerk_headers[] = {
	{ "svix-id",        F_TEXT, 0, .about = "the message's, the same for all attempts to bring it; or webhook-id" },
	{ "svix-timestamp", F_TEXT, 0, .about = "of this attempt, in seconds since 1970; or webhook-timestamp" },
	{ "svix-signature", F_TEXT, 0, .about = "v1, and base64 of HMAC-SHA256 over id, timestamp and body, joined by full stops; or webhook-signature" },
	FIELD_END
};

static const char *const own_providers[] = { "stripe", NULL };
static const struct field own_path[] = {
	{ "provider",  F_ENUM, F_REQUIRED, .values = own_providers },
	{ "tenant_id", F_UUID, F_REQUIRED },
	FIELD_END
};

#define SIGNED_FORM .flags = RAW | SIGNED, .budget = &budget_webhooks, .max_body = MAX_BODY, .status = 200
#define SIGNED_BY SIGNED_FORM, .out = &received_shape
#define RECEIVED SIGNED_BY, .run = receive

const struct route webhook_in_routes[] = {
	{ POST, "/api/v1/public/webhooks/stripe",   "app.webhooks_in.receive_stripe",   &by_anyone, "Receive an event of Stripe's",
	  "Stripe-Signature: t=<seconds>,v1=<hex HMAC>. 401 for a signature that is missing, wrong or more than 300 s old, 503 where Stripe is "
	  "not configured. An event that was sent before is received, and not processed twice.",
	  .needs = { "a provider that is configured, and its signature", ERR_UNAVAILABLE }, RECEIVED, .body = event_in, .headers = stripe_headers },
	{ POST, "/api/v1/public/webhooks/clerk",    "app.webhooks_in.receive_clerk",    &by_anyone, "Receive an event of Clerk's",
	  "svix-id, svix-timestamp and svix-signature (or webhook-…), as Svix and Standard Webhooks sign. 401 for a signature that is missing, "
	  "wrong or more than 300 s old, 503 where Clerk is not configured.",
	  .needs = { "a provider that is configured, and its signature", ERR_UNAVAILABLE }, RECEIVED, .body = event_in, .headers = clerk_headers },
	{ POST, "/api/v1/public/webhooks/supabase", "app.webhooks_in.receive_supabase", &by_anyone, "Receive a change of Supabase's auth.users",
	  "Authorization: Bearer <the webhook's secret>. 401 for another one, 503 where Supabase is not configured.",
	  .needs = { "a provider that is configured, and its signature", ERR_UNAVAILABLE }, RECEIVED, .body = event_in },
	{ POST, "/api/v1/public/webhooks/apple",    "app.webhooks_in.receive_apple",    &by_anyone, "Receive an App Store notification",
	  "Version 2. 401 for a payload that is not signed up to the configured root, of another app or environment, or of more than 14 days "
	  "ago; 503 where Apple is not configured.",
	  .needs = { "a provider that is configured, and its signature", ERR_UNAVAILABLE }, RECEIVED, .body = apple_in },
	{ POST, "/api/v1/public/webhooks/google",   "app.webhooks_in.receive_google",   &by_anyone, "Receive a Play notification",
	  "A Pub/Sub push with its OpenID Connect token: Authorization: Bearer <token>. 401 for a token that is not Google's, or for another "
	  "audience or service account; 503 where Google is not configured, or its keys are not known yet.",
	  .needs = { "a provider that is configured, and its signature", ERR_UNAVAILABLE }, RECEIVED, .body = google_in },
	{ POST, "/api/v1/public/webhooks/{provider}/{tenant_id}", "app.webhooks_in.receive_own", &by_anyone, "Receive an event of a tenant's own account",
	  "As /api/v1/public/webhooks/stripe, signed with the secret of that tenant's payment account; 404 without one.",
	  .needs = { "an account of the tenant's own, and its signature", ERR_NOT_FOUND }, SIGNED_BY, .params = own_path, .body = event_in,
	  .headers = stripe_headers, .run = receive_own },
	{ POST, "/api/v1/dashboard/webhooks/stripe", "platform.webhooks_in.stripe_webhook", &by_anyone, "Receive an event of Stripe's",
	  "As /api/v1/public/webhooks/stripe, but 400 for a signature that is missing, wrong or more than 300 s old.",
	  .needs = { "a provider that is configured, and its signature", ERR_UNAVAILABLE }, RECEIVED, .body = event_in },
	{ POST, "/api/billing/webhook", "operations.webhooks_in.receive_stripe", &by_anyone, "Receive an event of Stripe's",
	  "As /api/v1/public/webhooks/stripe, but 400 for a signature that is missing, wrong or more than 300 s old.",
	  .needs = { "a provider that is configured, and its signature", ERR_UNAVAILABLE }, .flags = RAW | SIGNED | BARE, .budget = &budget_webhooks, .max_body = MAX_BODY,
	  .status = 200, .out = &received_shape, .run = receive, .body = event_in, .headers = stripe_headers },
	{ POST, "/api/v4/stripe-webhook", "observability.webhooks_in.receive_stripe", &by_anyone, "Receive an event of Stripe's",
	  "As /api/v1/public/webhooks/stripe, but 400 for a signature that is missing, wrong or more than 300 s old, and for a body that is no JSON. Success "
	  "says that the event is stored; a job processes it.",
	  .needs = { "a provider that is configured, and its signature", ERR_UNAVAILABLE }, SIGNED_FORM, .out = &success_shape, .body = event_in,
	  .headers = stripe_headers, .run = receive },
	ROUTE_END
};
/* clang-format on */
