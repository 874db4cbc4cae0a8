#include "lib/crypto/jwks.h"

#include <assert.h>
#include <json-c/json.h>

#include "build/sql/runtime/jwks.h"
#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/crypto/pubkey.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/shm.h"
#include "lib/net/http.h"

enum {
	ASK_EVERY_MS = 60000,
	ASK_WAIT_MS = 2000,
	ASK_POLL_MS = 20,
	READ_EVERY_MS = 1000, /* of the table, by one process, for a key that it does not have */
	LOOK_EVERY_MS = 5000, /* the housekeeper's look at the table: another host may have fetched */
	FETCH_TIMEOUT_MS = 5000,
	RETRY_MS = 5000, /* doubled with each failure in a row */
	RETRY_MAX_MS = 300000,
	URL_READ_EVERY_MS = 20000,
	URL_FETCH_TIMEOUT_MS = 3000,
	URL_FETCHES = 4, /* in a row, before the configured issuers have their turn again */
	URL_PURGE_EVERY_MS = 3600000,
};

/*
 * Keys
 */

static const char *const alg_names[JWKS_ALGS] = {
	[JWKS_RS256] = "RS256",
	[JWKS_ES256] = "ES256",
	[JWKS_EDDSA] = "EdDSA",
};

const char *jwks_alg_name(enum jwks_alg alg)
{
	return alg_names[alg];
}

bool jwks_alg_of(EVP_PKEY *pkey, enum jwks_alg *out)
{
	char curve[32] = "";

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		int bits = EVP_PKEY_get_bits(pkey);

		*out = JWKS_RS256;
		return bits >= PUBKEY_MIN_RSA_BITS && bits <= PUBKEY_MAX_RSA_BITS;
	}
	if (EVP_PKEY_is_a(pkey, "ED25519")) {
		*out = JWKS_EDDSA;
		return true;
	}
	*out = JWKS_ES256;
	return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL) &&
	       !strcmp(curve, "prime256v1");
}

/* A string member, or NULL: there is none, or it is of another type. */
static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

/* A base64url member of at most max bytes: how many, or -1. */
static ssize_t bytes_of(struct json_object *object, const char *name, void *out, size_t max)
{
	const char *text = text_of(object, name);
	size_t n = text ? strlen(text) : 0;

	if (!text || n * 3 / 4 > max)
		return -1;
	return base64_url_decode(text, n, out);
}

static EVP_PKEY *rsa_key(struct json_object *jwk)
{
	uint8_t n[PUBKEY_MAX_RSA_BITS / 8], e[8];
	ssize_t n_len = bytes_of(jwk, "n", n, sizeof(n)), e_len = bytes_of(jwk, "e", e, sizeof(e));

	return n_len > 0 && e_len > 0 ? pubkey_rsa(n, (size_t)n_len, e, (size_t)e_len, false) : NULL;
}

static EVP_PKEY *ec_key(struct json_object *jwk)
{
	uint8_t x[32], y[32];
	const char *crv = text_of(jwk, "crv");

	/* RFC 7518 6.2.1.2: exactly the curve's length, leading zeros included. */
	if (!crv || strcmp(crv, "P-256") || bytes_of(jwk, "x", x, sizeof(x)) != 32 ||
	    bytes_of(jwk, "y", y, sizeof(y)) != 32)
		return NULL;
	return pubkey_p256(x, y, false);
}

/* RFC 8037 2; of its curves Ed25519 alone. */
static EVP_PKEY *okp_key(struct json_object *jwk)
{
	uint8_t x[PUBKEY_ED25519_BYTES];
	const char *crv = text_of(jwk, "crv");

	if (!crv || strcmp(crv, "Ed25519") || bytes_of(jwk, "x", x, sizeof(x)) != sizeof(x))
		return NULL;
	return pubkey_ed25519(x);
}

