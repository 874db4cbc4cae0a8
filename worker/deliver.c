#include "worker/deliver.h"

#include <assert.h>
#include <curl/curl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "build/sql/integrations/webhooks.h"
#include "fcgi/metrics.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/jx.h"
#include "lib/crypto/secret.h"
#include "lib/db/column.h"
#include "lib/db/db.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/span.h"
#include "lib/net/http_multi.h"
#include "providers/webhook.h"
#include "worker/delivery_trace.h"

/*
 * How one receiver never delays another's messages:
 *
 *   - each endpoint has at most WEBHOOK_PER_ENDPOINT calls under way, and one
 *     that was slow the last time a few only, so that dozens of slow ones leave
 *     room, too;
 *   - a tenant has at most as many under way as there are slots free, so that
 *     however many of its receivers are silent, as much is left for the others,
 *     and again after any number of such tenants (Choudhury and Hahne's dynamic
 *     thresholds, IEEE/ACM Transactions on Networking 6:2, 1998);
 *   - what is due is taken in turn, tenant by tenant and of each endpoint by
 *     endpoint, as many as each has room for: a backlog of a million rows of one
 *     is never read on the way to another's.
 *
 * For that the process knows which endpoints have something due (a table in
 * memory, filled by webhook_due) and up to where it has taken each one's.
 */

enum {
	POLL_MS = 1000,       /* for what is due, without being woken */
	SOON_MS = 50,         /* when there may be more at once */
	SWEEP_MS = 1000,      /* look for what the usual way has missed, at least so long apart, */
	SWEEP_SHARE = 20,     /* and never for more than one twentieth of the time */
	OVERLAP_US = 1000000, /* what has become due is looked at again for so long, for late commits */
	LOOK_AT_MOST = 10000, /* rows */
	WRITE_WITHIN_MS = 5,  /* results wait so long for each other */
	WRITE_AT_MOST = 500,  /* and are so many in one statement */
	RETRY_DB_MS = 500,    /* PostgreSQL is away */
	RECONNECT_MS = 2000,  /* the listening connection */
	SLOW_MS = 3000,       /* a receiver that took longer, */
	SLOW_SHARE = 8,       /* has an eighth of the room until it is quick again */
	MAX_RETRY_AFTER_S = 86400,
	JITTER_PERCENT = 10,
};

/* Whose endpoints they are; the one whose turn it is stands first. */
struct tenant {
	char id[37];
	int in_flight;
	int asked; /* of them for the claim that is being made */
	struct endpoint *first, **last;
	struct tenant *next;
};

/* An endpoint that has something due or under way. */
struct endpoint {
	char id[37];
	int64_t front_us; /* nothing is due before it, as far as is known */
	int in_flight;
	bool has_due, is_slow;
	unsigned claim;           /* the last one that asked for it */
	struct endpoint *next;    /* in its bucket */
	struct endpoint *sibling; /* in its tenant's queue */
	struct tenant *tenant;
};

/* What became of one; as webhook_finish() calls it. */
enum outcome { DELIVERED, RETRY, FAILED, GONE, BACK };
static const char *const outcomes[] = { "delivered", "retry", "failed", "gone", "back" };

/* A delivery that is under way, or has ended and is to be written down. */
struct item {
	struct arena arena;
	struct webhook w;
	struct http_call call;
	struct http_answer answer;
	struct endpoint *endpoint; /* while it is under way; afterwards it may be forgotten */
	const char *endpoint_id;
	const char *id;
	int claim, attempt;
	enum outcome outcome;
	double delay_s;
	int place;         /* in flying */
	struct span *span; /* or NULL: delivery_trace_begin */
	struct item *next; /* of those that have ended */
};

enum { BUCKETS = 1024 };

static struct endpoint *endpoints[BUCKETS];
static struct tenant *tenants, **tenants_last = &tenants;
static struct http_multi *multi;
static struct item **flying; /* WEBHOOK_IN_FLIGHT of them */
static int nflying;
static struct item *ended, **ended_tail = &ended;
static int nended;
static int64_t ended_since_ms;
static int64_t seen_us; /* by PostgreSQL's clock: of what was due, the youngest */
static int64_t poll_at_ms, sweep_at_ms, db_at_ms;
static int64_t again_at_ms = INT64_MAX; /* the next of our own is due */
static PGconn *listener;
static int64_t listen_at_ms;
static int signals = -1;
static int64_t stop_at_ms; /* 0: not told to stop */

