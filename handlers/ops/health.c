/*
 * Is it alive, is it ready, how is it doing?
 */
#include <arpa/inet.h>

#include "build/sql/runtime/runtime.h"
#include "fcgi/answer.h"
#include "fcgi/metrics.h"
#include "fcgi/req.h"
#include "fcgi/version.h"
#include "fcgi/build_info.h"
#include "handlers/ops/probe.h"
#include "handlers/shapes.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/scoreboard.h"
#include "lib/host/shm.h"

/* Whether PostgreSQL has room to write, as the host was last told. */
struct room {
	_Atomic int64_t asked_ns; /* 0: never */
	_Atomic int32_t is_full;
};

SHM_REGION(room, struct room, 1)

/* clang-format off */
static const char *const healths[] = { "healthy", "unhealthy", NULL };
static const char *const db_states[] = { "connected", "error", NULL };

static const struct field component_out[] = {
	{ "status", F_ENUM, 0, .values = healths },
	FIELD_END
};

static const struct field components_out[] = {
	{ "database", F_OBJECT, 0, .fields = component_out, .about = "it answers, and can write: its disk is not full" },
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

static const char *const states[] = { "ok", "error", NULL };
static const char *const readies[] = { "ready", "not_ready", NULL };
static const char *const redis_states[] = { "connected", "disconnected", "not_configured", "error", NULL };

static const struct field version_out[] = {
	{ "version",    F_TEXT,     0, .example = ASHLAR_VERSION },
	{ "commit",     F_TEXT,     F_NULL, .about = "null: not built in a checkout", .example = "7a016472c0ffee00c0ffee00c0ffee00c0ffee00" },
	{ "built_at",   F_DATETIME, F_NULL },
	{ "started_at", F_DATETIME, 0, .about = "when the pool was started" },
	{ "uptime",     F_INT,      0, .about = "seconds since then", .example = "86400" },
	FIELD_END
};

static const struct field state_out[] = {
	{ "status",  F_ENUM, 0, .values = states },
	{ "version", F_TEXT, 0, .example = ASHLAR_VERSION },
	{ "uptime",  F_INT,  0, .about = "seconds since the pool was started", .example = "86400" },
	{ "db",      F_ENUM, 0, .values = db_states },
	{ "redis",   F_ENUM, 0, .values = redis_states, .about = "not_configured: there is none", .example = "not_configured" },
	FIELD_END
};

static const struct field ready_out[] = {
	{ "status", F_ENUM, 0, .values = readies },
	{ "db",     F_ENUM, 0, .values = db_states },
	FIELD_END
};

static const struct shape version_shape = { "OperationsVersion", version_out };
static const struct shape state_shape = { "OperationsHealth", state_out };
static const struct shape ready_shape = { "OperationsReadiness", ready_out };
static const struct shape health_shape = { "HealthStatus", health_out };
static const struct shape readiness_shape = { "ReadinessStatus", readiness_out };
/* clang-format on */

static const int64_t ROOM_NS = 5000000000;

/*
 * Can PostgreSQL still write?  A disk that is full lets it answer until
 * something needs a page more, and then it is too late.  Asked at most once in
 * ROOM_NS, by whichever process is asked next; the others say what was found.
 */
static bool database_has_room(struct req *rq)
{
	int64_t now = clock_ns(), then = atomic_load(&room()->asked_ns);
	PGresult *res;
	bool ok;

	if (then && now >= then && now - then < ROOM_NS)
		return !atomic_load(&room()->is_full);
	if (!atomic_compare_exchange_strong(&room()->asked_ns, &then, now))
		return !atomic_load(&room()->is_full);
	rq->tx.timeout_ms = PROBE_TIMEOUT_MS;
	ok = !tx_call(&rq->tx, &q_ready_room, true, &res) && column_bool(res, 0, "has_room");
	if (!ok)
		log_msg(LOG_ERROR, &rq->tx.log, "PostgreSQL cannot write: %s",
			rq->tx.fail.reason ? rq->tx.fail.reason : "it does not say why");
	rq->tx.fail = (struct failure){ ERR_OK };
	rq->tx.may_rerun = false;
	atomic_store(&room()->is_full, !ok);
	return ok;
}

static void open_status(struct req *rq, bool healthy)
{
	struct buf *b = answer_open(rq);

	buf_fmt(b, "{\"status\":\"%s\",\"timestamp\":", healths[!healthy]);
	jx_timestamptz(b, clock_pg_us());
}

static long long uptime_s(void)
{
	return (clock_ns() - atomic_load(&scoreboard()->started_ns)) / 1000000000;
}

static enum err close_status(struct req *rq, bool healthy)
{
	buf_char(&rq->answer.out, '}');
	answer_close(rq);
	if (!healthy) {
		rq->answer.status = 503;
		req_set_header(rq, "Retry-After", "1");
	}
	return ERR_OK;
}

static enum err health_get(struct req *rq)
{
	bool db = probe_database(rq, NULL);

	open_status(rq, db);
	buf_fmt(&rq->answer.out, ",\"version\":\"%s\",\"uptime\":%lld,\"db\":\"%s\"", ASHLAR_VERSION,
		uptime_s(), db_states[!db]);
	return close_status(rq, db);
}

/* Asks nobody: it answers whatever else is away. */
static enum err version_get(struct req *rq)
{
	struct buf *b = answer_open(rq);
	long long up = uptime_s();

	buf_char(b, '{');
	jx_key_str(b, "version", ASHLAR_VERSION);
	jx_key_text(b, "commit", build_info.commit);
	jx_key(b, "built_at"), jx_timestamptz(b, build_info.built_s * 1000000 - CLOCK_PG_EPOCH_US);
	jx_key(b, "started_at"), jx_timestamptz(b, clock_pg_us() - up * 1000000);
	jx_key_int(b, "uptime", up);
	buf_char(b, '}');
	return answer_close(rq);
}

static enum err state_get(struct req *rq)
{
	bool db = probe_database(rq, NULL);

	buf_fmt(answer_open(rq),
		"{\"status\":\"%s\",\"version\":\"%s\",\"uptime\":%lld,\"db\":\"%s\",\"redis\":\"not_"
		"configured\"",
		states[!db], ASHLAR_VERSION, uptime_s(), db_states[!db]);
	return close_status(rq, db);
}

static enum err ready_get(struct req *rq)
{
	bool db = probe_database(rq, NULL);

	buf_fmt(answer_open(rq), "{\"status\":\"%s\",\"db\":\"%s\"", readies[!db], db_states[!db]);
	return close_status(rq, db);
}

static enum err readiness_get(struct req *rq)
{
	bool db = probe_database(rq, NULL) && database_has_room(rq);

	open_status(rq, db);
	buf_fmt(&rq->answer.out,
		",\"components\":{\"database\":{\"status\":\"%s\"},\"cache\":{\"status\":\"%s\"}}",
		healths[!db], healths[!room()]);
	return close_status(rq, db);
}

/* An address as its bytes, IPv4 as IPv4 also where it is written as IPv6's ::ffff:…; how many, 0: it is none.
 */
static size_t address_bytes(const char *text, unsigned char out[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, text, out) != 1)
		return 0;
	if (memcmp(out, mapped, sizeof(mapped)) != 0)
		return 16;
	memmove(out, out + 12, 4);
	return 4;
}

