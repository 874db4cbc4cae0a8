#include "worker/claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/sql/runtime/worker.h"
#include "fcgi/metrics.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/host/span.h"
#include "worker/claimed.h"
#include "worker/completions.h"
#include "worker/cursor.h"
#include "worker/failures.h"
#include "worker/job.h"
#include "worker/master.h"
#include "worker/prefetch.h"
#include "worker/processes.h"

#define MS 1000000LL

enum {
	CLAIM_MOST = 1000,
	SWEEP_MOST = 200,
	PROMOTE_MOST = 1000,
	COMPLETIONS_MOST = 4000,
	POLL_MS = 1000, /* when nothing is known to become due */
	SWEEP_MS = 10,  /* not more often … */
	SHARE = 19,     /* … and not for more than a twentieth of the time */
	FAIR_MOST = 64, /* of other tenants, between the claims of a long queue, */
	FAIR_SHARE = 4, /* for a fifth of the time at most: one is cheap, and how long it takes is mostly
			   waiting */
	BUSY = 16,      /* tenants */
};

struct pgpipe claim_link = { .name = "claims" }, sweep_link = { .name = "sweeps" };

/* A queue, and how far it is taken. */
static struct queue {
	const char *name;
	int cap;
	bool may_have; /* more than its claim has seen */
	bool wants_sweep;
	int64_t sweep_at_ns;
	struct cursor cursor;
	/* While it is longer than a claim, each tenant gets its turn besides (jobs_claim_fair): */
	bool wants_fair;
	int64_t fair_at_ns;
	char after[37];      /* the tenant that the round has come to */
	char busy[BUSY][37]; /* those that the last claim was of */
	int nbusy;
} queues[WORKER_QUEUES];
static int nqueues;

static bool strays_due; /* an answer to a claim may have been lost: no claims until that is clear */
static int64_t promote_at_ns;
static struct arena scratch; /* what one call needs */

/* What is on its way. */
static struct asked {
	int queue;
	long n;
	unsigned identity;
	int64_t at_ns;
} claiming, sweeping, promoting;

static struct asked taking; /* what has come and is being put down */

/* ------------------------------------------------------------------ how much to claim */

/*
 * As many as there are children, and ahead of them what short jobs need.  What
 * waits for its completion keeps no child busy, and so stops nothing until
 * there is very much of it: counted in full, it would hold back the claims while
 * the disk is slow, and fewer claims mean fewer completions in each flush.
 */
static long room(void)
{
	long late = (long)completions_count - COMPLETIONS_MOST;

	return processes_children() + prefetch_ahead() - (long)claimed_jobs - (late > 0 ? late : 0) -
	       claiming.n - sweeping.n - taking.n;
}

static long room_of(const struct queue *q)
{
	const struct asked *const coming[] = { &claiming, &sweeping, &taking };
	long left = room(), own = q->cap - (long)claimed_of_queue((int)(q - queues));

	for (int i = 0; i < 3; i++)
		if (coming[i]->queue == q - queues)
			own -= coming[i]->n;
	return q->cap && own < left ? own : left;
}

void claims_look(void)
{
	int64_t soon = clock_ns() + SWEEP_MS * MS;

	for (int i = 0; i < nqueues; i++) {
		queues[i].may_have = queues[i].wants_sweep = true;
		if (queues[i].sweep_at_ns < soon)
			queues[i].sweep_at_ns = soon;
	}
	if (promote_at_ns > soon)
		promote_at_ns = soon;
}

/* ------------------------------------------------------------------ strays */

static void on_strays(void *arg, const PGresult *res)
{
	(void)arg;
	pgpipe_note(NULL, res);
	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK)
		return;
	strays_due = false;
	if (strcmp(PQgetvalue(res, 0, 0), "0") != 0)
		claims_look();
}

/* Only while no claim is on its way: its jobs would look like strays. */
static void ask_for_strays(void)
{
	static bool is_asked;
	const char *params[2];
	struct buf ids;

	is_asked = is_asked && control_link.ncalls;
	if (!strays_due || is_asked || !*master.id || !pgpipe_is_idle(&claim_link) ||
	    !pgpipe_is_idle(&sweep_link) || control_link.state != PGPIPE_UP)
		return;
	buf_init(&ids, &scratch, 4096);
	buf_char(&ids, '{');
	for (const struct portion_of_work *p = claimed_first; p; p = p->next)
		for (size_t i = 0; i < p->njobs; i++)
			buf_fmt(&ids, "%s%s", ids.n > 1 ? "," : "", p->jobs[i].id);
	failures_list(&ids);
	completions_list(&ids);
	buf_char(&ids, '}');
	params[0] = master.id;
	params[1] = buf_str(&ids);
	is_asked = pgpipe_send(&control_link, &q_jobs_strays, params, on_strays, NULL);
	arena_reset(&scratch);
}

