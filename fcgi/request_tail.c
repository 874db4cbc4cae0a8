#include "fcgi/request_tail.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "build/sql/integrations/request_tail.h"
#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/db/wake.h"
#include "lib/host/log.h"
#include "lib/host/shm.h"

enum {
	TENANTS = 64,
	NAMES = 1024, /* the tenants and their keys, by which requests name them */
	PLACES = 512,
	LOOK_S = 1,
};

enum { IS_FREE = 0, IS_BUSY, IS_HELD };

/*
 * Who is listened to: the first n names, each with its tenant's number.  While the
 * housekeeper writes them anew a request may take one tenant's number for
 * another's, and is counted with that one's; whose it is PostgreSQL decides.
 */
struct watch {
	_Atomic uint32_t n;
	_Atomic uint64_t names[NAMES];
	_Atomic uint32_t tenants[NAMES];
	_Atomic uint64_t spent[TENANTS];   /* in this second: the second << 16, and how many */
	_Atomic uint64_t skipped[TENANTS]; /* since the last that was told */
};

/* One that somebody fills in is busy; whoever died over it left it so, and it is taken back the next time but
 * one. */
struct note {
	_Atomic uint32_t state;
	int status;
	uint64_t skipped;
	int64_t at_ms, took_us;
	char method[8], path[192], operation[96], code[48];
	char tenant[37], key[67], subject[128], request_id[129];
};

SHM_REGION(request_tail_watch, struct watch, 1)
SHM_REGION(request_tail_notes, struct note, PLACES)
SHM_REGION(request_tail_next, _Atomic uint64_t, 1)

static uint64_t name_of(const char *text)
{
	return shm_hash(4, text);
}

/* The number of the tenant by that name; -1: it is not listened to. */
static int find(const char *name)
{
	struct watch *w = request_tail_watch();
	uint32_t n = atomic_load_explicit(&w->n, memory_order_acquire);
	uint64_t hash = name_of(name);

	for (uint32_t i = 0; i < n && i < NAMES; i++)
		if (atomic_load_explicit(&w->names[i], memory_order_relaxed) == hash)
			return (int)(atomic_load_explicit(&w->tenants[i], memory_order_relaxed) % TENANTS);
	return -1;
}