static int64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

/* ---- endpoints ---- */

static unsigned bucket_of(const char *id)
{
	unsigned h = 2166136261u;

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return h % BUCKETS;
}

static struct tenant *tenant_of(const char *id)
{
	struct tenant *t;

	for (t = tenants; t; t = t->next)
		if (!strcmp(t->id, id))
			return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	snprintf(t->id, sizeof(t->id), "%s", id);
	t->last = &t->first;
	*tenants_last = t;
	tenants_last = &t->next;
	return t;
}

/* Behind the other endpoints of its tenant. */
static void line_up(struct endpoint *e)
{
	e->sibling = NULL;
	*e->tenant->last = e;
	e->tenant->last = &e->sibling;
}

static struct endpoint *endpoint_of(const char *id, const char *tenant)
{
	struct endpoint **bucket = &endpoints[bucket_of(id)], *e;

	for (e = *bucket; e; e = e->next)
		if (!strcmp(e->id, id))
			return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		abort();
	snprintf(e->id, sizeof(e->id), "%s", id);
	e->next = *bucket;
	*bucket = e;
	e->tenant = tenant_of(tenant);
	line_up(e);
	return e;
}

static void endpoint_forget(struct endpoint *e)
{
	struct endpoint **link = &endpoints[bucket_of(e->id)];

	while (*link != e)
		link = &(*link)->next;
	*link = e->next;
	free(e);
}

/* Those that have nothing to do are forgotten, and of the others up to where their queue was read. */
static void endpoints_sweep(void)
{
	struct tenant **link = &tenants, *t;

	while ((t = *link)) {
		struct endpoint *e = t->first, *after;

		t->first = NULL;
		t->last = &t->first;
		for (; e; e = after) {
			after = e->sibling;
			e->front_us = 0;
			if (e->in_flight || e->has_due)
				line_up(e);
			else
				endpoint_forget(e);
		}
		if (t->first) {
			link = &t->next;
		} else {
			*link = t->next;
			free(t);
		}
	}
	tenants_last = link;
}

static int room_of(const struct endpoint *e)
{
	int cap = (int)cfg.webhook_per_endpoint;

	if (e->is_slow)
		cap = cap > SLOW_SHARE ? cap / SLOW_SHARE : 1;
	return cap > e->in_flight ? cap - e->in_flight : 0;
}

/* ---- what is due ---- */

static PGresult *ask(const struct query *q, const char *const *params)
{
	PGresult *res = db_outside(q, params);

	if (!res)
		db_at_ms = now_ms() + RETRY_DB_MS;
	return res;
}

/* Fill the table: since what was seen last, or, with a sweep, from the beginning. */
static void look(bool sweeps)
{
	char since[24], most[12];
	const char *const params[] = { sweeps ? NULL : since, most };
	int64_t started = now_ms(), took;
	bool advances = false;
	PGresult *res;

	snprintf(since, sizeof(since), "%lld", (long long)(seen_us - OVERLAP_US));
	snprintf(most, sizeof(most), "%d", LOOK_AT_MOST);
	res = ask(&q_webhook_due, params);
	if (!res)
		return;
	if (sweeps)
		endpoints_sweep();
	for (int i = 0; i < PQntuples(res); i++) {
		struct endpoint *e =
			endpoint_of(column_text(res, i, "endpoint"), column_text(res, i, "tenant"));
		int64_t first = column_int(res, i, "first_at"), last = column_int(res, i, "last_at");

		if (first < e->front_us)
			e->front_us = first;
		if (last > seen_us && !sweeps) {
			seen_us = last;
			advances = true;
		}
		e->has_due = true;
	}
	PQclear(res);
	poll_at_ms = now_ms() + (advances ? SOON_MS : POLL_MS);
	took = now_ms() - started;
	if (sweeps)
		sweep_at_ms = now_ms() + (took * SWEEP_SHARE > SWEEP_MS ? took * SWEEP_SHARE : SWEEP_MS);
}