/* ------------------------------------------------------------------ claiming */

static void claim(void);

/* The columns of jobs_claim, in their order: a name is copied and folded each time it is looked up. */
enum claimed_col {
	TENANT_ID,
	ID,
	KIND,
	PAYLOAD,
	ATTEMPT,
	MAX_ATTEMPTS,
	TIMEOUT_S,
	PRIORITY,
	RUN_US,
	WAIT_MS,
	TRACE /* of a claim that asks for it */
};

static int number_at(const PGresult *res, int row, enum claimed_col c)
{
	return (int)strtol(PQgetvalue(res, row, c), NULL, 10);
}

/* The queue is taken as far as these rows go: of each priority the last one tells. */
static void pass(struct queue *q, const PGresult *res)
{
	int n = PQntuples(res);

	for (int i = 0; i < n; i++)
		if (i == n - 1 || number_at(res, i, PRIORITY) != number_at(res, i + 1, PRIORITY))
			cursor_pass(&q->cursor, number_at(res, i, PRIORITY),
				    strtoll(PQgetvalue(res, i, RUN_US), NULL, 10), PQgetvalue(res, i, ID));
}

/* The first n rows are ours.  With more to come that is asked for first: PostgreSQL finds it meanwhile. */
static void put_down(struct queue *q, const PGresult *res, int n, bool is_more)
{
	taking.queue = (int)(q - queues);
	taking.n = n;
	if (is_more)
		claim();
	for (int i = 0; i < n; i++, taking.n--) {
		const struct job job = {
			.tenant_id = PQgetvalue(res, i, TENANT_ID),
			.id = PQgetvalue(res, i, ID),
			.queue = q->name,
			.kind = PQgetvalue(res, i, KIND),
			.payload = PQgetvalue(res, i, PAYLOAD),
			.attempt = number_at(res, i, ATTEMPT),
			.max_attempts = number_at(res, i, MAX_ATTEMPTS),
			.timeout_s = number_at(res, i, TIMEOUT_S),
			.wait_ms = strtod(PQgetvalue(res, i, WAIT_MS), NULL),
			.trace = PQnfields(res) > TRACE ? PQgetvalue(res, i, TRACE) : "",
		};

		claimed_add(taking.queue, master.id, &job);
		metrics_count_wait(job.wait_ms);
	}
	claimed_seal();
}

/* What a claim or a sweep has asked for, as it ends; how many rows, or -1: it failed. */
static int claimed(struct asked *a, const PGresult *res)
{
	struct queue *q = &queues[a->queue];
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;

	a->n = 0;
	if (res && PQresultStatus(res) == PGRES_TUPLES_OK)
		return a->identity == master.identity ? PQntuples(res) : -1;
	q->may_have = true;
	if (state && !strcmp(state, "AS409") && a->identity == master.identity)
		master_lose_identity("the lease has run out");
	else
		pgpipe_note(NULL, res);
	if (!res)
		strays_due = *master.id;
	return -1;
}

/* The queue is longer than a claim: whose jobs these are waits behind no other tenant, all others may. */
static void note_busy(struct queue *q, const PGresult *res)
{
	q->wants_fair = true;
	q->nbusy = 0;
	for (int i = 0; i < PQntuples(res) && q->nbusy < BUSY; i++) {
		const char *tenant = PQgetvalue(res, i, TENANT_ID);
		int k = 0;

		while (k < q->nbusy && strcmp(q->busy[k], tenant) != 0)
			k++;
		if (k == q->nbusy)
			snprintf(q->busy[q->nbusy++], sizeof(q->busy[0]), "%s", tenant);
	}
}

static void on_claim(void *arg, const PGresult *res)
{
	struct asked *a = arg;
	struct queue *q = &queues[a->queue];
	long asked_for = a->n;
	int n = claimed(a, res);

	if (n < 0)
		return;
	if (n > 0)
		q->wants_sweep = true; /* while there is much, something may be late */
	if (n < asked_for)
		q->may_have = false;
	else
		note_busy(q, res);
	pass(q, res);
	put_down(q, res, n, n == asked_for);
}

