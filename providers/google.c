#include "providers/google.h"

#include <json-c/json.h>
#include <openssl/crypto.h>

#include "fcgi/req.h"
#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/qs.h"
#include "lib/crypto/jwks.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/tok.h"
#include "lib/host/config.h"
#include "lib/net/http.h"

enum {
	TIMEOUT_MS = 8000, /* of each call; there are at most two of them */
	MAX_ANSWER = 64 * 1024,
	KEYS_MIN_MS = 60 * 1000,
	KEYS_MAX_MS = 3600 * 1000,
	MAX_NAME = 255 * 4,
	MAX_EMAIL = 254,
	MAX_PICTURE = 2048,
};

static const char provider[] = "google"; /* the breaker's name: one for both URLs */

static int64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

/* A string member that is not empty, or NULL. */
static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) ||
	    !json_object_is_type(value, json_type_string) || !json_object_get_string_len(value))
		return NULL;
	return json_object_get_string(value);
}

/*
 * The flow's own secrets
 */

/* A MAC of the binding as 43 characters, which is what RFC 7636 4.1 wants of a verifier at least. */
static char *derive(struct arena *a, const char *purpose, const char *binding)
{
	unsigned char mac[SECRET_BYTES];
	char *out = arena_alloc(a, sizeof(mac) * 4 / 3 + 3);

	if (!secret_mac(purpose, binding, strlen(binding), mac))
		return NULL;
	base64_url_encode(mac, sizeof(mac), out);
	OPENSSL_cleanse(mac, sizeof(mac));
	return out;
}

static char *verifier_of(struct arena *a, const struct google_flow *flow)
{
	return derive(a, "google pkce", flow->binding);
}

static char *nonce_of(struct arena *a, const struct google_flow *flow)
{
	return derive(a, "google nonce", flow->binding);
}

char *google_authorization_url(struct arena *a, const struct google_flow *flow, const char *state)
{
	const char *verifier = verifier_of(a, flow), *nonce = nonce_of(a, flow);
	char challenge[SECRET_BYTES * 4 / 3 + 3];
	unsigned char digest[SECRET_BYTES];
	struct buf b;

	if (!verifier || !nonce)
		return NULL;
	secret_sha256(verifier, strlen(verifier), digest);
	base64_url_encode(digest, sizeof(digest), challenge);
	buf_init(&b, a, 1024);
	buf_text(&b, cfg.google_auth_url);
	if (!strchr(cfg.google_auth_url, '?'))
		buf_char(&b, '?');
	qs_add(&b, "response_type", "code");
	qs_add(&b, "client_id", flow->client_id);
	qs_add(&b, "redirect_uri", flow->callback);
	qs_add(&b, "scope", "openid email profile");
	qs_add(&b, "state", state);
	qs_add(&b, "nonce", nonce);
	qs_add(&b, "code_challenge", challenge);
	qs_add(&b, "code_challenge_method", "S256");
	qs_add(&b, "prompt", "select_account");
	return buf_str(&b);
}

/*
 * Google's keys, as this process has them.  Only processes of the slow pool
 * come here, which fetch for themselves: the table of key sets is for issuers
 * whose tokens the main pool must verify.
 */
static struct {
	struct jwks_set set;
	int64_t fetched_ms, until_ms;
} keys;

/* How long an answer may be kept (RFC 9111 4.2): max-age less Age, within our own bounds. */
static int64_t lifetime_ms(const struct http_answer *answer)
{
	const char *control = http_header(answer, "Cache-Control"), *age = http_header(answer, "Age");
	const char *max_age = control ? strcasestr(control, "max-age=") : NULL;
	long long ms = KEYS_MIN_MS;

	if (max_age) {
		long long s = strtoll(max_age + strlen("max-age="), NULL, 10),
			  old = age ? strtoll(age, NULL, 10) : 0;

		ms = s > old && s - old < KEYS_MAX_MS ? (s - old) * 1000 : s > old ? KEYS_MAX_MS : 0;
	}
	return ms < KEYS_MIN_MS ? KEYS_MIN_MS : ms > KEYS_MAX_MS ? KEYS_MAX_MS : ms;
}

