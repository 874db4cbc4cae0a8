/*
 * Jobs of kind "contact.webhook": a submission of the contact form, posted to
 * CONTACT_WEBHOOK_URL, which the operator has chosen.
 *
 * The body is the same at every attempt; X-Reference-Id tells a receiver that gets it
 * twice.  X-Webhook-Signature is "sha256=" and the hexadecimal HMAC-SHA256 of the
 * body under CONTACT_WEBHOOK_SECRET.
 */
#include "worker/contact_webhook.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "build/sql/growth/contact.h"
#include "lib/base/json.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "lib/net/http.h"

enum { MAX_ANSWER = 64 * 1024, TIMEOUT_MS = 15000, MAX_WAIT_S = 3600 };

static const char *signature(struct arena *a, const char *body, size_t n)
{
	unsigned char mac[SECRET_BYTES];
	char hex[2 * SECRET_BYTES + 1];

	secret_hmac(cfg.contact_webhook_secret, strlen(cfg.contact_webhook_secret), NULL, body, n, mac);
	for (size_t i = 0; i < SECRET_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", mac[i]);
	return arena_fmt(a, "X-Webhook-Signature: sha256=%s", hex);
}

static enum err run(struct tx *tx, const struct job *job)
{
	struct json_object *payload, *reference = NULL;
	const char *problem, *headers[4], *retry_after;
	struct http_answer answer;
	struct http_call call;
	PGresult *res;
	enum err rc;

	if (!*cfg.contact_webhook_url)
		return job_give_up(tx, "there is no CONTACT_WEBHOOK_URL any more");
	if (json_read(&tx->arena, job->payload, strlen(job->payload), &payload, &problem) ||
	    !json_object_object_get_ex(payload, "reference_id", &reference))
		return job_give_up(tx, "its payload has no reference_id");
	tx_set(tx, "reference_id", json_object_get_string(reference));
	rc = tx_call(tx, &q_contact_event, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return job_give_up(tx, "the submission is past its retention");
	call = (struct http_call){
		.provider = "contact_webhook",
		.method = "POST",
		.url = cfg.contact_webhook_url,
		.headers = headers,
		.body = column_text(res, 0, "body"),
		.body_len = strlen(column_text(res, 0, "body")),
		.max_bytes = MAX_ANSWER,
		.timeout_ms = TIMEOUT_MS,
	};
	headers[0] = "Content-Type: application/json";
	headers[1] = signature(&tx->arena, call.body, call.body_len);
	headers[2] = arena_fmt(&tx->arena, "X-Reference-Id: %s", tx_text(tx, "reference_id"));
	headers[3] = NULL;
	rc = http_do(&tx->arena, &call, &answer);
	if (!rc && answer.status / 100 == 2)
		return ERR_OK;
	retry_after = answer.status ? http_header(&answer, "Retry-After") : NULL;
	if (retry_after && atol(retry_after) > 0)
		return job_retry_after(
			tx, atol(retry_after) < MAX_WAIT_S ? (double)atol(retry_after) : MAX_WAIT_S,
			"the webhook answered %d", answer.status);
	return tx_fail_inside(tx, rc ? rc : ERR_EXTERNAL, "the webhook: %s",
			      rc ? answer.reason : arena_fmt(&tx->arena, "status %d", answer.status));
}

const struct job_kind contact_webhook_job = { .name = "contact.webhook", .run = run };
