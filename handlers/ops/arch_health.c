/*
 * How the host is doing, for anybody: counts and states, and nothing that says
 * where it is.  One process finds it out, at most once in ten seconds, and what it
 * found is in shared memory: the others answer with that.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/answer.h"
#include "fcgi/build_info.h"
#include "fcgi/metrics.h"
#include "fcgi/req.h"
#include "fcgi/serve.h"
#include "fcgi/version.h"
#include "handlers/ops/probe.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/host/config.h"
#include "lib/host/scoreboard.h"
#include "lib/host/shm.h"

enum {
	FRESH_S = 10,
	WAIT_MS = PROBE_TIMEOUT_MS + 500, /* for what another process is finding out */
	NAP_MS = 5,
	SLOW_MS = 500,
	FULL_PERCENT = 95,
	REJECTED = 1000,
	TEXT_BYTES = 2048,
	NODES = 8,
	HOLD_S = 30, /* whoever has been finding it out for so long is gone */
};

/* What was found.  seq is odd while it is being written. */
struct found {
	_Atomic uint64_t finder; /* whose turn it is: shm_place_take() */
	_Atomic uint64_t seq;
	_Atomic int64_t at_ns; /* 0: never */
	_Atomic uint32_t is_degraded, n;
	_Atomic char text[TEXT_BYTES];
};

SHM_REGION(arch_health, struct found, 1)

/* clang-format off */
static const char *const states[] = { "ok", "degraded", NULL };
static const char *const git_states[] = { "ok", "degraded", "unknown", NULL };
static const char *const tunnel_states[] = { "ok", "degraded", "not_configured", NULL };

static const struct field db_out[] = {
	{ "status",      F_ENUM,   0, .values = states, .about = "degraded: it does not answer, or takes more than half a second" },
	{ "latency_ms",  F_NUMBER, F_NULL, .about = "null: it does not answer", .example = "0.4" },
	{ "pool_size",   F_INT,    0, .about = "processes of the host, each with a connection", .example = "12" },
	{ "pool_in_use", F_INT,    0, .about = "of them busy with a request", .example = "1" },
	FIELD_END
};

static const struct field memory_out[] = {
	{ "status",          F_ENUM,   0, .values = states, .about = "degraded: more than 95 % is used" },
	{ "rss_bytes",       F_INT,    0, .about = "of the process that found it out", .example = "12582912" },
	{ "total_bytes",     F_INT,    0, .example = "8589934592" },
	{ "available_bytes", F_INT,    0, .example = "6442450944" },
	{ "used_percent",    F_NUMBER, 0, .example = "25" },
	FIELD_END
};

static const struct field git_out[] = {
	{ "status", F_ENUM, 0, .values = git_states, .about = "unknown: not built in a checkout" },
	{ "branch", F_TEXT, F_NULL, .example = "main" },
	{ "commit", F_TEXT, F_NULL, .example = "7a016472c0ffee00c0ffee00c0ffee00c0ffee00" },
	{ "dirty",  F_BOOL, F_NULL, .about = "whether files differed from the commit", .example = "false" },
	FIELD_END
};

static const struct field tunnel_out[] = {
	{ "status",       F_ENUM,     0, .values = tunnel_states, .about = "degraded: the unit of TUNNEL_UNIT is not running" },
	{ "unit",         F_TEXT,     F_NULL, .example = "cloudflared.service" },
	{ "active_since", F_DATETIME, F_NULL },
	FIELD_END
};

static const struct field limits_out[] = {
	{ "status",               F_ENUM, 0, .values = states, .about = "degraded: more than 1,000 requests were refused" },
	{ "window_seconds",       F_INT,  0, .example = "60" },
	{ "rejected_last_window", F_INT,  0, .about = "requests that were answered with 429", .example = "0" },
	{ "active_buckets",       F_INT,  0, .about = "callers who have used of their limits just now", .example = "3" },
	FIELD_END
};

static const struct field arch_health_out[] = {
	{ "status",      F_ENUM,     0, .values = states },
	{ "checked_at",  F_DATETIME, 0 },
	{ "uptime",      F_INT,      0, .about = "seconds since the pool was started", .example = "86400" },
	{ "version",     F_TEXT,     0, .example = ASHLAR_VERSION },
	{ "db",          F_OBJECT,   0, .fields = db_out },
	{ "memory",      F_OBJECT,   0, .fields = memory_out },
	{ "git",         F_OBJECT,   0, .fields = git_out },
	{ "tunnel",      F_OBJECT,   0, .fields = tunnel_out },
	{ "rate_limits", F_OBJECT,   0, .fields = limits_out },
	FIELD_END
};

static const struct shape arch_health_shape = { "ArchHealth", arch_health_out };
/* clang-format on */

