#include "fcgi/metrics.h"

#include <stddef.h>

#include "fcgi/route.h"
#include "fcgi/share.h"
#include "lib/base/clock.h"
#include "lib/host/scoreboard.h"
#include "lib/host/shm.h"
#include "lib/host/span_ring.h"

enum {
	STATUSES = 29, /* statuses counted apart; the last stands for all others */
	BUCKETS = 12,  /* of the latency histogram, without +Inf */
	OUTCOMES = 4,
};

struct route_counts {
	_Atomic uint64_t by_status[STATUSES];
	_Atomic uint64_t by_latency[BUCKETS + 1]; /* not cumulative; the last is +Inf */
	_Atomic uint64_t latency_ns;
};

/* 429s of a part of the last minute. */
enum { PARTS = 12, PART_S = METRICS_REFUSALS_S / PARTS };
struct refusals {
	_Atomic int64_t part; /* its number, from when the host was started */
	_Atomic uint64_t n;
};

struct job_counts {
	_Atomic uint64_t by_outcome[OUTCOMES];
	_Atomic uint64_t run_ns;
	_Atomic uint64_t by_wait[BUCKETS + 1]; /* from when a job could run to its start */
	_Atomic uint64_t wait_ns;
};

/* Webhooks that were sent. */
struct delivery_counts {
	_Atomic uint64_t by_outcome[OUTCOMES];
	_Atomic uint64_t ms; /* until they were answered, or given up */
};

SHM_REGION(metrics_routes, struct route_counts, METRICS_ROUTES)
SHM_REGION(metrics_minute, struct refusals, PARTS)
SHM_REGION(metrics_jobs, struct job_counts, 1)
SHM_REGION(metrics_deliveries, struct delivery_counts, 1)
SHM_REGION(metrics_realtimes, struct metrics_realtime, METRICS_REALTIME)

/*
 * Counters are kept by a route's number, so the routes and their order are part
 * of the layout: an upgrade must not count on under another route's name.
 */
uint64_t metrics_version(void)
{
	const struct route *r;
	uint64_t h = 0;

	for (int i = 0; (r = route_at(i)); i++)
		h = shm_mix(h + r->method, r->id);
	return h;
}

struct metrics_realtime *metrics_realtime_take(void)
{
	for (int i = 0; i < METRICS_REALTIME; i++)
		if (shm_pid_take(&metrics_realtimes()[i].pid))
			return &metrics_realtimes()[i];
	return NULL;
}

static const int statuses[STATUSES - 1] = { 101, 200, 201, 202, 204, 301, 302, 304, 400, 401,
					    402, 403, 404, 405, 406, 409, 410, 412, 413, 415,
					    416, 422, 426, 429, 500, 502, 503, 504 };

static const double bucket_s[BUCKETS] = {
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10
};