/* These lie ahead of the cursor, which stays where it is. */
static void on_fair(void *arg, const PGresult *res)
{
	struct asked *a = arg;
	struct queue *q = &queues[a->queue];
	int64_t now = clock_ns(), took = now - a->at_ns;
	int n = claimed(a, res) - 1;

	q->fair_at_ns = now + (took * FAIR_SHARE > SWEEP_MS * MS ? took * FAIR_SHARE : SWEEP_MS * MS);
	if (n < 0)
		return;
	snprintf(q->after, sizeof(q->after), "%s", PQgetvalue(res, n, TENANT_ID));
	q->wants_fair = *q->after;
	put_down(q, res, n, false);
}

static void on_sweep(void *arg, const PGresult *res)
{
	struct asked *a = arg;
	struct queue *q = &queues[a->queue];
	int64_t now = clock_ns(), took = now - a->at_ns;
	long asked_for = a->n;
	int n = claimed(a, res);

	q->sweep_at_ns = now + (took * SHARE > SWEEP_MS * MS ? took * SHARE : SWEEP_MS * MS);
	if (n < 0)
		return;
	pass(q, res);
	if (n == asked_for) {
		/* More lies behind the cursor than a sweep takes: the claims go back there. */
		q->wants_sweep = q->may_have = true;
		cursor_back(&q->cursor, number_at(res, n - 1, PRIORITY),
			    strtoll(PQgetvalue(res, n - 1, RUN_US), NULL, 10));
	}
	put_down(q, res, n, false);
}

static bool ask(struct pgpipe *l, struct asked *a, struct queue *q, long n, const struct cursor *from,
		pgpipe_fn *fn)
{
	char count[24];
	struct buf priorities, run_us, ids;
	const char *params[6] = { q->name, master.id, count };
	bool ok;

	buf_init(&priorities, &scratch, 128);
	buf_init(&run_us, &scratch, 256);
	buf_init(&ids, &scratch, 512);
	cursor_write(from, &priorities, &run_us, &ids);
	snprintf(count, sizeof(count), "%ld", n);
	params[3] = buf_str(&priorities);
	params[4] = buf_str(&run_us);
	params[5] = buf_str(&ids);
	*a = (struct asked){
		.queue = (int)(q - queues), .n = n, .identity = master.identity, .at_ns = clock_ns()
	};
	ok = pgpipe_send(l, span_is_on ? &q_jobs_claim_traced : &q_jobs_claim, params, fn, a);
	if (!ok)
		a->n = 0;
	arena_reset(&scratch);
	return ok;
}

static void ask_fair(struct queue *q, long n)
{
	char count[24];
	struct buf busy;
	const char *params[5] = { q->name, master.id, count,
				  *q->after ? q->after : "00000000-0000-0000-0000-000000000000" };

	buf_init(&busy, &scratch, 1024);
	buf_char(&busy, '{');
	for (int i = 0; i < q->nbusy; i++)
		buf_fmt(&busy, "%s%s", i ? "," : "", q->busy[i]);
	buf_char(&busy, '}');
	snprintf(count, sizeof(count), "%ld", n);
	params[4] = buf_str(&busy);
	sweeping = (struct asked){
		.queue = (int)(q - queues), .n = n, .identity = master.identity, .at_ns = clock_ns()
	};
	if (!pgpipe_send(&sweep_link, span_is_on ? &q_jobs_claim_fair_traced : &q_jobs_claim_fair, params,
			 on_fair, &sweeping))
		sweeping.n = 0;
	arena_reset(&scratch);
}

/* Not one by one as children become free: a claim costs most of what it costs for itself. */
static void claim(void)
{
	static int turn;
	long all = room();

	if (!*master.id || master.is_stopping || strays_due || !pgpipe_is_idle(&claim_link) || all <= 0 ||
	    (claimed_jobs && all < (all + (long)claimed_jobs) / 3))
		return;
	for (int i = 0; i < nqueues; i++) {
		struct queue *q = &queues[turn++ % nqueues];
		long n = room_of(q);

		if (!q->may_have || n <= 0)
			continue;
		ask(&claim_link, &claiming, q, n < CLAIM_MOST ? n : CLAIM_MOST, &q->cursor, on_claim);
		return;
	}
}

static const char *cell(const PGresult *res, int row, const char *name)
{
	return PQgetvalue(res, row, PQfnumber(res, name));
}

