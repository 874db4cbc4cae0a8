#include "fcgi/key_use.h"

#include "fcgi/clock.h"
#include "fcgi/db.h"
#include "fcgi/req.h"
#include "fcgi/shm.h"

enum { PLACES = 256 };

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

void key_use_note(const struct req *rq)
{
	const char *hash = rq->who.api_key;

	if (hash && rq->entered && key_use_due(shm_hash(0, hash), clock_ns()))
		PQclear(db_outside(Q_api_key_used, &hash));
}
