#include "fcgi/request_log.h"

#include "fcgi/req.h"
#include "lib/base/clock.h"
#include "lib/host/config.h"
#include "lib/host/log.h"

static const int64_t SLOW_NS = 1000000000; /* such a request is always written */

/* Is it one of those of which LOG_SAMPLE writes some: neither wrong nor slow? */
static bool is_usual(const struct req *rq)
{
	return rq->answer.status >= 200 && rq->answer.status <= 299 &&
	       clock_ns() - rq->asked.start_ns < SLOW_NS;
}

/* The id decides, so that all who write about a request write or do not. */
static bool is_chosen(const struct req *rq)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (const char *p = rq->tx.log.trace_id[0] ? rq->tx.log.trace_id : rq->tx.log.request_id; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211u;
	return (hash >> 32) % (uint64_t)cfg.log_sample == 0;
}

void request_log(struct req *rq)
{
	const struct failure *fail = &rq->tx.fail;
	bool is_sampled = cfg.log_sample > 1 && is_usual(rq);
	enum log_level level = LOG_INFO;
	struct buf b;

	if (rq->answer.status >= 500)
		level = rq->answer.status == 503 ? LOG_WARNING : LOG_ERROR;
	if (!log_writes(level) || (is_sampled && !is_chosen(rq)))
		return;
	log_begin(&b, &rq->tx.arena, level, "request", &rq->tx.log);
	/* What has a bound stands in front of what may have to be cut. */
	log_int(&b, "status", rq->answer.status);
	log_ms(&b, "duration_ms", clock_ns() - rq->asked.start_ns);
	log_ms(&b, "db_ms", rq->tx.ns);
	log_int(&b, "bytes", (long long)(rq->answer.sent + rq->answer.out.n));
	if (is_sampled)
		log_int(&b, "sample", cfg.log_sample);
	log_text(&b, "route", rq->asked.route ? rq->asked.route->path : "(none)");
	log_text(&b, "method", rq->asked.method_name);
	log_text(&b, "ip", rq->asked.ip);
	log_text(&b, "client_ip", rq->who.client_ip);
	if (rq->who.kind != ANONYMOUS) {
		log_text(&b, "user", rq->who.subject);
		log_text(&b, "actor", rq->who.actor);
		log_text(&b, "tenant", rq->who.tenant_id);
		/* As much of the hash as finds the key's row. */
		if (rq->who.api_key)
			log_text(&b, "key", arena_fmt(&rq->tx.arena, "%.16s", rq->who.api_key + 2));
	}
	if (fail->err) {
		log_text(&b, "code", err_info(fail->err)->code);
		log_text(&b, "field", fail->field);
		log_text(&b, "reason", fail->reason);
		log_text(&b, "while", rq->tx.log.doing);
	}
	if (level == LOG_INFO)
		log_end_later(&b);
	else
		log_end(&b);
}