/* Read one JWK (RFC 7517 4); false: it is none for us. */
static bool key_read(struct json_object *jwk, struct jwks_key *out)
{
	const char *kty, *use, *alg, *kid;
	struct json_object *member;
	enum jwks_alg found;

	if (!json_object_is_type(jwk, json_type_object))
		return false;
	kty = text_of(jwk, "kty");
	use = text_of(jwk, "use");
	alg = text_of(jwk, "alg");
	kid = text_of(jwk, "kid");
	if (!kty || (use && strcmp(use, "sig")) || (kid && strlen(kid) >= sizeof(out->kid)))
		return false;
	if (!kid && json_object_object_get_ex(jwk, "kid", &member))
		return false; /* a kid that is no string */
	if (!strcmp(kty, "RSA"))
		out->pkey = rsa_key(jwk);
	else if (!strcmp(kty, "EC"))
		out->pkey = ec_key(jwk);
	else if (!strcmp(kty, "OKP"))
		out->pkey = okp_key(jwk);
	else
		return false;
	if (!out->pkey)
		return false;
	if (!jwks_alg_of(out->pkey, &found) || (alg && strcmp(alg, alg_names[found]))) {
		EVP_PKEY_free(out->pkey);
		return false;
	}
	out->alg = found;
	snprintf(out->kid, sizeof(out->kid), "%s", kid ? kid : "");
	return true;
}

enum err jwks_parse(struct arena *a, const char *text, size_t n, struct jwks_set *out, const char **problem)
{
	struct json_object *root, *keys;
	size_t i;

	out->n = 0;
	if (n > JWKS_MAX_BYTES) {
		*problem = "the key set is too large";
		return ERR_BAD_REQUEST;
	}
	if (json_read(a, text, n, &root, problem))
		return ERR_BAD_REQUEST;
	if (!json_object_is_type(root, json_type_object) || !json_object_object_get_ex(root, "keys", &keys) ||
	    !json_object_is_type(keys, json_type_array)) {
		*problem = "not an object with a list \"keys\"";
		return ERR_BAD_REQUEST;
	}
	for (i = 0; i < json_object_array_length(keys) && out->n < JWKS_KEYS; i++)
		if (key_read(json_object_array_get_idx(keys, i), &out->keys[out->n]))
			out->n++;
	if (!out->n) {
		*problem = "no key for RS256, ES256 or EdDSA in it";
		return ERR_BAD_REQUEST;
	}
	return ERR_OK;
}

void jwks_release(struct jwks_set *set)
{
	while (set->n > 0)
		EVP_PKEY_free(set->keys[--set->n].pkey);
}

/*
 * Issuers, and what this process knows of each
 */

/* A child's copy of a set. */
struct copy {
	struct jwks_set set;
	unsigned char digest[32]; /* of the text that set was read from */
	unsigned version;         /* no other set of this process has it; 0: there was none yet */
	int64_t read_ms;          /* when the table was read; 0: never */
	bool is_stale;            /* it gave nothing, perhaps for want of a connection */
};

struct issuer {
	const char *name, *url;
	struct copy copy;
	uint64_t generation; /* the flag's, when the table was read */

	/* the housekeeper's plans */
	char fetched_at[40]; /* as the table has it */
	int64_t look_ms, retry_ms;
	int failures;
};

static struct issuer issuers[JWKS_MAX];
static int nissuers;

SHM_REGION(jwks_flags, struct jwks_flag, JWKS_MAX)

/* Those of the host; of this process alone where it shares nothing. */
static struct jwks_flag *flag_of(int number)
{
	static struct jwks_flag own[JWKS_MAX];

	return jwks_flags() ? &jwks_flags()[number] : &own[number];
}

/* The last flag is that of all URLs that tenants name; who was asked for is in the table. */
enum { URLS = JWKS_MAX - 1 };

/* Their sets, as far as this process needed them lately. */
struct url {
	char url[JWKS_MAX_URL + 1];
	struct copy copy;
	int64_t used_ms;
};

static struct url urls[JWKS_URLS];
static unsigned versions;

static int64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

int jwks_add(const char *issuer, const char *url)
{
	if (nissuers == URLS)
		return -1;
	issuers[nissuers] = (struct issuer){ .name = issuer, .url = url };
	return nissuers++;
}

