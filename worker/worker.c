/*
 * The worker's master: hands out what was claimed (claims.c), keeps the lease,
 * and looks after what its children do.  One loop, which waits for nothing but all of it at once.
 */
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "build/sql/runtime/worker.h"
#include "fcgi/metrics.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/crypto/tok.h"
#include "lib/host/config.h"
#include "lib/host/host.h"
#include "lib/host/log.h"
#include "lib/host/scoreboard.h"
#include "lib/host/shm.h"
#include "worker/attempts.h"
#include "worker/claimed.h"
#include "worker/claims.h"
#include "worker/completions.h"
#include "worker/failures.h"
#include "worker/job_log.h"
#include "worker/kinds.h"
#include "worker/master.h"
#include "worker/prefetch.h"
#include "worker/processes.h"
#include "worker/wire.h"

#define MS 1000000LL
#define S (1000 * MS)

enum {
	REAP_MOST = 1000,
	POLL_MS = 1000,  /* without being woken */
	TICK_MS = 50,    /* time-outs, portions that stand too long */
	WATCH_MS = 1000, /* cancelled jobs, the watchdog */
	STALE_MS = 1000, /* claimed and not begun: others may be free */
};

static char lease_s[16];
static int64_t lease_ends_ns;
static int64_t poll_at_ns, tick_at_ns, watch_at_ns, renew_at_ns, reap_at_ns;

static struct arena scratch; /* what one call needs */

/* ------------------------------------------------------------------ handing out */

static void hand_out(void)
{
	struct portion_of_work *p;

	while ((p = claimed_unsent()) && (long)claimed_sent - processes_busy() < processes_children()) {
		if (!processes_send(p->message, p->size))
			return;
		claimed_mark_sent(p);
	}
}

static void fail_all(struct portion_of_work *p, const char *why)
{
	for (size_t i = 0; !p->is_not_ours && i < p->njobs; i++) {
		bool again = p->jobs[i].number < p->jobs[i].max;

		failures_add(&p->jobs[i], master.id, why, true, -1);
		metrics_count_jobs(again ? 1 : 2, 1, 0);
		job_log(again ? LOG_WARNING : LOG_ERROR,
			&(struct job_log){ .id = p->jobs[i].id,
					   .kind = p->kind,
					   .queue = claims_queue(p->queue),
					   .tenant = p->jobs[i].tenant_id,
					   .attempt = p->jobs[i].number,
					   .jobs = 1,
					   .outcome = again ? "retried" : "failed",
					   .error = why });
	}
	claimed_remove(p);
}

/* ------------------------------------------------------------------ giving back */

static struct attempts back;

static void back_send(void)
{
	const char *params[4];

	if (back.any) {
		params[0] = master.id;
		attempts_params(&back, params + 1);
		if (!pgpipe_send(&control_link, &q_jobs_release, params, pgpipe_note, NULL))
			claims_doubt(); /* which finds them */
		claims_look_back();
	}
	arena_reset(&scratch);
}

static void back_portion(struct portion_of_work *p)
{
	for (size_t i = 0; i < p->njobs; i++)
		attempts_add(&back, &p->jobs[i]);
	claimed_remove(p);
}

static void take_all_back(void)
{
	struct portion_of_work *p;
	uint64_t number;

	attempts_init(&back, &scratch);
	while ((p = claimed_unsent()))
		back_portion(p);
	while ((number = processes_take_back()))
		if ((p = claimed_find(number)))
			back_portion(p);
	back_send();
}

/* ------------------------------------------------------------------ the children's reports */

