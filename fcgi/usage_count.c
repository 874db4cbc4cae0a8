#include "fcgi/usage_count.h"

#include <stdio.h>
#include <string.h>

#include "build/sql/usage/usage_counts.h"
#include "fcgi/req.h"
#include "lib/base/arena.h"
#include "lib/base/jx.h"
#include "lib/host/log.h"
#include "lib/host/shm.h"

enum {
	PLACES = 8192,
	WINDOW = 512, /* of those, a tenant's */
	TENANTS = 1024,
	WAYS = 8, /* where a caller may be */
	BATCH = 1000,
};

/*
 * A place, and its word: how often it was given away (24 bits), whether it is
 * free, being filled in, or held (2 bits), and how many there are (38 bits).
 * Who adds swaps the whole word, so a place that was given to somebody else in
 * between is noticed.
 *
 * Whose it is stands apart: a request that adds reads one caller's ways, which
 * are two lines of the cache, and believes the hash.  It is of 64 bits, and seeded
 * (shm_hash): that two of eight callers have the same is not to be expected.
 */
enum { IS_FREE, IS_BUSY, IS_HELD };

struct place {
	_Atomic uint64_t word;
	uint64_t hash; /* of who: of one that was filled in by two at once it is wrong */
};

SHM_REGION(usage_callers, struct place, PLACES)
SHM_REGION(usage_tenants, struct place, TENANTS)
SHM_REGION(usage_caller_names, struct usage_who, PLACES)
SHM_REGION(usage_tenant_names, struct usage_who, TENANTS)
SHM_REGION(usage_lost, _Atomic uint64_t, 1)

static const uint64_t N = (1ULL << 38) - 1;

static unsigned state_of(uint64_t word)
{
	return word >> 38 & 3;
}

static uint64_t word_of(uint64_t times, unsigned state, uint64_t n)
{
	return times << 40 | (uint64_t)state << 38 | n;
}

static uint64_t times_of(uint64_t word)
{
	return word >> 40;
}

static uint64_t hash_of(const struct usage_who *who)
{
	uint64_t h = shm_hash(0, who->tenant);

	h = shm_mix(h, who->key);
	h = shm_mix(h, who->organization);
	h = shm_mix(h, who->issuer);
	return shm_mix(h, who->subject);
}

static bool add_held(struct place *p, uint64_t hash, uint64_t n)
{
	uint64_t w = atomic_load_explicit(&p->word, memory_order_acquire);

	while (state_of(w) == IS_HELD && p->hash == hash && (w & N) + n <= N)
		if (atomic_compare_exchange_weak_explicit(&p->word, &w, w + n, memory_order_acq_rel,
							  memory_order_acquire))
			return true;
	return false;
}

static bool add_new(struct place *p, struct usage_who *name, const struct usage_who *who, uint64_t hash,
		    uint64_t n)
{
	uint64_t w = atomic_load_explicit(&p->word, memory_order_acquire), mine;

	if (state_of(w) != IS_FREE)
		return false;
	mine = word_of(times_of(w), IS_BUSY, 0);
	if (!atomic_compare_exchange_strong_explicit(&p->word, &w, mine, memory_order_acq_rel,
						     memory_order_relaxed))
		return false;
	*name = *who;
	p->hash = hash;
	return atomic_compare_exchange_strong_explicit(&p->word, &mine, word_of(times_of(w), IS_HELD, n),
						       memory_order_acq_rel, memory_order_relaxed);
}

static bool add_in(struct place *set, struct usage_who *names, const struct usage_who *who, uint64_t hash,
		   uint64_t n)
{
	for (int i = 0; i < WAYS; i++)
		if (add_held(&set[i], hash, n))
			return true;
	for (int i = 0; i < WAYS; i++)
		if (add_new(&set[i], &names[i], who, hash, n))
			return true;
	return false;
}

bool usage_count_add(const struct usage_who *who, uint64_t n)
{
	struct usage_who whole = { 0 };
	uint64_t tenant = shm_mix(shm_hash(1, who->tenant), who->key), hash = hash_of(who);
	uint64_t from = tenant % (PLACES / WAYS) * WAYS + hash % (WINDOW / WAYS) * WAYS;

	if (!usage_callers())
		return false;
	from %= PLACES;
	if (add_in(&usage_callers()[from], &usage_caller_names()[from], who, hash, n))
		return true;
	memcpy(whole.tenant, who->tenant, sizeof(whole.tenant));
	memcpy(whole.key, who->key, sizeof(whole.key));
	from = tenant % (TENANTS / WAYS) * WAYS;
	if (add_in(&usage_tenants()[from], &usage_tenant_names()[from], &whole, hash_of(&whole), n))
		return true;
	atomic_fetch_add_explicit(usage_lost(), n, memory_order_relaxed);
	return false;
}

/* Take what a place has.  seen: its word the last time, which tells whether it was busy then, too: whoever
 * was filling it in has died. */
