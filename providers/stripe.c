#include "providers/stripe.h"

#include <assert.h>
#include <json-c/json.h>
#include <openssl/crypto.h>

#include "lib/base/base64.h"
#include "lib/base/json.h"
#include "lib/base/qs.h"
#include "lib/crypto/secret.h"
#include "lib/host/config.h"
#include "lib/net/http.h"

enum {
	MAX_ANSWER = 4 * 1024 * 1024, /* a list of a hundred subscriptions with what was expanded */
	MAX_WORD = 200,
	MAX_RETRY_AFTER_S = 3600,
};

/*
 * Keys
 */

bool stripe_is_key(const char *key)
{
	if (!key || (strncmp(key, "sk_", 3) != 0 && strncmp(key, "rk_", 3) != 0))
		return false;
	key += 3;
	if (strncmp(key, "test_", 5) != 0 && strncmp(key, "live_", 5) != 0)
		return false;
	key += 5;
	return *key &&
	       strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == strlen(key);
}

bool stripe_is_live(const char *key)
{
	return stripe_is_key(key) && !strncmp(key + 3, "live_", 5);
}

/*
 * Forms
 */

void stripe_text(struct buf *form, const char *name, const char *value)
{
	if (!value)
		return;
	if (form->n)
		buf_char(form, '&');
	qs_encode(form, name);
	buf_char(form, '=');
	qs_encode(form, value);
}

void stripe_int(struct buf *form, const char *name, long long value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%lld", value);
	stripe_text(form, name, digits);
}

void stripe_bool(struct buf *form, const char *name, bool value)
{
	stripe_text(form, name, value ? "true" : "false");
}

/* Append the tree's parameters; depth is bounded by whoever read or built it. */
void stripe_tree(struct buf *form, const char *name, struct json_object *tree)
{
	struct arena *a = form->arena;

	if (json_object_is_type(tree, json_type_object) && json_object_object_length(tree)) {
		json_object_object_foreach(tree, key, value)
		{
			stripe_tree(form, name ? arena_fmt(a, "%s[%s]", name, key) : key, value);
		}
	} else if (json_object_is_type(tree, json_type_array) && json_object_array_length(tree)) {
		assert(name);
		for (size_t i = 0; i < json_object_array_length(tree); i++)
			stripe_tree(form, arena_fmt(a, "%s[%zu]", name, i),
				    json_object_array_get_idx(tree, i));
	} else if (name) {
		bool is_value = tree && !json_object_is_type(tree, json_type_object) &&
				!json_object_is_type(tree, json_type_array);

		stripe_text(form, name, is_value ? json_object_get_string(tree) : "");
	}
}

/*
 * Asking
 */

static void wipe(void *text)
{
	OPENSSL_cleanse(text, strlen(text));
}

/* What Stripe's own libraries go by: its word, and else the status. */
static bool is_passing(const struct http_answer *answer)
{
	const char *word = answer->status ? http_header(answer, "Stripe-Should-Retry") : NULL;

	if (word && !strncmp(word, "true", 4))
		return true;
	if (word && !strncmp(word, "false", 5))
		return false;
	return !answer->status || answer->status == 409 || answer->status == 429 || answer->status >= 500;
}

/* The path, or NULL: no object can have that id, and the URL would be another one. */
static const char *path_of(struct arena *a, const struct stripe_call *call)
{
	struct buf path;

	if (call->id && (!*call->id || !strcmp(call->id, ".") || !strcmp(call->id, "..")))
		return NULL;
	buf_init(&path, a, 256);
	buf_fmt(&path, "/v1/%s", call->resource);
	if (call->id) {
		buf_char(&path, '/');
		qs_encode(&path, call->id);
	}
	if (call->action)
		buf_fmt(&path, "/%s", call->action);
	return buf_str(&path);
}

/* The operation's name is of any length and characters, and may say more than Stripe should know. */
static const char *idempotency_key(struct arena *a, const char *operation, const char *path)
{
	const char *whole = arena_fmt(a, "%s POST %s", operation, path);
	unsigned char hash[SECRET_BYTES];
	char text[SECRET_BYTES * 2];

	secret_sha256(whole, strlen(whole), hash);
	return arena_fmt(a, "Idempotency-Key: ashlar-%.*s", (int)base64_url_encode(hash, sizeof(hash), text),
			 text);
}

/* A word of Stripe's vocabulary, which can be logged; or NULL. */
static const char *word_of(struct json_object *error, const char *name)
{
	const char *word = json_text(json_at(error, name, NULL), MAX_WORD);

	return word && strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.[]") ==
				       strlen(word)
		       ? word
		       : NULL;
}

static void error_read(struct json_object *said, struct stripe_answer *out)
{
	struct json_object *error = json_at(said, "error", NULL);
	struct json_object *intent = json_at(error, "payment_intent", NULL);

	out->type = word_of(error, "type");
	out->code = word_of(error, "code");
	out->decline_code = word_of(error, "decline_code");
	out->param = word_of(error, "param");
	out->message = json_text(json_at(error, "message", NULL), 4096);
	out->payment_intent = json_object_is_type(intent, json_type_object) ? word_of(intent, "id") : NULL;
}

/* "Stripe: status 402, card_error, card_declined, insufficient_funds, req_1": no message, which can name a
 * customer. */
