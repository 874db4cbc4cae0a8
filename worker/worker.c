/*
 * The worker's master: claims, hands out, keeps the lease, and looks after what
 * its children do.  One loop, which waits for nothing but all of it at once.
 */
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/arena.h"
#include "fcgi/clock.h"
#include "fcgi/config.h"
#include "fcgi/host.h"
#include "fcgi/log.h"
#include "fcgi/metrics.h"
#include "fcgi/shm.h"
#include "fcgi/tok.h"
#include "worker/attempts.h"
#include "worker/completions.h"
#include "worker/cursor.h"
#include "worker/failures.h"
#include "worker/job.h"
#include "worker/link.h"
#include "worker/pace.h"
#include "worker/portions.h"
#include "worker/team.h"

#define MS 1000000LL
#define S (1000 * MS)

enum {
	CLAIM_MOST = 1000,
	SWEEP_MOST = 200,
	PROMOTE_MOST = 1000,
	REAP_MOST = 1000,
	COMPLETIONS_MOST = 4000,
	POLL_MS = 1000,  /* with nobody waking us */
	TICK_MS = 50,    /* time-outs, portions that stand too long */
	WATCH_MS = 1000, /* cancelled jobs, the watchdog */
	STALE_MS = 1000, /* claimed and not begun: others may be free */
	SWEEP_MS = 10,   /* not more often … */
	SHARE = 9,       /* … and not for more than a tenth of the time */
};

/* A queue, and how far it is taken. */
static struct queue {
	const char *name;
	int cap;
	bool may_have; /* more than its claim has seen */
	bool wants_sweep;
	int64_t sweep_at_ns;
	struct cursor cursor;
} queues[WORKER_QUEUES];
static int nqueues;

static struct link claim_link = { .name = "claims" }, sweep_link = { .name = "sweeps" },
		   control_link = { .name = "control" };

static char worker_id[40]; /* "": not announced yet */
static char lease_s[16];
static unsigned identity; /* counts worker ids: an answer to an earlier one is none to us */
static int64_t lease_ends_ns;
static bool stopping;
static bool strays_due; /* an answer to a claim may have been lost: no claims until that is clear */
static int64_t promote_at_ns, poll_at_ns, tick_at_ns, watch_at_ns, renew_at_ns, reap_at_ns;

static struct arena scratch; /* what one call needs */

/* What is on its way. */
static struct asked {
	int queue;
	long n;
	unsigned identity;
	int64_t at_ns;
} claiming, sweeping, promoting, renewing;

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

	return team_children() + pace_ahead() - (long)portions_jobs - (late > 0 ? late : 0) - claiming.n -
	       sweeping.n - taking.n;
}

static long room_of(const struct queue *q)
{
	const struct asked *const coming[] = { &claiming, &sweeping, &taking };
	long left = room(), own = q->cap - (long)portions_of_queue((int)(q - queues));

	for (int i = 0; i < 3; i++)
		if (coming[i]->queue == q - queues)
			own -= coming[i]->n;
	return q->cap && own < left ? own : left;
}

static void look_everywhere(void)
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

/* ------------------------------------------------------------------ handing out */

static void hand_out(void)
{
	struct portion_of_work *p;

	while ((p = portions_unsent()) && (long)portions_sent - team_busy() < team_children()) {
		if (!team_send(p->message, p->size))
			return;
		portions_mark_sent(p);
	}
}

static void fail_all(struct portion_of_work *p, const char *why)
{
	for (size_t i = 0; !p->is_not_ours && i < p->njobs; i++) {
		bool again = p->jobs[i].number < p->jobs[i].max;

		failures_add(&p->jobs[i], worker_id, why, true, -1);
		metrics_count_jobs(again ? 1 : 2, 1, 0);
		log_job(again ? LOG_WARNING : LOG_ERROR, NULL,
			&(struct log_job){ .id = p->jobs[i].id,
					   .kind = p->kind,
					   .queue = queues[p->queue].name,
					   .tenant = p->jobs[i].tenant_id,
					   .attempt = p->jobs[i].number,
					   .jobs = 1,
					   .outcome = again ? "retried" : "failed",
					   .error = why });
	}
	portions_remove(p);
}

/* ------------------------------------------------------------------ giving back */

static struct attempts back;

static void nothing(void *arg, const PGresult *res)
{
	(void)arg;
	if (res && PQresultStatus(res) == PGRES_FATAL_ERROR)
		log_msg(LOG_ERROR, NULL, "worker: %s", PQresultErrorMessage(res));
}