static bool take(struct place *p, const struct usage_who *name, uint64_t *seen, struct usage_who *who,
		 uint64_t *n)
{
	uint64_t w = atomic_load_explicit(&p->word, memory_order_acquire);

	for (;;) {
		bool is_over = state_of(w) == IS_BUSY ? w == *seen : state_of(w) == IS_HELD && !(w & N);
		uint64_t hash = p->hash, next;

		if (state_of(w) == IS_FREE || (state_of(w) == IS_BUSY && !is_over))
			break;
		*who = *name;
		next = is_over ? word_of((times_of(w) + 1) & ((1 << 24) - 1), IS_FREE, 0)
			       : word_of(times_of(w), IS_HELD, 0);
		if (!atomic_compare_exchange_weak_explicit(&p->word, &w, next, memory_order_acq_rel,
							   memory_order_acquire))
			continue;
		*seen = next;
		*n = w & N;
		return *n && hash_of(who) == hash;
	}
	*seen = w;
	return false;
}

void usage_count_take(void (*each)(void *to, const struct usage_who *who, uint64_t n), void *to)
{
	static uint64_t seen[PLACES + TENANTS];
	struct usage_who who;
	uint64_t n;

	if (!usage_callers())
		return;
	for (int i = 0; i < PLACES; i++)
		if (take(&usage_callers()[i], &usage_caller_names()[i], &seen[i], &who, &n))
			each(to, &who, n);
	for (int i = 0; i < TENANTS; i++)
		if (take(&usage_tenants()[i], &usage_tenant_names()[i], &seen[PLACES + i], &who, &n))
			each(to, &who, n);
}

uint64_t usage_count_lost(void)
{
	return usage_lost() ? atomic_exchange_explicit(usage_lost(), 0, memory_order_relaxed) : 0;
}

/* A text that fits; else none, and the caller is counted without it. */
static bool put(char *to, size_t size, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n >= size)
		return false;
	if (n)
		memcpy(to, text, n);
	to[n] = '\0';
	return true;
}

void usage_count_note(const struct req *rq)
{
	const struct principal *by = &rq->who;
	struct usage_who who = { 0 };
	bool is_user = by->kind == BEARER && !by->is_team;

	/* Such as probes; and what a project sends is counted as what it is, spans. */
	if (!rq->tx.entered || by->kind == ANONYMOUS || by->kind == PROJECT)
		return;
	put(who.tenant, sizeof(who.tenant), by->tenant_id);
	if (!by->tenant_id)
		put(who.key, sizeof(who.key), by->api_key);
	if (is_user && !(put(who.issuer, sizeof(who.issuer), by->issuer) &&
			 put(who.subject, sizeof(who.subject), by->subject)))
		who.issuer[0] = who.subject[0] = '\0';
	if (rq->asked.route->caller->place == IN_ORGANIZATION)
		put(who.organization, sizeof(who.organization),
		    req_path_text(rq, caller_organization(rq->asked.route->caller)));
	else if (rq->asked.route->caller->place == IN_WORKSPACE)
		put(who.organization, sizeof(who.organization),
		    rq->asked.workspace ? rq->asked.workspace
		    : rq->who.workspace ? rq->who.workspace
					: "*");
	usage_count_add(&who, 1);
}

/* Writing */

struct batch {
	PGconn *conn;
	struct arena arena;
	struct buf rows;
	struct usage_who who[BATCH];
	uint64_t n[BATCH];
	int count;
};

static void member(struct buf *b, const char *name, const char *text)
{
	if (*text)
		jx_key_str(b, name, text);
}

static void write_batch(struct batch *batch)
{
	const char *params[1];
	PGresult *res;

	if (!batch->count)
		return;
	buf_init(&batch->rows, &batch->arena, 64 * 1024);
	buf_char(&batch->rows, '[');
	for (int i = 0; i < batch->count; i++) {
		const struct usage_who *who = &batch->who[i];

		jx_next(&batch->rows);
		buf_char(&batch->rows, '{');
		member(&batch->rows, "tenant", who->tenant);
		member(&batch->rows, "key", who->key);
		member(&batch->rows, "organization", who->organization);
		member(&batch->rows, "issuer", who->issuer);
		member(&batch->rows, "subject", who->subject);
		jx_key_int(&batch->rows, "n", (long long)batch->n[i]);
		buf_char(&batch->rows, '}');
	}
	buf_char(&batch->rows, ']');
	params[0] = buf_str(&batch->rows);
	res = PQexecParams(batch->conn, q_usage_count.text, 1, NULL, params, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		log_msg(LOG_ERROR, NULL, "usage: %s", PQresultErrorMessage(res));
		for (int i = 0; i < batch->count; i++)
			usage_count_add(&batch->who[i], batch->n[i]);
	}
	PQclear(res);
	arena_reset(&batch->arena);
	batch->count = 0;
}

static void collect(void *to, const struct usage_who *who, uint64_t n)
{
	struct batch *batch = to;

	batch->who[batch->count] = *who;
	batch->n[batch->count++] = n;
	if (batch->count == BATCH)
		write_batch(batch);
}

void usage_count_flush(PGconn *conn)
{
	static struct batch batch;
	uint64_t lost;

	if (!batch.conn)
		arena_init(&batch.arena, 64 * 1024);
	batch.conn = conn;
	usage_count_take(collect, &batch);
	write_batch(&batch);
	lost = usage_count_lost();
	if (lost)
		log_msg(LOG_WARNING, NULL,
			"usage: %llu requests were not counted: more tenants at once than there are places",
			(unsigned long long)lost);
}