/* A section begins with its state; true if that counts. */
static bool section(struct buf *b, const char *name, bool is_degraded)
{
	jx_key_open(b, name, '{');
	jx_key_str(b, "status", states[is_degraded]);
	return is_degraded;
}

static bool write_db(struct req *rq, struct buf *b)
{
	int64_t took_ns;
	bool answers = probe_database(rq, &took_ns), is_degraded;
	int size = 0, busy = 0;

	for (int p = 0; p < POOLS; p++) {
		struct scoreboard *board = scoreboard_of((enum pool)p);

		for (int i = 0; i < SCOREBOARD_CHILDREN; i++)
			if (atomic_load(&board->children[i].pid)) {
				size++;
				busy += atomic_load(&board->children[i].busy_since_ns) != 0;
			}
	}
	is_degraded = section(b, "db", !answers || took_ns > SLOW_MS * 1000000LL);
	jx_key(b, "latency_ms");
	if (answers)
		buf_fmt(b, "%.3f", (double)took_ns / 1e6);
	else
		jx_null(b);
	jx_key_int(b, "pool_size", size);
	jx_key_int(b, "pool_in_use", busy);
	buf_char(b, '}');
	return is_degraded;
}

/* The bytes behind names of a file as /proc/meminfo, summed over the lines that have one. */
static long long kib_of(const char *path, const char *const names[])
{
	FILE *f = fopen(path, "re");
	long long sum = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		for (int i = 0; names[i]; i++) {
			const char *at = strstr(line, names[i]);

			if (at && (at == line || at[-1] == ' '))
				sum += strtoll(at + strlen(names[i]), NULL, 10);
		}
	if (f)
		fclose(f);
	return sum << 10;
}

/*
 * The units have ProcSubset=pid, and so no /proc/meminfo.  What the kernel says of
 * each memory node is there all the same; that what may be thrown away is free, as
 * in MemAvailable, is ours to say.
 */
static void memory(long long *total, long long *available)
{
	static const char *const all[] = { "MemTotal:", NULL }, *const free_now[] = { "MemAvailable:", NULL };
	static const char *const could_be[] = { "MemFree:", "Active(file):", "Inactive(file):",
						"SReclaimable:", NULL };

	*total = kib_of("/proc/meminfo", all);
	*available = kib_of("/proc/meminfo", free_now);
	if (*total)
		return;
	for (int node = 0; node < NODES; node++) {
		char path[64];

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
		*total += kib_of(path, all);
		*available += kib_of(path, could_be);
	}
}

static long long rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = 0;
	char line[128];

	if (f && fgets(line, sizeof(line), f)) {
		const char *second = strchr(line, ' ');

		pages = second ? strtoll(second, NULL, 10) : 0;
	}
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static bool write_memory(struct buf *b)
{
	long long total, available;
	double used;
	bool is_degraded;

	memory(&total, &available);
	used = total > 0 && available < total ? 100.0 * (double)(total - available) / (double)total : 0;
	is_degraded = section(b, "memory", used > FULL_PERCENT);
	jx_key_int(b, "rss_bytes", rss_bytes());
	jx_key_int(b, "total_bytes", total);
	jx_key_int(b, "available_bytes", available);
	jx_key(b, "used_percent"), buf_fmt(b, "%.1f}", used);
	return is_degraded;
}

static void write_git(struct buf *b)
{
	jx_key_open(b, "git", '{');
	jx_key_str(b, "status", build_info.commit ? "ok" : "unknown");
	jx_key_text(b, "branch", build_info.branch);
	jx_key_text(b, "commit", build_info.commit);
	jx_key(b, "dirty");
	if (build_info.dirty < 0)
		jx_null(b);
	else
		jx_bool(b, build_info.dirty);
	buf_char(b, '}');
}

/*
 * systemd keeps a link for each unit that it has started, from then until that ends
 * (journald reads them): no bus, and no right to one, is needed.
 */
static bool write_tunnel(struct buf *b)
{
	bool is_set = *cfg.tunnel_unit, runs = false;
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "/run/systemd/units/invocation:%s", cfg.tunnel_unit);
	if (is_set && !strchr(cfg.tunnel_unit, '/'))
		runs = !lstat(path, &st);
	section(b, "tunnel", false);
	b->n -= strlen("\"ok\"");
	jx_str(b, !is_set ? "not_configured" : states[!runs]);
	jx_key_text(b, "unit", is_set ? cfg.tunnel_unit : NULL);
	jx_key(b, "active_since");
	if (runs)
		jx_timestamptz(b,
			       st.st_mtim.tv_sec * 1000000LL + st.st_mtim.tv_nsec / 1000 - CLOCK_PG_EPOCH_US);
	else
		jx_null(b);
	buf_char(b, '}');
	return is_set && !runs;
}

