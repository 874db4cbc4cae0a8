#include "worker/claimed.h"

#include "lib/base/clock.h"
#include "worker/kinds.h"
#include "worker/options.h"
#include "worker/wire.h"

enum { TABLE = 8192, OPEN = 32 };

struct portion_of_work *claimed_first;
size_t claimed_jobs, claimed_sent;

static struct portion_of_work *last, *unsent;
static struct portion_of_work *table[TABLE]; /* by number, modulo its size */
static size_t by_queue[WORKER_QUEUES];

/* Portions that may still grow, while the rows of one claim come in. */
static struct {
	struct portion_of_work *p;
	const struct job_kind *kind;
} open[OPEN];
static int nopen;

/* A master that cannot have a few kilobytes is of no use; what it claimed comes back by its lease. */
static void *fresh(size_t n)
{
	void *p = malloc(n);

	if (!p)
		abort();
	return p;
}

static void *grown(void *p, size_t n)
{
	void *larger = p ? realloc(p, n)
			 : malloc(n); /* gcc's analyser takes NULL for one thing that is freed twice */

	if (!larger)
		abort();
	return larger;
}

static uint64_t free_number(void)
{
	static uint64_t next = 1;

	while (table[next % TABLE])
		next++;
	return next++;
}

static struct portion_of_work *make(int queue, const char *worker, const char *kind)
{
	struct portion_of_work *p = fresh(sizeof(*p));
	struct portion head = { .number = free_number() };

	*p = (struct portion_of_work){ .number = head.number, .queue = queue, .claimed_ns = clock_ns() };
	snprintf(p->kind, sizeof(p->kind), "%s", kind);
	snprintf(head.worker, sizeof(head.worker), "%s", worker);
	p->message = fresh(sizeof(head));
	memcpy(p->message, &head, sizeof(head));
	p->size = sizeof(head);
	table[p->number % TABLE] = p;
	p->previous = last;
	if (last)
		last->next = p;
	else
		claimed_first = p;
	last = p;
	if (!unsent)
		unsent = p;
	return p;
}

static char *put(char *to, const char *text)
{
	size_t n = strlen(text) + 1;

	memcpy(to, text, n);
	return to + n;
}

static void append(struct portion_of_work *p, const struct job *job, bool with_payload)
{
	const struct portion_job head = { .attempt = job->attempt,
					  .max_attempts = job->max_attempts,
					  .timeout_s = job->timeout_s,
					  .has_payload = with_payload,
					  .wait_ms = job->wait_ms };
	const char *payload = with_payload ? job->payload : "", *trace = job->trace ? job->trace : "";
	size_t n = sizeof(head) + strlen(job->tenant_id) + strlen(job->id) + strlen(job->queue) +
		   strlen(job->kind) + strlen(payload) + strlen(trace) + 6;
	struct attempt *a;
	int32_t njobs;
	char *to;

	p->message = grown(p->message, p->size + n);
	to = p->message + p->size;
	memcpy(to, &head, sizeof(head));
	to = put(put(put(to + sizeof(head), job->tenant_id), job->id), job->queue);
	put(put(put(to, job->kind), payload), trace);
	p->size += n;

	if (!(p->njobs & (p->njobs + 1))) /* doubled when it is full */
		p->jobs = grown(p->jobs, (2 * p->njobs + 1) * sizeof(*p->jobs));
	a = &p->jobs[p->njobs++];
	snprintf(a->tenant_id, sizeof(a->tenant_id), "%s", job->tenant_id);
	snprintf(a->id, sizeof(a->id), "%s", job->id);
	a->number = job->attempt;
	a->max = job->max_attempts;
	njobs = (int32_t)p->njobs;
	memcpy(p->message + offsetof(struct portion, njobs), &njobs, sizeof(njobs));
	if (job->timeout_s > p->timeout_s)
		p->timeout_s = job->timeout_s;
	by_queue[p->queue]++;
	claimed_jobs++;
}

void claimed_add(int queue, const char *worker, const struct job *job)
{
	const struct job_kind *kind = kinds_find(job->kind);
	size_t n = strlen(job->payload) + 512;
	bool fits = n + sizeof(struct portion) <= WIRE_PORTION_BYTES;
	struct portion_of_work *p = NULL;
	int i = 0;

	if (!kind || !kind->run_all || !fits) {
		append(make(queue, worker, job->kind), job, fits);
		return;
	}
	while (i < nopen &&
	       (open[i].kind != kind || strcmp(open[i].p->jobs[0].tenant_id, job->tenant_id) != 0))
		i++;
	if (i < nopen && open[i].p->njobs < (size_t)kind->max_batch &&
	    open[i].p->size + n <= WIRE_PORTION_BYTES) {
		append(open[i].p, job, true);
		return;
	}
	p = make(queue, worker, job->kind);
	append(p, job, true);
	if (i < nopen || nopen < OPEN) {
		nopen += i == nopen;
		open[i].p = p;
		open[i].kind = kind;
	}
}

void claimed_seal(void)
{
	nopen = 0;
}

struct portion_of_work *claimed_unsent(void)
{
	return unsent;
}

void claimed_mark_sent(struct portion_of_work *p)
{
	if (p == unsent)
		unsent = p->next;
	p->was_sent = true;
	p->sent_ns = clock_ns();
	claimed_sent++;
	free(p->message);
	p->message = NULL;
}

struct portion_of_work *claimed_find(uint64_t number)
{
	struct portion_of_work *p = table[number % TABLE];

	return p && p->number == number ? p : NULL;
}

size_t claimed_of_queue(int queue)
{
	return by_queue[queue];
}

void claimed_remove(struct portion_of_work *p)
{
	if (p == unsent)
		unsent = p->next;
	if (p->previous)
		p->previous->next = p->next;
	else
		claimed_first = p->next;
	if (p->next)
		p->next->previous = p->previous;
	else
		last = p->previous;
	table[p->number % TABLE] = NULL;
	by_queue[p->queue] -= p->njobs;
	claimed_jobs -= p->njobs;
	claimed_sent -= p->was_sent;
	free(p->message);
	free(p->jobs);
	free(p);
}