static void back_send(void)
{
	const char *params[4];

	if (back.any) {
		params[0] = worker_id;
		attempts_params(&back, params + 1);
		if (!link_send(&control_link, Q_jobs_release, params, nothing, NULL))
			strays_due = true; /* which finds them */
		for (int i = 0; i < nqueues; i++)
			queues[i].wants_sweep = true; /* they lie behind the cursor now */
	}
	arena_reset(&scratch);
}

static void back_portion(struct portion_of_work *p)
{
	for (size_t i = 0; i < p->njobs; i++)
		attempts_add(&back, &p->jobs[i]);
	portions_remove(p);
}

static void take_all_back(void)
{
	struct portion_of_work *p;
	uint64_t number;

	attempts_init(&back, &scratch);
	while ((p = portions_unsent()))
		back_portion(p);
	while ((number = team_take_back()))
		if ((p = portions_find(number)))
			back_portion(p);
	back_send();
}

/* ------------------------------------------------------------------ the children's reports */

static void read_reports(void)
{
	static struct report r;

	for (int i = 0; i < 256; i++) {
		ssize_t n = recv(team_reports(), &r, sizeof(r), MSG_DONTWAIT);
		struct portion_of_work *p;

		if (n < (ssize_t)offsetof(struct report, error))
			return;
		p = portions_find(r.portion);
		if (!p)
			continue;
		if (r.what == R_TO_COMPLETE && !p->is_not_ours && r.job >= 0 && (size_t)r.job < p->njobs) {
			completions_add(&p->jobs[r.job]);
		} else if (r.what == R_DONE || r.what == R_ALL_TO_COMPLETE) {
			for (size_t k = 0; r.what == R_ALL_TO_COMPLETE && !p->is_not_ours && k < p->njobs;
			     k++)
				completions_add(&p->jobs[k]);
			pace_ended(p->njobs, clock_ns() - p->claimed_ns);
			portions_remove(p);
		} else if ((r.what == R_FAILED || r.what == R_GAVE_UP) && r.job >= 0 &&
			   (size_t)r.job < p->njobs && !p->is_not_ours) {
			r.error[n - (ssize_t)offsetof(struct report, error) - 1] = '\0';
			failures_add(&p->jobs[r.job], worker_id, r.error, r.what == R_FAILED,
				     r.retry_after_s);
		}
	}
}

/* A child has died, or was killed, with this in hand. */
static void on_child_end(uint64_t number, const char *why)
{
	struct portion_of_work *p = portions_find(number);

	if (!p)
		return;
	if (stopping) {
		attempts_init(&back, &scratch);
		back_portion(p);
		back_send();
	} else {
		fail_all(p, why);
	}
}

/* ------------------------------------------------------------------ who we are */

/* Whatever we have is given to others: let go of it before they begin. */
static void lose_identity(const char *why)
{
	if (!*worker_id)
		return;
	log_msg(LOG_WARNING, NULL, "worker: %s: dropping %zu jobs", why, portions_jobs);
	*worker_id = '\0';
	identity++;
	while (team_take_back())
		;
	for (struct portion_of_work *p = portions_first, *next; p; p = next) {
		next = p->next;
		p->is_not_ours = true;
		if (p->was_sent && team_has(p->number)) {
			team_kill(p->number, why);
			p = portions_find(p->number);
		}
		if (p && p->is_not_ours)
			portions_remove(p);
	}
	failures_drop();
	completions_drop();
}

static void on_begin(void *arg, const PGresult *res)
{
	const struct asked *a = arg;

	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK) {
		nothing(NULL, res);
		return; /* tried again at the next renewal */
	}
	snprintf(worker_id, sizeof(worker_id), "%s", PQgetvalue(res, 0, 0));
	lease_ends_ns = a->at_ns + cfg.worker_lease_s * S;
	renew_at_ns = a->at_ns + cfg.worker_lease_s * S / 3;
	strays_due = false;
	for (int i = 0; i < nqueues; i++)
		queues[i].cursor = (struct cursor){ 0 };
	look_everywhere();
	for (const struct job_schedule *s = job_schedules; s->queue; s++) {
		char every[24];
		const char *params[] = { s->queue, s->kind, s->cron, s->every_ms ? every : NULL };

		snprintf(every, sizeof(every), "%ld", s->every_ms);
		link_send(&control_link, Q_job_schedule_ensure, params, nothing, NULL);
	}
}