void jwks_clear(void)
{
	while (nissuers > 0)
		jwks_release(&issuers[--nissuers].copy.set);
	for (int i = 0; i < JWKS_URLS && *urls[i].url; i++) {
		jwks_release(&urls[i].copy.set);
		urls[i] = (struct url){ .url = "" };
	}
}

/*
 * A child's part
 */

/* The stored set of an issuer, unless it came from another URL than the one configured now. */
static const char *read_table(struct arena *a, const struct issuer *s)
{
	PGresult *res = db_outside(&q_jwks_get, (const char *const[]){ s->name });
	const char *text = NULL;

	if (res && PQntuples(res) == 1 && !PQgetisnull(res, 0, PQfnumber(res, "fetched_at")) &&
	    !strcmp(column_text(res, 0, "url"), s->url))
		text = arena_dup(a, column_text(res, 0, "keys"));
	PQclear(res);
	return text;
}

/* The same of a tenant's URL; and a request that reads it wants it kept. */
static const char *read_url(struct arena *a, const char *url)
{
	PGresult *res = db_outside(&q_jwks_url_get, (const char *const[]){ url });
	const char *text = NULL;

	if (res && PQntuples(res) == 1)
		text = arena_dup(a, column_text(res, 0, "keys"));
	PQclear(res);
	return text;
}

static const char *(*source)(struct arena *a, const char *issuer);

void jwks_use_source(const char *(*fn)(struct arena *a, const char *issuer))
{
	source = fn;
}

/* If the text is another set than the copy, take that over. */
static void copy_take(struct arena *a, struct copy *c, const char *text, const char *whose)
{
	unsigned char digest[32];
	struct jwks_set set;
	const char *problem;

	c->is_stale = !text;
	if (!text || !EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL))
		return;
	if (c->version && !memcmp(digest, c->digest, sizeof(digest)))
		return;
	if (jwks_parse(a, text, strlen(text), &set, &problem)) {
		log_msg(LOG_WARNING, NULL, "the stored key set of %s cannot be used: %s", whose, problem);
		return;
	}
	jwks_release(&c->set);
	c->set = set;
	memcpy(c->digest, digest, sizeof(digest));
	c->version = ++versions;
}

static void copy_read(struct arena *a, struct issuer *s)
{
	/* The generation first: a set stored meanwhile is then read again, not missed. */
	s->generation = atomic_load(&flag_of((int)(s - issuers))->generation);
	s->copy.read_ms = now_ms();
	copy_take(a, &s->copy, source ? source(a, s->name) : read_table(a, s), s->name);
}

/* Has the copy nothing to go by, and is it time to look again? */
static bool is_missing(const struct copy *c)
{
	return !c->read_ms || ((c->is_stale || !c->version) && now_ms() - c->read_ms >= READ_EVERY_MS);
}

/* Read the table if it has something new, or if no notice of it could have come for long. */
static void copy_update(struct arena *a, struct issuer *s)
{
	if (is_missing(&s->copy) || atomic_load(&flag_of((int)(s - issuers))->generation) != s->generation ||
	    now_ms() - s->copy.read_ms >= cfg.jwks_refresh_s * 1000)
		copy_read(a, s);
}

unsigned jwks_version(struct arena *a, int number)
{
	assert(number >= 0 && number < nissuers);
	copy_update(a, &issuers[number]);
	return issuers[number].copy.version;
}

static void url_read(struct arena *a, struct url *u)
{
	u->copy.read_ms = now_ms();
	copy_take(a, &u->copy, source ? source(a, u->url) : read_url(a, u->url), u->url);
}

/* This process's copy of what is behind a URL, not older than the table by more than URL_READ_EVERY_MS. */
static struct url *url_of(struct arena *a, const char *text)
{
	struct url *u = &urls[0];

	assert(strlen(text) <= JWKS_MAX_URL);
	for (int i = 0; i < JWKS_URLS; i++) {
		if (!strcmp(urls[i].url, text)) {
			u = &urls[i];
			break;
		}
		if (urls[i].used_ms < u->used_ms)
			u = &urls[i];
	}
	if (strcmp(u->url, text)) {
		jwks_release(&u->copy.set);
		*u = (struct url){ .url = "" };
		memcpy(u->url, text, strlen(text) + 1);
	}
	u->used_ms = now_ms();
	if (is_missing(&u->copy) || now_ms() - u->copy.read_ms >= URL_READ_EVERY_MS)
		url_read(a, u);
	return u;
}

