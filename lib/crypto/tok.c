/*
 * libjwt makes our own tokens.  It does not verify any: it takes the algorithm
 * from the token, wants the key as PEM text each time, lets duplicate members
 * and junk in base64 pass, and would read hostile input before anything is
 * verified.  Verification is here, on OpenSSL's EVP.
 */
#include "lib/crypto/tok.h"

#include <assert.h>
#include <json-c/json.h>
#include <jwt.h>
#include <math.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <strings.h>

#include "lib/base/base64.h"
#include "lib/base/json.h"
#include "lib/base/jx.h"
#include "lib/crypto/issuer.h"
#include "lib/crypto/jwks.h"
#include "lib/crypto/pubkey.h"
#include "lib/crypto/tok_cache.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

enum {
	HMAC_BYTES = 32,
	MAX_SUBJECT = 255,
	MAX_EMAIL = 254,
	MAX_ROLE = 31,
	UUID_CHARS = 36,
};

static const int64_t max_time = 253402300799; /* the end of the year 9999 */

static EVP_MD *sha256;
static EVP_MD_CTX *hasher; /* reused: making one costs more than hashing a token */

static int64_t system_clock(void)
{
	return time(NULL);
}

static int64_t (*now_s)(void) = system_clock;

void tok_use_clock(int64_t (*fn)(void))
{
	now_s = fn ? fn : system_clock;
}

void tok_init(void)
{
	tok_release();
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	hasher = EVP_MD_CTX_new();
	if (!EVP_DigestInit_ex2(hasher, sha256, NULL))
		abort();
	issuer_init();
}

void tok_release(void)
{
	issuer_release();
	EVP_MD_CTX_free(hasher);
	EVP_MD_free(sha256);
	hasher = NULL;
	sha256 = NULL;
	tok_cache_release();
}

/*
 * Verification
 */

/* What a token's verification works on. */
struct token {
	struct arena *a;
	struct failure *why; /* it is refused */
	const char *text;    /* header.payload.signature */
	size_t signed_len;   /* of header.payload */
	const unsigned char *signature;
	size_t signature_len;
	struct json_object *header, *payload;
	const char *alg, *kid;
};

/* The client learns that the token is refused, the log why. */
static enum err refuse(const struct token *t, const char *reason)
{
	failure_set(t->why, t->a, ERR_AUTHENTICATION, NULL, "the token is not valid");
	t->why->reason = reason;
	return ERR_AUTHENTICATION;
}

/* Decode n characters into the arena; NULL when they are not base64url, or nothing. */
static const unsigned char *decode(struct arena *a, const char *p, size_t n, size_t *len)
{
	unsigned char *out = arena_alloc_raw(a, n);
	ssize_t got = base64_url_decode(p, n, out);

	*len = got > 0 ? (size_t)got : 0;
	return got > 0 ? out : NULL;
}

/* A part of the token that is a JSON object; NULL when it is none. */
static struct json_object *read_part(struct arena *a, const char *p, size_t n)
{
	struct json_object *object;
	const unsigned char *json;
	const char *problem;
	size_t len;

	json = decode(a, p, n, &len);
	if (!json || json_read(a, (const char *)json, len, &object, &problem))
		return NULL;
	return json_object_is_type(object, json_type_object) ? object : NULL;
}

/*
 * A string member that is not empty and not longer than max.  true also when
 * there is none: *out is then NULL.
 */
static bool text_of(struct json_object *object, const char *name, size_t max, const char **out)
{
	struct json_object *value;
	int n;

	*out = NULL;
	if (!json_object_object_get_ex(object, name, &value))
		return true;
	if (!json_object_is_type(value, json_type_string))
		return false;
	n = json_object_get_string_len(value);
	*out = json_object_get_string(value);
	return n > 0 && (size_t)n <= max && strlen(*out) == (size_t)n;
}

/* As text_of, for what is not worth a refusal: anything unfit counts as absent. */
static const char *optional_text(struct json_object *object, const char *name, size_t max)
{
	const char *text;

	return text_of(object, name, max, &text) ? text : NULL;
}

