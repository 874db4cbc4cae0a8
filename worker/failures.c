#include "worker/failures.h"

#include "build/sql/runtime/worker.h"
#include "lib/host/log.h"

static struct failed {
	struct failed *next;
	struct attempt job;
	char worker[40];
	char *error;
	bool retry, is_unknown, is_sent, is_dropped;
	double retry_after_s;
} * first;

static void forget(struct failed *f)
{
	struct failed **p = &first;

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	free(f->error);
	free(f);
}

/* To PostgreSQL text is UTF-8; what a failed provider said may be anything. */
static void make_readable(char *text)
{
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

static void on_taken(void *arg, const PGresult *res)
{
	struct failed *f = arg;

	f->is_sent = false;
	if (f->is_unknown && res && PQresultStatus(res) == PGRES_TUPLES_OK &&
	    !strcmp(PQgetvalue(res, 0, 0), "failed"))
		log_msg(LOG_ERROR, NULL, "job %s failed: %s, and no other worker does", f->job.id, f->error);
	if (f->is_dropped || (res && PQresultStatus(res) == PGRES_TUPLES_OK)) {
		forget(f);
	} else if (res) {
		const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

		log_msg(LOG_WARNING, NULL, "worker: jobs_fail: %s", PQresultErrorMessage(res));
		if (state && !strncmp(state, "22", 2)) /* data exception: the text */
			make_readable(f->error);
	}
}

static struct failed *add(const struct attempt *job, const char *worker, const char *error)
{
	struct failed *f = malloc(sizeof(*f)), **p = &first;

	if (!f)
		abort();
	*f = (struct failed){ .job = *job, .error = strdup(error) };
	if (!f->error)
		abort();
	snprintf(f->worker, sizeof(f->worker), "%s", worker);
	while (*p)
		p = &(*p)->next;
	*p = f;
	return f;
}

void failures_add(const struct attempt *job, const char *worker, const char *error, bool retry,
		  double retry_after_s)
{
	struct failed *f = add(job, worker, error);

	f->retry = retry;
	f->retry_after_s = retry_after_s;
}

void failures_add_unknown(const struct attempt *job, const char *worker, const char *error)
{
	add(job, worker, error)->is_unknown = true;
}

void failures_send(struct pgpipe *l)
{
	for (struct failed *f = first; f; f = f->next) {
		char attempt[16], delay[32];
		const char *params[] = { f->job.tenant_id,
					 f->job.id,
					 f->worker,
					 attempt,
					 f->error,
					 f->retry ? "true" : "false",
					 f->retry_after_s < 0 ? NULL : delay };

		if (f->is_sent)
			continue;
		snprintf(attempt, sizeof(attempt), "%d", f->job.number);
		snprintf(delay, sizeof(delay), "%.3f", f->retry_after_s);
		/* Some calls are left for the lease. */
		if (l->ncalls >= PGPIPE_CALLS / 2 ||
		    !pgpipe_send(l, f->is_unknown ? &q_jobs_unknown : &q_jobs_fail, params, on_taken, f))
			return;
		f->is_sent = true;
	}
}

bool failures_none(void)
{
	return !first;
}

void failures_list(struct buf *ids)
{
	for (const struct failed *f = first; f; f = f->next)
		buf_fmt(ids, "%s%s", ids->n > 1 ? "," : "", f->job.id);
}

void failures_drop(void)
{
	for (struct failed *f = first, *next; f; f = next) {
		next = f->next;
		if (f->is_sent)
			f->is_dropped = true;
		else
			forget(f);
	}
}
