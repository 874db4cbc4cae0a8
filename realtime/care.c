#include "realtime/care.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/clock.h"
#include "fcgi/log.h"
#include "realtime/channel.h"
#include "realtime/conn.h"
#include "realtime/outbox.h"
#include "realtime/pgarray.h"
#include "realtime/talk.h"

enum {
	BATCH = 1000, /* connections, or places, that are asked about at once */
	LEASE_S = 30,
	BEAT_S = 10,
	ROTATE_S = 5,
	COUNT_S = 10,
};

/* Whoever is thrown out is out within five seconds: asked often enough to leave time for the answer. */
static const double live_s = 2.5, may_s = 2.5;

static struct pg *pg;
static const char *process;
static ev_timer live_timer, may_timer, slow_timer;
static int slow_ticks;

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* Are the sessions, users and foreign subjects still good? */

/* Those that were asked about; each holds a question. */
struct round {
	int n;
	struct conn *conns[BATCH];
};

static void told_dead(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	struct round *r = arg;

	(void)sqlstate;
	(void)message;
	for (int i = 0; rows && i < PQntuples(rows); i++) {
		int nr = atoi(PQgetvalue(rows, i, 0));

		if (nr >= 1 && nr <= r->n)
			conn_doom(r->conns[nr - 1], CLOSE_REVOKED, "REVOKED",
				  "the session has ended, or the account is not active");
	}
	for (int i = 0; i < r->n; i++)
		conn_answered(r->conns[i]);
	free(r);
}

