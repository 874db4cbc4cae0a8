#include "providers/webhook.h"

#include <json-c/json.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/secret.h"
#include "lib/host/config.h"
#include "providers/standard_webhooks.h"

enum { ID_CHARS = 27, OUR_HEADERS = 5, MAX_HEADERS = 32 };

char *webhook_message_id(struct arena *a)
{
	static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	return arena_fmt(a, "msg_%s", secret_random_text(a, base62, ID_CHARS));
}

char *webhook_body(struct arena *a, const char *type, const char *workspace, const char *data)
{
	struct buf b;

	buf_init(&b, a, strlen(data) + 256);
	buf_char(&b, '{');
	jx_key(&b, "type"), jx_str(&b, type);
	jx_key(&b, "timestamp"), jx_timestamptz_us(&b, clock_pg_us());
	jx_key(&b, "workspace_id"), jx_str(&b, workspace);
	jx_key(&b, "data"), buf_text(&b, data);
	buf_char(&b, '}');
	return buf_str(&b);
}

static const char *sign(struct arena *a, const struct webhook *w, long long at)
{
	const char *secret = seal_open(a, WEBHOOK_SEAL, w->tenant, w->secret_sealed), *before, *now, *old;

	now = secret ? standard_webhooks_sign(a, secret, w->message_id, at, w->body, w->body_len) : NULL;
	if (!now || !w->previous_secret_sealed)
		return now;
	before = seal_open(a, WEBHOOK_SEAL, w->tenant, w->previous_secret_sealed);
	old = before ? standard_webhooks_sign(a, before, w->message_id, at, w->body, w->body_len) : NULL;
	return old ? arena_fmt(a, "%s %s", now, old) : now;
}

/* The owner's own headers behind ours; one that names the User-Agent, or a traceparent, takes its place. */
static enum err add_own(struct arena *a, const struct webhook *w, const char **headers, int n)
{
	const char *text =
		w->headers_sealed ? seal_open(a, WEBHOOK_SEAL, w->tenant, w->headers_sealed) : "{}";
	struct json_object *own = NULL;
	const char *problem;

	if (!text || json_read(a, text, strlen(text), &own, &problem))
		return ERR_UNAVAILABLE;
	json_object_object_foreach(own, name, value)
	{
		const char *line = arena_fmt(a, "%s: %s", name, json_object_get_string(value));

		if (!strcasecmp(name, "User-Agent"))
			headers[0] = line;
		else if (w->traceparent && !strcasecmp(name, "traceparent"))
			headers[OUR_HEADERS] = line;
		else if (n < MAX_HEADERS)
			headers[n++] = line;
	}
	return ERR_OK;
}

enum err webhook_call(struct arena *a, const struct webhook *w, struct http_call *out)
{
	const char **headers = arena_alloc(a, (MAX_HEADERS + 1) * sizeof(*headers));
	long long at = clock_unix_us() / 1000000;
	const char *signature = sign(a, w, at);
	int n = OUR_HEADERS;

	if (!signature)
		return ERR_UNAVAILABLE;
	headers[0] = "User-Agent: Ashlar-Webhooks/1.0";
	headers[1] = "Content-Type: application/json";
	headers[2] = arena_fmt(a, "webhook-id: %s", w->message_id);
	headers[3] = arena_fmt(a, "webhook-timestamp: %lld", at);
	headers[4] = arena_fmt(a, "webhook-signature: %s", signature);
	if (w->traceparent)
		headers[n++] = arena_fmt(a, "traceparent: %s", w->traceparent);
	*out = (struct http_call){
		.method = "POST",
		.url = w->url,
		.headers = headers,
		.body = w->body,
		.body_len = w->body_len,
		.max_bytes = WEBHOOK_KEPT_BODY,
		.timeout_ms = cfg.webhook_timeout_ms,
		.connect_timeout_ms = cfg.webhook_connect_timeout_ms,
		.flags = HTTP_USER_URL | HTTP_CUT,
	};
	return add_own(a, w, headers, n);
}

char *webhook_headers_shown(struct arena *a, const struct http_call *call)
{
	struct buf b;

	buf_init(&b, a, 512);
	buf_char(&b, '{');
	for (int i = 0; call->headers[i]; i++) {
		size_t n = strcspn(call->headers[i], ":");
		const char *name = arena_dup_n(a, call->headers[i], n), *value = call->headers[i] + n + 2;
		bool is_secret = i >= OUR_HEADERS || !strcmp(name, "webhook-signature") ||
				 (i == 0 && strcmp(value, "Ashlar-Webhooks/1.0") != 0);

		jx_key(&b, name), jx_str(&b, is_secret ? "***" : value);
	}
	buf_char(&b, '}');
	return buf_str(&b);
}