/* May one more be told in this second? */
static bool spend(int tenant)
{
	_Atomic uint64_t *spent = &request_tail_watch()->spent[tenant];
	uint64_t now = (uint64_t)time(NULL), had = atomic_load_explicit(spent, memory_order_relaxed), next;

	do {
		next = had >> 16 == now ? had + 1 : now << 16 | 1;
		if ((next & 0xffff) > REQUEST_TAIL_A_SECOND)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(spent, &had, next, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static struct note *place(void)
{
	for (int tries = 0; tries < 4; tries++) {
		uint64_t i = atomic_fetch_add_explicit(request_tail_next(), 1, memory_order_relaxed) % PLACES;
		uint32_t is_free = IS_FREE;

		if (atomic_compare_exchange_strong_explicit(&request_tail_notes()[i].state, &is_free, IS_BUSY,
							    memory_order_acq_rel, memory_order_relaxed))
			return &request_tail_notes()[i];
	}
	return NULL;
}

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

static void fill(struct note *n, const struct req *rq)
{
	const struct principal *by = &rq->who;
	const struct route *r = rq->asked.route;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	n->at_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
	n->took_us = (clock_ns() - rq->asked.start_ns) / 1000;
	n->status = rq->answer.status;
	put(n->method, sizeof(n->method), method_name(r->method));
	put(n->path, sizeof(n->path), r->path);
	put(n->operation, sizeof(n->operation), r->id);
	put(n->code, sizeof(n->code),
	    rq->tx.fail.err && n->status >= 400 ? err_info(route_error(r, rq->tx.fail.err))->code : NULL);
	put(n->tenant, sizeof(n->tenant), by->tenant_id);
	put(n->key, sizeof(n->key), by->tenant_id ? NULL : by->api_key);
	put(n->subject, sizeof(n->subject), by->kind == BEARER ? by->subject : NULL);
	put(n->request_id, sizeof(n->request_id), rq->tx.log.request_id);
}

void request_tail_note(const struct req *rq)
{
	const struct principal *by = &rq->who;
	struct note *n = NULL;
	int tenant;

	if (!request_tail_watch() || !atomic_load_explicit(&request_tail_watch()->n, memory_order_relaxed))
		return;
	if (!rq->asked.route || by->is_team || by->kind == ANONYMOUS || by->kind == PROJECT ||
	    (!by->tenant_id && !by->api_key))
		return;
	tenant = find(by->tenant_id ? by->tenant_id : by->api_key);
	if (tenant < 0)
		return;
	if (spend(tenant))
		n = place();
	if (!n) {
		atomic_fetch_add_explicit(&request_tail_watch()->skipped[tenant], 1, memory_order_relaxed);
		return;
	}
	fill(n, rq);
	n->skipped =
		atomic_exchange_explicit(&request_tail_watch()->skipped[tenant], 0, memory_order_relaxed);
	atomic_store_explicit(&n->state, IS_HELD, memory_order_release);
}

/* The housekeeper's */

static int add_name(int n, const char *text, int tenant)
{
	struct watch *w = request_tail_watch();

	if (n == NAMES)
		return n;
	atomic_store_explicit(&w->names[n], name_of(text), memory_order_relaxed);
	atomic_store_explicit(&w->tenants[n], (uint32_t)tenant, memory_order_relaxed);
	return n + 1;
}

/* Whose requests are listened to? */
static void look(PGconn *conn)
{
	PGresult *res = PQexec(conn, q_request_tail_tenants.text);
	int n = 0;

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		log_msg(LOG_ERROR, NULL, "requests listened to: %s", PQresultErrorMessage(res));
	else
		for (int i = 0; i < PQntuples(res) && i < TENANTS; i++) {
			char key[67], *keys = PQgetvalue(res, i, 1), *space;

			n = add_name(n, PQgetvalue(res, i, 0), i);
			for (; *keys; keys = space + (*space == ' ')) {
				space = strchrnul(keys, ' ');
				if ((size_t)(space - keys) < sizeof(key)) {
					memcpy(key, keys, (size_t)(space - keys));
					key[space - keys] = '\0';
					n = add_name(n, key, i);
				}
			}
		}
	atomic_store_explicit(&request_tail_watch()->n, (uint32_t)n, memory_order_release);
	PQclear(res);
}

static void write_note(struct buf *b, const struct note *n)
{
	jx_next(b);
	buf_char(b, '{');
	if (*n->tenant)
		jx_key_str(b, "tenant", n->tenant);
	else
		jx_key_str(b, "key", n->key);
	jx_key(b, "told");
	buf_char(b, '{');
	jx_key(b, "at");
	jx_timestamptz(b, n->at_ms * 1000 - INT64_C(946684800000000));
	jx_key_str(b, "method", n->method);
	jx_key_str(b, "path", n->path);
	jx_key_str(b, "operation", n->operation);
	jx_key_int(b, "status", n->status);
	jx_key(b, "duration_ms");
	buf_fmt(b, "%lld.%03lld", (long long)n->took_us / 1000, (long long)n->took_us % 1000);
	jx_key_text(b, "code", *n->code ? n->code : NULL);
	jx_key_str(b, "request_id", n->request_id);
	jx_key_text(b, "user", *n->subject ? n->subject : NULL);
	jx_key_int(b, "skipped", (long long)n->skipped);
	buf_text(b, "}}");
}

/* Those that are held, as JSON; false: there are none. */
static bool gather(struct buf *b)
{
	static uint32_t seen[PLACES];
	bool is_any = false;

	buf_char(b, '[');
	for (int i = 0; i < PLACES; i++) {
		struct note *n = &request_tail_notes()[i];
		uint32_t state = atomic_load_explicit(&n->state, memory_order_acquire);

		if (state == IS_HELD || (state == IS_BUSY && seen[i] == IS_BUSY)) {
			if (state == IS_HELD)
				write_note(b, n);
			is_any = is_any || state == IS_HELD;
			atomic_store_explicit(&n->state, IS_FREE, memory_order_release);
			state = IS_FREE;
		}
		seen[i] = state;
	}
	buf_char(b, ']');
	return is_any;
}

void request_tail_flush(PGconn *conn)
{
	static int64_t look_at_ns;
	static struct arena arena;
	const char *params[1];
	struct buf b;
	PGresult *res;

	if (!request_tail_watch())
		return;
	if (clock_ns() >= look_at_ns) {
		look_at_ns = clock_ns() + LOOK_S * 1000000000LL;
		look(conn);
	}
	arena_init(&arena, 16 * 1024);
	buf_init(&b, &arena, 4096);
	if (gather(&b)) {
		params[0] = buf_str(&b);
		res = PQexecParams(conn, q_request_tail_put.text, 1, NULL, params, NULL, NULL, 0);
		if (PQresultStatus(res) != PGRES_TUPLES_OK)
			log_msg(LOG_ERROR, NULL, "requests listened to: %s", PQresultErrorMessage(res));
		else if (strcmp(PQgetvalue(res, 0, 0), "0") != 0)
			wake_mark(wake_bit("realtime"));
		PQclear(res);
	}
	arena_release(&arena);
}
