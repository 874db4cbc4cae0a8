#include "fcgi/error_note.h"

#include <stdatomic.h>
#include <string.h>

#include "build/sql/ops/request_errors.h"
#include "fcgi/req.h"
#include "lib/base/jx.h"
#include "lib/host/log.h"
#include "lib/host/shm.h"

enum { PLACES = 512, IS_FREE = 0, IS_BUSY, IS_HELD };

/* One that somebody fills in is busy; whoever died over it left it so, and it is taken back the next time but
 * one. */
struct note {
	_Atomic uint32_t state;
	int status;
	char method[8], path[192], code[48];
	char tenant[37], key[67], issuer[128], subject[128], request_id[129], field[64], message[256];
};

SHM_REGION(error_notes, struct note, PLACES)
SHM_REGION(error_notes_next, _Atomic uint64_t, 1)
SHM_REGION(error_notes_lost, _Atomic uint64_t, 1)

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

static struct note *place(void)
{
	for (int tries = 0; tries < 4; tries++) {
		uint64_t i = atomic_fetch_add_explicit(error_notes_next(), 1, memory_order_relaxed) % PLACES;
		uint32_t is_free = IS_FREE;

		if (atomic_compare_exchange_strong_explicit(&error_notes()[i].state, &is_free, IS_BUSY,
							    memory_order_acq_rel, memory_order_relaxed))
			return &error_notes()[i];
	}
	return NULL;
}

void error_note_put(const struct req *rq)
{
	const struct principal *by = &rq->who;
	const struct failure *fail = &rq->tx.fail;
	bool is_user = by->kind == BEARER && !by->is_team;
	struct note *n;

	if (!fail->err || rq->answer.status < 400 || by->kind == ANONYMOUS || !rq->asked.route ||
	    !error_notes())
		return;
	n = place();
	if (!n) {
		atomic_fetch_add_explicit(error_notes_lost(), 1, memory_order_relaxed);
		return;
	}
	n->status = rq->answer.status;
	put(n->method, sizeof(n->method), method_name(rq->asked.route->method));
	put(n->path, sizeof(n->path), rq->asked.route->path);
	put(n->code, sizeof(n->code), err_info(route_error(rq->asked.route, fail->err))->code);
	put(n->tenant, sizeof(n->tenant), by->tenant_id);
	put(n->key, sizeof(n->key), by->tenant_id ? NULL : by->api_key);
	put(n->issuer, sizeof(n->issuer), is_user ? by->issuer : NULL);
	put(n->subject, sizeof(n->subject), is_user ? by->subject : NULL);
	put(n->request_id, sizeof(n->request_id), rq->tx.log.request_id);
	put(n->field, sizeof(n->field), fail->field);
	put(n->message, sizeof(n->message), fail->message ? fail->message : err_info(fail->err)->message);
	atomic_store_explicit(&n->state, IS_HELD, memory_order_release);
}

static void member(struct buf *b, const char *name, const char *text)
{
	if (*text)
		jx_key_str(b, name, text);
}

static void write_note(struct buf *b, const struct note *n)
{
	jx_next(b);
	buf_char(b, '{');
	member(b, "tenant", n->tenant);
	member(b, "key", n->key);
	member(b, "issuer", n->issuer);
	member(b, "subject", n->subject);
	member(b, "request_id", n->request_id);
	member(b, "method", n->method);
	member(b, "path", n->path);
	jx_key_int(b, "status", n->status);
	member(b, "code", n->code);
	member(b, "message", n->message);
	member(b, "field", n->field);
	buf_char(b, '}');
}

/* Take what is there; how many. */
static int take(struct buf *b)
{
	static bool was_busy[PLACES];
	int count = 0;

	for (int i = 0; i < PLACES; i++) {
		struct note *n = &error_notes()[i];
		uint32_t state = atomic_load_explicit(&n->state, memory_order_acquire);

		if (state == IS_HELD) {
			write_note(b, n);
			count++;
		}
		if (state == IS_HELD || (state == IS_BUSY && was_busy[i]))
			atomic_store_explicit(&n->state, IS_FREE, memory_order_release);
		was_busy[i] = state == IS_BUSY && !was_busy[i];
	}
	return count;
}

void error_note_flush(PGconn *conn)
{
	static struct arena arena;
	const char *params[1];
	struct buf rows;
	PGresult *res;
	uint64_t lost;

	if (!error_notes())
		return;
	arena_init(&arena, 16384);
	buf_init(&rows, &arena, 8192);
	buf_char(&rows, '[');
	if (take(&rows)) {
		buf_char(&rows, ']');
		params[0] = buf_str(&rows);
		res = PQexecParams(conn, q_request_error_note.text, 1, NULL, params, NULL, NULL, 0);
		if (PQresultStatus(res) != PGRES_TUPLES_OK)
			log_msg(LOG_ERROR, NULL, "errors of requests are lost: %s",
				PQresultErrorMessage(res));
		PQclear(res);
	}
	arena_release(&arena);
	lost = atomic_exchange_explicit(error_notes_lost(), 0, memory_order_relaxed);
	if (lost)
		log_msg(LOG_WARNING, NULL, "%llu errors of requests found no place",
			(unsigned long long)lost);
}
