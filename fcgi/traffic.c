#include "fcgi/traffic.h"

#include <stdatomic.h>
#include <string.h>

#include "build/sql/insight/request_hours.h"
#include "fcgi/key_use.h"
#include "fcgi/req.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/host/log.h"
#include "lib/host/shm.h"

enum { PLACES = 2048, WAYS = 8, BATCH = 500 };

/*
 * Whoever finds their hash in a place that is held adds to it, number by number.
 * One that is retired takes nothing more; what was added in that moment is there
 * at the next taking, still under the old name.  One that is busy is being filled
 * in; where who did that has died, it is freed the next time.
 */
enum { IS_FREE, IS_BUSY, IS_HELD, IS_RETIRED };

struct place {
	_Atomic uint32_t state;
	_Atomic uint64_t hash;
	struct traffic_who who;
	_Atomic uint64_t requests, client_errors, server_errors, us, took[TRAFFIC_TOOK];
};

SHM_REGION(traffic_places, struct place, PLACES)
SHM_REGION(traffic_lost, _Atomic uint64_t, 1)

static void add(_Atomic uint64_t *to, uint64_t n)
{
	if (n)
		atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static void add_all(struct place *p, const struct traffic *more)
{
	add(&p->client_errors, more->client_errors);
	add(&p->server_errors, more->server_errors);
	add(&p->us, more->us);
	for (int i = 0; i < TRAFFIC_TOOK; i++)
		add(&p->took[i], more->took[i]);
	add(&p->requests, more->requests);
}

static bool is_held_by(struct place *p, uint64_t hash)
{
	return atomic_load_explicit(&p->state, memory_order_acquire) == IS_HELD &&
	       atomic_load_explicit(&p->hash, memory_order_relaxed) == hash;
}

static bool take_place(struct place *p, const struct traffic_who *who, uint64_t hash)
{
	uint32_t is_free = IS_FREE;

	if (!atomic_compare_exchange_strong_explicit(&p->state, &is_free, IS_BUSY, memory_order_acq_rel,
						     memory_order_relaxed))
		return false;
	p->who = *who;
	atomic_store_explicit(&p->hash, hash, memory_order_relaxed);
	atomic_store_explicit(&p->state, IS_HELD, memory_order_release);
	return true;
}

bool traffic_add(const struct traffic_who *who, const struct traffic *more)
{
	uint64_t hash = shm_mix(shm_hash(2, who->tenant), who->key);
	struct place *set = traffic_places();

	if (!set)
		return false;
	set += hash % (PLACES / WAYS) * WAYS;
	for (int i = 0; i < WAYS; i++)
		if (is_held_by(&set[i], hash)) {
			add_all(&set[i], more);
			return true;
		}
	for (int i = 0; i < WAYS; i++)
		if (take_place(&set[i], who, hash)) {
			add_all(&set[i], more);
			return true;
		}
	add(traffic_lost(), more->requests);
	return false;
}

static uint64_t take(_Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed)
		       ? atomic_exchange_explicit(n, 0, memory_order_acq_rel)
		       : 0;
}

/* True: there was something. */
static bool take_all(struct place *p, struct traffic *out)
{
	bool is_any;

	out->requests = take(&p->requests);
	out->client_errors = take(&p->client_errors);
	out->server_errors = take(&p->server_errors);
	out->us = take(&p->us);
	is_any = out->requests || out->client_errors || out->server_errors || out->us;
	for (int i = 0; i < TRAFFIC_TOOK; i++) {
		out->took[i] = take(&p->took[i]);
		is_any = is_any || out->took[i];
	}
	return is_any;
}

void traffic_take(void (*each)(void *to, const struct traffic_who *who, const struct traffic *sum), void *to)
{
	static uint32_t seen[PLACES]; /* their states the last time */
	struct traffic sum;

	if (!traffic_places())
		return;
	for (int i = 0; i < PLACES; i++) {
		struct place *p = &traffic_places()[i];
		uint32_t state = atomic_load_explicit(&p->state, memory_order_acquire);

		if (state != IS_BUSY) { /* of one that is free, what came late of all */
			if (take_all(p, &sum))
				each(to, &p->who, &sum);
			else if (state == IS_HELD)
				atomic_store_explicit(&p->state, IS_RETIRED, memory_order_release);
			if (state == IS_RETIRED)
				atomic_store_explicit(&p->state, IS_FREE, memory_order_release);
		} else if (seen[i] == IS_BUSY) {
			uint32_t is_busy = IS_BUSY;

			atomic_compare_exchange_strong_explicit(&p->state, &is_busy, IS_FREE,
								memory_order_acq_rel, memory_order_relaxed);
		}
		seen[i] = state;
	}
}

