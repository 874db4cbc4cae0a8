#include "providers/google_play.h"

#include <json-c/json.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lib/base/base64.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/base/qs.h"
#include "lib/host/config.h"
#include "lib/net/http.h"

enum {
	TIMEOUT_MS = 10000,
	MAX_ANSWER = 256 * 1024,
	MAX_KEY_FILE = 16 * 1024,
	MAX_TOKEN = 4096,
	TTL_S = 3600,   /* what Google allows a JWT to ask for */
	MARGIN_S = 120, /* before its end a token is not begun with */
};

static const char api[] = "google_play", auth[] = "google"; /* the breakers' names */

/* What this process has: the account, and its access token with its end. */
static struct {
	EVP_PKEY *key;
	char email[256], key_id[128];
	char token[MAX_TOKEN];
	int64_t until_s;
} account;

void google_play_forget(void)
{
	EVP_PKEY_free(account.key);
	OPENSSL_cleanse(&account, sizeof(account));
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
 * The account
 */

static char *file_read(struct arena *a, const char *path, size_t *n)
{
	char *text = arena_alloc_raw(a, MAX_KEY_FILE);
	FILE *f = fopen(path, "re");

	*n = f ? fread(text, 1, MAX_KEY_FILE, f) : 0;
	if (f)
		fclose(f);
	return *n && *n < MAX_KEY_FILE ? text : NULL;
}

/* Read the key file, once.  NULL, or what is wrong with it. */
static const char *account_read(struct arena *a)
{
	const char *problem = NULL, *email, *pem, *id;
	struct json_object *file;
	BIO *bio;
	char *text;
	size_t n;

	if (account.key)
		return NULL;
	text = file_read(a, cfg.google_play_key_file, &n);
	if (!text)
		return "GOOGLE_PLAY_KEY_FILE cannot be read";
	if (json_read(a, text, n, &file, &problem) || !json_object_is_type(file, json_type_object)) {
		OPENSSL_cleanse(text, n);
		return "GOOGLE_PLAY_KEY_FILE is not JSON";
	}
	OPENSSL_cleanse(text, n);
	email = text_of(file, "client_email");
	pem = text_of(file, "private_key");
	id = text_of(file, "private_key_id");
	if (!email || !pem || strlen(email) >= sizeof(account.email) ||
	    (id && strlen(id) >= sizeof(account.key_id)))
		return "GOOGLE_PLAY_KEY_FILE has no client_email and private_key";
	snprintf(account.email, sizeof(account.email), "%s", email);
	snprintf(account.key_id, sizeof(account.key_id), "%s", id ? id : "");
	bio = BIO_new_mem_buf(pem, -1);
	account.key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	ERR_clear_error();
	if (account.key && !EVP_PKEY_is_a(account.key, "RSA")) {
		EVP_PKEY_free(account.key);
		account.key = NULL;
	}
	return account.key ? NULL : "GOOGLE_PLAY_KEY_FILE has no RSA key";
}

static void part_add(struct buf *b, const char *p, size_t n)
{
	b->n += base64_url_encode(p, n, buf_room(b, n * 4 / 3 + 3));
}

/* The JWT that asks for an access token, RS256; the arena's.  NULL: the key does not sign. */
static char *assertion(struct arena *a, int64_t now)
{
	unsigned char signature[1024];
	size_t n = sizeof(signature);
	struct buf part, jwt;
	EVP_MD_CTX *ctx;
	bool good;

	buf_init(&jwt, a, 2048);
	buf_init(&part, a, 1024);
	buf_char(&part, '{');
	jx_key(&part, "alg"), jx_str(&part, "RS256");
	jx_key(&part, "typ"), jx_str(&part, "JWT");
	if (*account.key_id)
		jx_key(&part, "kid"), jx_str(&part, account.key_id);
	buf_char(&part, '}');
	part_add(&jwt, part.p, part.n);
	buf_char(&jwt, '.');
	part.n = 0;
	buf_char(&part, '{');
	jx_key(&part, "iss"), jx_str(&part, account.email);
	jx_key(&part, "scope"), jx_str(&part, "https://www.googleapis.com/auth/androidpublisher");
	jx_key(&part, "aud"), jx_str(&part, cfg.google_token_url);
	jx_key(&part, "iat"), jx_int(&part, now);
	jx_key(&part, "exp"), jx_int(&part, now + TTL_S);
	buf_char(&part, '}');
	part_add(&jwt, part.p, part.n);
	ctx = EVP_MD_CTX_new();
	good = (size_t)EVP_PKEY_get_size(account.key) <= sizeof(signature) && ctx &&
	       EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, account.key) > 0 &&
	       EVP_DigestSign(ctx, signature, &n, (const unsigned char *)jwt.p, jwt.n) > 0;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!good)
		return NULL;
	buf_char(&jwt, '.');
	part_add(&jwt, (const char *)signature, n);
	return buf_str(&jwt);
}