static bool write_limits(struct buf *b)
{
	uint64_t refused = metrics_refusals();
	bool is_degraded = section(b, "rate_limits", refused > REJECTED);

	jx_key_int(b, "window_seconds", METRICS_REFUSALS_S);
	jx_key_int(b, "rejected_last_window", (long long)refused);
	jx_key_int(b, "active_buckets", serve_limits_active());
	buf_char(b, '}');
	return is_degraded;
}

/* Find it all out.  Its status stands in front, and is known at the end. */
static bool find_out(struct req *rq, struct buf *b)
{
	struct buf sections;
	bool is_degraded;

	buf_init(&sections, &rq->tx.arena, TEXT_BYTES);
	buf_char(&sections, '{');
	is_degraded = write_db(rq, &sections);
	is_degraded |= write_memory(&sections);
	write_git(&sections);
	is_degraded |= write_tunnel(&sections);
	is_degraded |= write_limits(&sections);
	buf_char(&sections, '}');
	buf_char(b, '{');
	jx_key_str(b, "status", states[is_degraded]);
	jx_key(b, "checked_at"), jx_timestamptz(b, clock_pg_us());
	jx_key_int(b, "uptime", (clock_ns() - atomic_load(&scoreboard()->started_ns)) / 1000000000);
	jx_key_str(b, "version", ASHLAR_VERSION);
	buf_char(b, ',');
	buf_add(b, sections.p + 1, sections.n - 1);
	return is_degraded;
}

/* For the others; too long for the place, which no setting makes it, it is only this answer's. */
static void keep(const struct buf *b, size_t from, bool is_degraded)
{
	struct found *f = arch_health();
	uint64_t seq = atomic_load(&f->seq) | 1;
	size_t n = b->n - from;

	if (n > TEXT_BYTES)
		return;
	atomic_store(&f->seq, seq);
	for (size_t i = 0; i < n; i++)
		atomic_store_explicit(&f->text[i], b->p[from + i], memory_order_relaxed);
	atomic_store(&f->n, (uint32_t)n);
	atomic_store(&f->is_degraded, is_degraded);
	atomic_store(&f->at_ns, clock_ns());
	atomic_store(&f->seq, seq + 1);
}

/* What was found at most max_s ago; -1: nothing. */
static int take(struct buf *b, int max_s)
{
	struct found *f = arch_health();
	uint64_t seq = atomic_load(&f->seq);
	int64_t at = atomic_load(&f->at_ns), now = clock_ns();
	uint32_t n = atomic_load(&f->n);
	size_t from = b->n;
	int is_degraded = (int)atomic_load(&f->is_degraded);

	if (seq & 1 || !at || now < at || now - at > max_s * 1000000000LL || n > TEXT_BYTES)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		buf_char(b, atomic_load_explicit(&f->text[i], memory_order_relaxed));
	if (atomic_load(&f->seq) == seq)
		return is_degraded;
	b->n = from;
	return -1;
}

/* While one finds it out, the others say what was found last, and wait for it only where that is old. */
static int ask(struct req *rq, struct buf *b)
{
	int64_t until = clock_ns() + WAIT_MS * 1000000LL;
	int is_degraded = take(b, FRESH_S);
	uint64_t held;

	while (is_degraded < 0) {
		if (shm_place_take(&arch_health()->finder, HOLD_S, &held)) {
			size_t from = b->n;

			is_degraded = take(b, FRESH_S); /* found just before */
			if (is_degraded < 0) {
				is_degraded = find_out(rq, b);
				keep(b, from, is_degraded);
			}
			shm_place_free(&arch_health()->finder, held);
			return is_degraded;
		}
		is_degraded = take(b, 2 * FRESH_S);
		if (is_degraded < 0 && clock_ns() > until)
			return -1;
		if (is_degraded < 0)
			usleep(NAP_MS * 1000);
	}
	return is_degraded;
}

static enum err arch_health_get(struct req *rq)
{
	int is_degraded = ask(rq, answer_open(rq));

	if (is_degraded < 0)
		return failure_retry(&rq->tx.fail, &rq->tx.arena, ERR_UNAVAILABLE, 1,
				     "another request is finding it out, and does not come to an end");
	answer_close(rq);
	if (is_degraded) {
		rq->answer.status = 503;
		req_set_header(rq, "Retry-After", "10");
	}
	return ERR_OK;
}

/* clang-format off */
const struct route arch_health_routes[] = {
	{ GET, "/api/arch-health", "operations.health.get_arch_health", &by_anyone, "How is the host doing?",
	  .about = "Counts and states, found out at most once in ten seconds; 503 where a section is degraded.",
	  .out = &arch_health_shape, .run = arch_health_get, .flags = PROBE | BARE | OPEN_QUERY },
	ROUTE_END
};
/* clang-format on */
