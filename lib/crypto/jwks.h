/*
 * Key sets (RFC 7517) of token issuers.
 *
 * The main pool has no network, so key sets live in table jwks.  A process that
 * has one, the slow pool's housekeeper, fetches them on schedule and when asked;
 * children read the table, keep a parsed copy, and ask through shared memory
 * when a token names a key that they do not have.
 */
#ifndef ASHLAR_JWKS_H
#define ASHLAR_JWKS_H

#include <libpq-fe.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

enum {
	JWKS_MAX = 16,  /* flags: of 15 issuers, and one of all tenants' URLs */
	JWKS_URLS = 32, /* tenants' key sets known at once to a process */
	JWKS_MAX_URL = 1024,
	JWKS_KEYS = 32, /* keys of one issuer */
	JWKS_MAX_BYTES = 256 * 1024,
};

enum jwks_alg { JWKS_RS256, JWKS_ES256, JWKS_EDDSA, JWKS_ALGS };

struct jwks_key {
	char kid[128]; /* "" when the set gives none */
	enum jwks_alg alg;
	EVP_PKEY *pkey;
};

struct jwks_set {
	struct jwks_key keys[JWKS_KEYS];
	int n;
};

/*
 * Read a key set.  Keys that are not for RS256, ES256 or EdDSA (Ed25519) signatures are left
 * out: other kty or crv, use "enc", another alg, RSA under 2048 bits, a point
 * that is not on the curve, a kid that is too long.
 *
 * ERR_OK and at least one key, owned: jwks_release; ERR_BAD_REQUEST and
 * *problem, the arena's.
 */
enum err jwks_parse(struct arena *a, const char *text, size_t n, struct jwks_set *out, const char **problem);
void jwks_release(struct jwks_set *set);

/* The key of a set that a token names; without a kid (NULL) the only one for alg.  NULL: there is none. */
const struct jwks_key *jwks_pick(const struct jwks_set *set, const char *kid, enum jwks_alg alg);

/* Is this key fit for RS256, ES256 or EdDSA, and which?  For keys from elsewhere, such as a PEM file. */
bool jwks_alg_of(EVP_PKEY *pkey, enum jwks_alg *out);

/* "RS256", "ES256", "EdDSA". */
const char *jwks_alg_name(enum jwks_alg alg);

/*
 * Add an issuer before the first fork; both strings are borrowed for good.
 * Returns its number, or -1 when there are JWKS_MAX - 1 already.  jwks_clear
 * forgets them all, for tests.
 */
int jwks_add(const char *issuer, const char *url);
void jwks_clear(void);

enum jwks_found {
	JWKS_FOUND,
	JWKS_UNKNOWN, /* the issuer has no such key */
	JWKS_EMPTY,   /* the issuer's keys were never fetched: our trouble, not the token's */
};

/*
 * The key that a token names, from this process's copy.  Without a kid it is
 * the set's only key for alg.  *out is borrowed until the next call.
 *
 * An unknown kid reads the table again, and, at most once a minute per issuer
 * and host, asks for a fetch and waits for it up to 2 s.  Within that minute an
 * unknown kid fails at once, so tokens with random kids cannot hold children.
 */
enum jwks_found jwks_find(struct arena *a, int number, const char *kid, enum jwks_alg alg,
			  const struct jwks_key **out);

/*
 * The same for a key set at a URL that a tenant named, at most JWKS_MAX_URL
 * bytes.  Such sets are fetched when a token first needs them and kept fresh
 * while tokens do; the once a minute is counted in the table, and the set is
 * read from it again every 20 s.
 */
enum jwks_found jwks_find_url(struct arena *a, const char *url, const char *kid, enum jwks_alg alg,
			      const struct jwks_key **out);
unsigned jwks_url_version(struct arena *a, const char *url);

/*
 * A number that changes when this process's copy of the issuer's keys did: what
 * was verified under another number must be verified again.  Costs an atomic
 * load, unless the table holds a newer set: that is read.
 */
unsigned jwks_version(struct arena *a, int number);

/* Shared memory, one per issuer, zeroed at first. */
struct jwks_flag {
	_Atomic int64_t asked_ms;    /* when a child last asked for a fetch, monotonic; 0: never */
	_Atomic uint64_t asks;       /* how often they did */
	_Atomic uint64_t answered;   /* what asks was when the last fetch that has ended began */
	_Atomic uint64_t generation; /* counts new sets in the table */
};

/*
 * Read key sets with fn instead of from the table, for tests: the set's text,
 * or NULL when there is none.  NULL restores the table.
 */
void jwks_use_source(const char *(*fn)(struct arena *a, const char *issuer));

/*
 * The housekeeper's part: fetch what is due (JWKS_REFRESH_S old, never fetched,
 * another URL, or asked for) and store it.  A failure keeps the old keys, goes
 * to the table and the log, and is tried again with back-off.  To be called a
 * few times per second; c is idle, outside a transaction.
 */
void jwks_refresh_due(PGconn *c);

#endif