/* Is ip the address, or in the network ("10.0.0.0/8"), that text names?  The configuration has checked text.
 */
static bool is_in(const char *text, const char *ip)
{
	unsigned char net[16], address[16];
	const char *slash = strchr(text, '/');
	char base[64];
	size_t n = address_bytes(ip, address), bits;

	snprintf(base, sizeof(base), "%.*s", (int)strcspn(text, "/"), text);
	if (!n || address_bytes(base, net) != n)
		return false;
	bits = slash ? (size_t)strtol(slash + 1, NULL, 10) : 8 * n;
	if (bits > 8 * n) /* ::ffff:10.0.0.0/104 */
		bits -= 96;
	return !memcmp(net, address, bits / 8) &&
	       (bits % 8 == 0 || (net[bits / 8] ^ address[bits / 8]) >> (8 - bits % 8) == 0);
}

/* Counts tell a competitor too much: only the addresses that the configuration names. */
static enum err metrics_get(struct req *rq)
{
	const char *const *allowed = cfg.metrics_allow;

	while (allowed && *allowed && strcmp(*allowed, "*") != 0 && !is_in(*allowed, rq->asked.ip))
		allowed++;
	if (!allowed || !*allowed)
		return req_fail(rq, ERR_AUTHORIZATION, "metrics are not shown to this address");
	metrics_write(answer_open(rq));
	return answer_close(rq);
}

/* clang-format off */
const struct route health_routes[] = {
	{ GET, "/api/version", "operations.health.get_version", &by_anyone, "Which version is it?", .about = "Answers without the database.",
	  .out = &version_shape, .run = version_get, .flags = BARE | OPEN_QUERY },
	{ GET, "/api/health", "operations.health.get_health", &by_anyone, "Is it alive, and the database?",
	  .out = &state_shape, .run = state_get, .flags = PROBE | BARE | OPEN_QUERY },
	{ GET, "/api/ready", "operations.health.get_ready", &by_anyone, "May it be sent requests?",
	  .out = &ready_shape, .run = ready_get, .flags = PROBE | BARE | OPEN_QUERY },
	{ GET, "/api/v1/public/health",       "app.health.get_health",             &by_anyone, "Is it alive?",
	  .out = &health_shape, .run = health_get, .flags = PROBE | OPEN_QUERY },
	{ GET, "/api/v1/public/health/ready", "app.health.get_readiness",          &by_anyone, "Is it ready for requests?",
	  .out = &readiness_shape, .run = readiness_get, .flags = PROBE | OPEN_QUERY },
	{ GET, "/api/v1/public/metrics",      "app.health.get_prometheus_metrics", &by_anyone, "Metrics for Prometheus",
	  .run = metrics_get, .flags = BARE | OPEN_QUERY, .content_type = "text/plain; version=0.0.4; charset=utf-8" },
	ROUTE_END
};
/* clang-format on */
