#include "fcgi/key_use.h"

#include "build/sql/tenancy/api_keys.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/db/db.h"
#include "lib/host/shm.h"

enum {
	PLACES = 256,
	LET_IN = 4096,
	OWNERS = 4096,
	BUDGET_ORGANIZATION = 105, /* beside auth.c's classes */
};

SHM_REGION(api_keys_let_in, _Atomic uint64_t, LET_IN) /* hashes of keys */

static struct place {
	uint64_t key;
	int64_t noted_ns; /* 0: never */
} places[PLACES];

bool key_use_due(uint64_t key, int64_t now_ns)
{
	struct place *p = &places[key % PLACES];

	if (p->noted_ns && p->key == key && now_ns - p->noted_ns < KEY_USE_EVERY_S * 1000000000LL)
		return false;
	*p = (struct place){ key, now_ns };
	return true;
}

static _Atomic uint64_t *place_of(uint64_t key)
{
	return &api_keys_let_in()[key % LET_IN];
}

bool key_use_was_good(const char *hash)
{
	uint64_t key = shm_hash(0, hash);

	return atomic_load_explicit(place_of(key), memory_order_relaxed) == key;
}

static void remember(uint64_t key, bool is_good)
{
	uint64_t held = atomic_load_explicit(place_of(key), memory_order_relaxed);

	if (is_good ? held != key : held == key)
		atomic_compare_exchange_strong(place_of(key), &held, is_good ? key : 0);
}

/* owner is kept mixed with key: of two that write at once it is then nobody's budget, and not another's. */
struct owner {
	_Atomic uint64_t key, owner;
};

SHM_REGION(api_key_owners, struct owner, OWNERS)

uint64_t key_use_organization(const char *hash)
{
	uint64_t key = shm_hash(0, hash);
	struct owner *o = &api_key_owners()[key % OWNERS];

	if (atomic_load_explicit(&o->key, memory_order_acquire) != key)
		return 0;
	return atomic_load_explicit(&o->owner, memory_order_relaxed) ^ key;
}

/* Once for each key and host; behind the answer, as all here. */
static void learn_organization(const char *hash)
{
	uint64_t key = shm_hash(0, hash);
	struct owner *o = &api_key_owners()[key % OWNERS];
	PGresult *res;

	if (key_use_organization(hash))
		return;
	res = db_outside(&q_api_key_organization, &hash);
	if (res && PQntuples(res) && !PQgetisnull(res, 0, 0)) {
		atomic_store_explicit(&o->key, 0, memory_order_release);
		atomic_store_explicit(&o->owner, shm_hash(BUDGET_ORGANIZATION, PQgetvalue(res, 0, 0)) ^ key,
				      memory_order_relaxed);
		atomic_store_explicit(&o->key, key, memory_order_release);
	}
	PQclear(res);
}

void key_use_note(const struct req *rq)
{
	const char *hash = rq->who.api_key;

	if (rq->who.is_organizations) {
		if (rq->tx.entered)
			learn_organization(hash);
		return;
	}
	if (hash && (rq->tx.entered || rq->tx.fail.err == ERR_API_KEY))
		remember(shm_hash(0, hash), rq->tx.entered);
	if (hash && rq->tx.entered && key_use_due(shm_hash(0, hash), clock_ns()))
		PQclear(db_outside(&q_api_key_used, &hash));
}
