#include "lib/crypto/issuer.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "build/sql/runtime/runtime.h"
#include "lib/base/clock.h"
#include "lib/crypto/seal.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

/* An HMAC context with the secret in it; EVP_MAC_init without a key starts it over. */
static EVP_MAC_CTX *mac_new(const char *secret)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);

	if (!EVP_MAC_init(ctx, (const unsigned char *)secret, strlen(secret), params))
		abort();
	EVP_MAC_free(hmac);
	return ctx;
}

/*
 * The configured ones
 */

static struct issuer configured[8];
static int nconfigured;
static int pubsub_keys = -1;

/* A public key for RS256, ES256 or EdDSA from a PEM file; ends the process when there is none. */
static void pem_read(const char *path, struct issuer *out)
{
	FILE *f = fopen(path, "re");

	out->pkey = f ? PEM_read_PUBKEY(f, NULL, NULL, NULL) : NULL;
	if (f)
		fclose(f);
	if (!out->pkey || !jwks_alg_of(out->pkey, &out->alg)) {
		log_msg(LOG_ERROR, NULL, "OIDC_PEM_FILE: %s: %s", path,
			!f           ? "cannot be opened"
			: !out->pkey ? "holds no public key"
				     : "must be an RSA key of 2048 to 8192 bits, one on P-256, or Ed25519");
		exit(1);
	}
}

static struct issuer *add(const char *name, const char *audience)
{
	struct issuer *s = &configured[nconfigured++];

	assert((size_t)nconfigured <= sizeof(configured) / sizeof(*configured));
	*s = (struct issuer){
		.name = name, .audience = audience, .email_claim = "email", .role_claim = "", .jwks = -1
	};
	return s;
}

static struct issuer *add_foreign(const char *name, const char *audience, const char *email_claim,
				  const char *role_claim, const char *max_role)
{
	struct issuer *s = add(name, audience);

	s->email_claim = email_claim;
	s->role_claim = role_claim;
	s->max_role = max_role;
	return s;
}

void issuer_init(void)
{
	struct issuer *s;

	issuer_release();
	if (*cfg.jwt_secret) {
		s = add(cfg.jwt_issuer, cfg.jwt_audience);
		s->own = true;
		s->mac = mac_new(cfg.jwt_secret);
	}
	if (*cfg.supabase_issuer) {
		s = add_foreign(cfg.supabase_issuer, cfg.supabase_audience, cfg.supabase_email_claim,
				cfg.supabase_role_claim, cfg.supabase_max_role);
		if (*cfg.supabase_jwt_secret)
			s->mac = mac_new(cfg.supabase_jwt_secret);
		else
			s->jwks = jwks_add(s->name, cfg.supabase_jwks_url);
	}
	if (*cfg.clerk_issuer) {
		s = add_foreign(cfg.clerk_issuer, cfg.clerk_audience, cfg.clerk_email_claim,
				cfg.clerk_role_claim, cfg.clerk_max_role);
		s->jwks = jwks_add(s->name, cfg.clerk_jwks_url);
	}
	if (*cfg.oidc_issuer) {
		s = add_foreign(cfg.oidc_issuer, cfg.oidc_audience, cfg.oidc_email_claim, cfg.oidc_role_claim,
				cfg.oidc_max_role);
		if (*cfg.oidc_pem_file)
			pem_read(cfg.oidc_pem_file, s);
		else
			s->jwks = jwks_add(s->name, cfg.oidc_jwks_url);
	}
	if (*cfg.google_pubsub_audience)
		pubsub_keys = jwks_add("google pubsub", cfg.google_jwks_url);
}

int issuer_pubsub_keys(void)
{
	return pubsub_keys;
}

const struct issuer *issuer_find(const char *name)
{
	for (int i = 0; i < nconfigured; i++)
		if (!strcmp(configured[i].name, name))
			return &configured[i];
	return NULL;
}

/*
 * Tenants' own
 *
 * Known by a digest of who asks (the API key, or the tenant) and the name, so
 * that one tenant's row is never found for another, whatever their names.
 * "There is none" is remembered, too, apart from the others: a client that invents
 * names pushes out nothing but inventions.
 */

enum { WAYS = 4, SETS = ISSUER_OF_TENANTS / WAYS, NONE = 512, CONFIGURED = 8 };

struct digest {
	unsigned char p[32];
};

struct slot {
	struct issuer s; /* edition 0: never used */
	struct digest digest;
	char version[128]; /* of the row */
	char name[ISSUER_MAX_NAME * 4 + 1], url[JWKS_MAX_URL + 1], audience[ISSUER_MAX_AUDIENCE * 4 + 1];
	char email_claim[ISSUER_MAX_CLAIM * 4 + 1], role_claim[ISSUER_MAX_CLAIM * 4 + 1], max_role[16];
	int64_t read_ns;
};