static void read_reports(void)
{
	static struct report r;

	for (int i = 0; i < 256; i++) {
		ssize_t n = recv(processes_reports(), &r, sizeof(r), MSG_DONTWAIT);
		struct portion_of_work *p;

		if (n < (ssize_t)offsetof(struct report, error))
			return;
		p = claimed_find(r.portion);
		if (!p)
			continue;
		if (r.what == R_TO_COMPLETE && !p->is_not_ours && r.job >= 0 && (size_t)r.job < p->njobs) {
			completions_add(&p->jobs[r.job]);
		} else if (r.what == R_DONE || r.what == R_ALL_TO_COMPLETE) {
			for (size_t k = 0; r.what == R_ALL_TO_COMPLETE && !p->is_not_ours && k < p->njobs;
			     k++)
				completions_add(&p->jobs[k]);
			prefetch_ended(p->njobs, clock_ns() - p->claimed_ns);
			claimed_remove(p);
		} else if ((r.what == R_FAILED || r.what == R_GAVE_UP || r.what == R_UNKNOWN) && r.job >= 0 &&
			   (size_t)r.job < p->njobs && !p->is_not_ours) {
			r.error[n - (ssize_t)offsetof(struct report, error) - 1] = '\0';
			if (r.what == R_UNKNOWN)
				failures_add_unknown(&p->jobs[r.job], master.id, r.error);
			else
				failures_add(&p->jobs[r.job], master.id, r.error, r.what == R_FAILED,
					     r.retry_after_s);
		}
	}
}

/* A child has died, or was killed, with this in hand. */
static void on_child_end(uint64_t number, const char *why)
{
	struct portion_of_work *p = claimed_find(number);

	if (!p)
		return;
	if (master.is_stopping) {
		attempts_init(&back, &scratch);
		back_portion(p);
		back_send();
	} else {
		fail_all(p, why);
	}
}

/* ------------------------------------------------------------------ who we are */

/* The renewal of the lease that is on its way, or the beginning. */
static struct {
	unsigned identity;
	int64_t at_ns;
} renewing;

static void on_begin(void *arg, const PGresult *res)
{
	(void)arg;
	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK) {
		pgpipe_note(NULL, res);
		return; /* tried again at the next renewal */
	}
	snprintf(master.id, sizeof(master.id), "%s", PQgetvalue(res, 0, 0));
	lease_ends_ns = renewing.at_ns + cfg.worker_lease_s * S;
	renew_at_ns = renewing.at_ns + cfg.worker_lease_s * S / 3;
	claims_begin();
	for (const struct job_schedule *s = job_schedules; s->queue; s++) {
		char every[24];
		const char *params[] = { s->queue, s->kind, s->cron, s->every_ms ? every : NULL };

		if (s->is_wanted && !s->is_wanted())
			continue;
		snprintf(every, sizeof(every), "%ld", s->every_ms);
		pgpipe_send(&control_link, &q_job_schedule_ensure, params, pgpipe_note, NULL);
	}
}

static void begin(void)
{
	char host[65] = "", pid[16];
	const char *params[] = { host, pid, lease_s };

	gethostname(host, sizeof(host) - 1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	renewing.at_ns = clock_ns();
	pgpipe_send(&control_link, &q_job_worker_begin, params, on_begin, NULL);
}

static void on_renewed(void *arg, const PGresult *res)
{
	(void)arg;
	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK || renewing.identity != master.identity ||
	    !*master.id) {
		pgpipe_note(NULL, res);
		return;
	}
	if (*PQgetvalue(res, 0, 0) == 't')
		lease_ends_ns = renewing.at_ns + cfg.worker_lease_s * S;
	else
		master_lose_identity("the lease has run out");
}

static void renew(void)
{
	const char *params[] = { master.id, lease_s };
	int64_t now = clock_ns();

	renew_at_ns = now + (*master.id ? cfg.worker_lease_s * S / 3 : S / 4);
	if (!*master.id) {
		begin();
		return;
	}
	renewing.identity = master.identity;
	renewing.at_ns = now;
	pgpipe_send(&control_link, &q_job_worker_renew, params, on_renewed, NULL);
}

static void on_control_up(void)
{
	renew_at_ns = 0;
	claims_doubt();
}

/* ------------------------------------------------------------------ now and then */

/* A time-out, as its job's history has it. */
static void end_overdue(int64_t now)
{
	for (struct portion_of_work *p = claimed_first, *next; p; p = next) {
		int64_t since = p->was_sent && now - p->sent_ns > S ? processes_has(p->number) : 0;
		char why[64];

		next = p->next;
		if (!since || now - since < p->timeout_s * S)
			continue;
		snprintf(why, sizeof(why), "no end after %d s", p->timeout_s);
		processes_kill(p->number, why);
	}
}

/*
 * What a child took with it into its grave, one a tick: the list is another after it.  It may have ended in
 * this very moment, and its report come behind the last look at them; a slot is freed after the report.
 */