/* A NumericDate (RFC 7519 2).  true also when there is none: *out is then absent. */
static bool time_of(struct json_object *object, const char *name, int64_t absent, int64_t *out)
{
	struct json_object *value;
	double d;

	*out = absent;
	if (!json_object_object_get_ex(object, name, &value))
		return true;
	if (json_object_is_type(value, json_type_int)) {
		*out = json_object_get_int64(value);
		return *out >= 0 && *out <= max_time;
	}
	if (!json_object_is_type(value, json_type_double))
		return false;
	d = json_object_get_double(value);
	if (!isfinite(d) || d < 0 || d > (double)max_time)
		return false;
	*out = (int64_t)d;
	return true;
}

/* A uuid as text in lower case, the arena's; NULL when it is none. */
static const char *uuid_of(struct arena *a, struct json_object *object, const char *name)
{
	const char *text = optional_text(object, name, UUID_CHARS);
	char *out;
	int i;

	if (!text || strlen(text) != UUID_CHARS)
		return NULL;
	out = arena_dup_n(a, text, UUID_CHARS);
	for (i = 0; i < UUID_CHARS; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (out[i] != '-')
				return NULL;
		} else if (out[i] >= 'A' && out[i] <= 'F') {
			out[i] = (char)(out[i] - 'A' + 'a');
		} else if (!(out[i] >= '0' && out[i] <= '9') && !(out[i] >= 'a' && out[i] <= 'f')) {
			return NULL;
		}
	}
	return out;
}

/* Take the token apart.  NULL, or why it is refused. */
static const char *token_read(struct token *t, const char *text, size_t n)
{
	struct arena *a = t->a;
	const char *dot = memchr(text, '.', n), *second, *typ;

	if (!dot)
		return "not three parts";
	second = memchr(dot + 1, '.', n - (size_t)(dot + 1 - text));
	if (!second || memchr(second + 1, '.', n - (size_t)(second + 1 - text)))
		return "not three parts";
	t->text = text;
	t->signed_len = (size_t)(second - text);
	t->header = read_part(a, text, (size_t)(dot - text));
	if (!t->header)
		return "the header is not JSON in base64url";
	t->payload = read_part(a, dot + 1, (size_t)(second - dot - 1));
	if (!t->payload)
		return "the payload is not JSON in base64url";
	t->signature = decode(a, second + 1, n - t->signed_len - 1, &t->signature_len);
	if (!t->signature)
		return "the signature is not base64url";
	if (!text_of(t->header, "alg", 16, &t->alg) || !t->alg)
		return "no alg";
	if (!text_of(t->header, "kid", sizeof(((struct jwks_key *)NULL)->kid) - 1, &t->kid))
		return "kid is not a short string";
	/* RFC 7515 4.1.11: extensions that must be understood; we understand none. */
	if (json_object_object_get_ex(t->header, "crit", NULL))
		return "crit";
	/* RFC 8725 3.11: a logout or event token of the same issuer is signed with the same key. */
	if (!text_of(t->header, "typ", 32, &typ) ||
	    (typ && strcasecmp(typ, "JWT") && strcasecmp(typ, "at+jwt") &&
	     strcasecmp(typ, "application/at+jwt")))
		return "another typ";
	return NULL;
}

static bool hmac_matches(const struct token *t, EVP_MAC_CTX *mac)
{
	unsigned char made[HMAC_BYTES];
	size_t n = 0;
	bool same;

	if (!EVP_MAC_init(mac, NULL, 0, NULL) ||
	    !EVP_MAC_update(mac, (const unsigned char *)t->text, t->signed_len) ||
	    !EVP_MAC_final(mac, made, &n, sizeof(made)) || n != sizeof(made))
		return false;
	same = t->signature_len == sizeof(made) && !CRYPTO_memcmp(made, t->signature, sizeof(made));
	OPENSSL_cleanse(made, sizeof(made)); /* of a forged token it is the signature that would pass */
	return same;
}

static bool signature_matches(const struct token *t, EVP_PKEY *pkey)
{
	return pubkey_verifies(pkey, t->signature, t->signature_len, t->text, t->signed_len);
}

