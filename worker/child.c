#include "worker/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "build/sql/runtime/worker.h"
#include "fcgi/bind.h"
#include "fcgi/metrics.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/db/tx.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "worker/job.h"
#include "worker/job_log.h"
#include "worker/job_trace.h"
#include "worker/kinds.h"

enum { ARENA_BYTES = 48 * 1024, MAX_JOBS = 1024, MAX_RERUNS = 3, HURRIED = 16, CLIENT_CHECK_MS = 1000 };

static volatile sig_atomic_t stopping;
static struct tx tx;
static int64_t started_ns; /* the attempt */
static struct job jobs[MAX_JOBS];
static const char *worker_id;
static struct report report;
static int epoll_fd, reports_fd;
static sigset_t waiting_mask;

/* Running */

static const char *attempt_text(const struct job *job)
{
	return arena_fmt(&tx.arena, "%d", job->attempt);
}

/* Its first statement enters the job's tenant, if the attempt is still ours. */
static void begin(const struct job *job, const struct job_kind *kind)
{
	static const char *values[4];
	struct arena arena = tx.arena;

	job_verdict.give_up = false;
	job_verdict.retry_after_s = -1;
	started_ns = clock_ns();
	tx = (struct tx){
		.arena = arena,
		.log = { .request_id = job->id, .doing = kind->name },
		.door = &q_job_enter,
		.door_values = values,
		.constraints = kind->constraints,
		.derive = bind_derive,
		.writes = true,
	};
	job_trace_ids(&tx.log);
	values[0] = job->tenant_id;
	values[1] = job->id;
	values[2] = worker_id;
	values[3] = attempt_text(job);
}

/* An array of texts that hold nothing to be quoted, as PostgreSQL reads it. */
static const char *array_of(size_t n, const char *(*text)(const struct job *))
{
	struct buf b;

	buf_init(&b, &tx.arena, n * 40 + 8);
	for (size_t i = 0; i < n; i++) {
		buf_char(&b, i ? ',' : '{');
		buf_text(&b, text(&jobs[i]));
	}
	buf_char(&b, '}');
	return buf_str(&b);
}

static const char *id_text(const struct job *job)
{
	return job->id;
}

/* The end of the transaction: that it is done, together with what was done. */
static enum err complete(const struct job *job, size_t n)
{
	const char *one[] = { job->id, worker_id, attempt_text(job), NULL };
	const char *all[] = { NULL, worker_id, NULL };
	PGresult *res;

	if (n == 1)
		return tx_call_with(&tx, &q_job_complete, one, true, &res);
	all[0] = array_of(n, id_text);
	all[2] = array_of(n, attempt_text);
	return tx_call_with(&tx, &q_job_complete_all, all, true, &res);
}

static enum err load_payload(struct job *job)
{
	PGresult *res;
	enum err rc;

	tx_set(&tx, "id", job->id);
	rc = tx_call(&tx, &q_job_payload, false, &res);
	if (!rc && PQntuples(res))
		job->payload = column_text(res, 0, "payload");
	return rc;
}

/*
 * Once, or again after a deadlock.  *was_lost: the attempt is not ours any
 * more, be it that a user cancelled the job or that our lease had run out.
 * *to_complete: it ended well, and asked nothing of PostgreSQL; the master
 * completes it together with others.
 */
static enum err run(const struct job_kind *kind, struct job *job, size_t n, bool *was_lost, bool *to_complete)
{
	for (int reruns = 0;; reruns++) {
		enum err rc = ERR_OK;
		bool completing = false;

		begin(job, kind);
		if (n == 1 && !job->payload)
			rc = load_payload(job);
		if (!rc && kind->run_all)
			rc = kind->run_all(&tx, job, n);
		else if (!rc && kind->run)
			rc = kind->run(&tx, job);
		*to_complete = !rc && !tx.asked;
		if (!rc && tx.asked) {
			completing = true;
			rc = complete(job, n);
		}
		if (!rc)
			return rc;
		/* Raised by our own functions; a handler's own conflict has entered. */
		*was_lost = (rc == ERR_CONFLICT || rc == ERR_NOT_FOUND) &&
			    (completing || (tx.asked && !tx.entered));
		tx_finish(&tx, false);
		if (!tx.may_rerun || tx.committed || reruns == MAX_RERUNS)
			return rc;
		arena_reset(&tx.arena);
	}
}