static void ask_live(struct round *r)
{
	struct pgarray tenants, users, sessions, issuers, subjects;
	const char *params[5];
	struct arena a;

	arena_init(&a, 65536);
	pgarray_init(&tenants, &a);
	pgarray_init(&users, &a);
	pgarray_init(&sessions, &a);
	pgarray_init(&issuers, &a);
	pgarray_init(&subjects, &a);
	for (int i = 0; i < r->n; i++) {
		const struct who *who = r->conns[i]->who;
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
	if (!pg_ask(pg, Q_realtime_dead_many, params, told_dead, r))
		told_dead(r, NULL, "08006", NULL);
	arena_release(&a);
}

static void on_live(struct ev_loop *l, ev_timer *w, int events)
{
	struct round *r = NULL;

	(void)l;
	(void)w;
	(void)events;
	if (!pg_is_ready(pg))
		return;
	for (struct conn *c = conns; c; c = c->next) {
		if (c->is_closing)
			continue;
		if (!r)
			r = must(calloc(1, sizeof(*r)));
		c->questions++;
		r->conns[r->n++] = c;
		if (r->n == BATCH) {
			ask_live(r);
			r = NULL;
		}
	}
	if (r)
		ask_live(r);
}

/* May they still listen? */

struct places {
	int n;
	struct {
		struct conn *conn;
		char *channel;
	} at[BATCH];
};

static void told_forbidden(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	struct places *p = arg;

	(void)sqlstate;
	(void)message;
	for (int i = 0; rows && i < PQntuples(rows); i++) {
		int nr = atoi(PQgetvalue(rows, i, 0));
		struct conn *c = nr >= 1 && nr <= p->n ? p->at[nr - 1].conn : NULL;
		struct sub *s =
			c && c->wire && !c->is_closing ? channel_find(c, p->at[nr - 1].channel) : NULL;

		if (s)
			talk_forbid(s);
	}
	for (int i = 0; i < p->n; i++) {
		conn_answered(p->at[i].conn);
		free(p->at[i].channel);
	}
	free(p);
}

static void ask_may(struct places *p)
{
	struct pgarray tenants, users, channels;
	const char *params[3];
	struct arena a;

	arena_init(&a, 65536);
	pgarray_init(&tenants, &a);
	pgarray_init(&users, &a);
	pgarray_init(&channels, &a);
	for (int i = 0; i < p->n; i++) {
		pgarray_add(&tenants, p->at[i].conn->who->tenant_id);
		pgarray_add(&users, p->at[i].conn->who->user_id);
		pgarray_add(&channels, p->at[i].channel);
	}
	params[0] = pgarray_text(&tenants);
	params[1] = pgarray_text(&users);
	params[2] = pgarray_text(&channels);
	if (!pg_ask(pg, Q_realtime_may_many, params, told_forbidden, p))
		told_forbidden(p, NULL, "08006", NULL);
	arena_release(&a);
}

static void on_may(struct ev_loop *l, ev_timer *w, int events)
{
	int64_t now = clock_ns(), due = now - (int64_t)(may_s * 1e9) + 100000000;
	struct places *p = NULL;

	(void)l;
	(void)w;
	(void)events;
	if (!pg_is_ready(pg))
		return;
	for (struct conn *c = conns; c; c = c->next) {
		for (int i = 0; i < c->nsubs && !c->is_closing; i++) {
			struct sub *s = c->subs[i];

			/* One's own is one's own for as long as one may be here at all. */
			if (s->is_own || s->state != SUB_LIVE || s->checked_ns > due)
				continue;
			s->checked_ns = now;
			if (!p)
				p = must(calloc(1, sizeof(*p)));
			c->questions++;
			p->at[p->n].conn = c;
			p->at[p->n++].channel = must(strdup(s->channel->name));
			if (p->n == BATCH) {
				ask_may(p);
				p = NULL;
			}
		}
	}
	if (p)
		ask_may(p);
}

/* The outbox and this process's place in PostgreSQL */

static void beaten(void *arg, const PGresult *rows, const char *sqlstate, const char *message)
{
	(void)arg;
	(void)sqlstate;
	(void)message;
	if (rows && PQntuples(rows) && *PQgetvalue(rows, 0, 0) == 't')
		outbox_join_again();
}

/* Messages by tenant, for the usage of the day. */
static struct tally {
	struct tally *next;
	unsigned long long n;
	char tenant_id[37];
} * tallies;

void care_count(const char *tenant_id, unsigned n)
{
	struct tally *t = tallies;

	if (!n)
		return;
	while (t && strcmp(t->tenant_id, tenant_id) != 0)
		t = t->next;
	if (!t) {
		t = must(calloc(1, sizeof(*t)));
		snprintf(t->tenant_id, sizeof(t->tenant_id), "%s", tenant_id);
		t->next = tallies;
		tallies = t;
	}
	t->n += n;
}

static void count(void)
{
	struct pgarray tenants, counts;
	const char *params[2];
	struct arena a;
	struct tally *t;

	for (struct conn *c = conns; c; c = c->next) {
		care_count(c->who->tenant_id, c->counted);
		c->counted = 0;
	}
	arena_init(&a, 65536);
	pgarray_init(&tenants, &a);
	pgarray_init(&counts, &a);
	while ((t = tallies)) {
		tallies = t->next;
		pgarray_add(&tenants, t->tenant_id);
		pgarray_add_int(&counts, (long long)t->n);
		free(t);
	}
	params[0] = pgarray_text(&tenants);
	params[1] = pgarray_text(&counts);
	if (tenants.n)
		pg_ask(pg, Q_realtime_count, params, NULL, NULL);
	arena_release(&a);
}

static void beat(void)
{
	char lease[8];
	const char *params[] = { process, lease };

	snprintf(lease, sizeof(lease), "%d", LEASE_S);
	pg_ask(pg, Q_realtime_beat, params, beaten, NULL);
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
		pg_ask(pg, Q_realtime_rotate, NULL, NULL, NULL);
	if (slow_ticks % COUNT_S == 0)
		count();
	slow_ticks++;
}

void care_goodbye(void)
{
	count();
	pg_ask(pg, Q_realtime_goodbye, &process, NULL, NULL);
}

void care_open(struct ev_loop *loop, struct pg *connection, const char *id)
{
	pg = connection;
	process = id;
	slow_ticks = 0;
	ev_timer_init(&live_timer, on_live, live_s, live_s);
	ev_timer_init(&may_timer, on_may, may_s / 2, may_s);
	ev_timer_init(&slow_timer, on_slow, 0, 1);
	ev_timer_start(loop, &live_timer);
	ev_timer_start(loop, &may_timer);
	ev_timer_start(loop, &slow_timer);
}