/* Which algorithm of a key set's the token names; false: none of them. */
static bool alg_of(const struct token *t, enum jwks_alg *out)
{
	for (*out = JWKS_RS256; *out < JWKS_ALGS; (*out)++)
		if (!strcmp(t->alg, jwks_alg_name(*out)))
			return true;
	return false;
}

/* Check the signature with the issuer's key, by that key's algorithm. */
static enum err verify_signature(struct token *t, const struct issuer *s)
{
	const struct jwks_key *key;
	enum jwks_alg alg;

	if (s->mac) {
		if (strcmp(t->alg, "HS256"))
			return refuse(t, "alg is not the key's");
		return hmac_matches(t, s->mac) ? ERR_OK : refuse(t, "bad signature");
	}
	if (s->pkey) {
		if (strcmp(t->alg, jwks_alg_name(s->alg)))
			return refuse(t, "alg is not the key's");
		return signature_matches(t, s->pkey) ? ERR_OK : refuse(t, "bad signature");
	}
	/* A set may hold keys of both kinds: here alg helps to find the key, which then has its own. */
	if (!alg_of(t, &alg) || (s->jwks < 0 && !s->jwks_url))
		return refuse(t, "alg is no key's");
	switch (s->jwks_url ? jwks_find_url(t->a, s->jwks_url, t->kid, alg, &key)
			    : jwks_find(t->a, s->jwks, t->kid, alg, &key)) {
	case JWKS_EMPTY:
		return failure_retry(t->why, t->a, ERR_UNAVAILABLE, 5,
				     "the keys of the token's issuer are not known yet");
	case JWKS_UNKNOWN: return refuse(t, "no such key");
	case JWKS_FOUND: break;
	}
	return signature_matches(t, key->pkey) ? ERR_OK : refuse(t, "bad signature");
}

/* Does "aud", a string or a list of them, name us? */
static bool is_for(struct json_object *payload, const char *audience)
{
	struct json_object *aud, *one;
	bool found = false;
	size_t i;

	if (!json_object_object_get_ex(payload, "aud", &aud))
		return !*audience;
	if (json_object_is_type(aud, json_type_string))
		return !*audience || !strcmp(json_object_get_string(aud), audience);
	if (!json_object_is_type(aud, json_type_array))
		return false;
	for (i = 0; i < json_object_array_length(aud); i++) {
		one = json_object_array_get_idx(aud, i);
		if (!json_object_is_type(one, json_type_string))
			return false;
		found = found || !strcmp(json_object_get_string(one), audience);
	}
	return found || !*audience;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static const char impersonation[] = "impersonation";

/* "ctx", "gen", "type" and "act" of a token of ours.  NULL, or why it is refused. */
static const char *read_context(struct json_object *payload, struct claims *out)
{
	struct json_object *act, *gen;
	const char *ctx, *type = optional_text(payload, "type", MAX_ROLE);

	if (json_object_object_get_ex(payload, "gen", &gen)) {
		int64_t n = json_object_get_int64(gen);

		if (!json_object_is_type(gen, json_type_int) || n < 0 || n > INT32_MAX)
			return "gen is no generation";
		out->generation = (int)n;
	}
	if (!text_of(payload, "ctx", MAX_ROLE, &ctx) || (ctx && strcmp(ctx, "user") && strcmp(ctx, "tenant")))
		return "another ctx";
	out->team = ctx && !strcmp(ctx, "tenant");
	out->impersonates = type && !strcmp(type, impersonation);
	if (!json_object_object_get_ex(payload, "act", &act))
		return NULL;
	if (!json_object_is_type(act, json_type_object) || !text_of(act, "sub", MAX_SUBJECT, &out->actor) ||
	    !out->actor || has_control(out->actor))
		return "act has no sub";
	return NULL;
}

/*
 * A claim by its path: a member's whole name first, since names such as
 * "https://example.com/role" have dots, too, and then object by object.
 */
static struct json_object *claim_at(struct json_object *object, const char *path)
{
	struct json_object *value;
	const char *dot = strchr(path, '.');
	char head[ISSUER_MAX_CLAIM * 4 + 1];

	if (!json_object_is_type(object, json_type_object))
		return NULL;
	if (json_object_object_get_ex(object, path, &value))
		return value;
	for (; dot && (size_t)(dot - path) < sizeof(head); dot = strchr(dot + 1, '.')) {
		memcpy(head, path, (size_t)(dot - path));
		head[dot - path] = '\0';
		if (json_object_object_get_ex(object, head, &value))
			return claim_at(value, dot + 1);
	}
	return NULL;
}

static const char *const roles[] = { "user", "admin", "superadmin" };

static int rank_of(const char *role)
{
	for (int i = 2; i > 0; i--)
		if (!strcmp(role, roles[i]))
			return i;
	return 0;
}

/*
 * The role that an issuer gives: the strongest of those that its claim names
 * and that we know, at most its max_role.  A caller whom it names none for is a
 * user, so that a role that is taken away there is gone here.
 */
static const char *role_at(struct json_object *payload, const struct issuer *s)
{
	struct json_object *value = claim_at(payload, s->role_claim), *one;
	int rank = 0, most = rank_of(s->max_role);

	if (json_object_is_type(value, json_type_string))
		rank = rank_of(json_object_get_string(value));
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			one = json_object_array_get_idx(value, i);
			if (json_object_is_type(one, json_type_string) &&
			    rank_of(json_object_get_string(one)) > rank)
				rank = rank_of(json_object_get_string(one));
		}
	}
	return roles[rank < most ? rank : most];
}