unsigned jwks_url_version(struct arena *a, const char *url)
{
	return url_of(a, url)->copy.version;
}

/* *named: the set has the kid, if only for another algorithm, so that asking for a newer set is no use. */
static const struct jwks_key *pick(const struct jwks_set *set, const char *kid, enum jwks_alg alg,
				   bool *named)
{
	const struct jwks_key *only = NULL;
	int i, n = 0;

	*named = !kid;
	for (i = 0; i < set->n; i++) {
		const struct jwks_key *k = &set->keys[i];

		if (kid && !strcmp(k->kid, kid)) {
			*named = true;
			if (k->alg == alg)
				return k;
		}
		if (k->alg == alg) {
			only = k;
			n++;
		}
	}
	return !kid && n == 1 ? only : NULL;
}

const struct jwks_key *jwks_pick(const struct jwks_set *set, const char *kid, enum jwks_alg alg)
{
	bool named;

	return pick(set, kid, alg, &named);
}

/* Ask for a fetch: the question's number, or 0 when another child asked within the last minute. */
static uint64_t ask(struct jwks_flag *flag, int64_t now)
{
	int64_t asked = atomic_load(&flag->asked_ms);

	/* What lies in the future was written before the machine's last start. */
	if (asked && asked <= now && now - asked < ASK_EVERY_MS)
		return 0;
	if (!atomic_compare_exchange_strong(&flag->asked_ms, &asked, now))
		return 0;
	return atomic_fetch_add(&flag->asks, 1) + 1;
}

/* Wait until a fetch that began after the question has ended, or long enough. */
static void wait_for_answer(struct jwks_flag *flag, uint64_t question)
{
	const struct timespec pause = { 0, ASK_POLL_MS * 1000000L };
	int64_t until = now_ms() + ASK_WAIT_MS;

	while (atomic_load(&flag->answered) < question && now_ms() < until)
		nanosleep(&pause, NULL);
}

static enum jwks_found found(const struct copy *c, const struct jwks_key *key)
{
	return key ? JWKS_FOUND : c->version ? JWKS_UNKNOWN : JWKS_EMPTY;
}

enum jwks_found jwks_find(struct arena *a, int number, const char *kid, enum jwks_alg alg,
			  const struct jwks_key **out)
{
	struct issuer *s;
	uint64_t question;
	bool named;

	assert(number >= 0 && number < nissuers);
	s = &issuers[number];
	copy_update(a, s);
	*out = pick(&s->copy.set, kid, alg, &named);
	if (*out || (named && s->copy.version))
		return found(&s->copy, *out);
	if (now_ms() - s->copy.read_ms >= READ_EVERY_MS) {
		copy_read(a, s);
		*out = pick(&s->copy.set, kid, alg, &named);
	}
	question = *out ? 0 : ask(flag_of(number), now_ms());
	if (question) {
		wait_for_answer(flag_of(number), question);
		copy_read(a, s);
		*out = pick(&s->copy.set, kid, alg, &named);
	}
	return found(&s->copy, *out);
}

/* As ask(), but it is the table that remembers the minute, for each URL. */
static uint64_t ask_url(const char *url)
{
	PGresult *res = source ? NULL : db_outside(&q_jwks_url_ask, (const char *const[]){ url });
	uint64_t question = 0;

	if (res && PQntuples(res) == 1)
		question = atomic_fetch_add(&flag_of(URLS)->asks, 1) + 1;
	PQclear(res);
	return question;
}