static void begin(void)
{
	char host[65] = "", pid[16];
	const char *params[] = { host, pid, lease_s };

	gethostname(host, sizeof(host) - 1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	renewing.at_ns = clock_ns();
	link_send(&control_link, Q_job_worker_begin, params, on_begin, &renewing);
}

static void on_renewed(void *arg, const PGresult *res)
{
	const struct asked *a = arg;

	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK || a->identity != identity || !*worker_id) {
		nothing(NULL, res);
		return;
	}
	if (*PQgetvalue(res, 0, 0) == 't')
		lease_ends_ns = a->at_ns + cfg.worker_lease_s * S;
	else
		lose_identity("the lease has run out");
}

static void renew(void)
{
	const char *params[] = { worker_id, lease_s };
	int64_t now = clock_ns();

	renew_at_ns = now + (*worker_id ? cfg.worker_lease_s * S / 3 : S / 4);
	if (!*worker_id) {
		begin();
		return;
	}
	renewing = (struct asked){ .identity = identity, .at_ns = now };
	link_send(&control_link, Q_job_worker_renew, params, on_renewed, &renewing);
}

static void on_control_up(void)
{
	renew_at_ns = 0;
	strays_due = *worker_id;
	look_everywhere();
}

static void on_claims_up(void)
{
	strays_due = *worker_id;
	look_everywhere();
}

static void on_strays(void *arg, const PGresult *res)
{
	(void)arg;
	nothing(NULL, res);
	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK)
		return;
	strays_due = false;
	if (strcmp(PQgetvalue(res, 0, 0), "0") != 0)
		look_everywhere();
}

/* Only while no claim is on its way: its jobs would look like strays. */
static void ask_for_strays(void)
{
	static bool is_asked;
	const char *params[2];
	struct buf ids;

	is_asked = is_asked && control_link.ncalls;
	if (!strays_due || is_asked || !*worker_id || !link_is_idle(&claim_link) ||
	    !link_is_idle(&sweep_link) || control_link.state != LINK_UP)
		return;
	buf_init(&ids, &scratch, 4096);
	buf_char(&ids, '{');
	for (const struct portion_of_work *p = portions_first; p; p = p->next)
		for (size_t i = 0; i < p->njobs; i++)
			buf_fmt(&ids, "%s%s", ids.n > 1 ? "," : "", p->jobs[i].id);
	failures_list(&ids);
	completions_list(&ids);
	buf_char(&ids, '}');
	params[0] = worker_id;
	params[1] = buf_str(&ids);
	is_asked = link_send(&control_link, Q_jobs_strays, params, on_strays, NULL);
	arena_reset(&scratch);
}

/* ------------------------------------------------------------------ claiming */

static const char *cell(const PGresult *res, int row, const char *name)
{
	return PQgetvalue(res, row, PQfnumber(res, name));
}

static void claim(void);

/* The queue is taken as far as these rows go. */
static void pass(struct queue *q, const PGresult *res)
{
	for (int i = 0; i < PQntuples(res); i++)
		cursor_pass(&q->cursor, (int)strtol(cell(res, i, "priority"), NULL, 10),
			    strtoll(cell(res, i, "run_us"), NULL, 10), cell(res, i, "id"));
}

/* They are ours.  With more to come that is asked for first: PostgreSQL finds it meanwhile. */
static void put_down(struct queue *q, const PGresult *res, bool is_more)
{
	taking.queue = (int)(q - queues);
	taking.n = PQntuples(res);
	if (is_more)
		claim();
	for (int i = 0; i < PQntuples(res); i++, taking.n--) {
		const struct job job = {
			.tenant_id = cell(res, i, "tenant_id"),
			.id = cell(res, i, "id"),
			.queue = q->name,
			.kind = cell(res, i, "kind"),
			.payload = cell(res, i, "payload"),
			.attempt = (int)strtol(cell(res, i, "attempt"), NULL, 10),
			.max_attempts = (int)strtol(cell(res, i, "max_attempts"), NULL, 10),
			.timeout_s = (int)strtol(cell(res, i, "timeout_s"), NULL, 10),
			.wait_ms = strtod(cell(res, i, "wait_ms"), NULL),
		};

		portions_add(taking.queue, worker_id, &job);
		metrics_count_wait(job.wait_ms);
	}
	portions_seal();
}