/*
 * The address, unless the issuer itself says (OpenID Connect Core 5.1) that it
 * is not verified.  Some write the claim as text; whatever is neither true nor
 * "true" says no.
 */
static const char *email_at(struct json_object *payload, const struct issuer *s)
{
	struct json_object *value = claim_at(payload, s->email_claim), *verified;
	const char *text = json_object_get_string(value);
	size_t n;

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	if (json_object_object_get_ex(payload, "email_verified", &verified) &&
	    (json_object_is_type(verified, json_type_string)
		     ? strcasecmp(json_object_get_string(verified), "true")
		     : !json_object_is_type(verified, json_type_boolean) ||
			       !json_object_get_boolean(verified)))
		return NULL;
	n = strlen(text);
	return n && n <= MAX_EMAIL && n == (size_t)json_object_get_string_len(value) ? text : NULL;
}

/* The claims of RFC 7519 4.1 that every token is judged by, but for "iss". */
static enum err read_registered(struct token *t, const char *audience, int64_t now, struct claims *out)
{
	struct json_object *p = t->payload;
	int64_t nbf;

	if (!time_of(p, "exp", -1, &out->exp) || out->exp < 0)
		return refuse(t, "no exp");
	if (!time_of(p, "nbf", 0, &nbf) || !time_of(p, "iat", 0, &out->iat))
		return refuse(t, "nbf or iat is not a time");
	if (!time_of(p, "auth_time", out->iat, &out->auth_at))
		return refuse(t, "auth_time is not a time");
	if (now - out->exp >= TOK_LEEWAY_S)
		return failure_set(t->why, t->a, ERR_AUTHENTICATION, NULL, "the token has expired");
	if (nbf - now >= TOK_LEEWAY_S)
		return failure_set(t->why, t->a, ERR_AUTHENTICATION, NULL, "the token is not valid yet");
	if (out->iat - now >= TOK_LEEWAY_S || out->iat > out->exp)
		return refuse(t, "iat is in the future or behind exp");
	if (!is_for(p, audience))
		return refuse(t, "for another aud");
	if (!text_of(p, "sub", MAX_SUBJECT, &out->subject) || !out->subject || has_control(out->subject))
		return refuse(t, "no sub of 1 to 255 plain characters");
	return ERR_OK;
}

/* Read and check the claims of a token whose signature is good. */
static enum err read_claims(struct token *t, const struct issuer *s, int64_t now, struct claims *out)
{
	struct json_object *p = t->payload;
	struct arena *a = t->a;
	const char *problem;
	enum err rc;