static enum err keys_fetch(struct arena *a, const char **reason)
{
	static const char *const headers[] = { "Accept: application/json", NULL };
	const struct http_call call = {
		.provider = provider,
		.url = cfg.google_jwks_url,
		.headers = headers,
		.max_bytes = JWKS_MAX_BYTES,
		.timeout_ms = TIMEOUT_MS,
	};
	struct http_answer answer;
	struct jwks_set set;
	const char *problem;
	enum err rc = http_do(a, &call, &answer);

	if (rc) {
		*reason = arena_fmt(a, "its keys: %s", answer.reason);
		return rc;
	}
	problem = answer.status == 200 ? NULL : arena_fmt(a, "status %d", answer.status);
	if (problem || jwks_parse(a, answer.body, answer.body_len, &set, &problem)) {
		*reason = arena_fmt(a, "its keys: %s", problem);
		return ERR_EXTERNAL;
	}
	jwks_release(&keys.set);
	keys.set = set;
	keys.fetched_ms = now_ms();
	keys.until_ms = keys.fetched_ms + lifetime_ms(&answer);
	return ERR_OK;
}

/*
 * The ID token
 */

/*
 * OpenID Connect Core 3.1.3.7 4 and 5: of several audiences, or wherever it is
 * said at all, the authorized party is us.
 */
static bool is_authorized_party(struct json_object *payload, const char *client_id)
{
	struct json_object *aud = NULL, *azp;
	bool is_given = json_object_object_get_ex(payload, "azp", &azp);

	json_object_object_get_ex(payload, "aud", &aud);
	if (!is_given)
		return !json_object_is_type(aud, json_type_array) || json_object_array_length(aud) == 1;
	return json_object_is_type(azp, json_type_string) && !strcmp(json_object_get_string(azp), client_id);
}

/* Google has always said that its issuer may come with and without the scheme. */
static bool is_issuer(const char *iss)
{
	static const char scheme[] = "https://";
	const char *bare = cfg.google_issuer;

	if (!strncmp(bare, scheme, strlen(scheme)))
		bare += strlen(scheme);
	return iss && (!strcmp(iss, cfg.google_issuer) || !strcmp(iss, bare));
}

static bool same(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && !CRYPTO_memcmp(a, b, strlen(a));
}

/* What an ID token with a good signature says of the user; NULL, or why it is refused. */
static const char *user_read(struct arena *a, const struct google_flow *flow, const struct claims *c,
			     struct json_object *payload, struct google_user *out)
{
	const char *expected = nonce_of(a, flow), *nonce = text_of(payload, "nonce");
	struct json_object *verified;

	if (!is_issuer(text_of(payload, "iss")))
		return "another iss";
	if (!is_authorized_party(payload, flow->client_id))
		return "another azp";
	if (!c->iat)
		return "no iat";
	if (!expected || !nonce || !same(nonce, expected))
		return "another nonce";
	*out = (struct google_user){
		.subject = c->subject,
		.email = text_of(payload, "email"),
		.name = text_of(payload, "name"),
		.picture = text_of(payload, "picture"),
	};
	out->is_email_verified = json_object_object_get_ex(payload, "email_verified", &verified) &&
				 json_object_is_type(verified, json_type_boolean) &&
				 json_object_get_boolean(verified);
	if (out->email && strlen(out->email) > MAX_EMAIL)
		out->email = NULL;
	if (out->name && strlen(out->name) > MAX_NAME)
		out->name = NULL;
	if (out->picture && (strncmp(out->picture, "https://", 8) || strlen(out->picture) > MAX_PICTURE))
		out->picture = NULL;
	return NULL;
}

/* Verify, with newer keys if need be: a key that we do not have may be one that Google took just now. */
static enum err id_token_open(struct arena *a, const char *text, const char *client_id, struct claims *claims,
			      struct json_object **payload, const char **reason)
{
	struct failure why;
	enum err rc = ERR_OK;

