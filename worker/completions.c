#include "worker/completions.h"

#include "build/sql/runtime/worker.h"
#include "lib/base/arena.h"
#include "lib/host/log.h"
#include "worker/attempts.h"
#include "worker/failures.h"

enum { MOST = 2000, ARENA_BYTES = 256 * 1024 };

size_t completions_count;

/* In the order in which they ended; the first ones are those that were sent. */
static struct attempt *ended;
static size_t capacity, nsent;
static size_t nsingly; /* so many of the first are sent one by one: with one of them something is wrong */
static char sender[40];
static struct pgpipe *through;
static unsigned drops; /* an answer from before the last one is none to us */

void completions_add(const struct attempt *job)
{
	if (completions_count == capacity) {
		capacity = capacity ? 2 * capacity : MOST;
		ended = reallocarray(ended, capacity, sizeof(*ended));
		if (!ended)
			abort();
	}
	ended[completions_count++] = *job;
}

static void forget(size_t n)
{
	completions_count -= n;
	memmove(ended, ended + n, completions_count * sizeof(*ended));
}

/* Not the jobs' fault: connection, resources, a deadlock, an operator. */
static bool may_pass(const char *state)
{
	static const char *const classes[] = { "08", "40", "53", "55", "57", "58" };

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (state && !strncmp(state, classes[i], 2))
			return true;
	return false;
}

static void on_refused(size_t n, const PGresult *res)
{
	const char *why = PQresultErrorMessage(res);

	log_msg(LOG_WARNING, NULL, "worker: completing %zu jobs: %s", n, why);
	if (may_pass(PQresultErrorField(res, PG_DIAG_SQLSTATE)))
		return;
	if (n > 1) {
		nsingly = n;
		return;
	}
	failures_add(&ended[0], sender, why, true, -1);
	forget(1);
	nsingly -= nsingly > 0;
}

static void on_taken(void *arg, const PGresult *res)
{
	size_t n = nsent;
	long done;

	if ((uintptr_t)arg != drops)
		return;
	nsent = 0;
	if (!res)
		return; /* it is unknown: once more */
	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		on_refused(n, res);
		return;
	}
	done = strtol(PQgetvalue(res, 0, 0), NULL, 10);
	if (done != (long)n)
		log_msg(LOG_WARNING, NULL, "%ld of %zu jobs were cancelled or taken back while they ran",
			(long)n - done, n);
	forget(n);
	nsingly -= nsingly > 0;
	/* At once: there may be much else to do before the loop comes round. */
	completions_send(through, sender);
}

void completions_send(struct pgpipe *l, const char *worker)
{
	static struct arena scratch;
	struct attempts list;
	const char *params[4] = { worker };

	if (nsent || !completions_count || !*worker)
		return;
	if (!scratch.chunks)
		arena_init(&scratch, ARENA_BYTES);
	attempts_init(&list, &scratch);
	if (worker != sender)
		snprintf(sender, sizeof(sender), "%s", worker);
	through = l;
	nsent = nsingly ? 1 : completions_count < MOST ? completions_count : MOST;
	for (size_t i = 0; i < nsent; i++)
		attempts_add(&list, &ended[i]);
	attempts_params(&list, params + 1);
	if (!pgpipe_send(l, &q_jobs_complete, params, on_taken, (void *)(uintptr_t)drops))
		nsent = 0;
	arena_reset(&scratch);
}

void completions_list(struct buf *ids)
{
	for (size_t i = 0; i < completions_count; i++)
		buf_fmt(ids, "%s%s", ids->n > 1 ? "," : "", ended[i].id);
}

void completions_drop(void)
{
	completions_count = nsent = nsingly = 0;
	drops++;
}
