/*
 * Is it alive, is it ready, how is it doing?
 */
#include "fcgi/clock.h"
#include "fcgi/config.h"
#include "fcgi/db.h"
#include "fcgi/jx.h"
#include "fcgi/log.h"
#include "fcgi/metrics.h"
#include "fcgi/req.h"
#include "fcgi/shm.h"
#include "fcgi/version.h"
#include "handlers/routes.h"

/* clang-format off */
static const char *const healths[] = { "healthy", "unhealthy", NULL };
static const char *const db_states[] = { "connected", "error", NULL };

static const struct field component_out[] = {
	{ "status", F_ENUM, 0, .values = healths },
	FIELD_END
};

static const struct field components_out[] = {
	{ "database", F_OBJECT, 0, .fields = component_out },
	{ "cache",    F_OBJECT, 0, .fields = component_out, .about = "the memory that this host's processes share" },
	FIELD_END
};

static const struct field health_out[] = {
	{ "status",    F_ENUM,     0, .values = healths },
	{ "timestamp", F_DATETIME, 0 },
	{ "version",   F_TEXT,     0, .example = ASHLAR_VERSION },
	{ "uptime",    F_INT,      0, .about = "seconds since the pool was started", .example = "86400" },
	{ "db",        F_ENUM,     0, .values = db_states },
	FIELD_END
};

static const struct field readiness_out[] = {
	{ "status",     F_ENUM,     0, .values = healths },
	{ "timestamp",  F_DATETIME, 0 },
	{ "components", F_OBJECT,   0, .fields = components_out },
	FIELD_END
};

static const struct shape health_shape = { "HealthStatus", health_out };
static const struct shape readiness_shape = { "ReadinessStatus", readiness_out };
/* clang-format on */

enum { PROBE_TIMEOUT_MS = 2000 };

/* A trivial query under row-level security; what goes wrong is in the log, not in the answer's place. */
static bool database_answers(struct req *rq)
{
	PGresult *res;
	bool ok;

	rq->db_timeout_ms = PROBE_TIMEOUT_MS;
	ok = !db_call(rq, Q_ready_check, true, &res) && db_bool(res, 0, "ready");
	if (!ok)
		log_msg(LOG_WARNING, rq, "%s",
			rq->fail.reason ? rq->fail.reason : "the database is not ready");
	rq->fail = (struct failure){ 0 };
	rq->may_rerun = false;
	return ok;
}

static void open_status(struct req *rq, bool healthy)
{
	struct buf *b = req_open(rq);

	buf_fmt(b, "{\"status\":\"%s\",\"timestamp\":", healths[!healthy]);
	jx_timestamptz(b, clock_pg_us());
}

static enum err close_status(struct req *rq, bool healthy)
{
	buf_char(&rq->out, '}');
	req_close(rq);
	if (!healthy)
		rq->status = 503;
	return ERR_OK;
}

static enum err health_get(struct req *rq)
{
	int64_t up_ns = clock_ns() - atomic_load(&shm->pools[shm_pool].started_ns);
	bool db = database_answers(rq);

	open_status(rq, db);
	buf_fmt(&rq->out, ",\"version\":\"%s\",\"uptime\":%lld,\"db\":\"%s\"", ASHLAR_VERSION,
		(long long)(up_ns / 1000000000), db_states[!db]);
	return close_status(rq, db);
}

static enum err readiness_get(struct req *rq)
{
	bool db = database_answers(rq);

	open_status(rq, db);
	buf_fmt(&rq->out, ",\"components\":{\"database\":{\"status\":\"%s\"},\"cache\":{\"status\":\"%s\"}}",
		healths[!db], healths[!shm]);
	return close_status(rq, db);
}

/* Counts tell a competitor too much: only the addresses that the configuration names. */
static enum err metrics_get(struct req *rq)
{
	const char *const *allowed = cfg.metrics_allow;

	while (allowed && *allowed && strcmp(*allowed, "*") && strcmp(*allowed, rq->ip))
		allowed++;
	if (!allowed || !*allowed)
		return req_fail(rq, ERR_AUTHORIZATION, "metrics are not shown to this address");
	metrics_write(req_open(rq));
	return req_close(rq);
}

/* clang-format off */
const struct route health_routes[] = {
	{ GET, "/api/v1/public/health",       "app.health.get_health",             PUBLIC, "Is it alive?",
	  .out = &health_shape, .run = health_get, .flags = OPEN_QUERY },
	{ GET, "/api/v1/public/health/ready", "app.health.get_readiness",          PUBLIC, "Is it ready for requests?",
	  .out = &readiness_shape, .run = readiness_get, .flags = OPEN_QUERY },
	{ GET, "/api/v1/public/metrics",      "app.health.get_prometheus_metrics", PUBLIC, "Metrics for Prometheus",
	  .run = metrics_get, .flags = BARE | OPEN_QUERY, .content_type = "text/plain; version=0.0.4; charset=utf-8" },
	ROUTE_END
};
/* clang-format on */
