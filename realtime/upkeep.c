#include "realtime/upkeep.h"

#include <stdlib.h>
#include <string.h>

#include "build/sql/integrations/realtime.h"
#include "lib/base/clock.h"
#include "lib/host/log.h"
#include "realtime/channel.h"
#include "realtime/commands.h"
#include "realtime/pgarray.h"

enum {
	ROUND_MS = 2500, /* who is thrown out is out within five seconds: that leaves time for the answer */
	TICK_MS = 50,
	FEW = 100,    /* are asked about in one tick */
	OUT = 4,      /* questions that are out: with more, a slow PostgreSQL is not asked further */
	BATCH = 1000, /* connections, or places, in one question */
	LEASE_S = 30,
	BEAT_S = 10,
	ROTATE_S = 5,
	COUNT_S = 4, /* a crash loses no more of what is used than five seconds' */
};

static struct pg *pg;
static const char *process;
static ev_timer round_timer, slow_timer;
static int slow_ticks;

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* What is asked about at once: connections, or their places on channels.  Each holds a question. */
struct asked {
	int n;
	struct {
		struct conn *conn;
		char *channel;
	} at[BATCH];
};

static int nout;

static void add(struct asked *q, struct conn *c, const char *channel)
{
	c->questions++;
	q->at[q->n].conn = c;
	q->at[q->n++].channel = channel ? must(strdup(channel)) : NULL;
}

/* The numbers of those for whom the answer is no. */
static void answered(struct asked *q, const PGresult *rows, void (*no)(struct conn *c, const char *channel))
{
	for (int i = 0; rows && i < PQntuples(rows); i++) {
		int nr = atoi(PQgetvalue(rows, i, 0));

		if (nr >= 1 && nr <= q->n)
			no(q->at[nr - 1].conn, q->at[nr - 1].channel);
	}
	for (int i = 0; i < q->n; i++) {
		conn_answered(q->at[i].conn);
		free(q->at[i].channel);
	}
	free(q);
	nout--;
}

/* Are the sessions, users and foreign subjects still good? */

static void end_dead(struct conn *c, const char *channel)
{
	(void)channel;
	conn_doom(c, CLOSE_REVOKED, "REVOKED", "the session has ended, or the account is not active");
}

static void told_dead(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	(void)sqlstate;
	(void)message;
	answered(arg, rows, end_dead);
}

static void ask_live(struct asked *q)
{
	struct pgarray tenants, users, sessions, issuers, subjects;
	const char *params[5];
	struct arena a;

	nout++;
	arena_init(&a, 65536);
	pgarray_init(&tenants, &a);
	pgarray_init(&users, &a);
	pgarray_init(&sessions, &a);
	pgarray_init(&issuers, &a);
	pgarray_init(&subjects, &a);
	for (int i = 0; i < q->n; i++) {
		const struct who *who = q->at[i].conn->who;
		bool is_own = *who->session_id;

		pgarray_add(&tenants, who->tenant_id);
		pgarray_add(&users, who->user_id);
		pgarray_add(&sessions, is_own ? who->session_id : NULL);
		pgarray_add(&issuers, is_own ? NULL : who->issuer);
		pgarray_add(&subjects, is_own ? NULL : who->foreign);
	}
	params[0] = pgarray_text(&tenants);
	params[1] = pgarray_text(&users);
	params[2] = pgarray_text(&sessions);
	params[3] = pgarray_text(&issuers);
	params[4] = pgarray_text(&subjects);
	if (!pg_ask(pg, &q_realtime_dead_many, params, told_dead, q))
		told_dead(q, NULL, "08006", NULL);
	arena_release(&a);
}

/* May they still listen? */

static void end_forbidden(struct conn *c, const char *channel)
{
	struct sub *s = c->wire && !c->is_closing ? channel_find(c, channel) : NULL;

	if (s)
		commands_forbid(s);
}

static void told_forbidden(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	(void)sqlstate;
	(void)message;
	answered(arg, rows, end_forbidden);
}

static void ask_may(struct asked *q)
{
	struct pgarray tenants, users, channels;
	const char *params[3];
	struct arena a;

	nout++;
	arena_init(&a, 65536);
	pgarray_init(&tenants, &a);
	pgarray_init(&users, &a);
	pgarray_init(&channels, &a);
	for (int i = 0; i < q->n; i++) {
		pgarray_add(&tenants, q->at[i].conn->who->tenant_id);
		pgarray_add(&users, q->at[i].conn->who->user_id);
		pgarray_add(&channels, q->at[i].channel);
	}
	params[0] = pgarray_text(&tenants);
	params[1] = pgarray_text(&users);
	params[2] = pgarray_text(&channels);
	if (!pg_ask(pg, &q_realtime_may_many, params, told_forbidden, q))
		told_forbidden(q, NULL, "08006", NULL);
	arena_release(&a);
}

/* The round, which takes all its time: who asks about everybody at once keeps PostgreSQL from all else. */

static struct conn *turn; /* whose it is; NULL: the round is over */
static int64_t round_ns;