struct traffic traffic_of(int status, int64_t ns)
{
	static const int64_t bound_us[TRAFFIC_TOOK - 1] = {
		1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 10000000
	};
	struct traffic t = { .requests = 1,
			     .client_errors =
				     status >= 400 && status<500, .server_errors = status >= 500, .us = ns> 0
					     ? (uint64_t)ns / 1000
					     : 0 };
	int i = 0;

	while (i < TRAFFIC_TOOK - 1 && (int64_t)t.us > bound_us[i])
		i++;
	t.took[i] = 1;
	return t;
}

static void put(char *to, size_t size, const char *text)
{
	size_t n = text ? strnlen(text, size - 1) : 0;

	if (n)
		memcpy(to, text, n);
	to[n] = '\0';
}

void traffic_note(const struct req *rq)
{
	const struct principal *by = &rq->who;
	struct traffic_who who = { 0 };
	struct traffic one;

	if (!rq->asked.route || by->is_team || by->kind == ANONYMOUS || by->kind == PROJECT)
		return;
	/* A token is proved by its signature; of keys, which clients can make up, only the door knows. */
	if (!rq->tx.entered && !by->tenant_id && !(by->api_key && key_use_was_good(by->api_key)))
		return;
	put(who.tenant, sizeof(who.tenant), by->tenant_id);
	if (!by->tenant_id)
		put(who.key, sizeof(who.key), by->api_key);
	one = traffic_of(rq->answer.status, clock_ns() - rq->asked.start_ns);
	traffic_add(&who, &one);
}

/* Writing */

struct batch {
	PGconn *conn;
	struct arena arena;
	struct traffic_who who[BATCH];
	struct traffic counted[BATCH];
	int n;
};

static void write_row(struct buf *b, const struct traffic_who *who, const struct traffic *t)
{
	buf_char(b, '{');
	if (*who->tenant)
		jx_key_str(b, "tenant", who->tenant);
	else
		jx_key_str(b, "key", who->key);
	jx_key_int(b, "requests", (long long)t->requests);
	jx_key_int(b, "client_errors", (long long)t->client_errors);
	jx_key_int(b, "server_errors", (long long)t->server_errors);
	jx_key(b, "duration_ms");
	buf_fmt(b, "%llu.%03llu", (unsigned long long)t->us / 1000, (unsigned long long)t->us % 1000);
	jx_key(b, "took");
	buf_char(b, '[');
	for (int i = 0; i < TRAFFIC_TOOK; i++) {
		jx_next(b);
		jx_int(b, (long long)t->took[i]);
	}
	buf_text(b, "]}");
}

static void write_batch(struct batch *batch)
{
	const char *params[1];
	struct buf rows;
	PGresult *res;

	if (!batch->n)
		return;
	buf_init(&rows, &batch->arena, 64 * 1024);
	buf_char(&rows, '[');
	for (int i = 0; i < batch->n; i++) {
		jx_next(&rows);
		write_row(&rows, &batch->who[i], &batch->counted[i]);
	}
	buf_char(&rows, ']');
	params[0] = buf_str(&rows);
	res = PQexecParams(batch->conn, q_request_hours_add.text, 1, NULL, params, NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		log_msg(LOG_ERROR, NULL, "traffic: %s", PQresultErrorMessage(res));
		for (int i = 0; i < batch->n; i++)
			traffic_add(&batch->who[i], &batch->counted[i]);
	}
	PQclear(res);
	arena_reset(&batch->arena);
	batch->n = 0;
}

static void collect(void *to, const struct traffic_who *who, const struct traffic *sum)
{
	struct batch *batch = to;

	batch->who[batch->n] = *who;
	batch->counted[batch->n++] = *sum;
	if (batch->n == BATCH)
		write_batch(batch);
}

void traffic_flush(PGconn *conn)
{
	static struct batch batch;
	uint64_t lost;

	if (!batch.conn)
		arena_init(&batch.arena, 64 * 1024);
	batch.conn = conn;
	traffic_take(collect, &batch);
	write_batch(&batch);
	lost = traffic_places() ? take(traffic_lost()) : 0;
	if (lost)
		log_msg(LOG_WARNING, NULL,
			"traffic: %llu requests were not counted: more tenants at once than there are places",
			(unsigned long long)lost);
}
