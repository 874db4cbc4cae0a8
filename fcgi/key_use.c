#include "fcgi/key_use.h"

#include "build/sql/tenancy/api_keys.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/db/db.h"
#include "lib/host/shm.h"

enum {
	PLACES = 256,
	LET_IN = 4096,
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

void key_use_note(const struct req *rq)
{
	const char *hash = rq->who.api_key;

	if (hash && (rq->tx.entered || rq->tx.fail.err == ERR_API_KEY))
		remember(shm_hash(0, hash), rq->tx.entered);
	if (hash && rq->tx.entered && key_use_due(shm_hash(0, hash), clock_ns()))
		PQclear(db_outside(&q_api_key_used, &hash));
}