/* ---- what is to be done with an answer ---- */

static void item_free(struct item *it)
{
	arena_release(&it->arena);
	free(it);
}

static void item_end(struct item *it, enum outcome outcome)
{
	it->outcome = outcome;
	it->next = NULL;
	*ended_tail = it;
	ended_tail = &it->next;
	if (!nended++)
		ended_since_ms = now_ms();
}

static long long retry_after_s(const struct http_answer *answer)
{
	const char *text =
		answer->status == 429 || answer->status == 503 ? http_header(answer, "Retry-After") : NULL;
	long long s;
	char *end;

	if (!text)
		return 0;
	s = strtoll(text, &end, 10);
	if (end == text) {
		time_t at = curl_getdate(text, NULL);

		s = at < 0 ? 0 : (long long)(at - clock_unix_us() / 1000000);
	}
	return s < 0 ? 0 : s > MAX_RETRY_AFTER_S ? MAX_RETRY_AFTER_S : s;
}

/* How long until the next attempt; negative: that was the last one. */
static double next_delay_s(const struct item *it)
{
	const char *const *schedule = cfg.webhook_retry_schedule;
	long long after = retry_after_s(&it->answer);
	double delay;
	int n = 0;

	while (schedule[n])
		n++;
	if (it->attempt >= n)
		return -1;
	delay = strtod(schedule[it->attempt], NULL);
	delay += delay * secret_random_below(JITTER_PERCENT * 10 + 1) / 1000;
	return delay > (double)after ? delay : (double)after;
}

static void judge(struct item *it)
{
	int status = it->answer.status;

	if (status >= 200 && status < 300) {
		item_end(it, DELIVERED);
	} else if (status == 410) {
		item_end(it, GONE);
	} else {
		it->delay_s = next_delay_s(it);
		item_end(it, it->delay_s < 0 ? FAILED : RETRY);
	}
	metrics_count_delivery((int)it->outcome, it->answer.duration_ms);
}

/* ---- sending ---- */

static const char *keep(struct item *it, const PGresult *res, int row, const char *col)
{
	const char *text = column_text(res, row, col);

	return text ? arena_dup(&it->arena, text) : NULL;
}

static void item_start(const PGresult *res, int row)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it)
		abort();
	arena_init(&it->arena, 4096);
	it->endpoint = endpoint_of(column_text(res, row, "endpoint"), column_text(res, row, "tenant"));
	it->endpoint_id = keep(it, res, row, "endpoint");
	it->id = keep(it, res, row, "delivery");
	it->claim = (int)column_int(res, row, "claim");
	it->attempt = (int)column_int(res, row, "attempt");
	it->w = (struct webhook){
		.tenant = keep(it, res, row, "tenant"),
		.url = keep(it, res, row, "url"),
		.secret_sealed = keep(it, res, row, "secret_sealed"),
		.previous_secret_sealed = keep(it, res, row, "previous_secret_sealed"),
		.headers_sealed = keep(it, res, row, "headers_sealed"),
		.message_id = keep(it, res, row, "message_id"),
		.body = keep(it, res, row, "payload"),
	};
	assert(it->w.body); /* NOT NULL */
	it->span = delivery_trace_begin(&it->arena, &it->w, span_is_on ? keep(it, res, row, "trace") : NULL);
	it->w.body_len = strlen(it->w.body);
	it->endpoint->in_flight++;
	it->endpoint->tenant->in_flight++;
	if (column_int(res, row, "due_at") > it->endpoint->front_us)
		it->endpoint->front_us = column_int(res, row, "due_at");
	if (webhook_call(&it->arena, &it->w, &it->call)) {
		log_msg(LOG_ERROR, NULL,
			"webhook %s: its secret does not open: is a key missing in ENCRYPTION_KEYS?",
			it->endpoint->id);
		it->call = (struct http_call){ 0 };
		it->answer.reason = "the secret cannot be read";
		it->endpoint->in_flight--;
		it->endpoint->tenant->in_flight--;
		judge(it);
		return;
	}
	it->place = nflying;
	flying[nflying++] = it;
	http_multi_add(multi, &it->arena, &it->call, &it->answer, it);
}

