#include "fcgi/share.h"

#include "fcgi/req.h"
#include "lib/host/config.h"
#include "lib/host/shm.h"

enum {
	OF_TENANT,
	OF_CALLER,
	RETRY_S = 5,      /* what waits for others waits about as long: a webhook's test does at most */
	PLACES = 1 << 14, /* of each kind: many, so that two rarely meet; a power of two (place_of()) */
};

SHM_REGION(slow_shares, _Atomic uint64_t, SHARE_KINDS *PLACES)
SHM_REGION(slow_refusals, _Atomic uint64_t, SHARE_KINDS)

static int pool_children;

/* Of the request in hand. */
static struct {
	_Atomic uint64_t *place; /* NULL: none */
	uint64_t held;
} shares[SHARE_KINDS];

uint64_t share_refusals(int kind)
{
	return atomic_load_explicit(&slow_refusals()[kind], memory_order_relaxed);
}

void share_use(int children)
{
	pool_children = children;
}

/* A setting, or a fraction of the pool; but where there are several children one is left for others. */
static long cap(long setting, int fraction)
{
	long n = setting ? setting : pool_children / fraction;

	if (n >= pool_children)
		n = pool_children - 1;
	return n < 1 ? 1 : n;
}

/*
 * Where the n-th share of a key is: steps of an odd length of its own, so that no two
 * of a key's shares have a place in common.  Those of two keys may: then one of them has a
 * share less.
 */
static _Atomic uint64_t *place_of(int of, uint64_t key, uint64_t n)
{
	uint64_t h = key;

	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return &slow_shares()[(uint64_t)of * PLACES + (h + n * (h >> 32 | 1)) % PLACES];
}

static bool take(int of, uint64_t key, long most)
{
	for (long n = 0; n < most; n++) {
		_Atomic uint64_t *place = place_of(of, key, (uint64_t)n);

		if (!shm_place_take(place, cfg.request_timeout_s, &shares[of].held))
			continue;
		shares[of].place = place;
		return true;
	}
	atomic_fetch_add_explicit(&slow_refusals()[of], 1, memory_order_relaxed);
	return false;
}

enum err share_take(struct req *rq)
{
	uint64_t tenant, caller;
	const char *whose;

	if (!pool_children || !rq->asked.route || !route_is_slow(rq->asked.route) || shares[OF_TENANT].place)
		return ERR_OK;
	tenant = shm_hash(OF_TENANT, rq->who.tenant_id ? rq->who.tenant_id : "");
	caller = shm_hash(rq->who.key, rq->who.tenant_id ? rq->who.tenant_id : "");
	if (!take(OF_CALLER, caller, cap(cfg.slow_per_caller, 8)))
		whose = "yours";
	else if (!take(OF_TENANT, tenant, cap(cfg.slow_per_tenant, 4)))
		whose = "this tenant";
	else
		return ERR_OK;
	share_give_back();
	req_retry_after(rq, RETRY_S);
	rq->tx.fail.message =
		arena_fmt(&rq->tx.arena, "too many requests of %s wait for other servers: try again in %d s",
			  whose, RETRY_S);
	return ERR_RATE_LIMIT;
}

void share_keep(void)
{
	for (int of = 0; of < SHARE_KINDS; of++)
		if (shares[of].place)
			shm_place_keep(shares[of].place, &shares[of].held);
}

void share_give_back(void)
{
	for (int of = 0; of < SHARE_KINDS; of++) {
		if (shares[of].place)
			shm_place_free(shares[of].place, shares[of].held);
		shares[of].place = NULL;
	}
}