static void ask_about(struct conn *c, struct asked **live, struct asked **may, int64_t now)
{
	int64_t recently = now - (ROUND_MS - TICK_MS) * 1000000LL;

	if (c->is_closing)
		return;
	if (!*live)
		*live = must(calloc(1, sizeof(**live)));
	add(*live, c, NULL);
	if ((*live)->n == BATCH) {
		ask_live(*live);
		*live = NULL;
	}
	for (int i = 0; i < c->nsubs; i++) {
		struct sub *s = c->subs[i];

		/* One's own is one's own for as long as one may be here at all. */
		if (s->is_own || s->state != SUB_LIVE || s->checked_ns > recently)
			continue;
		s->checked_ns = now;
		if (!*may)
			*may = must(calloc(1, sizeof(**may)));
		add(*may, c, s->channel->name);
		if ((*may)->n == BATCH) {
			ask_may(*may);
			*may = NULL;
		}
	}
}

static void on_round(struct ev_loop *l, ev_timer *w, int events)
{
	struct asked *live = NULL, *may = NULL;
	int64_t now = clock_ns();
	size_t n = conn_counts.open * TICK_MS / ROUND_MS + 1;
	double left_s;

	(void)events;
	if (!pg_is_ready(pg) || nout > OUT)
		return;
	if (!turn && now - round_ns >= ROUND_MS * 1000000LL) {
		round_ns = now;
		turn = conns;
	}
	if (n < FEW)
		n = FEW;
	for (; turn && n; n--, turn = turn->next)
		ask_about(turn, &live, &may, now);
	if (live)
		ask_live(live);
	if (may)
		ask_may(may);
	left_s = turn ? 0 : ROUND_MS / 1000.0 - (double)(now - round_ns) / 1e9;
	w->repeat = left_s > TICK_MS / 1000.0 ? left_s : TICK_MS / 1000.0;
	ev_timer_again(l, w);
}

/* The outbox and this process's place in PostgreSQL */

static void beaten(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	(void)arg;
	(void)sqlstate;
	(void)message;
	if (rows && PQntuples(rows) && *PQgetvalue(rows, 0, 0) == 't')
		channel_join_again();
}

/* Messages of a connection that has ended since usage was last put down. */
static struct ended {
	struct ended *next;
	unsigned n;
	char tenant_id[37], user_id[37];
} * ended;

void upkeep_gone(struct conn *c)
{
	struct ended *e;

	if (turn == c)
		turn = c->next;
	if (!c->counted)
		return;
	e = must(calloc(1, sizeof(*e)));
	e->n = c->counted;
	memcpy(e->tenant_id, c->who->tenant_id, sizeof(e->tenant_id));
	memcpy(e->user_id, c->who->user_id, sizeof(e->user_id));
	e->next = ended;
	ended = e;
}

/* What is put down at once; the same user may be there several times. */
struct usage {
	struct arena arena;
	struct pgarray tenants, users, counts;
};

static void usage_begin(struct usage *u)
{
	arena_init(&u->arena, 65536);
	pgarray_init(&u->tenants, &u->arena);
	pgarray_init(&u->users, &u->arena);
	pgarray_init(&u->counts, &u->arena);
}

static void usage_send(struct usage *u)
{
	const char *params[3];

	params[0] = pgarray_text(&u->tenants);
	params[1] = pgarray_text(&u->users);
	params[2] = pgarray_text(&u->counts);
	if (u->tenants.n)
		pg_ask(pg, &q_realtime_usage, params, NULL, NULL);
	arena_release(&u->arena);
}

static void usage_add(struct usage *u, const char *tenant_id, const char *user_id, unsigned n)
{
	if (!n)
		return;
	if (u->tenants.n == BATCH) {
		usage_send(u);
		usage_begin(u);
	}
	pgarray_add(&u->tenants, tenant_id);
	pgarray_add(&u->users, user_id);
	pgarray_add_int(&u->counts, n);
}

static void count(void)
{
	struct usage u;
	struct ended *e;

	usage_begin(&u);
	for (struct conn *c = conns; c; c = c->next) {
		usage_add(&u, c->who->tenant_id, c->who->user_id, c->counted);
		c->counted = 0;
	}
	while ((e = ended)) {
		ended = e->next;
		usage_add(&u, e->tenant_id, e->user_id, e->n);
		free(e);
	}
	usage_send(&u);
}

static void beat(void)
{
	char lease[8];
	const char *params[] = { process, lease };

	snprintf(lease, sizeof(lease), "%d", LEASE_S);
	pg_ask(pg, &q_realtime_beat, params, beaten, NULL);
}

/* Once a second. */
static void on_slow(struct ev_loop *l, ev_timer *w, int events)
{
	(void)l;
	(void)w;
	(void)events;
	if (!pg_is_ready(pg))
		return;
	if (slow_ticks % BEAT_S == 0)
		beat();
	if (slow_ticks % ROTATE_S == 0)
		pg_ask(pg, &q_realtime_rotate, NULL, NULL, NULL);
	if (slow_ticks % COUNT_S == 0)
		count();
	slow_ticks++;
}

void upkeep_goodbye(void)
{
	count();
	pg_ask(pg, &q_realtime_goodbye, &process, NULL, NULL);
}

void upkeep_open(struct ev_loop *loop, struct pg *connection, const char *id)
{
	pg = connection;
	process = id;
	slow_ticks = 0;
	ev_timer_init(&round_timer, on_round, TICK_MS / 1000.0, TICK_MS / 1000.0);
	ev_timer_init(&slow_timer, on_slow, 0, 1);
	ev_timer_start(loop, &round_timer);
	ev_timer_start(loop, &slow_timer);
}