static uint64_t get(_Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void add(_Atomic uint64_t *n, uint64_t by)
{
	atomic_fetch_add_explicit(n, by, memory_order_relaxed);
}

static int64_t part_now(void)
{
	return clock_ns() / 1000000000 / PART_S + 1;
}

/* Whoever comes first in a part begins it; one of others in that moment may be lost. */
static void count_refusal(void)
{
	int64_t now = part_now();
	struct refusals *r = &metrics_minute()[now % PARTS];
	int64_t then = atomic_load(&r->part);

	if (then != now && atomic_compare_exchange_strong(&r->part, &then, now))
		atomic_store(&r->n, 0);
	add(&r->n, 1);
}

uint64_t metrics_refusals(void)
{
	int64_t now = part_now(), part;
	uint64_t sum = 0;

	for (int i = 0; i < PARTS; i++) {
		part = atomic_load(&metrics_minute()[i].part);
		if (part > now - PARTS && part <= now)
			sum += get(&metrics_minute()[i].n);
	}
	return sum;
}

void metrics_count(int route_index, int status, int64_t duration_ns)
{
	struct route_counts *r =
		&metrics_routes()[route_index >= 0 && route_index < METRICS_ROUTES - 1 ? route_index
										       : METRICS_ROUTES - 1];
	int s = 0, b = 0;

	if (status == 429)
		count_refusal();
	while (s < STATUSES - 1 && statuses[s] != status)
		s++;
	while (b < BUCKETS && (double)duration_ns > bucket_s[b] * 1e9)
		b++;
	add(&r->by_status[s], 1);
	add(&r->by_latency[b], 1);
	add(&r->latency_ns, (uint64_t)duration_ns);
}

void metrics_count_jobs(int outcome, uint64_t n, int64_t run_ns)
{
	add(&metrics_jobs()->by_outcome[outcome], n);
	add(&metrics_jobs()->run_ns, (uint64_t)run_ns);
}

void metrics_count_wait(double wait_ms)
{
	int b = 0;

	while (b < BUCKETS && wait_ms > bucket_s[b] * 1e3)
		b++;
	add(&metrics_jobs()->by_wait[b], 1);
	add(&metrics_jobs()->wait_ns, wait_ms > 0 ? (uint64_t)(wait_ms * 1e6) : 0);
}

void metrics_count_delivery(int outcome, int64_t ms)
{
	add(&metrics_deliveries()->by_outcome[outcome], 1);
	add(&metrics_deliveries()->ms, (uint64_t)ms);
}

static void family(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_fmt(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The labels that tell a route; NULL is the slot behind the last one. */
static void labels(struct buf *b, const struct route *r)
{
	buf_fmt(b, "{method=\"%s\",route=\"%s\"", r ? method_name(r->method) : "", r ? r->path : "(none)");
}

static void write_statuses(struct buf *b, const struct route *r, struct route_counts *counts)
{
	for (int s = 0; s < STATUSES; s++) {
		uint64_t n = get(&counts->by_status[s]);

		if (!n)
			continue;
		buf_text(b, "ashlar_requests_total");
		labels(b, r);
		if (s < STATUSES - 1)
			buf_fmt(b, ",status=\"%d\"} %llu\n", statuses[s], (unsigned long long)n);
		else
			buf_fmt(b, ",status=\"other\"} %llu\n", (unsigned long long)n);
	}
}

static void write_latency(struct buf *b, const struct route *r, struct route_counts *counts)
{
	uint64_t upto[BUCKETS + 1], total = 0;

	for (int k = 0; k <= BUCKETS; k++)
		upto[k] = total += get(&counts->by_latency[k]);
	if (!total)
		return;
	for (int k = 0; k <= BUCKETS; k++) {
		buf_text(b, "ashlar_request_duration_seconds_bucket");
		labels(b, r);
		if (k < BUCKETS)
			buf_fmt(b, ",le=\"%g\"} %llu\n", bucket_s[k], (unsigned long long)upto[k]);
		else
			buf_fmt(b, ",le=\"+Inf\"} %llu\n", (unsigned long long)upto[k]);
	}
	buf_text(b, "ashlar_request_duration_seconds_sum");
	labels(b, r);
	buf_fmt(b, "} %.9f\n", (double)get(&counts->latency_ns) / 1e9);
	buf_text(b, "ashlar_request_duration_seconds_count");
	labels(b, r);
	buf_fmt(b, "} %llu\n", (unsigned long long)total);
}

/* For each route that was ever counted. */
static void write_each(struct buf *b,
		       void (*write)(struct buf *, const struct route *, struct route_counts *))
{
	const struct route *r;

	for (int i = 0; i < METRICS_ROUTES - 1 && (r = route_at(i)); i++)
		write(b, r, &metrics_routes()[i]);
	write(b, NULL, &metrics_routes()[METRICS_ROUTES - 1]);
}

static void write_routes(struct buf *b)
{
	family(b, "ashlar_requests_total", "counter", "Requests by route and status.");
	write_each(b, write_statuses);
	family(b, "ashlar_request_duration_seconds", "histogram", "Time from the first byte to the answer.");
	write_each(b, write_latency);
}

/* A counter with a value per outcome. */
static void write_outcomes(struct buf *b, const char *name, const char *help,
			   const char *const outcomes[OUTCOMES], _Atomic uint64_t counts[OUTCOMES])
{
	family(b, name, "counter", help);
	for (int i = 0; i < OUTCOMES; i++)
		buf_fmt(b, "%s{outcome=\"%s\"} %llu\n", name, outcomes[i],
			(unsigned long long)get(&counts[i]));
}

static void write_jobs(struct buf *b)
{
	static const char *const outcomes[OUTCOMES] = { "completed", "retried", "failed", "lost" };
	uint64_t total = 0;

	write_outcomes(
		b, "ashlar_jobs_total",
		"Attempts of jobs, by what came of them; lost: no longer this worker's when they ended.",
		outcomes, metrics_jobs()->by_outcome);
	family(b, "ashlar_job_run_seconds_total", "counter", "Time spent in jobs.");
	buf_fmt(b, "ashlar_job_run_seconds_total %.9f\n", (double)get(&metrics_jobs()->run_ns) / 1e9);
	family(b, "ashlar_job_wait_seconds", "histogram", "Time from when a job could run to its claim.");
	for (int k = 0; k <= BUCKETS; k++) {
		total += get(&metrics_jobs()->by_wait[k]);
		if (k < BUCKETS)
			buf_fmt(b, "ashlar_job_wait_seconds_bucket{le=\"%g\"} %llu\n", bucket_s[k],
				(unsigned long long)total);
		else
			buf_fmt(b, "ashlar_job_wait_seconds_bucket{le=\"+Inf\"} %llu\n",
				(unsigned long long)total);
	}
	buf_fmt(b, "ashlar_job_wait_seconds_sum %.9f\nashlar_job_wait_seconds_count %llu\n",
		(double)get(&metrics_jobs()->wait_ns) / 1e9, (unsigned long long)total);
}

static void write_deliveries(struct buf *b)
{
	static const char *const outcomes[OUTCOMES] = { "delivered", "retried", "failed", "gone" };

	write_outcomes(
		b, "ashlar_webhook_deliveries_total",
		"Attempts to deliver a webhook, by what came of them; gone: the receiver answered 410.",
		outcomes, metrics_deliveries()->by_outcome);
	family(b, "ashlar_webhook_delivery_seconds_total", "counter", "Time that receivers took.");
	buf_fmt(b, "ashlar_webhook_delivery_seconds_total %.3f\n",
		(double)get(&metrics_deliveries()->ms) / 1e3);
}

/* Requests that would have taken more of the slow pool than is theirs. */
static void write_shares(struct buf *b)
{
	static const char *const whose[SHARE_KINDS] = { "tenant", "caller" };

	family(b, "ashlar_slow_refusals_total", "counter",
	       "Requests refused since as many of their tenant or caller wait for other servers.");
	for (int i = 0; i < SHARE_KINDS; i++)
		buf_fmt(b, "ashlar_slow_refusals_total{share=\"%s\"} %llu\n", whose[i],
			(unsigned long long)share_refusals(i));
}

/* Spans of our own: what became of them. */
static void write_spans(struct buf *b)
{
	struct span_counts n = span_ring_counts();
	const struct {
		const char *outcome;
		uint64_t n;
	} outcomes[] = {
		{ "sent", n.sent },
		{ "failed", n.failed },
		{ "dropped", n.dropped + n.torn },
	};

	family(b, "ashlar_spans_total", "counter",
	       "Spans of this server's own; failed: the collector did not take them; dropped: they found no "
	       "room.");
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++)
		buf_fmt(b, "ashlar_spans_total{outcome=\"%s\"} %llu\n", outcomes[i].outcome,
			(unsigned long long)outcomes[i].n);
	family(b, "ashlar_spans_recorded_total", "counter",
	       "Spans that found room: they are sent, failed, waiting, in hand, or were lost with a worker.");
	buf_fmt(b, "ashlar_spans_recorded_total %llu\n", (unsigned long long)n.put);
	family(b, "ashlar_spans_waiting", "gauge", "Spans that are not sent yet.");
	buf_fmt(b, "ashlar_spans_waiting %llu\n", (unsigned long long)span_ring_waiting());
}

/* One family with a value per pool. */
static void write_pools(struct buf *b, const char *name, const char *type, const char *help,
			double (*value)(struct scoreboard *))
{
	family(b, name, type, help);
	for (int i = 0; i < POOLS; i++)
		buf_fmt(b, "%s{pool=\"%s\"} %.15g\n", name, pool_names[i],
			value(scoreboard_of((enum pool)i)));
}

static double children(struct scoreboard *p)
{
	int n = 0;

	for (int i = 0; i < SCOREBOARD_CHILDREN; i++)
		n += atomic_load(&p->children[i].pid) != 0;
	return n;
}

static double in_flight(struct scoreboard *p)
{
	int n = 0;

	for (int i = 0; i < SCOREBOARD_CHILDREN; i++)
		n += atomic_load(&p->children[i].pid) && atomic_load(&p->children[i].busy_since_ns);
	return n;
}

static double respawns(struct scoreboard *p)
{
	return (double)get(&p->respawns);
}

static double killed(struct scoreboard *p)
{
	return (double)get(&p->killed);
}

static double reloads(struct scoreboard *p)
{
	return (double)get(&p->reloads);
}

static double db_seconds(struct scoreboard *p)
{
	return (double)get(&p->db_ns) / 1e9;
}

static double db_connects(struct scoreboard *p)
{
	return (double)get(&p->db_connects);
}

/* Summed over the realtime processes of the host. */
static void write_realtime(struct buf *b)
{
	static const struct {
		const char *name, *type, *help;
		size_t at;
	} families[] = {
#define FAMILY(field, name, type, help) \
	{ "ashlar_realtime_" name, type, help, offsetof(struct metrics_realtime, field) }
		FAMILY(connections, "connections", "gauge", "Open WebSockets and event streams."),
		FAMILY(streams, "streams", "gauge", "Event streams among them."),
		FAMILY(subscriptions, "subscriptions", "gauge", "Places on channels."),
		FAMILY(opened, "connections_total", "counter", "Connections that were let in."),
		FAMILY(received, "received_total", "counter", "Messages that clients sent."),
		FAMILY(delivered, "delivered_total", "counter", "Messages that clients were sent."),
		FAMILY(dropped, "dropped_total", "counter",
		       "Messages for connections that were being closed."),
		FAMILY(slow, "slow_total", "counter", "Connections cut off because they read too slowly."),
#undef FAMILY
	};

	for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
		uint64_t sum = 0;

		family(b, families[f].name, families[f].type, families[f].help);
		for (int i = 0; i < METRICS_REALTIME; i++)
			if (atomic_load(&metrics_realtimes()[i].pid))
				sum += get((_Atomic uint64_t *)(void *)((char *)&metrics_realtimes()[i] +
									families[f].at));
		buf_fmt(b, "%s %llu\n", families[f].name, (unsigned long long)sum);
	}
}

void metrics_write(struct buf *b)
{
	write_realtime(b);
	write_routes(b);
	write_jobs(b);
	write_deliveries(b);
	write_shares(b);
	write_spans(b);
	write_pools(b, "ashlar_children", "gauge", "Child processes.", children);
	write_pools(b, "ashlar_requests_in_flight", "gauge", "Requests being answered.", in_flight);
	write_pools(b, "ashlar_child_respawns_total", "counter", "Children replaced after they died.",
		    respawns);
	write_pools(b, "ashlar_child_kills_total", "counter", "Children replaced because they were stuck.",
		    killed);
	write_pools(b, "ashlar_reloads_total", "counter", "Graceful reloads of the pool.", reloads);
	write_pools(b, "ashlar_db_seconds_total", "counter", "Time waited for PostgreSQL.", db_seconds);
	write_pools(b, "ashlar_db_connects_total", "counter", "Connections made to PostgreSQL.", db_connects);
}