/* Google's word for what is wrong (RFC 6749 5.2), or the status. */
static const char *error_of(struct arena *a, const struct http_answer *answer, struct json_object *said)
{
	const char *error = said ? text_of(said, "error") : NULL;
	size_t n = error ? strspn(error, "abcdefghijklmnopqrstuvwxyz_") : 0;

	return n && n <= 40 && !error[n] ? arena_fmt(a, "no access token: %s", error)
					 : arena_fmt(a, "no access token: status %d", answer->status);
}

/* See that there is an access token that is good for a while. */
static enum err token_get(struct arena *a, int64_t now, const char **reason)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
					       "Accept: application/json", NULL };
	struct http_call call = {
		.provider = auth,
		.url = cfg.google_token_url,
		.headers = headers,
		.max_bytes = MAX_ANSWER,
		.timeout_ms = TIMEOUT_MS,
		.flags = HTTP_RETRY, /* a second token does no harm */
	};
	struct json_object *said = NULL, *expires;
	struct http_answer answer;
	const char *jwt, *token, *problem;
	struct buf form;
	enum err rc;

	if (now < account.until_s)
		return ERR_OK;
	*reason = account_read(a);
	jwt = *reason ? NULL : assertion(a, now);
	if (!jwt) {
		*reason = *reason ? *reason : "the key of GOOGLE_PLAY_KEY_FILE does not sign";
		return ERR_UNAVAILABLE;
	}
	buf_init(&form, a, 4096);
	qs_add(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
	qs_add(&form, "assertion", jwt);
	call.body = buf_str(&form);
	call.body_len = form.n;
	rc = http_do(a, &call, &answer);
	if (rc) {
		*reason = arena_fmt(a, "no access token: %s", answer.reason);
		return rc;
	}
	if (json_read(a, answer.body, answer.body_len, &said, &problem) ||
	    !json_object_is_type(said, json_type_object))
		said = NULL;
	token = said ? text_of(said, "access_token") : NULL;
	if (answer.status != 200 || !token || strlen(token) >= sizeof(account.token) ||
	    strpbrk(token, "\r\n")) {
		*reason = error_of(a, &answer, said);
		return ERR_EXTERNAL;
	}
	snprintf(account.token, sizeof(account.token), "%s", token);
	account.until_s = now + TTL_S - MARGIN_S;
	if (json_object_object_get_ex(said, "expires_in", &expires))
		account.until_s = now + json_object_get_int64(expires) - MARGIN_S;
	return ERR_OK;
}

/*
 * The subscription
 */

static void wipe(void *text)
{
	OPENSSL_cleanse(text, strlen(text));
}

static enum err ask(struct arena *a, const char *url, struct http_answer *answer)
{
	char *bearer = arena_fmt(a, "Authorization: Bearer %s", account.token);
	const char *const headers[] = { bearer, "Accept: application/json", NULL };
	const struct http_call call = {
		.provider = api,
		.url = url,
		.headers = headers,
		.max_bytes = MAX_ANSWER,
		.timeout_ms = TIMEOUT_MS,
	};

	arena_defer(a, wipe, bearer);
	return http_do(a, &call, answer);
}

enum err google_play_subscription(struct arena *a, const char *package, const char *token, const char **state,
				  const char **reason)
{
	struct json_object *said;
	struct http_answer answer;
	const char *problem;
	struct buf url;
	enum err rc;

	buf_init(&url, a, 1024);
	buf_fmt(&url, "%s/androidpublisher/v3/applications/", cfg.google_play_url);
	qs_encode(&url, package);
	buf_text(&url, "/purchases/subscriptionsv2/tokens/");
	qs_encode(&url, token);
	/* A token may be taken back before its end; then once more with a new one. */
	for (int tries = 0;; tries++) {
		rc = token_get(a, time(NULL), reason);
		if (!rc)
			rc = ask(a, buf_str(&url), &answer);
		else
			return rc;
		if (rc) {
			*reason = arena_fmt(a, "the Play Developer API: %s", answer.reason);
			return rc;
		}
		if (answer.status != 401 || tries)
			break;
		account.until_s = 0;
	}
	if (answer.status == 404 || answer.status == 410) {
		*reason = arena_fmt(a, "the Play Developer API knows no such purchase (status %d)",
				    answer.status);
		return ERR_NOT_FOUND;
	}
	if (answer.status != 200) {
		*reason = arena_fmt(a, "the Play Developer API: status %d", answer.status);
		return ERR_EXTERNAL;
	}
	if (json_read(a, answer.body, answer.body_len, &said, &problem) ||
	    !json_object_is_type(said, json_type_object)) {
		*reason = "the Play Developer API: an answer that is no JSON object";
		return ERR_EXTERNAL;
	}
	*state = answer.body;
	return ERR_OK;
}