/* What a claim asks for: of which endpoints, from when on, and how many. */
struct claim {
	struct endpoint *asked[256];
	int slots[256], got[256];
	int n;
	int free; /* slots that it has not asked for yet */
	struct buf ids, fronts, counts;
};

/* The tenant's next endpoint that has something due and room for it, behind all others from now on; or NULL.
 */
static struct endpoint *next_in_turn(struct tenant *t, unsigned number)
{
	for (struct endpoint **link = &t->first, *e; (e = *link); link = &e->sibling) {
		if (!e->has_due || !room_of(e) || e->claim == number)
			continue;
		e->claim = number;
		*link = e->sibling;
		if (!e->sibling)
			t->last = link;
		line_up(e);
		return e;
	}
	return NULL;
}

/* Ask for k of an endpoint's. */
static void ask_for(struct claim *c, struct endpoint *e, int k)
{
	char between = c->n ? ',' : '{';

	buf_fmt(&c->ids, "%c%s", between, e->id);
	buf_fmt(&c->fronts, "%c%lld", between, (long long)e->front_us);
	buf_fmt(&c->counts, "%c%d", between, k);
	c->asked[c->n] = e;
	c->slots[c->n++] = k;
	c->free -= k;
	e->tenant->asked += k;
}

/*
 * Share what is free out, to each tenant in turn what one of its endpoints has
 * room for, until it has as many as are left.  The first one is last next time.
 */
static void share_out(struct claim *c)
{
	enum { AT_ONCE = sizeof(c->asked) / sizeof(*c->asked) };
	static unsigned number;
	struct tenant *first = tenants;
	bool goes_on = true;

	number++;
	for (struct tenant *t = tenants; t; t = t->next)
		t->asked = 0;
	while (goes_on) {
		goes_on = false;
		for (struct tenant *t = tenants; t && c->n < AT_ONCE; t = t->next) {
			int room = c->free - t->in_flight - t->asked, k;
			struct endpoint *e = room > 0 ? next_in_turn(t, number) : NULL;

			if (!e)
				continue;
			k = room_of(e);
			k = k < (room + 1) / 2 ? k : (room + 1) / 2; /* each takes one of what is free, too */
			ask_for(c, e, k);
			goes_on = true;
		}
	}
	if (first && first->next) {
		tenants = first->next;
		first->next = NULL;
		*tenants_last = first;
		tenants_last = &first->next;
	}
}

/* Take as many as there is room for.  True: there may be more at once. */
static bool take(void)
{
	struct claim c = { .free = http_multi_room(multi) };
	struct arena a;
	PGresult *res;
	bool more = false;

	arena_init(&a, 16384);
	buf_init(&c.ids, &a, 4096), buf_init(&c.fronts, &a, 4096), buf_init(&c.counts, &a, 1024);
	share_out(&c);
	if (c.n) {
		char lease[12];
		const char *params[4];

		buf_char(&c.ids, '}'), buf_char(&c.fronts, '}'), buf_char(&c.counts, '}');
		snprintf(lease, sizeof(lease), "%ld", cfg.webhook_lease_s);
		params[0] = buf_str(&c.ids), params[1] = buf_str(&c.fronts), params[2] = buf_str(&c.counts);
		params[3] = lease;
		res = ask(span_is_on ? &q_webhook_claim_traced : &q_webhook_claim, params);
		for (int i = 0; res && i < PQntuples(res); i++) {
			const char *id = column_text(res, i, "endpoint");

			for (int k = 0; k < c.n; k++)
				if (!strcmp(c.asked[k]->id, id))
					c.got[k]++;
			item_start(res, i);
		}
		for (int k = 0; res && k < c.n; k++) {
			c.asked[k]->has_due = c.got[k] == c.slots[k]; /* fewer: that was all */
			more = more || (c.got[k] == c.slots[k] && room_of(c.asked[k]));
		}
		PQclear(res);
	}
	arena_release(&a);
	return more;
}