/* What a claim or a sweep has asked for, as it ends; how many rows, or -1: it failed. */
static int claimed(struct asked *a, const PGresult *res)
{
	struct queue *q = &queues[a->queue];
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;

	a->n = 0;
	if (res && PQresultStatus(res) == PGRES_TUPLES_OK)
		return a->identity == identity ? PQntuples(res) : -1;
	q->may_have = true;
	if (state && !strcmp(state, "AS409") && a->identity == identity)
		lose_identity("the lease has run out");
	else
		nothing(NULL, res);
	if (!res)
		strays_due = *worker_id;
	return -1;
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
	pass(q, res);
	put_down(q, res, n == asked_for);
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
		cursor_back(&q->cursor, (int)strtol(cell(res, n - 1, "priority"), NULL, 10),
			    strtoll(cell(res, n - 1, "run_us"), NULL, 10));
	}
	put_down(q, res, false);
}

static bool ask(struct link *l, struct asked *a, struct queue *q, long n, const struct cursor *from,
		link_fn *fn)
{
	char count[24];
	struct buf priorities, run_us, ids;
	const char *params[6] = { q->name, worker_id, count };
	bool ok;

	buf_init(&priorities, &scratch, 128);
	buf_init(&run_us, &scratch, 256);
	buf_init(&ids, &scratch, 512);
	cursor_write(from, &priorities, &run_us, &ids);
	snprintf(count, sizeof(count), "%ld", n);
	params[3] = buf_str(&priorities);
	params[4] = buf_str(&run_us);
	params[5] = buf_str(&ids);
	*a = (struct asked){ .queue = (int)(q - queues), .n = n, .identity = identity, .at_ns = clock_ns() };
	ok = link_send(l, Q_jobs_claim, params, fn, a);
	if (!ok)
		a->n = 0;
	arena_reset(&scratch);
	return ok;
}