enum jwks_found jwks_find_url(struct arena *a, const char *url, const char *kid, enum jwks_alg alg,
			      const struct jwks_key **out)
{
	struct url *u = url_of(a, url);
	uint64_t question;
	bool named;

	*out = pick(&u->copy.set, kid, alg, &named);
	if (*out || (named && u->copy.version))
		return found(&u->copy, *out);
	if (now_ms() - u->copy.read_ms >= READ_EVERY_MS) {
		url_read(a, u);
		*out = pick(&u->copy.set, kid, alg, &named);
	}
	question = *out ? 0 : ask_url(url);
	if (question) {
		wait_for_answer(flag_of(URLS), question);
		url_read(a, u);
		*out = pick(&u->copy.set, kid, alg, &named);
	}
	return found(&u->copy, *out);
}

/*
 * The housekeeper's part
 */

/* What jwks.sql's queries take, by name. */
struct about {
	const char *issuer, *url, *keys, *failure, *refresh_s;
};

/* Run one of them.  NULL: it failed, which is logged. */
static PGresult *run(PGconn *c, const struct query *id, const struct about *about)
{
	const struct query *q = id;
	const char *values[4] = { NULL };
	PGresult *res;
	int i;

	assert(q->nparams <= 4);
	for (i = 0; i < q->nparams; i++)
		values[i] = !strcmp(q->params[i], "issuer")    ? about->issuer
			    : !strcmp(q->params[i], "url")     ? about->url
			    : !strcmp(q->params[i], "keys")    ? about->keys
			    : !strcmp(q->params[i], "failure") ? about->failure
							       : about->refresh_s;
	res = PQexecParams(c, q->text, q->nparams, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK)
		return res;
	log_msg(LOG_WARNING, NULL, "%s: %s", q->name, PQresultErrorMessage(res));
	PQclear(res);
	return NULL;
}

/*
 * Look at the table: is a fetch due?  If what it holds is not what was seen
 * last time, whichever process stored it, the children are told to read it.
 */
static bool look(PGconn *c, struct issuer *s)
{
	PGresult *res = run(c, &q_jwks_get, &(struct about){ .issuer = s->name });
	bool due;

	s->look_ms = now_ms() + LOOK_EVERY_MS;
	if (!res)
		return false;
	due = PQntuples(res) == 0 || PQgetisnull(res, 0, PQfnumber(res, "fetched_at")) ||
	      strcmp(PQgetvalue(res, 0, PQfnumber(res, "url")), s->url) ||
	      strtoll(PQgetvalue(res, 0, PQfnumber(res, "age_ms")), NULL, 10) >= cfg.jwks_refresh_s * 1000;
	if (PQntuples(res) == 1) {
		const char *fetched_at = PQgetvalue(res, 0, PQfnumber(res, "fetched_at"));

		if (strcmp(fetched_at, s->fetched_at)) {
			/*
			 * The first set answers the requests that asked while there was none.  Those
			 * questions, which the set's own fetch may have outrun or not, must not
			 * use up the minute of the key that the issuer takes next.
			 */
			if (!*s->fetched_at)
				atomic_store(&flag_of((int)(s - issuers))->asked_ms, 0);
			snprintf(s->fetched_at, sizeof(s->fetched_at), "%s", fetched_at);
			atomic_fetch_add(&flag_of((int)(s - issuers))->generation, 1);
		}
	}
	PQclear(res);
	return due;
}

/* Fetch a key set and check that it is one.  The text, or NULL and *problem. */
static const char *fetch(struct arena *a, const struct http_call *call, const char **problem)
{
	struct http_answer answer;
	struct jwks_set set;

	if (http_do(a, call, &answer)) {
		*problem = answer.reason;
		return NULL;
	}
	if (answer.status != 200) {
		*problem = arena_fmt(a, "status %d", answer.status);
		return NULL;
	}
	if (jwks_parse(a, answer.body, answer.body_len, &set, problem))
		return NULL;
	jwks_release(&set);
	return answer.body;
}

static const char *const fetch_headers[] = { "Accept: application/json", NULL };