static void fail_lost(int64_t now)
{
	for (struct portion_of_work *p = claimed_first; p; p = p->next) {
		uint64_t number = p->number;

		if (!p->was_sent || now - p->sent_ns <= S || processes_has(number))
			continue;
		read_reports();
		p = claimed_find(number);
		if (p)
			fail_all(p, "the process that ran it has ended");
		return;
	}
}

/* What stands here while others may be free goes back. */
static void look_for_stale(int64_t now)
{
	static int64_t empty_since_ns;
	struct portion_of_work *p = claimed_unsent();
	bool is_stale = p && now - p->claimed_ns > STALE_MS * MS;

	if (!processes_has_none_waiting()) {
		empty_since_ns = 0;
		for (p = claimed_first; p && p->was_sent && !is_stale; p = p->next)
			is_stale = now - p->claimed_ns > STALE_MS * MS && !processes_has(p->number);
	} else if (!empty_since_ns) {
		empty_since_ns = now;
	} else if (now - empty_since_ns > S) {
		fail_lost(now);
	}
	if (is_stale)
		take_all_back();
}

/* Each portion of one job that has run for a while, in the order of the arrays. */
static uint64_t watched[WORKER_CHILDREN];

static void on_lost(void *arg, const PGresult *res)
{
	unsigned then = *(unsigned *)arg;

	if (!res || PQresultStatus(res) != PGRES_TUPLES_OK || then != master.identity) {
		pgpipe_note(NULL, res);
		return;
	}
	for (int i = 0; i < PQntuples(res); i++) {
		long n = strtol(PQgetvalue(res, i, 0), NULL, 10);
		struct portion_of_work *p =
			n >= 1 && n <= WORKER_CHILDREN ? claimed_find(watched[n - 1]) : NULL;

		if (!p)
			continue;
		p->is_not_ours = true;
		metrics_count_jobs(3, 1, 0);
		log_msg(LOG_INFO, NULL, "job %s was cancelled: ending it", p->jobs[0].id);
		processes_kill(p->number, "it was cancelled");
	}
}

static void look_for_cancelled(int64_t now)
{
	static unsigned then;
	static bool is_asked;
	const char *params[4];
	int n = 0;

	is_asked = is_asked && control_link.ncalls;
	if (is_asked || !*master.id)
		return;
	attempts_init(&back, &scratch);
	for (const struct portion_of_work *p = claimed_first; p && n < WORKER_CHILDREN; p = p->next) {
		if (p->njobs != 1 || !p->was_sent || now - p->sent_ns < WATCH_MS * MS ||
		    !processes_has(p->number))
			continue;
		watched[n++] = p->number;
		attempts_add(&back, &p->jobs[0]);
	}
	params[0] = master.id;
	attempts_params(&back, params + 1);
	then = master.identity;
	is_asked = n && pgpipe_send(&control_link, &q_jobs_lost, params, on_lost, &then);
	arena_reset(&scratch);
}

static void reap_dead_workers(void)
{
	char batch[16];
	const char *params[] = { batch };

	snprintf(batch, sizeof(batch), "%d", REAP_MOST);
	pgpipe_send(&control_link, &q_jobs_reap, params, pgpipe_note, NULL);
}

static void now_and_then(int64_t now)
{
	if (*master.id && now > lease_ends_ns)
		master_lose_identity("PostgreSQL is out of reach, and the lease has run out");
	if (now >= tick_at_ns) {
		tick_at_ns = now + TICK_MS * MS;
		end_overdue(now);
		if (!master.is_stopping)
			look_for_stale(now);
	}
	if (now >= watch_at_ns) {
		watch_at_ns = now + WATCH_MS * MS;
		look_for_cancelled(now);
		host_notify("WATCHDOG=1");
	}
	if (control_link.state != PGPIPE_UP)
		return;
	if (now >= renew_at_ns)
		renew();
	if (now >= reap_at_ns && !master.is_stopping) {
		reap_at_ns = now + cfg.worker_lease_s * S / 6;
		reap_dead_workers();
	}
	failures_send(&control_link);
	completions_send(&control_link, master.id);
}

/* ------------------------------------------------------------------ the loop */

static int signal_fd;

static int pause_ms(int64_t now)
{
	int64_t until = tick_at_ns;

	if (poll_at_ns < until)
		until = poll_at_ns;
	if (claims_due_ns() < until)
		until = claims_due_ns();
	return until <= now ? 1 : (int)((until - now + MS - 1) / MS);
}