static const char *reason_of(struct arena *a, const struct stripe_answer *out)
{
	const char *const words[] = { out->type, out->code, out->decline_code, out->param, out->request_id };
	struct buf b;

	buf_init(&b, a, 256);
	buf_fmt(&b, "Stripe: status %d", out->status);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (words[i])
			buf_fmt(&b, ", %s", words[i]);
	return buf_str(&b);
}

static bool is(const char *word, const char *other)
{
	return word && !strcmp(word, other);
}

/* What an answer that is no success means for whoever asked. */
static enum err verdict(const struct stripe_answer *out)
{
	if (out->status >= 500 || out->status < 400)
		return ERR_EXTERNAL;
	if (out->status == 401 || out->status == 403 || out->status == 429)
		return ERR_UNAVAILABLE;
	if (out->status == 402 || is(out->type, "card_error"))
		return ERR_PAYMENT;
	if (is(out->type, "idempotency_error"))
		return out->status == 409 ? ERR_IDEMPOTENCY_RUNNING : ERR_IDEMPOTENCY_MISMATCH;
	if (is(out->code, "idempotency_key_in_use"))
		return ERR_IDEMPOTENCY_RUNNING;
	if (out->status == 404 || is(out->code, "resource_missing"))
		return ERR_NOT_FOUND;
	return out->status == 409 ? ERR_CONFLICT : ERR_VALIDATION;
}

static enum err answer_read(struct arena *a, const struct http_answer *answer, struct stripe_answer *out)
{
	const char *id = http_header(answer, "Request-Id"), *replayed, *after, *problem;
	struct json_object *said = NULL;

	out->status = answer->status;
	out->request_id = id && !strncmp(id, "req_", 4) && strlen(id) <= MAX_WORD ? id : NULL;
	replayed = http_header(answer, "Idempotent-Replayed");
	out->is_replayed = replayed && !strncmp(replayed, "true", 4);
	if (json_read(a, answer->body, answer->body_len, &said, &problem) ||
	    !json_object_is_type(said, json_type_object))
		said = NULL;
	if (answer->status >= 200 && answer->status < 300 && said) {
		out->said = said;
		return ERR_OK;
	}
	if (said)
		error_read(said, out);
	after = answer->status == 429 ? http_header(answer, "Retry-After") : NULL;
	if (after) {
		long s = strtol(after, NULL, 10);

		out->retry_after = s > 0 && s <= MAX_RETRY_AFTER_S ? s : 0;
	}
	out->reason = answer->status < 300 ? "Stripe: an answer that is no JSON object" : reason_of(a, out);
	return verdict(out);
}

/* With expand[] last: by index, so that it cannot meet one of the form's. */
static void expand_add(struct buf *form, const char *const *expand)
{
	for (int i = 0; expand && expand[i]; i++)
		stripe_text(form, arena_fmt(form->arena, "expand[%d]", i), expand[i]);
}

enum err stripe_ask(struct arena *a, const struct stripe_call *call, struct stripe_answer *out)
{
	const char *key = call->key ? call->key : cfg.stripe_secret_key, *path = path_of(a, call);
	bool is_post = !strcmp(call->method, "POST");
	struct http_call http = {
		.provider = "stripe",
		.method = call->method,
		.max_bytes = MAX_ANSWER,
		.flags = HTTP_RETRY,
		.is_passing = is_passing,
	};
	struct http_answer answer;
	const char *headers[6];
	char *bearer;
	struct buf form;
	int n = 0;
	enum err rc;

	assert(is_post || !strcmp(call->method, "GET") || !strcmp(call->method, "DELETE"));
	assert(!is_post || (call->operation && *call->operation));
	*out = (struct stripe_answer){ 0 };
	if (!stripe_is_key(key)) {
		out->reason = call->key     ? "Stripe: the key is no secret key"
			      : key && *key ? "Stripe: STRIPE_SECRET_KEY is no secret key"
					    : "Stripe: STRIPE_SECRET_KEY is not set";
		return ERR_UNAVAILABLE;
	}
	if (!path) {
		out->reason = "Stripe: no object can have that id";
		return ERR_NOT_FOUND;
	}
	buf_init(&form, a, 1024);
	if (call->form)
		buf_add(&form, call->form->p, call->form->n);
	expand_add(&form, call->expand);
	bearer = arena_fmt(a, "Authorization: Bearer %s", key);
	arena_defer(a, wipe, bearer);
	headers[n++] = bearer;
	headers[n++] = "Stripe-Version: " STRIPE_VERSION;
	headers[n++] = "Accept: application/json";
	http.url = arena_fmt(a, "%s%s", cfg.stripe_api_url, path);
	if (is_post) {
		headers[n++] = "Content-Type: application/x-www-form-urlencoded";
		headers[n++] = idempotency_key(a, call->operation, path);
		http.body = buf_str(&form);
		http.body_len = form.n;
	} else if (form.n) {
		http.url = arena_fmt(a, "%s?%s", http.url, buf_str(&form));
	}
	headers[n] = NULL;
	http.headers = headers;
	rc = http_do(a, &http, &answer);
	out->attempts = answer.attempts;
	if (answer.status)
		return answer_read(a, &answer, out);
	out->reason = arena_fmt(a, "Stripe: %s", answer.reason);
	return rc;
}
