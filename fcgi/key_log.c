#include "fcgi/key_log.h"

#include <stdatomic.h>
#include <string.h>

#include "build/sql/tenancy/operations_keys.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/host/log.h"
#include "lib/host/shm.h"

enum { PLACES = 4096, BATCH = 1000, IS_FREE = 0, IS_BUSY, IS_HELD };

/* One that somebody fills in is busy; whoever died over it left it so, and it is taken back the next time but
 * one. */
struct use {
	_Atomic uint32_t state;
	int status, latency_ms;
	int64_t at_us;
	char key[67], method[8], path[256], ip[46], agent[256];
};

SHM_REGION(key_log_uses, struct use, PLACES)
SHM_REGION(key_log_next, _Atomic uint64_t, 1)
SHM_REGION(key_log_lost, _Atomic uint64_t, 1)

/* As much of it as there is room for, without half a character. */
static void put(char *to, size_t size, const char *text)
{
	size_t n = text ? strnlen(text, size) : 0;

	if (n == size)
		for (n = size - 1; n && (text[n] & 0xc0) == 0x80; n--)
			;
	if (n)
		memcpy(to, text, n);
	to[n] = '\0';
}

static struct use *place(void)
{
	for (int tries = 0; tries < 4; tries++) {
		uint64_t i = atomic_fetch_add_explicit(key_log_next(), 1, memory_order_relaxed) % PLACES;
		uint32_t is_free = IS_FREE;

		if (atomic_compare_exchange_strong_explicit(&key_log_uses()[i].state, &is_free, IS_BUSY,
							    memory_order_acq_rel, memory_order_relaxed))
			return &key_log_uses()[i];
	}
	return NULL;
}

/* As it was asked, unless a part of it is a secret. */
static const char *path_of(const struct req *rq)
{
	for (int i = 0; i < route_params(rq->asked.route); i++)
		if (route_param_is_secret(rq->asked.route, i))
			return rq->asked.route->path;
	return rq->who.path;
}

void key_log_note(const struct req *rq)
{
	enum err failed = rq->tx.fail.err;
	struct use *u;

	if (!rq->who.is_organizations || rq->who.kind != API_KEY || !key_log_uses() ||
	    !(rq->tx.entered || failed == ERR_SCOPE || failed == ERR_AUTHORIZATION))
		return;
	u = place();
	if (!u) {
		atomic_fetch_add_explicit(key_log_lost(), 1, memory_order_relaxed);
		return;
	}
	u->status = rq->answer.status;
	u->latency_ms = (int)((clock_ns() - rq->asked.start_ns) / 1000000);
	u->at_us = clock_unix_us();
	put(u->key, sizeof(u->key), rq->who.api_key);
	put(u->method, sizeof(u->method), method_name(rq->asked.route->method));
	put(u->path, sizeof(u->path), path_of(rq));
	put(u->ip, sizeof(u->ip), rq->asked.ip);
	put(u->agent, sizeof(u->agent), rq->who.agent);
	atomic_store_explicit(&u->state, IS_HELD, memory_order_release);
}

static void write_use(struct buf *b, const struct use *u)
{
	jx_next(b);
	buf_char(b, '{');
	jx_key_str(b, "key", u->key);
	jx_key_str(b, "method", u->method);
	jx_key_str(b, "path", u->path);
	jx_key_int(b, "status", u->status);
	jx_key_int(b, "latency_ms", u->latency_ms);
	jx_key_str(b, "ip", *u->ip && strcmp(u->ip, "unix:") ? u->ip : NULL);
	jx_key_str(b, "user_agent", *u->agent ? u->agent : NULL);
	jx_key_int(b, "at", u->at_us);
	buf_char(b, '}');
}

/* Take what is there, up to a batch; how many. */
static int take(struct buf *b)
{
	static bool was_busy[PLACES];
	static int from;
	int count = 0;

	for (int tried = 0; tried < PLACES && count < BATCH; tried++, from = (from + 1) % PLACES) {
		struct use *u = &key_log_uses()[from];
		uint32_t state = atomic_load_explicit(&u->state, memory_order_acquire);

		if (state == IS_HELD) {
			write_use(b, u);
			count++;
		}
		if (state == IS_HELD || (state == IS_BUSY && was_busy[from]))
			atomic_store_explicit(&u->state, IS_FREE, memory_order_release);
		was_busy[from] = state == IS_BUSY && !was_busy[from];
	}
	return count;
}

static int flush_batch(PGconn *conn)
{
	static struct arena arena;
	const char *params[1];
	struct buf rows;
	PGresult *res;
	int count;

	arena_init(&arena, 16384);
	buf_init(&rows, &arena, 8192);
	buf_char(&rows, '[');
	count = take(&rows);
	if (count) {
		buf_char(&rows, ']');
		params[0] = buf_str(&rows);
		res = PQexecParams(conn, q_api_key_uses_note.text, 1, NULL, params, NULL, NULL, 0);
		if (PQresultStatus(res) != PGRES_TUPLES_OK)
			log_msg(LOG_ERROR, NULL, "uses of keys are lost: %s", PQresultErrorMessage(res));
		PQclear(res);
	}
	arena_release(&arena);
	return count;
}

/* As many as there were when it was last written. */
static uint64_t written;

bool key_log_is_filling(void)
{
	return key_log_uses() &&
	       atomic_load_explicit(key_log_next(), memory_order_relaxed) - written >= PLACES / 4;
}

void key_log_flush(PGconn *conn)
{
	uint64_t lost;

	if (!key_log_uses())
		return;
	written = atomic_load_explicit(key_log_next(), memory_order_relaxed);
	for (int i = 0; i < PLACES / BATCH && flush_batch(conn) == BATCH; i++)
		;
	lost = atomic_exchange_explicit(key_log_lost(), 0, memory_order_relaxed);
	if (lost)
		log_msg(LOG_WARNING, NULL, "%llu uses of keys found no place", (unsigned long long)lost);
}