/* Wait, and take in what has come; the signal among it, or 0. */
static int wait_for_something(void)
{
	struct pgpipe *const links[] = { &control_link, &sweep_link, &claim_link };
	struct pollfd fds[5] = { { .fd = signal_fd, .events = POLLIN },
				 { .fd = processes_reports(), .events = POLLIN } };
	struct signalfd_siginfo info;
	int signo = 0;

	for (int i = 0; i < 3; i++)
		fds[2 + i] = pgpipe_poll(links[i]);
	if (poll(fds, 5, pause_ms(clock_ns())) < 0)
		return 0;
	if (fds[1].revents)
		read_reports();
	for (int i = 0; i < 3; i++)
		pgpipe_pump(links[i], fds[2 + i].revents);
	if (fds[0].revents & POLLIN && read(signal_fd, &info, sizeof(info)) == sizeof(info))
		signo = (int)info.ssi_signo;
	processes_care();
	return signo;
}

static void work(void)
{
	int64_t now = clock_ns();

	prefetch_measure();
	now_and_then(now);
	if (now >= poll_at_ns) {
		poll_at_ns = now + POLL_MS * MS;
		claims_look();
	}
	claims_ask(now);
	hand_out();
}

static int stop(void)
{
	int64_t deadline = clock_ns() + cfg.drain_timeout_s * S;
	const char *params[] = { master.id };

	host_notify("STOPPING=1");
	log_msg(LOG_INFO, NULL, "stopping");
	master.is_stopping = true;
	/* A claim on its way: its rows, too, go back. */
	while (claims_are_out() && clock_ns() < deadline)
		wait_for_something();
	take_all_back();
	processes_dismiss(false);
	while (!processes_is_gone() || claimed_first || !failures_none() || completions_count ||
	       control_link.ncalls) {
		wait_for_something();
		now_and_then(clock_ns());
		if (clock_ns() < deadline)
			continue;
		if (processes_is_gone())
			break; /* PostgreSQL does not answer: the lease will tell */
		processes_dismiss(true);
		while (!processes_is_gone())
			wait_for_something();
		deadline = clock_ns() + 2 * S;
	}
	if (*master.id && pgpipe_send(&control_link, &q_job_worker_end, params, pgpipe_note, NULL))
		for (deadline = clock_ns() + 2 * S; control_link.ncalls && clock_ns() < deadline;)
			wait_for_something();
	pgpipe_close(&claim_link);
	pgpipe_close(&sweep_link);
	pgpipe_close(&control_link);
	log_msg(LOG_INFO, NULL, "stopped");
	return 0;
}

static void reload(void)
{
	host_notify_reloading();
	log_msg(LOG_INFO, NULL, "reloading");
	processes_reload();
	host_notify("READY=1");
}

/* In a child: what is the master's. */
static void let_go(void)
{
	pgpipe_forget(&claim_link);
	pgpipe_forget(&sweep_link);
	pgpipe_forget(&control_link);
	close(signal_fd);
}

int worker_run(const struct worker_options *options)
{
	static const char patient[] = "-c statement_timeout=60000 -c jit=off -c client_min_messages=warning";
	sigset_t signals;

	scoreboard_pool = POOL_WORKER;
	if (shm_map(cfg.shm_file, metrics_version())) {
		fprintf(stderr, "ashlar worker: SHM_FILE %s: %s\n", cfg.shm_file, strerror(errno));
		return 1;
	}
	claims_setup(options);
	control_link.options = patient;
	control_link.on_up = on_control_up;
	control_link.listen = "LISTEN ashlar_jobs";
	control_link.on_notify = claims_look;
	snprintf(lease_s, sizeof(lease_s), "%ld", cfg.worker_lease_s);
	sigemptyset(&signals);
	for (int i = 0; i < 5; i++)
		sigaddset(&signals, (const int[]){ SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT }[i]);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	arena_init(&scratch, 64 * 1024);
	atomic_store(&scoreboard()->started_ns, clock_ns());
	tok_init();
	if (signal_fd < 0 || !processes_start(options, let_go, on_child_end))
		return 1;
	log_msg(LOG_INFO, NULL, "worker: %d children, %d queues", options->concurrency, options->nqueues);
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