	*out = (struct claims){ .issuer = issuer_name(a, s), .own = s->own };
	rc = read_registered(t, s->audience, now, out);
	if (rc)
		return rc;
	if (!s->own) {
		out->email = email_at(p, s);
		out->role = *s->role_claim ? role_at(p, s) : NULL;
		return ERR_OK;
	}
	out->email = optional_text(p, "email", MAX_EMAIL);
	out->role = optional_text(p, "role", MAX_ROLE);
	out->session = uuid_of(a, p, "sid");
	out->tenant_id = uuid_of(a, p, "tid");
	out->workspace = uuid_of(a, p, "wid");
	if (!out->session || !out->tenant_id)
		return refuse(t, "no sid and tid");
	problem = read_context(p, out);
	return problem ? refuse(t, problem) : ERR_OK;
}

enum err tok_verify(struct arena *a, const struct whose *whose, const char *text, struct claims *out,
		    struct failure *why)
{
	size_t n = strnlen(text, TOK_MAX_BYTES + 1);
	struct token t = { .a = a, .why = why };
	const struct issuer *s = NULL;
	unsigned char digest[32];
	unsigned version;
	const char *iss, *problem, *key = whose->api_key;
	int64_t now = now_s();
	enum err rc;

	assert(hasher);
	if (n > TOK_MAX_BYTES)
		return refuse(&t, "longer than 8 KiB");
	/* With the NUL between them, which neither can hold: no token may read as another one with its key.
	 */
	if (!EVP_DigestInit_ex2(hasher, NULL, NULL) || !EVP_DigestUpdate(hasher, text, key ? n + 1 : n) ||
	    (key && !EVP_DigestUpdate(hasher, key, strlen(key))) || !EVP_DigestFinal_ex(hasher, digest, NULL))
		abort();
	if (tok_cache_get(a, whose, digest, now, out))
		return ERR_OK;

	problem = token_read(&t, text, n);
	if (problem)
		return refuse(&t, problem);
	if (!text_of(t.payload, "iss", TOK_MAX_BYTES, &iss) || !iss)
		return refuse(&t, "unknown issuer");
	s = issuer_find(iss);
	if (!s) {
		rc = issuer_of_tenant(a, whose, iss, &s, why);
		if (rc)
			return rc;
	}
	if (!s)
		return refuse(&t, "unknown issuer");
	/* Before the key is looked for: if the set changes in between, the entry is outdated at once. */
	version = tok_cache_version(a, s);
	rc = verify_signature(&t, s);
	if (rc)
		return rc;
	rc = read_claims(&t, s, now, out);
	if (rc)
		return rc;
	tok_cache_put(digest, s, version, now, out);
	return ERR_OK;
}

enum err tok_open(struct arena *a, const char *text, const struct jwks_set *set, const char *audience,
		  struct claims *out, struct json_object **payload, struct failure *why)
{
	size_t n = strnlen(text, TOK_MAX_BYTES + 1);
	struct token t = { .a = a, .why = why };
	const struct jwks_key *key;
	const char *problem;
	enum jwks_alg alg;

	assert(hasher && *audience);
	if (n > TOK_MAX_BYTES)
		return refuse(&t, "longer than 8 KiB");
	problem = token_read(&t, text, n);
	if (problem)
		return refuse(&t, problem);
	if (!alg_of(&t, &alg))
		return refuse(&t, "alg is no key's");
	key = jwks_pick(set, t.kid, alg);
	if (!key)
		return failure_set(why, a, ERR_NOT_FOUND, NULL, "no such key");
	if (!signature_matches(&t, key->pkey))
		return refuse(&t, "bad signature");
	*out = (struct claims){ 0 };
	*payload = t.payload;
	return read_registered(&t, audience, now_s(), out);
}

enum err tok_open_by(struct arena *a, const char *text, int jwks, const char *audience, struct claims *out,
		     struct json_object **payload, struct failure *why)
{
	size_t n = strnlen(text, TOK_MAX_BYTES + 1);
	const struct issuer s = { .jwks = jwks };
	struct token t = { .a = a, .why = why };
	const char *problem;
	enum err rc;

	assert(hasher && *audience);
	if (n > TOK_MAX_BYTES)
		return refuse(&t, "longer than 8 KiB");
	problem = token_read(&t, text, n);
	if (problem)
		return refuse(&t, problem);
	rc = verify_signature(&t, &s);
	if (rc)
		return rc;
	*out = (struct claims){ 0 };
	*payload = t.payload;
	return read_registered(&t, audience, now_s(), out);
}