/* ---- what came of it ---- */

static void take_finished(void)
{
	struct item *it;
	enum err rc;

	while ((it = http_multi_next(multi, &rc))) {
		flying[it->place] = flying[--nflying];
		flying[it->place]->place = it->place;
		it->endpoint->in_flight--;
		it->endpoint->tenant->in_flight--;
		it->endpoint->is_slow = it->answer.duration_ms > SLOW_MS;
		delivery_trace_end(it->span, &it->w, &it->call, &it->answer, rc);
		judge(it);
	}
}

/* Of a text from outside, n bytes that JSON and PostgreSQL can hold. */
static void write_text(struct buf *b, const char *p, size_t n)
{
	struct arena *a = b->arena;
	char *copy = arena_dup_n(a, p, n);

	for (size_t i = 0; i < n; i++)
		if (!copy[i])
			copy[i] = ' ';
	jx_text(b, copy, n);
}

/* The head's lines stand apart by NULs (see http_header). */
static void write_head(struct buf *b, const struct http_answer *answer)
{
	struct buf head;

	buf_init(&head, b->arena, 512);
	for (const char *line = answer->head; *line && head.n < WEBHOOK_KEPT_HEAD; line += strlen(line) + 1)
		buf_fmt(&head, "%s%s", head.n ? "\n" : "", line);
	write_text(b, head.p, head.n < WEBHOOK_KEPT_HEAD ? head.n : WEBHOOK_KEPT_HEAD);
}

static const char *error_of(struct arena *a, const struct item *it)
{
	const struct http_answer *answer = &it->answer;

	if (answer->status >= 200 && answer->status < 300)
		return NULL;
	if (answer->status)
		return arena_fmt(a, "status %d", answer->status);
	return answer->reason ? answer->reason : "no answer";
}

static void write_result(struct buf *b, struct item *it)
{
	const struct http_answer *answer = &it->answer;
	size_t kept = answer->body_len < WEBHOOK_KEPT_BODY ? answer->body_len : WEBHOOK_KEPT_BODY;

	jx_next(b), buf_char(b, '{');
	jx_key(b, "tenant"), jx_str(b, it->w.tenant);
	jx_key(b, "endpoint"), jx_str(b, it->endpoint_id);
	jx_key(b, "delivery"), jx_str(b, it->id);
	jx_key(b, "claim"), jx_int(b, it->claim);
	jx_key(b, "outcome"), jx_str(b, outcomes[it->outcome]);
	jx_key(b, "delay_s"), jx_double(b, it->delay_s);
	jx_key(b, "status");
	if (answer->status)
		jx_int(b, answer->status);
	else
		jx_null(b);
	jx_key(b, "error"), jx_str(b, error_of(b->arena, it));
	jx_key(b, "latency_ms"), jx_int(b, answer->duration_ms);
	jx_key(b, "request");
	buf_text(b, it->call.headers ? webhook_headers_shown(b->arena, &it->call) : "{}");
	if (answer->status) {
		jx_key(b, "head"), write_head(b, answer);
		jx_key(b, "body"), write_text(b, answer->body, kept);
	}
	buf_char(b, '}');
}

/* What is to be sent again soon need not wait for the slow poll. */
static void look_again_in(double delay_s)
{
	int64_t at = now_ms() + (int64_t)(delay_s * 1000) + 2;

	if (delay_s > 0 && at < again_at_ms)
		again_at_ms = at;
}