/* Telling */

static void send_report(size_t size)
{
	while (send(reports_fd, &report, size, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void report_to_complete(uint64_t portion, const struct job *job)
{
	report.portion = portion;
	report.what = R_TO_COMPLETE;
	report.job = (int32_t)(job - jobs);
	send_report(offsetof(struct report, error));
}

static void log_attempt(const struct job *job, size_t n, enum log_level level, const char *outcome,
			const char *error)
{
	job_log(level, &(struct job_log){ .duration_ns = clock_ns() - started_ns,
					  .db_ns = tx.ns,
					  .about = &tx.log,
					  .id = job->id,
					  .kind = job->kind,
					  .queue = job->queue,
					  .tenant = job->tenant_id,
					  .attempt = job->attempt,
					  .jobs = (int)n,
					  .wait_ns = (int64_t)(job->wait_ms * 1e6),
					  .outcome = outcome,
					  .error = error });
}

static void send_failure(uint64_t portion, const struct job *job, const char *text)
{
	size_t len = strnlen(text, sizeof(report.error) - 1);

	report.portion = portion;
	report.job = (int32_t)(job - jobs);
	memcpy(report.error, text, len);
	report.error[len] = '\0';
	send_report(offsetof(struct report, error) + len + 1);
}

static void tell_unknown(uint64_t portion, const struct job *job)
{
	const char *text = arena_fmt(&tx.arena, "this program knows no kind of job \"%s\"", job->kind);

	report.what = R_UNKNOWN;
	send_failure(portion, job, text);
	metrics_count_jobs(1, 1, clock_ns() - started_ns);
	job_trace_failed(err_info(ERR_INTERNAL)->code);
	log_attempt(job, 1, LOG_WARNING, "retried", text);
}

static void tell_failure(uint64_t portion, const struct job *job, bool was_lost)
{
	const char *text = failure_reason(&tx.fail);
	bool again = !job_verdict.give_up && job->attempt < job->max_attempts;

	report.what = was_lost ? R_LOST : job_verdict.give_up ? R_GAVE_UP : R_FAILED;
	report.retry_after_s = job_verdict.retry_after_s;
	send_failure(portion, job, text);
	metrics_count_jobs(was_lost ? 3 : again ? 1 : 2, 1, clock_ns() - started_ns);
	job_trace_failed(err_info(tx.fail.err)->code);
	log_attempt(job, 1, was_lost || again ? LOG_WARNING : LOG_ERROR,
		    was_lost ? "lost"
		    : again  ? "retried"
			     : "failed",
		    text);
}

static void run_portion(uint64_t number, size_t n)
{
	static const struct job_kind unknown = { .name = "(unknown)" };
	const struct job_kind *kind = kinds_find(jobs[0].kind);
	bool was_lost = false, to_complete = false;

	job_trace_begin(jobs, n);
	if (!kind) {
		begin(&jobs[0], &unknown);
		tell_unknown(number, &jobs[0]);
	} else if (!run(kind, jobs, n, &was_lost, &to_complete)) {
		metrics_count_jobs(0, n, clock_ns() - started_ns);
		log_attempt(&jobs[0], n, LOG_INFO, "completed", NULL);
	} else if (n == 1) {
		tell_failure(number, &jobs[0], was_lost);
	} else {
		log_msg(LOG_WARNING, &tx.log, "%zu jobs %s at once: %s; now one by one", n, kind->name,
			failure_reason(&tx.fail));
		for (size_t i = 0; i < n; i++) {
			arena_reset(&tx.arena);
			if (run(kind, &jobs[i], 1, &was_lost, &to_complete))
				tell_failure(number, &jobs[i], was_lost);
			else
				metrics_count_jobs(0, 1, clock_ns() - started_ns);
			if (to_complete)
				report_to_complete(number, &jobs[i]);
		}
		to_complete = false;
	}
	job_trace_end(jobs, n, kind ? kind->name : unknown.name);
	report.portion = number;
	report.what = to_complete ? R_ALL_TO_COMPLETE : R_DONE;
	send_report(offsetof(struct report, error));
	arena_reset(&tx.arena);
}

/* Receiving */

static const char *string(const char **p)
{
	const char *s = *p;

	*p += strlen(s) + 1;
	return s;
}

static size_t unpack(const char *p)
{
	struct portion head;

	memcpy(&head, p, sizeof(head));
	worker_id = ((const struct portion *)p)->worker;
	p += sizeof(head);
	for (int i = 0; i < head.njobs; i++) {
		struct portion_job j;
		struct job *job = &jobs[i];

		memcpy(&j, p, sizeof(j));
		p += sizeof(j);
		*job = (struct job){ .attempt = j.attempt,
				     .max_attempts = j.max_attempts,
				     .timeout_s = j.timeout_s,
				     .wait_ms = j.wait_ms };
		job->tenant_id = string(&p);
		job->id = string(&p);
		job->queue = string(&p);
		job->kind = string(&p);
		job->payload = string(&p);
		job->trace = string(&p);
		if (!j.has_payload)
			job->payload = NULL;
	}
	return (size_t)head.njobs;
}

static void watch(int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e))
		log_msg(LOG_ERROR, NULL, "epoll_ctl: %s", strerror(errno));
}

/* Wait for a job, or for the signal that ends us, which comes in only here. */
static void wait_for_job(int jobs_fd, int timeout_ms)
{
	struct epoll_event events[4];
	int n = epoll_pwait(epoll_fd, events, 4, timeout_ms, &waiting_mask);

	for (int i = 0; i < n; i++)
		if (events[i].data.fd != jobs_fd)
			db_idle_input();
}

static void on_stop(int signo)
{
	(void)signo;
	stopping = 1;
}

_Noreturn void worker_child(int jobs_fd, int to_master, struct worker_slot *slot,
			    struct scoreboard_child *line)
{
	static union {
		struct portion head; /* for its alignment */
		char bytes[WIRE_PORTION_BYTES + 4096];
	} in;
	struct sigaction sa = { .sa_handler = on_stop };
	long left = cfg.max_requests ? cfg.max_requests + getpid() % (cfg.max_requests / 10 + 1) : -1;

	reports_fd = to_master;
	sigprocmask(SIG_SETMASK, NULL, &waiting_mask);
	sigdelset(&waiting_mask, SIGTERM);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	arena_init(&tx.arena, ARENA_BYTES);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch(jobs_fd, EPOLLIN | EPOLLEXCLUSIVE); /* one job wakes one child */
	db_client_check_ms = CLIENT_CHECK_MS;
	db_open();
	db_watch(epoll_fd);
	for (unsigned times = 1; left && !stopping; times++) {
		ssize_t size = recv(jobs_fd, in.bytes, sizeof(in.bytes), MSG_DONTWAIT);

		if (size <= 0) {
			wait_for_job(jobs_fd, -1);
			continue;
		}
		atomic_store(&slot->since_ns, clock_ns());
		atomic_store(&slot->portion, in.head.number);
		atomic_store(&line->busy_since_ns, clock_ns());
		run_portion(in.head.number, unpack(in.bytes));
		atomic_store(&slot->portion, 0);
		atomic_store(&line->busy_since_ns, 0);
		atomic_fetch_add(&line->requests, 1);
		db_watch(epoll_fd);
		left -= left > 0;
		if (times % HURRIED == 0)
			wait_for_job(jobs_fd, 0);
	}
	db_close();
	exit(0);
}