static struct slot slots[ISSUER_OF_TENANTS];
static unsigned editions;

static struct none {
	struct digest digest;
	int64_t read_ns;
} nones[NONE];

static const int64_t keep_ns = ISSUER_KEEP_S * 1000000000LL;

static bool (*source)(const struct whose *whose, const char *issuer, struct issuer_row *out);

void issuer_use_source(bool (*fn)(const struct whose *whose, const char *issuer, struct issuer_row *out))
{
	source = fn;
}

static void slot_clear(struct slot *slot)
{
	EVP_MAC_CTX_free(slot->s.mac); /* which wipes the key */
	*slot = (struct slot){ 0 };
}

void issuer_release(void)
{
	while (nconfigured > 0) {
		struct issuer *s = &configured[--nconfigured];

		EVP_MAC_CTX_free(s->mac);
		EVP_PKEY_free(s->pkey);
	}
	if (editions) { /* else these pages were never touched, and stay so */
		for (int i = 0; i < ISSUER_OF_TENANTS; i++)
			slot_clear(&slots[i]);
		memset(nones, 0, sizeof(nones));
		editions = 0;
	}
	pubsub_keys = -1;
	jwks_clear();
}

static struct digest digest_of(const struct whose *whose, const char *name)
{
	const char *who = whose->api_key ? whose->api_key : whose->tenant_id;
	struct digest d;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	/* With the NUL between them: neither can hold one. */
	if (!EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) || !EVP_DigestUpdate(ctx, who, strlen(who) + 1) ||
	    !EVP_DigestUpdate(ctx, name, strlen(name)) || !EVP_DigestFinal_ex(ctx, d.p, NULL))
		abort();
	EVP_MD_CTX_free(ctx);
	return d;
}

static unsigned number_in(const struct digest *d)
{
	unsigned n;

	memcpy(&n, d->p, sizeof(n));
	return n;
}

static bool is_same(const struct digest *a, const struct digest *b)
{
	return !memcmp(a->p, b->p, sizeof(a->p));
}

static bool is_fresh(int64_t read_ns)
{
	return read_ns && clock_ns() - read_ns < keep_ns;
}

/* What a text column says, or NULL; the arena's. */
static const char *column(struct arena *a, const PGresult *res, const char *name)
{
	const char *text = column_text(res, 0, name);

	return text ? arena_dup(a, text) : NULL;
}

/* One look at the table.  ERR_OK, and *out has no id when there is no such row. */
static enum err row_read(struct arena *a, const struct whose *whose, const char *name, struct issuer_row *out,
			 struct failure *why)
{
	const struct query *q = &q_issuer_find;
	const char *params[3] = { NULL };
	const char *sealed;
	PGresult *res;

	*out = (struct issuer_row){ 0 };
	if (source) {
		if (!source(whose, name, out))
			*out = (struct issuer_row){ 0 };
		return ERR_OK;
	}
	for (int i = 0; i < q->nparams; i++)
		params[i] = !strcmp(q->params[i], "tenant") ? whose->tenant_id
			    : !strcmp(q->params[i], "key")  ? whose->api_key
							    : name;
	res = db_outside(&q_issuer_find, params);
	if (!res)
		return failure_retry(why, a, ERR_UNAVAILABLE, 5,
				     "the token's issuer cannot be looked up now");
	if (PQntuples(res) == 1) {
		*out = (struct issuer_row){
			.tenant_id = column(a, res, "tenant_id"),
			.id = column(a, res, "id"),
			.version = column(a, res, "version"),
			.issuer = column(a, res, "issuer"),
			.jwks_url = column(a, res, "jwks_url"),
			.audience = column(a, res, "audience"),
			.email_claim = column(a, res, "email_claim"),
			.role_claim = column(a, res, "role_claim"),
			.max_role = column(a, res, "max_role"),
		};
		sealed = column(a, res, "secret_sealed");
		if (sealed) {
			out->secret = seal_open(a, "issuer", out->tenant_id, sealed);
			if (!out->secret)
				log_msg(LOG_ERROR, NULL,
					"the secret of issuer %s of tenant %s cannot be opened", out->id,
					out->tenant_id);
		}
	}
	PQclear(res);
	return ERR_OK;
}

/* Copy a text that may be NULL; false when there is no room. */
static bool put(char *to, size_t size, const char *text)
{
	return snprintf(to, size, "%s", text ? text : "") < (int)size;
}

/*
 * Take a row over.  The edition stays when the row is the one that is there.
 * False, and an empty slot: it can be used for nothing, which is logged.
 */
