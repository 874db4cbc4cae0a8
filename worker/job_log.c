#include "worker/job_log.h"

void job_log(enum log_level level, const struct job_log *job)
{
	struct log_context about = { 0 };
	struct arena a;
	struct buf b;

	if (!log_writes(level))
		return;
	arena_init(&a, 4096);
	if (job->about)
		about = *job->about;
	about.request_id = NULL; /* the job's id, which has a name of its own here */
	log_begin(&b, &a, level, "job", &about);
	log_text(&b, "job", job->id);
	log_text(&b, "kind", job->kind);
	log_text(&b, "queue", job->queue);
	log_text(&b, "tenant", job->tenant);
	log_text(&b, "outcome", job->outcome);
	log_int(&b, "attempt", job->attempt);
	if (job->jobs != 1)
		log_int(&b, "jobs", job->jobs);
	if (job->duration_ns) {
		log_ms(&b, "duration_ms", job->duration_ns);
		log_ms(&b, "db_ms", job->db_ns);
	}
	log_ms(&b, "wait_ms", job->wait_ns > 0 ? job->wait_ns : 0);
	log_text(&b, "error", job->error);
	log_end(&b);
	arena_release(&a);
}