enum err tok_open_own(struct arena *a, const char *text, const char *audience, struct claims *out,
		      struct json_object **payload, struct failure *why)
{
	size_t n = strnlen(text, TOK_MAX_BYTES + 1);
	struct token t = { .a = a, .why = why };
	const struct issuer *s = issuer_find(cfg.jwt_issuer);
	const char *problem, *iss, *ctx;
	enum err rc;

	assert(hasher && *audience);
	if (n > TOK_MAX_BYTES)
		return refuse(&t, "longer than 8 KiB");
	problem = token_read(&t, text, n);
	if (problem)
		return refuse(&t, problem);
	if (!s || !s->own || !text_of(t.payload, "iss", TOK_MAX_BYTES, &iss) || !iss ||
	    strcmp(iss, cfg.jwt_issuer))
		return refuse(&t, "unknown issuer");
	rc = verify_signature(&t, s);
	if (rc)
		return rc;
	if (!text_of(t.payload, "ctx", MAX_ROLE, &ctx) || !ctx || strcmp(ctx, audience))
		return refuse(&t, "another ctx");
	*out = (struct claims){ .issuer = cfg.jwt_issuer, .own = true };
	*payload = t.payload;
	return read_registered(&t, audience, now_s(), out);
}

/*
 * Our own tokens
 */

/* RFC 8693 4.1: {"act":{"sub":"…"}}; libjwt adds it as a whole. */
static const char *act_of(struct arena *a, const char *actor)
{
	struct buf b;

	buf_init(&b, a, 64);
	buf_text(&b, "{\"act\":{\"sub\":");
	jx_str(&b, actor);
	buf_text(&b, "}}");
	return buf_str(&b);
}

/* Sign it, and have it in the arena; NULL when one of its claims could not be set (is_whole), or without a
 * secret. */
static char *sign(struct arena *a, jwt_t *jwt, bool is_whole)
{
	char *token = NULL, *copy = NULL;

	if (is_whole && *cfg.jwt_secret &&
	    !jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)cfg.jwt_secret,
			 (int)strlen(cfg.jwt_secret)))
		token = jwt_encode_str(jwt);
	if (token) {
		copy = arena_dup(a, token);
		free(token);
	}
	jwt_free(jwt); /* which wipes its copy of the secret */
	return copy;
}

char *tok_sign_for(struct arena *a, const char *audience, const char *claims)
{
	jwt_t *jwt = NULL;
	bool good = !jwt_new(&jwt) && !jwt_add_grants_json(jwt, claims) &&
		    !jwt_add_grant(jwt, "iss", cfg.jwt_issuer) && !jwt_add_grant(jwt, "aud", audience) &&
		    !jwt_add_grant(jwt, "ctx", audience);

	return sign(a, jwt, good);
}

char *tok_sign(struct arena *a, const struct claims *c)
{
	const struct {
		const char *name, *value;
	} texts[] = {
		{ "iss", cfg.jwt_issuer },
		{ "aud", cfg.jwt_audience },
		{ "sub", c->subject },
		{ "sid", c->session },
		{ "tid", c->tenant_id },
		{ "role", c->role },
		{ "email", c->email },
		{ "ctx", c->team ? "tenant" : "user" },
		{ "wid", c->workspace },
		{ "type", c->impersonates ? impersonation : NULL },
		{ "impersonated_by", c->impersonator },
	};
	jwt_t *jwt = NULL;
	bool good = !jwt_new(&jwt);
	size_t i;

	for (i = 0; good && i < sizeof(texts) / sizeof(*texts); i++)
		good = !texts[i].value || !jwt_add_grant(jwt, texts[i].name, texts[i].value);
	good = good && (!c->actor || !jwt_add_grants_json(jwt, act_of(a, c->actor)));
	good = good && (!c->generation || !jwt_add_grant_int(jwt, "gen", c->generation));
	good = good && (!c->auth_at || !jwt_add_grant_int(jwt, "auth_time", (long)c->auth_at));
	good = good && !jwt_add_grant_int(jwt, "iat", (long)c->iat) &&
	       !jwt_add_grant_int(jwt, "exp", (long)c->exp);
	return sign(a, jwt, good);
}
