/*
 * Four ways of a set share their luck; entries are handed to ways in the order
 * they are first needed, so that a process touches memory for as many tokens
 * as it has seen, not for all 4096.
 */
#include "lib/crypto/tok_cache.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/crypto/claims.h"
#include "lib/crypto/issuer.h"
#include "lib/crypto/jwks.h"

enum { WAYS = 4, SETS = TOK_CACHE_ENTRIES / WAYS };

struct entry {
	unsigned char digest[32];
	int64_t iat, exp, auth_at;
	unsigned version; /* of the issuer's keys, */
	unsigned edition; /* of the issuer, */
	uint16_t issuer;  /* and its number */
	bool team, impersonates;
	int generation;
	uint16_t session, tenant_id, email, role, actor, workspace; /* where each begins in text; 0: none */
	uint16_t len;
	char text[348]; /* the strings, the subject first; a token with longer ones is verified each time */
};

struct way {
	uint32_t tag;   /* of the digest, so that a miss need not touch the entry */
	uint32_t used;  /* when, counted in look-ups */
	uint16_t entry; /* its number; 0: none yet */
};

static struct entry entries[TOK_CACHE_ENTRIES + 1];
static struct way ways[SETS][WAYS];
static int nentries; /* handed out, from 1 */
static uint32_t lookups;

int tok_cache_count(void)
{
	return nentries;
}

static struct way *set_of(const unsigned char digest[32], uint32_t *tag)
{
	uint32_t set;

	memcpy(&set, digest, sizeof(set));
	memcpy(tag, digest + sizeof(set), sizeof(*tag));
	return ways[set % SETS];
}

static const char *text_at(const char *text, unsigned offset)
{
	return offset ? text + offset : NULL;
}

unsigned tok_cache_version(struct arena *a, const struct issuer *s)
{
	return s->jwks >= 0 ? jwks_version(a, s->jwks) : s->jwks_url ? jwks_url_version(a, s->jwks_url) : 0;
}

bool tok_cache_get(struct arena *a, const struct whose *whose, const unsigned char digest[32], int64_t now,
		   struct claims *out)
{
	uint32_t tag;
	struct way *set = set_of(digest, &tag);
	int i;

	lookups++;
	for (i = 0; i < WAYS; i++) {
		const struct entry *e = &entries[set[i].entry];
		const struct issuer *s;
		const char *text;

		if (!set[i].entry || set[i].tag != tag || memcmp(e->digest, digest, sizeof(e->digest)))
			continue;
		s = now < e->exp ? issuer_at(a, whose, e->issuer, e->edition) : NULL;
		if (!s || tok_cache_version(a, s) != e->version)
			return false;
		set[i].used = lookups;
		text = arena_dup_n(a, e->text, e->len);
		*out = (struct claims){
			.issuer = issuer_name(a, s),
			.subject = text,
			.session = text_at(text, e->session),
			.tenant_id = text_at(text, e->tenant_id),
			.email = text_at(text, e->email),
			.role = text_at(text, e->role),
			.actor = text_at(text, e->actor),
			.workspace = text_at(text, e->workspace),
			.team = e->team,
			.impersonates = e->impersonates,
			.generation = e->generation,
			.iat = e->iat,
			.exp = e->exp,
			.auth_at = e->auth_at,
			.own = s->own,
		};
		return true;
	}
	return false;
}

/* The way to put a token in: its own, else a free one, an expired one, or the one unused for longest. */
static struct way *way_for(struct way *set, uint32_t tag, const unsigned char digest[32], int64_t now)
{
	struct way *best = set;
	int i, rank, best_rank = -1;

	for (i = 0; i < WAYS; i++) {
		const struct entry *e = &entries[set[i].entry];

		if (set[i].entry && set[i].tag == tag && !memcmp(e->digest, digest, sizeof(e->digest)))
			return &set[i];
		rank = !set[i].entry ? 2 : now >= e->exp;
		if (rank > best_rank || (rank == best_rank && lookups - set[i].used > lookups - best->used)) {
			best = &set[i];
			best_rank = rank;
		}
	}
	return best;
}

/* Append a string to an entry; its offset, 0 for NULL.  There is room. */
static uint16_t entry_add(struct entry *e, const char *text)
{
	uint16_t at = e->len;
	size_t n;

	if (!text)
		return 0;
	n = strlen(text) + 1;
	memcpy(e->text + at, text, n);
	e->len = (uint16_t)(at + n);
	return at;
}

void tok_cache_put(const unsigned char digest[32], const struct issuer *s, unsigned version, int64_t now,
		   const struct claims *c)
{
	const char *const texts[] = { c->subject, c->session, c->tenant_id, c->email,
				      c->role,    c->actor,   c->workspace };
	uint32_t tag;
	struct way *set = set_of(digest, &tag), *w;
	struct entry *e;
	size_t i, n = 0;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		n += texts[i] ? strlen(texts[i]) + 1 : 0;
	if (n > sizeof(e->text) || now >= c->exp)
		return;
	w = way_for(set, tag, digest, now);
	if (!w->entry)
		w->entry = (uint16_t)++nentries;
	w->tag = tag;
	w->used = lookups;
	e = &entries[w->entry];
	memcpy(e->digest, digest, sizeof(e->digest));
	e->iat = c->iat;
	e->exp = c->exp;
	e->auth_at = c->auth_at;
	e->version = version;
	e->edition = s->edition;
	e->issuer = (uint16_t)issuer_number(s);
	e->len = 0;
	entry_add(e, c->subject);
	e->session = entry_add(e, c->session);
	e->tenant_id = entry_add(e, c->tenant_id);
	e->email = entry_add(e, c->email);
	e->role = entry_add(e, c->role);
	e->actor = entry_add(e, c->actor);
	e->workspace = entry_add(e, c->workspace);
	e->team = c->team;
	e->impersonates = c->impersonates;
	e->generation = c->generation;
}

void tok_cache_release(void)
{
	if (!nentries)
		return; /* these pages were never touched, and stay so */
	OPENSSL_cleanse(entries, sizeof(*entries) * (size_t)(nentries + 1));
	OPENSSL_cleanse(ways, sizeof(ways));
	nentries = 0;
}