/* Not one by one as children become free: a claim costs most of what it costs for itself. */
static void claim(void)
{
	static int turn;
	long all = room();

	if (!*worker_id || stopping || strays_due || !link_is_idle(&claim_link) || all <= 0 ||
	    (portions_jobs && all < (all + (long)portions_jobs) / 3))
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

static void on_promoted(void *arg, const PGresult *res)
{
	const struct asked *a = arg;
	int64_t now = clock_ns(), pause = (now - a->at_ns) * SHARE, due_ns = POLL_MS * MS;
	int64_t moved = 0;

	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK) {
		nothing(NULL, res);
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

/* On a connection of their own, since they may take long while somebody holds a snapshot open. */
static void sweep(int64_t now)
{
	static const struct cursor from_the_start;
	static int turn;

	if (!link_is_idle(&sweep_link))
		return;
	if (now >= promote_at_ns) {
		char batch[16];
		const char *params[] = { batch };

		snprintf(batch, sizeof(batch), "%d", PROMOTE_MOST);
		promoting.at_ns = now;
		promote_at_ns = now + POLL_MS * MS;
		link_send(&sweep_link, Q_jobs_promote, params, on_promoted, &promoting);
		return;
	}
	for (int i = 0; i < nqueues; i++) {
		struct queue *q = &queues[turn++ % nqueues];
		long n = room_of(q);

		if (!q->wants_sweep || now < q->sweep_at_ns || n <= 0)
			continue;
		q->wants_sweep = false;
		ask(&sweep_link, &sweeping, q, n < SWEEP_MOST ? n : SWEEP_MOST, &from_the_start, on_sweep);
		return;
	}
}

/* ------------------------------------------------------------------ now and then */

/* A time-out, as its job's history has it. */
static void end_overdue(int64_t now)
{
	for (struct portion_of_work *p = portions_first, *next; p; p = next) {
		int64_t since = p->was_sent && now - p->sent_ns > S ? team_has(p->number) : 0;
		char why[64];

		next = p->next;
		if (!since || now - since < p->timeout_s * S)
			continue;
		snprintf(why, sizeof(why), "no end after %d s", p->timeout_s);
		team_kill(p->number, why);
	}
}

/* What stands here while others may be free goes back; what a child took with it into its grave, too. */
static void look_for_stale(int64_t now)
{
	static int64_t empty_since_ns;
	struct portion_of_work *p = portions_unsent(), *next;
	bool is_stale = p && now - p->claimed_ns > STALE_MS * MS;

	if (!team_has_none_waiting()) {
		empty_since_ns = 0;
		for (p = portions_first; p && p->was_sent && !is_stale; p = p->next)
			is_stale = now - p->claimed_ns > STALE_MS * MS && !team_has(p->number);
	} else if (!empty_since_ns) {
		empty_since_ns = now;
	} else if (now - empty_since_ns > S) {
		for (p = portions_first; p; p = next) {
			next = p->next;
			if (p->was_sent && now - p->sent_ns > S && !team_has(p->number))
				fail_all(p, "the process that ran it has ended");
		}
	}
	if (is_stale)
		take_all_back();
}

/* Each portion of one job that has run for a while, in the order of the arrays. */
static uint64_t watched[WORKER_CHILDREN];

static void on_lost(void *arg, const PGresult *res)
{
	unsigned then = *(unsigned *)arg;

	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK || then != identity) {
		nothing(NULL, res);
		return;
	}
	for (int i = 0; i < PQntuples(res); i++) {
		long n = strtol(PQgetvalue(res, i, 0), NULL, 10);
		struct portion_of_work *p =
			n >= 1 && n <= WORKER_CHILDREN ? portions_find(watched[n - 1]) : NULL;

		if (!p)
			continue;
		p->is_not_ours = true;
		metrics_count_jobs(3, 1, 0);
		log_msg(LOG_INFO, NULL, "job %s was cancelled: ending it", p->jobs[0].id);
		team_kill(p->number, "it was cancelled");
	}
}

static void look_for_cancelled(int64_t now)
{
	static unsigned then;
	static bool is_asked;
	const char *params[4];
	int n = 0;

	is_asked = is_asked && control_link.ncalls;
	if (is_asked || !*worker_id)
		return;
	attempts_init(&back, &scratch);
	for (const struct portion_of_work *p = portions_first; p && n < WORKER_CHILDREN; p = p->next) {
		if (p->njobs != 1 || !p->was_sent || now - p->sent_ns < WATCH_MS * MS || !team_has(p->number))
			continue;
		watched[n++] = p->number;
		attempts_add(&back, &p->jobs[0]);
	}
	params[0] = worker_id;
	attempts_params(&back, params + 1);
	then = identity;
	is_asked = n && link_send(&control_link, Q_jobs_lost, params, on_lost, &then);
	arena_reset(&scratch);
}

static void reap_dead_workers(void)
{
	char batch[16];
	const char *params[] = { batch };

	snprintf(batch, sizeof(batch), "%d", REAP_MOST);
	link_send(&control_link, Q_jobs_reap, params, nothing, NULL);
}

static void now_and_then(int64_t now)
{
	if (*worker_id && now > lease_ends_ns)
		lose_identity("PostgreSQL is out of reach, and the lease has run out");
	if (now >= tick_at_ns) {
		tick_at_ns = now + TICK_MS * MS;
		end_overdue(now);
		if (!stopping)
			look_for_stale(now);
	}
	if (now >= watch_at_ns) {
		watch_at_ns = now + WATCH_MS * MS;
		look_for_cancelled(now);
		host_notify("WATCHDOG=1");
	}
	if (control_link.state != LINK_UP)
		return;
	if (now >= renew_at_ns)
		renew();
	if (now >= reap_at_ns && !stopping) {
		reap_at_ns = now + cfg.worker_lease_s * S / 6;
		reap_dead_workers();
	}
	failures_send(&control_link);
	completions_send(&control_link, worker_id);
}

/* ------------------------------------------------------------------ the loop */

static int signal_fd;

static int pause_ms(int64_t now)
{
	int64_t until = tick_at_ns;

	if (promote_at_ns < until)
		until = promote_at_ns;
	if (poll_at_ns < until)
		until = poll_at_ns;
	for (int i = 0; i < nqueues; i++)
		if (queues[i].wants_sweep && queues[i].sweep_at_ns < until)
			until = queues[i].sweep_at_ns;
	return until <= now ? 1 : (int)((until - now + MS - 1) / MS);
}

/* Wait, and take in what has come; the signal among it, or 0. */
static int wait_for_something(void)
{
	struct link *const links[] = { &control_link, &sweep_link, &claim_link };
	struct pollfd fds[5] = { { .fd = signal_fd, .events = POLLIN },
				 { .fd = team_reports(), .events = POLLIN } };
	struct signalfd_siginfo info;
	int signo = 0;

	for (int i = 0; i < 3; i++)
		fds[2 + i] = link_poll(links[i]);
	if (poll(fds, 5, pause_ms(clock_ns())) < 0)
		return 0;
	if (fds[1].revents)
		read_reports();
	for (int i = 0; i < 3; i++)
		link_pump(links[i], fds[2 + i].revents);
	if (fds[0].revents & POLLIN && read(signal_fd, &info, sizeof(info)) == sizeof(info))
		signo = (int)info.ssi_signo;
	team_care();
	return signo;
}

static void work(void)
{
	int64_t now = clock_ns();

	pace_measure();
	now_and_then(now);
	if (now >= poll_at_ns) {
		poll_at_ns = now + POLL_MS * MS;
		look_everywhere();
	}
	ask_for_strays();
	if (*worker_id && !strays_due)
		sweep(now);
	claim();
	hand_out();
}

static int stop(void)
{
	int64_t deadline = clock_ns() + cfg.drain_timeout_s * S;
	const char *params[] = { worker_id };

	host_notify("STOPPING=1");
	log_msg(LOG_INFO, NULL, "stopping");
	stopping = true;
	/* A claim on its way: its rows, too, go back. */
	while (claim_link.ncalls && clock_ns() < deadline)
		wait_for_something();
	while (sweep_link.ncalls && clock_ns() < deadline)
		wait_for_something();
	take_all_back();
	team_dismiss(false);
	while (!team_is_gone() || portions_first || !failures_none() || completions_count ||
	       control_link.ncalls) {
		wait_for_something();
		now_and_then(clock_ns());
		if (clock_ns() < deadline)
			continue;
		if (team_is_gone())
			break; /* PostgreSQL does not answer: the lease will tell */
		team_dismiss(true);
		while (!team_is_gone())
			wait_for_something();
		deadline = clock_ns() + 2 * S;
	}
	if (*worker_id && link_send(&control_link, Q_job_worker_end, params, nothing, NULL))
		for (deadline = clock_ns() + 2 * S; control_link.ncalls && clock_ns() < deadline;)
			wait_for_something();
	link_close(&claim_link);
	link_close(&sweep_link);
	link_close(&control_link);
	log_msg(LOG_INFO, NULL, "stopped");
	return 0;
}

static void reload(void)
{
	host_notify_reloading();
	log_msg(LOG_INFO, NULL, "reloading");
	team_reload();
	host_notify("READY=1");
}

/* In a child: what is the master's. */
static void let_go(void)
{
	link_forget(&claim_link);
	link_forget(&sweep_link);
	link_forget(&control_link);
	close(signal_fd);
}

int worker_run(const struct worker_options *options)
{
	static const char patient[] = "-c statement_timeout=60000 -c jit=off -c client_min_messages=warning";
	/* A claim that is lost with a crash was never made; the job's own commit flushes what is before it.
	 */
	static const char quick[] = "-c statement_timeout=60000 -c jit=off -c client_min_messages=warning "
				    "-c synchronous_commit=off -c plan_cache_mode=force_generic_plan";
	sigset_t signals;

	shm_pool = 2;
	if (shm_map(cfg.shm_file)) {
		fprintf(stderr, "ashlar worker: SHM_FILE %s: %s\n", cfg.shm_file, strerror(errno));
		return 1;
	}
	nqueues = options->nqueues;
	for (int i = 0; i < nqueues; i++)
		queues[i] = (struct queue){ .name = options->queues[i].name, .cap = options->queues[i].cap };
	claim_link.options = sweep_link.options = quick;
	control_link.options = patient;
	claim_link.on_up = sweep_link.on_up = on_claims_up;
	control_link.on_up = on_control_up;
	control_link.listen = "LISTEN ashlar_jobs";
	control_link.on_notify = look_everywhere;
	snprintf(lease_s, sizeof(lease_s), "%ld", cfg.worker_lease_s);
	sigemptyset(&signals);
	for (int i = 0; i < 5; i++)
		sigaddset(&signals, (const int[]){ SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT }[i]);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	arena_init(&scratch, 64 * 1024);
	atomic_store(&shm->pools[shm_pool].started_ns, clock_ns());
	tok_init();
	if (signal_fd < 0 || !team_start(options, let_go, on_child_end))
		return 1;
	log_msg(LOG_INFO, NULL, "worker: %d children, %d queues", options->concurrency, nqueues);
	host_notify("READY=1");
	for (;;) {
		switch (wait_for_something()) {
		case SIGTERM:
		case SIGINT:
		case SIGQUIT: return stop();
		case SIGHUP: reload(); break;
		default: break;
		}
		work();
	}
}