static bool slot_fill(struct arena *a, struct slot *slot, const struct digest *d,
		      const struct issuer_row *row)
{
	char version[sizeof(slot->version)];
	bool fits = put(version, sizeof(version),
			arena_fmt(a, "%s/%s/%s", row->tenant_id, row->id, row->version));

	assert(fits);
	if (slot->s.edition && is_same(&slot->digest, d) && !strcmp(slot->version, version)) {
		slot->read_ns = clock_ns();
		return true;
	}
	slot_clear(slot);
	memcpy(slot->version, version, sizeof(version));
	fits = put(slot->name, sizeof(slot->name), row->issuer) &&
	       put(slot->url, sizeof(slot->url), row->jwks_url) &&
	       put(slot->audience, sizeof(slot->audience), row->audience) &&
	       put(slot->email_claim, sizeof(slot->email_claim), row->email_claim) &&
	       put(slot->role_claim, sizeof(slot->role_claim), row->role_claim) &&
	       put(slot->max_role, sizeof(slot->max_role), row->max_role);
	if (!fits || !(row->secret ? strlen(row->secret) >= ISSUER_MIN_SECRET : row->jwks_url != NULL)) {
		log_msg(LOG_WARNING, NULL, "issuer %s of tenant %s cannot be used", row->id, row->tenant_id);
		slot_clear(slot);
		return false;
	}
	slot->digest = *d;
	slot->read_ns = clock_ns();
	slot->s = (struct issuer){
		.name = slot->name,
		.audience = slot->audience,
		.email_claim = slot->email_claim,
		.role_claim = slot->role_claim,
		.max_role = slot->max_role,
		.mac = row->secret ? mac_new(row->secret) : NULL,
		.jwks = -1,
		.jwks_url = row->secret ? NULL : slot->url,
		.edition = ++editions,
	};
	return true;
}

enum err issuer_of_tenant(struct arena *a, const struct whose *whose, const char *name,
			  const struct issuer **out, struct failure *why)
{
	struct digest d;
	struct slot *set, *slot = NULL;
	struct none *none;
	struct issuer_row row;
	enum err rc;

	*out = NULL;
	if (strlen(name) > ISSUER_MAX_NAME * 4 || (!whose->api_key && !whose->tenant_id))
		return ERR_OK;
	d = digest_of(whose, name);
	set = &slots[number_in(&d) % SETS * WAYS];
	none = &nones[number_in(&d) % NONE];
	if (is_fresh(none->read_ns) && is_same(&none->digest, &d))
		return ERR_OK;
	/* Its own place, else the one that was read longest ago, or never. */
	for (int i = 0; i < WAYS; i++) {
		if (set[i].s.edition && is_same(&set[i].digest, &d)) {
			slot = &set[i];
			break;
		}
		if (!slot || set[i].read_ns < slot->read_ns)
			slot = &set[i];
	}
	if (slot->s.edition && is_same(&slot->digest, &d) && is_fresh(slot->read_ns)) {
		*out = &slot->s;
		return ERR_OK;
	}
	rc = row_read(a, whose, name, &row, why);
	if (rc)
		return rc;
	if (row.id && slot_fill(a, slot, &d, &row)) {
		*out = &slot->s;
		return ERR_OK;
	}
	if (slot->s.edition && is_same(&slot->digest, &d))
		slot_clear(slot);
	*none = (struct none){ d, clock_ns() };
	editions += !editions; /* so that it is forgotten, too */
	return ERR_OK;
}

const char *issuer_name(struct arena *a, const struct issuer *s)
{
	return s->edition ? arena_dup(a, s->name) : s->name;
}

int issuer_number(const struct issuer *s)
{
	if (!s->edition)
		return (int)(s - configured);
	/* s is the first member of its slot. */
	return CONFIGURED + (int)((const struct slot *)(const void *)s - slots);
}

const struct issuer *issuer_at(struct arena *a, const struct whose *whose, int number, unsigned edition)
{
	const struct issuer *now;
	struct failure ignored;
	struct slot *slot;
	const char *name;

	if (number < CONFIGURED)
		return number < nconfigured ? &configured[number] : NULL;
	slot = &slots[number - CONFIGURED];
	if (slot->s.edition != edition)
		return NULL;
	if (is_fresh(slot->read_ns))
		return &slot->s;
	name = arena_dup(a, slot->name); /* the slot may be emptied */
	/* Where that cannot be told it is no refusal yet: the caller goes on to verify, and is told there. */
	if (issuer_of_tenant(a, whose, name, &now, &ignored))
		return NULL;
	return now && now->edition == edition ? now : NULL;
}