/* Write down what has ended; when PostgreSQL is away it is kept, and tried again. */
static void write_results(void)
{
	char disable_after[24];
	struct buf b;
	struct arena a;
	PGresult *res;
	int n = 0;

	arena_init(&a, 16384);
	buf_init(&b, &a, 16384);
	buf_char(&b, '[');
	for (struct item *it = ended; it && n < WRITE_AT_MOST; it = it->next, n++)
		write_result(&b, it);
	buf_char(&b, ']');
	snprintf(disable_after, sizeof(disable_after), "%ld", cfg.webhook_disable_after_s);
	res = ask(&q_webhook_finish, (const char *const[]){ buf_str(&b), disable_after });
	if (res) {
		if (column_int(res, 0, "switched_off"))
			log_msg(LOG_INFO, NULL, "%lld webhook endpoints switched off",
				(long long)column_int(res, 0, "switched_off"));
		while (n--) {
			struct item *it = ended;

			ended = it->next;
			nended--;
			look_again_in(it->delay_s);
			item_free(it);
		}
		if (!ended)
			ended_tail = &ended;
		PQclear(res);
	}
	arena_release(&a);
}

/* ---- being woken, and told to stop ---- */

static int listen_socket(void)
{
	PGnotify *note;
	PGresult *res;

	if (listener && PQconsumeInput(listener) && PQstatus(listener) == CONNECTION_OK) {
		while ((note = PQnotifies(listener))) {
			poll_at_ms = 0;
			PQfreemem(note);
		}
		return PQsocket(listener);
	}
	PQfinish(listener);
	listener = NULL;
	if (now_ms() < listen_at_ms)
		return -1;
	listen_at_ms = now_ms() + RECONNECT_MS;
	listener = db_connect("ashlar deliverer", NULL, NULL);
	if (!listener)
		return -1;
	res = PQexec(listener, "LISTEN ashlar_deliveries");
	if (PQresultStatus(res) != PGRES_COMMAND_OK) {
		PQfinish(listener);
		listener = NULL;
	}
	PQclear(res);
	poll_at_ms = 0;
	return listener ? PQsocket(listener) : -1;
}

static void watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals < 0)
		abort();
}

static void take_signals(void)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		int64_t left_ms = info.ssi_signo == SIGQUIT ? 0 : cfg.drain_timeout_s * 1000;

		if (!stop_at_ms || now_ms() + left_ms < stop_at_ms)
			stop_at_ms = now_ms() + left_ms;
	}
}

/* The time is up: what was not answered is another process's, perhaps a second time. */
static void hand_back(void)
{
	for (int i = 0; i < nflying; i++)
		item_end(flying[i], BACK);
	nflying = 0;
	while (ended && now_ms() >= db_at_ms)
		write_results();
}

/* ---- the loop ---- */

static void find_work(void)
{
	enum { AT_ONCE = 4 }; /* then calls that are under way have their turn */
	int64_t now = now_ms();

	if (now < db_at_ms)
		return;
	if (now >= poll_at_ms || now >= again_at_ms) {
		again_at_ms = INT64_MAX;
		look(false);
	}
	if (now >= sweep_at_ms)
		look(true);
	for (int i = 0; i < AT_ONCE && tenants && http_multi_room(multi) && take(); i++)
		;
}

static int wait_ms(void)
{
	int64_t now = now_ms(), until = stop_at_ms ? stop_at_ms : poll_at_ms;

	if (!stop_at_ms && again_at_ms < until)
		until = again_at_ms;

	if (ended && ended_since_ms + WRITE_WITHIN_MS < until)
		until = ended_since_ms + WRITE_WITHIN_MS;
	if (until < db_at_ms)
		until = db_at_ms;
	return until <= now ? 0 : until - now > POLL_MS ? POLL_MS : (int)(until - now);
}

_Noreturn void deliver_run(void)
{
	watch_signals();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	multi = http_multi_new((int)cfg.webhook_in_flight);
	flying = calloc((size_t)cfg.webhook_in_flight, sizeof(struct item *));
	if (!multi || !flying)
		abort();
	while (!stop_at_ms || ((nflying || ended) && now_ms() < stop_at_ms)) {
		int fds[] = { signals, listen_socket() };

		if (!stop_at_ms)
			find_work();
		http_multi_wait(multi, fds, 2, wait_ms());
		take_finished();
		if (ended && now_ms() >= db_at_ms &&
		    (now_ms() >= ended_since_ms + WRITE_WITHIN_MS || nended >= WRITE_AT_MOST || !nflying))
			write_results();
		take_signals();
	}
	hand_back();
	PQfinish(listener);
	db_close();
	exit(0);
}