static void refresh(PGconn *c, struct issuer *s)
{
	const struct http_call call = {
		.provider = s->name,
		.url = s->url,
		.headers = fetch_headers,
		.max_bytes = JWKS_MAX_BYTES,
		.timeout_ms = FETCH_TIMEOUT_MS,
		.flags = HTTP_FOLLOW,
	};
	struct about about = { .issuer = s->name, .url = s->url };
	const char *problem = "it could not be stored";
	PGresult *res = NULL;
	struct arena a;

	arena_init(&a, 4096);
	about.keys = fetch(&a, &call, &problem);
	if (about.keys)
		res = run(c, &q_jwks_store, &about);
	if (res) {
		s->failures = 0;
		s->retry_ms = 0;
		look(c, s);
	} else {
		long pause = s->failures < 6 ? (long)RETRY_MS << s->failures : RETRY_MAX_MS;

		s->failures++;
		s->retry_ms = now_ms() + pause + arc4random_uniform((uint32_t)pause / 4);
		log_msg(LOG_WARNING, NULL, "fetching the key set of %s failed: %s", s->name, problem);
		about.failure = problem;
		res = run(c, &q_jwks_failed, &about);
	}
	PQclear(res);
	arena_release(&a);
}

/*
 * Fetch one of the URLs that tenants named; false: none is due.  Failures in a
 * row are counted in the table, and its query waits longer after each: nobody
 * can keep the housekeeper busy with servers that do not answer.
 */
static bool refresh_url(PGconn *c, const char *refresh_s)
{
	struct http_call call = {
		.headers = fetch_headers,
		.max_bytes = JWKS_MAX_BYTES,
		.timeout_ms = URL_FETCH_TIMEOUT_MS,
		.flags = HTTP_FOLLOW | HTTP_USER_URL,
	};
	const char *problem = "it could not be stored";
	PGresult *due = run(c, &q_jwks_url_due, &(struct about){ .refresh_s = refresh_s }), *res = NULL;
	bool is_due = due && PQntuples(due) == 1;
	struct about about;
	struct arena a;

	if (is_due) {
		arena_init(&a, 4096);
		about = (struct about){ .issuer = PQgetvalue(due, 0, 0), .url = PQgetvalue(due, 0, 1) };
		call.url = about.url;
		if (!strncmp(call.url, "https://", 8) || config_is_development())
			about.keys = fetch(&a, &call, &problem);
		else
			problem = "keys over plain http could be replaced on their way";
		if (about.keys)
			res = run(c, &q_jwks_store, &about);
		if (!res) {
			log_msg(LOG_WARNING, NULL, "fetching the key set at %.*s failed: %s",
				(int)strcspn(call.url, "?#"), call.url, problem);
			about.failure = problem;
			res = run(c, &q_jwks_failed, &about);
		}
		is_due = res; /* else it would be due for ever */
		arena_release(&a);
	}
	PQclear(res);
	PQclear(due);
	return is_due;
}

static void refresh_urls(PGconn *c)
{
	static int64_t look_ms, purge_ms;
	uint64_t asks = atomic_load(&flag_of(URLS)->asks);
	char refresh_s[16];
	int n = 0;

	if (asks == atomic_load(&flag_of(URLS)->answered) && now_ms() < look_ms)
		return;
	snprintf(refresh_s, sizeof(refresh_s), "%ld", cfg.jwks_refresh_s);
	while (n < URL_FETCHES && refresh_url(c, refresh_s))
		n++;
	if (n < URL_FETCHES) {
		look_ms = now_ms() + LOOK_EVERY_MS;
		atomic_store(&flag_of(URLS)->answered, asks);
	}
	if (now_ms() >= purge_ms) {
		PQclear(run(c, &q_jwks_url_purge, &(struct about){ 0 }));
		purge_ms = now_ms() + URL_PURGE_EVERY_MS;
	}
}

void jwks_refresh_due(PGconn *c)
{
	int i;

	for (i = 0; i < nissuers; i++) {
		struct issuer *s = &issuers[i];
		uint64_t asks = atomic_load(&flag_of(i)->asks);
		bool is_asked = asks != atomic_load(&flag_of(i)->answered), due;

		if (!is_asked && now_ms() < s->look_ms)
			continue;
		due = look(c, s);
		if (!is_asked && (!due || now_ms() < s->retry_ms))
			continue;
		refresh(c, s);
		/* Who asked while the fetch was under way may want a newer set still. */
		atomic_store(&flag_of(i)->answered, asks);
	}
	refresh_urls(c);
}
