/*
 * Issuers of tokens: whose we believe, by which key, and what of their claims.
 *
 * Some are configured and hold for all tenants.  Others are rows of table
 * tenant_issuers: each tenant decides whom it believes about its own users.  A
 * child knows those it was asked for lately and looks at the table again every
 * ISSUER_KEEP_S, so that an issuer that is taken out is out everywhere soon after.
 */
#ifndef ASHLAR_ISSUER_H
#define ASHLAR_ISSUER_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "lib/crypto/jwks.h"
#include "lib/base/failure.h"

enum {
	ISSUER_KEEP_S = 5,
	/* characters, of up to 4 bytes */
	ISSUER_MAX_NAME = 512,
	ISSUER_MAX_AUDIENCE = 255,
	ISSUER_MAX_CLAIM = 127,
	ISSUER_MIN_SECRET = 32,
	ISSUER_OF_TENANTS = 128, /* known at once to a process */
};

struct issuer {
	const char *name;
	const char *audience;    /* "": not checked */
	const char *email_claim; /* paths into the payload: "email", "app_metadata.role" */
	const char *role_claim;  /* "": the token has no say about roles */
	const char *max_role;    /* the most that it can say: user, admin, superadmin */
	bool own;
	EVP_MAC_CTX *mac; /* HS256, keyed; or */
	EVP_PKEY *pkey;   /* one public key for alg; or */
	enum jwks_alg alg;
	int jwks;             /* a key set's number, else -1; or */
	const char *jwks_url; /* a key set that a tenant names, else NULL */
	unsigned edition;     /* another one whenever a tenant's row is; 0: configured */
};

/*
 * Build the list of configured issuers from cfg, before the first fork.  A key
 * that cannot be used (OIDC_PEM_FILE) is logged and ends the process.
 */
void issuer_init(void);

/* Forget all issuers and wipe the secrets. */
void issuer_release(void);

/*
 * The number of the key set (see jwks.h) that signs Google Pub/Sub's pushes; -1
 * when none are expected.  An issuer it is not: Google's tokens let no caller in.
 */
int issuer_pubsub_keys(void);

/* The configured issuer with this name, or NULL. */
const struct issuer *issuer_find(const char *name);

/* Which tenant: the one of an API key, else the one with this id.  Neither: none. */
struct whose {
	const char *api_key; /* its SHA-256 as PostgreSQL's bytea, or NULL */
	const char *tenant_id;
};

/*
 * The issuer of this name that a tenant believes.
 *
 * ERR_OK, and *out is NULL when there is none; it is borrowed until the next
 * call.  ERR_UNAVAILABLE, said in *why: the database was not there to tell.
 */
enum err issuer_of_tenant(struct arena *a, const struct whose *whose, const char *name,
			  const struct issuer **out, struct failure *why);

/* Its name, the arena's or for good: a tenant's issuer may be forgotten before that ends. */
const char *issuer_name(struct arena *a, const struct issuer *s);

/*
 * For a memory of verified tokens: an issuer's number, and back.  NULL: it is
 * not what it was when it had that edition, or that cannot be told now.
 */
int issuer_number(const struct issuer *s);
const struct issuer *issuer_at(struct arena *a, const struct whose *whose, int number, unsigned edition);

/* A row of tenant_issuers, as the table has it; NULL: not set. */
struct issuer_row {
	const char *tenant_id, *id, *version, *issuer, *jwks_url, *secret, *audience, *email_claim,
		*role_claim, *max_role;
};

/*
 * Read rows with fn instead of from the table, for tests: false when there is
 * none.  secret is then the secret itself.  NULL restores the table.
 */
void issuer_use_source(bool (*fn)(const struct whose *whose, const char *issuer, struct issuer_row *out));

#endif