static void on_promoted(void *arg, const PGresult *res)
{
	const struct asked *a = arg;
	int64_t now = clock_ns(), pause = (now - a->at_ns) * SHARE, due_ns = POLL_MS * MS;
	int64_t moved = 0;

	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK) {
		pgpipe_note(NULL, res);
		promote_at_ns = now + POLL_MS * MS;
		return;
	}
	for (int i = 0; i < PQntuples(res); i++) {
		if (PQgetisnull(res, i, PQfnumber(res, "queue"))) {
			if (!PQgetisnull(res, i, PQfnumber(res, "due_ms")))
				due_ns = strtoll(cell(res, i, "due_ms"), NULL, 10) * MS + MS;
			continue;
		}
		moved += strtoll(cell(res, i, "n"), NULL, 10);
		for (struct queue *q = queues; q < queues + nqueues; q++) {
			if (strcmp(q->name, cell(res, i, "queue")) != 0)
				continue;
			q->may_have = true;
			cursor_back(&q->cursor, (int)strtol(cell(res, i, "priority"), NULL, 10),
				    strtoll(cell(res, i, "run_us"), NULL, 10));
		}
	}
	if (due_ns > POLL_MS * MS)
		due_ns = POLL_MS * MS;
	if (moved >= PROMOTE_MOST)
		due_ns = 0;
	if (pause < SWEEP_MS * MS / 2)
		pause = SWEEP_MS * MS / 2;
	promote_at_ns = now + (due_ns > pause ? due_ns : pause);
}

/* On a separate connection, since they may take long while any session holds a snapshot open. */
static void sweep(int64_t now)
{
	static const struct cursor from_the_start;
	static int turn;

	if (!pgpipe_is_idle(&sweep_link))
		return;
	if (now >= promote_at_ns) {
		char batch[16];
		const char *params[] = { batch };

		snprintf(batch, sizeof(batch), "%d", PROMOTE_MOST);
		promoting.at_ns = now;
		promote_at_ns = now + POLL_MS * MS;
		pgpipe_send(&sweep_link, &q_jobs_promote, params, on_promoted, &promoting);
		return;
	}
	for (int i = 0; i < nqueues; i++) {
		struct queue *q = &queues[turn++ % nqueues];
		long n = room_of(q);

		/* The other half of the room is the claims': a sweep may take long. */
		n = (n + 1) / 2;
		if (q->wants_fair && now >= q->fair_at_ns && n > 0) {
			q->wants_fair = false;
			ask_fair(q, n < FAIR_MOST ? n : FAIR_MOST);
			return;
		}
		if (!q->wants_sweep || now < q->sweep_at_ns || n <= 0)
			continue;
		q->wants_sweep = false;
		ask(&sweep_link, &sweeping, q, n < SWEEP_MOST ? n : SWEEP_MOST, &from_the_start, on_sweep);
		return;
	}
}

/* ------------------------------------------------------------------ for the master */

void claims_begin(void)
{
	strays_due = false;
	for (int i = 0; i < nqueues; i++)
		queues[i].cursor = (struct cursor){ 0 };
	claims_look();
}

void claims_look_back(void)
{
	for (int i = 0; i < nqueues; i++)
		queues[i].wants_sweep = true;
}

void claims_doubt(void)
{
	strays_due = *master.id;
	claims_look();
}

void claims_ask(int64_t now)
{
	ask_for_strays();
	if (*master.id && !strays_due)
		sweep(now);
	claim();
}

bool claims_are_out(void)
{
	return claim_link.ncalls || sweep_link.ncalls;
}

int64_t claims_due_ns(void)
{
	int64_t until = promote_at_ns;

	for (int i = 0; i < nqueues; i++) {
		if (queues[i].wants_sweep && queues[i].sweep_at_ns < until)
			until = queues[i].sweep_at_ns;
		if (queues[i].wants_fair && queues[i].fair_at_ns < until)
			until = queues[i].fair_at_ns;
	}
	return until;
}

const char *claims_queue(int i)
{
	return queues[i].name;
}

void claims_setup(const struct worker_options *options)
{
	/* A claim that is lost with a crash was never made; the job's own commit flushes what is before it.
	 */
	static const char quick[] = "-c statement_timeout=60000 -c jit=off -c client_min_messages=warning "
				    "-c synchronous_commit=off -c plan_cache_mode=force_generic_plan";

	nqueues = options->nqueues;
	for (int i = 0; i < nqueues; i++)
		queues[i] = (struct queue){ .name = options->queues[i].name, .cap = options->queues[i].cap };
	claim_link.options = sweep_link.options = quick;
	claim_link.on_up = sweep_link.on_up = claims_doubt;
	arena_init(&scratch, 64 * 1024);
}