	if (now_ms() >= keys.until_ms)
		rc = keys_fetch(a, reason);
	if (rc)
		return rc;
	rc = tok_open(a, text, &keys.set, client_id, claims, payload, &why);
	if (rc == ERR_NOT_FOUND && now_ms() - keys.fetched_ms >= KEYS_MIN_MS) {
		rc = keys_fetch(a, reason);
		if (rc)
			return rc;
		rc = tok_open(a, text, &keys.set, client_id, claims, payload, &why);
	}
	if (!rc)
		return ERR_OK;
	*reason = arena_fmt(a, "its ID token: %s", failure_reason(&why));
	return ERR_AUTHENTICATION;
}

/*
 * The code
 */

/* What Google says is wrong (RFC 6749 5.2): a word of ours and theirs, nothing longer. */
static const char *error_of(struct arena *a, const struct http_answer *answer, struct json_object *said)
{
	const char *error = text_of(said, "error");
	size_t n = error ? strspn(error, "abcdefghijklmnopqrstuvwxyz_") : 0;

	return n && n <= 40 && !error[n] ? arena_fmt(a, "the code: %s", error)
					 : arena_fmt(a, "the code: status %d", answer->status);
}

/* The ID token for the code, the arena's. */
static enum err code_exchange(struct arena *a, const struct google_flow *flow, const char *code,
			      const char **id_token, const char **reason)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
					       "Accept: application/json", NULL };
	const char *verifier = verifier_of(a, flow), *problem;
	struct http_call call = {
		.provider = provider,
		.url = cfg.google_token_url,
		.headers = headers,
		.max_bytes = MAX_ANSWER,
		.timeout_ms = TIMEOUT_MS,
	};
	struct http_answer answer;
	struct json_object *said;
	struct buf form;
	enum err rc;

	if (!verifier) {
		*reason = "there is no JWT_SECRET";
		return ERR_UNAVAILABLE;
	}
	buf_init(&form, a, 8192); /* once: what it outgrows is not wiped */
	qs_add(&form, "grant_type", "authorization_code");
	qs_add(&form, "code", code);
	qs_add(&form, "redirect_uri", flow->callback);
	qs_add(&form, "client_id", flow->client_id);
	qs_add(&form, "client_secret", flow->client_secret);
	qs_add(&form, "code_verifier", verifier);
	call.body = buf_str(&form);
	call.body_len = form.n;
	/* A code is good once: no second attempt. */
	rc = http_do(a, &call, &answer);
	OPENSSL_cleanse(form.p, form.n);
	if (rc) {
		*reason = arena_fmt(a, "the code: %s", answer.reason);
		return rc;
	}
	if (json_read(a, answer.body, answer.body_len, &said, &problem) ||
	    !json_object_is_type(said, json_type_object)) {
		*reason = arena_fmt(a, "the code: status %d and no JSON object", answer.status);
		return ERR_EXTERNAL;
	}
	if (answer.status != 200) {
		*reason = error_of(a, &answer, said);
		return ERR_AUTHENTICATION;
	}
	*id_token = text_of(said, "id_token");
	*reason = *id_token ? NULL : "the code: an answer without id_token";
	return *id_token ? ERR_OK : ERR_EXTERNAL;
}

enum err google_sign_in(struct arena *a, const struct google_flow *flow, const char *code,
			struct google_user *out, const char **reason)
{
	struct json_object *payload;
	const char *id_token;
	struct claims claims;
	enum err rc = code_exchange(a, flow, code, &id_token, reason);

	if (!rc)
		rc = id_token_open(a, id_token, flow->client_id, &claims, &payload, reason);
	if (rc)
		return rc;
	*reason = user_read(a, flow, &claims, payload, out);
	if (!*reason)
		return ERR_OK;
	*reason = arena_fmt(a, "its ID token: %s", *reason);
	return ERR_AUTHENTICATION;
}
