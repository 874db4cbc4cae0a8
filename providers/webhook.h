/*
 * One message to one endpoint, as Standard Webhooks has it: what the deliverer
 * sends, and what the test of an endpoint sends, are made here and are the same.
 */
#ifndef PROVIDERS_WEBHOOK_H
#define PROVIDERS_WEBHOOK_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/net/http.h"

/* The purpose (lib/crypto/seal.h) of an endpoint's secrets and headers. */
#define WEBHOOK_SEAL "webhook"

enum { WEBHOOK_MAX_BODY = 256 * 1024, WEBHOOK_KEPT_BODY = 1024, WEBHOOK_KEPT_HEAD = 4096 };

struct webhook {
	const char *tenant; /* uuid: what is sealed is sealed for it */
	const char *url;
	const char *secret_sealed;
	const char *previous_secret_sealed; /* one that still signs beside it, or NULL */
	const char *headers_sealed;         /* a JSON object, or NULL */
	const char *message_id;
	const char *body; /* as it is sent and signed */
	size_t body_len;
	const char
		*traceparent; /* of the call, or NULL; no tracestate: what others put there is for others */
};

/* "msg_" and 27 characters of base62; the arena's. */
char *webhook_message_id(struct arena *a);

/*
 * A message's body: {"type","timestamp","workspace_id","data"}, of now, minified.
 *
 * workspace  uuid, or NULL: the tenant's own
 * data       JSON without white space
 */
char *webhook_body(struct arena *a, const char *type, const char *workspace, const char *data);

/*
 * The call for one attempt: signed at this second, with a signature for each
 * secret.  A receiver has cfg.webhook_timeout_ms; redirects are not followed,
 * and of a long answer the end is not read.  *out refers to w and the arena.
 *
 * ERR_OK; ERR_UNAVAILABLE: a secret does not open.
 */
enum err webhook_call(struct arena *a, const struct webhook *w, struct http_call *out);

/* The call's headers as a JSON object for people: the owner's own and the signature are "***".  The arena's.
 */
char *webhook_headers_shown(struct arena *a, const struct http_call *call);

#endif
